"""The queue terminal: what the unit's own dialect understands of it."""

from datetime import date

from daemon.dialects.native import Native
from daemon.wire.signals import Signal
from protocol.pad.framing import Decoder
from sim.clerk import FRAME_LEN_MAX, ITEMS, Clerk

DAY = date(2026, 11, 22)


class Line:
    """A clerk, and what a unit at window 3 hears of him."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.clerk = Clerk(self.frames.append, window="3", day=DAY)
        self._native = Native(("3",), lambda key: key)

    def heard(self) -> list[Signal]:
        data = b"".join(self.frames)
        self.frames.clear()
        return self._native.received(0, data)


def test_clerk_when_saying_anything_then_says_it_three_times_and_is_heard_once() -> None:
    line = Line()
    clerk = line.clerk
    for say in (clerk.login, clerk.call, clerk.recall, clerk.complete, clerk.ask, clerk.logout):
        say()
        assert len(line.frames) == 3
        assert len(set(line.frames)) == 1
        assert len(line.heard()) == 1


def test_clerk_when_completing_then_case_is_whole_and_nobody_is_named() -> None:
    line = Line()
    line.clerk.login()
    line.clerk.call()
    service = line.clerk.complete()
    signal = line.heard()[-1]
    assert (signal.say, signal.ticket, signal.staff) == ("completed", "A001", "0312")
    assert signal.ticket_serial == service.ticket_serial == "20261122-1-A001"
    assert (signal.project_no, signal.service_number) == (service.project_no, 1)
    assert signal.task_name == "居民身份证换领"
    assert signal.task_code is not None
    assert len(signal.task_code) == 31


def test_clerk_when_serving_a_whole_day_then_every_case_is_another_and_fits_a_frame() -> None:
    line = Line()
    cases = set()
    for _ in range(len(ITEMS) * 30):
        line.clerk.call()
        service = line.clerk.complete()
        again = line.clerk.complete(same_case=True)
        assert (again.project_no, again.service_number) == (service.project_no, 2)
        cases |= {(each.project_no, each.service_number) for each in (service, again)}
    assert len(cases) == len(ITEMS) * 60
    assert max(map(len, line.frames)) <= FRAME_LEN_MAX
    decoder = Decoder(FRAME_LEN_MAX)
    bodies = [body for frame in line.frames for byte in frame if (body := decoder.push(byte))]
    assert len(bodies) == len(line.frames)


def test_clerk_when_skipping_then_ticket_is_gone() -> None:
    line = Line()
    line.clerk.call()
    line.clerk.skip()
    assert [signal.say for signal in line.heard()] == ["called", "skipped"]
    assert line.clerk.ticket is None
