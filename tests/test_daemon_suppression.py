"""Each way to keep ratings from being made leaves a trace that names it (A7), up to the centre."""

import re
from contextlib import closing

import pytest

from central.config import AlarmConfig, StoreConfig
from central.judge import Arrival, admit
from central.registry import Registry, Unit
from central.store import Store
from central.tables import open_database
from daemon.events import BrokerDown, BrokerUp, ClockRead, SignalLost, StopRequested
from protocol.central import topics
from protocol.pad import messages
from sim.desk import SOURCE, Desk

LIMITS = AlarmConfig(silent_ms=300_000, gap_ms=30_000, withheld_ms=600_000)
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
# Half past eleven at night in the hall: the day is summed up soon.
UTC_MS = 1_794_999_600_000 - 1_794_999_600_000 % (24 * HOUR_MS) + 15 * HOUR_MS + HOUR_MS // 2


class Watched:
    """A desk and the real centre that hears of it what the broker would carry."""

    def __init__(self, store, key):
        self.desk = Desk()
        self.store = store
        self.registry = Registry({SOURCE: Unit.of(key)})
        self.carried = self.told = 0
        self.clock_ms = UTC_MS - self.desk.now_ms
        self.desk.give(ClockRead(self.clock_ms, True, 20))
        self.desk.give(BrokerUp())

    @property
    def now_utc_ms(self):
        return self.desk.now_ms + self.clock_ms

    def carry(self, but=""):
        """Bring what is new to the centre, but entries of a kind that somebody keeps from it."""
        entries, reports = self.desk.journal.entries, self.desk.reports
        arrivals = [
            Arrival(topics.up(SOURCE, entry.kind), entry.text.encode())
            for entry in entries[self.carried :]
            if entry.kind != but
        ]
        health = topics.up(SOURCE, topics.HEALTH)
        arrivals += [Arrival(health, report) for report in reports[self.told :]]
        self.carried, self.told = len(entries), len(reports)
        admitted = [admit(each, self.registry, self.now_utc_ms) for each in arrivals]
        self.store.take(admitted, self.now_utc_ms, lambda _, epoch: f"receipt {epoch.upto}")

    def serve(self, for_ms):
        """Time in which unit and centre hear each other."""
        for _ in range(for_ms // MINUTE_MS):
            self.desk.run(MINUTE_MS)
            self.carry()

    def dark(self, for_ms):
        """Time in which nothing comes from the unit; the centre is the only one to notice."""
        self.desk.now_ms += for_ms

    def alarms(self):
        self.store.alarms.watch(self.now_utc_ms, LIMITS)
        return {alarm.name: alarm.sentence for alarm in self.store.alarms.all()}

    def ask(self, number=1):
        self.desk.say("called", ticket=f"A{number:03}")
        self.desk.say("completed", projectNo=f"P{number}")

    def facts(self, kind):
        return [(one.data["state"], one.data["reason"]) for one in self.desk.entries(kind)]

    def outcomes(self):
        return [rating["outcome"] for rating in self.desk.ratings]


@pytest.fixture
def unit(tmp_path):
    config = StoreConfig(database=tmp_path / "central.db", url=None)
    with closing(open_database(config)) as database:
        watched = Watched(Store(database), Desk().key.public)
        watched.serve(2 * MINUTE_MS)
        assert watched.alarms() == {}
        yield watched


@pytest.fixture
def named(promise):
    """Report one way as named."""

    def report(way):
        promise("A7", f"suppressed and named: {way}", 1)

    return report


pytestmark = pytest.mark.promise


def test_pad_when_unplugged_is_an_entry_and_the_outcome_of_its_case(unit, named):
    unit.ask()
    unit.desk.unplug()
    unit.desk.run(20_000)
    assert ("lost", "unplugged") in unit.facts("pad")
    assert unit.outcomes() == ["pad_lost"]
    unit.desk.replug()
    unit.desk.run(3000)
    (back,) = [one for one in unit.desk.entries("pad") if one.data["state"] == "back"]
    assert back.data["since"] is not None
    named("pad unplugged")


def test_queue_line_when_unplugged_is_an_entry(unit, named):
    unit.desk.give(SignalLost(0, "/dev/haochaping/signal does not exist: plug the cable in"))
    ((state, reason),) = unit.facts("signal")
    assert (state, reason.partition(":")[0]) == ("lost", "/dev/haochaping/signal does not exist")
    named("queue line unplugged")


def test_power_when_cut_is_silence_at_the_centre_and_the_case_is_interrupted(unit, named):
    unit.ask()
    unit.carry()
    unit.dark(HOUR_MS)
    assert "nothing heard since" in unit.alarms()["silent_unit"]
    unit.desk.crash(power=True)
    boot = unit.desk.entries("boot")[-1]
    assert (boot.data["reason"], boot.data["prompts"]) == ("start", {"3": "interrupted"})
    assert unit.outcomes() == ["interrupted"]
    assert unit.desk.entries("stopped") == []
    unit.desk.give(BrokerUp())
    unit.carry()
    assert "silent_unit" not in unit.alarms()
    named("power cut")


def test_network_when_cut_is_silence_at_the_centre_and_every_rating_comes_later(unit, named):
    unit.desk.give(BrokerDown("broker:8883 cannot be reached"))
    for number in range(1, 7):
        unit.ask(number)
        unit.desk.press(1)
        unit.desk.run(2 * MINUTE_MS)
    assert "nothing heard since" in unit.alarms()["silent_unit"]
    unit.desk.give(BrokerUp())
    unit.carry()
    assert unit.alarms() == {}
    assert unit.outcomes() == ["rated"] * 6
    named("network cut")


def test_rating_when_held_back_on_the_way_is_a_gap(unit, named):
    unit.ask()
    unit.desk.press(5)
    unit.desk.run(4000)
    unit.carry(but="rating")
    unit.ask(2)
    unit.serve(2 * MINUTE_MS)
    assert "are missing and do not come" in unit.alarms()["gap"]
    named("a rating held back on the way")


def test_daemon_when_killed_is_silence_and_a_start_without_a_stop(unit, named):
    unit.ask()
    unit.carry()
    unit.dark(HOUR_MS)
    assert "silent_unit" in unit.alarms()
    unit.desk.crash()
    assert unit.desk.entries("stopped") == []
    before, boot = unit.desk.entries("boot")
    assert boot.stamp.boot_id == before.stamp.boot_id
    assert boot.data["previous"]["seq"] == boot.seq - 1
    unit.desk.run(20_000)
    assert unit.outcomes() == ["interrupted"]
    named("daemon killed")


def test_daemon_when_stopped_says_who_asked(unit, named):
    unit.desk.give(StopRequested("SIGTERM"))
    assert unit.desk.entries("stopped")[-1].data["reason"] == "SIGTERM"
    named("daemon stopped")


def test_terminal_when_paused_takes_no_question_back_and_the_day_tells_of_the_rest(unit, named):
    unit.ask()
    unit.desk.say("suspended")
    assert unit.desk.screen.name == "please_rate"
    unit.desk.press(1)
    unit.desk.run(4000)
    assert unit.outcomes() == ["rated"]
    for number in range(2, 6):
        unit.desk.say("called", ticket=f"A{number:03}")  # and its case is never said to be done
    unit.desk.run(HOUR_MS)
    daily = unit.desk.entries("daily")[-1]
    assert (daily.data["called"], daily.data["completed"]) == (5, 1)
    named("terminal paused, cases not completed")


def test_key_when_held_down_is_an_entry_that_says_which(unit, named):
    unit.ask()
    unit.desk.hear(messages.Status(1, 1, 0, 0, 0, 0, 0b00100, 1, 0, 0, 0))
    unit.desk.run(20_000)
    assert ("faulty", "key 3 is held down: free it") in unit.facts("pad")
    assert unit.outcomes() == ["timeout"]
    named("key held down")


def test_disk_when_full_is_an_entry_that_says_for_how_long(unit, named):
    unit.desk.say("called", ticket="A001")
    unit.desk.journal.fail = "journal.db: the disk is full: make room"
    unit.desk.say("completed", projectNo="P1")
    assert unit.desk.screen.name == "out_of_service"
    unit.desk.run(5 * MINUTE_MS)
    unit.desk.journal.fail = None
    unit.desk.run(20_000)
    (told,) = unit.desk.entries("test")
    assert (told.data["what"], told.data["ok"]) == ("store", False)
    said = r"nothing could be written for 30[01] s: journal.db: the disk is full: make room"
    assert re.fullmatch(said, told.data["detail"])
    assert unit.outcomes() == ["timeout"]
    unit.carry()
    assert unit.alarms() == {}
    named("disk full")
