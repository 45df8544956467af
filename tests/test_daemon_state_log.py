"""The log: one line for each change of state, in words, and noise once a minute."""

import logging

import pytest

from daemon.events import BrokerDown, BrokerUp, ClockRead, SignalLost, SignalOpened
from daemon.state_log import NOISE_MS, StateLog
from sim.desk import Desk

UTC_MS = 1_795_000_000_000


class LoggedDesk(Desk):
    """A desk with the log of its loop."""

    def __init__(self):
        self.log = StateLog()
        super().__init__()

    def give(self, event):
        super().give(event)
        self.log.show(self.now_ms, self.snapshot)


@pytest.fixture
def desk(caplog):
    caplog.set_level(logging.INFO)
    return LoggedDesk()


def said(caplog):
    """The lines since the last time."""
    lines = [f"{record.levelname} {record.getMessage()}" for record in caplog.records]
    caplog.clear()
    return lines


def test_start_says_each_state_once(caplog):
    caplog.set_level(logging.INFO)
    desk = LoggedDesk()
    assert said(caplog) == [
        "INFO pad window=3 state=waiting",
        "INFO signal port=/dev/queue state=open",
        "INFO uplink state=down",
        "INFO journal state=sound",
        "INFO pad window=3 state=up",
    ]
    desk.run(10_000)
    assert said(caplog) == []


def test_case_is_one_line_at_its_end_without_outcome(desk, caplog):
    said(caplog)
    for press in (lambda: desk.press(2), lambda: desk.run(20_000)):
        desk.say("called", ticket="A001")
        desk.say("completed", projectNo=f"P{desk.now_ms}")
        press()
        desk.run(4000)
    assert said(caplog) == ["INFO case closed today=1", "INFO case closed today=2"]


def test_links_that_come_and_go_are_a_line_each_with_the_reason(desk, caplog):
    said(caplog)
    desk.unplug()
    desk.replug()
    desk.run(2000)
    desk.give(SignalLost(0, "the cable is out"))
    desk.give(SignalOpened(0))
    desk.give(BrokerUp())
    desk.give(BrokerDown("the broker closed the connection"))
    assert said(caplog) == [
        "WARNING pad window=3 state=lost trouble='unplugged'",
        "WARNING pad window=3 state=lost trouble='the port is open, and nothing was heard yet'",
        "INFO pad window=3 state=up",
        "WARNING signal port=/dev/queue state=lost trouble='the cable is out'",
        "INFO signal port=/dev/queue state=open",
        "INFO uplink state=up",
        "WARNING uplink state=down trouble='the broker closed the connection'",
    ]


def test_clock_that_is_set_and_lost_is_a_line_each(desk, caplog):
    said(caplog)
    desk.give(ClockRead(UTC_MS, True, 20))
    desk.give(ClockRead(UTC_MS, True, 25))
    desk.give(ClockRead(UTC_MS, False, 16_500))
    assert said(caplog) == [
        "INFO clock state=set",
        "WARNING clock state=unset trouble='let the unit reach its time server'",
    ]


def test_disk_that_fails_and_recovers_is_a_line_each(desk, caplog):
    said(caplog)
    desk.journal.fail = "the disk is full"
    desk.say("called", ticket="A001")
    desk.run(3000)
    desk.journal.fail = None
    desk.run(3000)
    assert said(caplog) == [
        "WARNING journal state=failing trouble='the disk is full'",
        "INFO journal state=sound",
    ]


def test_noise_is_said_once_a_minute_and_only_when_there_was_some(desk, caplog):
    said(caplog)
    for _ in range(3):
        desk.hear_bytes(b"\x00\x07noise\x00")
    desk.run(2 * NOISE_MS)
    desk.run(2 * NOISE_MS)
    assert said(caplog) == ["INFO pad window=3 noise damaged=3"]
