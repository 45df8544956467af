"""The world's checks: each fails when it should, on the smallest history that breaks it."""

from typing import Any

import pytest

from protocol.central.chain import Problem
from protocol.central.entry import Draft, Source, Stamp
from protocol.central.signing import SigningKey
from protocol.pad import messages
from sim.clocks import Clocks
from sim.stores import MemoryJournal
from sim.world.agenda import Agenda
from sim.world.broken import Broken
from sim.world.checks import Checks, Journal, Press
from sim.world.plan import draw

SOURCE = Source("330102", "h01", "w01")
CASE = ("P1", 1)


class Written:
    """A journal of one window, written entry by entry, and its checks."""

    def __init__(self) -> None:
        self.plan = draw(0)
        self.checks = Checks(Agenda(), self.plan)
        self.checks.journals[SOURCE] = Journal()
        self.journal = MemoryJournal(SOURCE, SigningKey.from_seed(bytes(32)))

    def write(self, kind: str, **data: Any) -> str:
        seq = self.journal.last_seq + 1
        stamp = Stamp("boot-1", 1000 * seq, None, False, None)
        draft = Draft(seq, kind, "P1", {"window": "1", **data}, stamp)
        self.checks.wrote(SOURCE, self.journal.commit((draft,), {}))
        return f"00000000000000aa-{seq}"

    def service(self, prompt: int = 1) -> str:
        return self.write("service", promptId=prompt, projectNo=CASE[0], serviceNumber=CASE[1])

    def rating(self, service: str, **changes: Any) -> str:
        edges = [{"key": 2, "down": True, "msFromPrompt": 1}]
        rated = {
            "service": service, "projectNo": CASE[0], "serviceNumber": CASE[1], "outcome": "rated",
            "pressedAt": {"bootId": "boot-1", "boottimeMs": 0}, "satisfaction": 4, "key": 2,
            "presses": 1, "edges": edges, "reasonKey": None,
            "isDefault": False,
        }  # fmt: skip
        return self.write("rating", **rated | changes)

    def press(self, key: int = 2, *, prompt: int = 1, is_acked: bool = False) -> None:
        press = Press(key, 0, is_in_time=True, is_acked=is_acked)
        self.checks.presses["1", prompt].append(press)


@pytest.fixture
def written() -> Written:
    return Written()


UNRATED: dict[str, Any] = {"outcome": "timeout", "satisfaction": None, "key": None, "edges": []}


def test_one_press_of_one_service_is_its_record(written: Written) -> None:
    service = written.service()
    written.press(is_acked=True)
    written.rating(service)
    written.checks.last_case(SOURCE, "1", CASE)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": 3, "satisfaction": 3}, "says key 3"),
        ({"satisfaction": 5}, "is not level 5"),
        ({"isDefault": True}, "with level 4"),
        ({**UNRATED, "satisfaction": 5}, "timeout with level 5"),
        ({**UNRATED}, "was acknowledged before"),
        ({"service": "00000000000000aa-9"}, "which is no service"),
        ({"edges": [{"key": 2, "down": True}, {"key": 2, "down": True}]}, "pressed were"),
    ],
)
def test_record_that_is_not_what_was_pressed(
    written: Written, changes: dict[str, Any], says: str
) -> None:
    service = written.service()
    written.press(is_acked=True)
    with pytest.raises(Broken, match=says):
        written.rating(**{"service": service} | changes)


def test_rating_that_nobody_pressed(written: Written) -> None:
    service = written.service()
    with pytest.raises(Broken, match="pressed were"):
        written.rating(service)


def test_second_record_of_a_service(written: Written) -> None:
    service = written.service()
    written.press()
    written.rating(service)
    with pytest.raises(Broken, match="has a record already"):
        written.rating(service)


def test_prompt_that_is_asked_twice(written: Written) -> None:
    written.service()
    with pytest.raises(Broken, match="was asked before"):
        written.service()


def test_case_that_is_asked_about_twice(written: Written) -> None:
    written.service(1)
    with pytest.raises(Broken, match="was asked about before"):
        written.service(2)


def test_hold_that_is_public_all_the_same(written: Written) -> None:
    plan = next(plan for plan in map(draw, range(50)) if plan.rules.correction_ms)
    checks = Checks(Agenda(), plan)
    counted = checks.journals.setdefault(SOURCE, Journal()).windows["1"]
    counted.services[1] = "service"
    checks.presses["1", 1].append(Press(2, 0, is_in_time=True, held_ms=2_000))
    record = {"projectNo": None, "serviceNumber": None, "key": 2, "outcome": "rated"}
    counted.ratings["service"] = {**record, "public": False}
    checks.calm("1", SOURCE, [])
    counted.ratings["service"] = {**record, "public": True}
    with pytest.raises(Broken, match="held for 2000 ms, and public is True"):
        checks.calm("1", SOURCE, [])


def test_record_that_says_an_earlier_key(written: Written) -> None:
    service = written.service()
    written.press(2)
    written.press(5)
    edges = [{"key": 2, "down": True}, {"key": 5, "down": True}]
    with pytest.raises(Broken, match="the last one was 5"):
        written.rating(service, presses=2, edges=edges)


def test_delivered_without_a_receipt_and_receipt_of_what_was_never_written(
    written: Written,
) -> None:
    written.service()
    with pytest.raises(Broken, match="1 is delivered, receipted is None"):
        written.checks.delivered(SOURCE, 1)
    with pytest.raises(Broken, match="never wrote"):
        written.checks.receipt(SOURCE, 1, "0" * 64)
    (entry,) = written.journal.entries
    written.checks.receipt(SOURCE, 1, entry.hash)
    written.checks.delivered(SOURCE, 1)


def test_entry_that_does_not_follow(written: Written) -> None:
    written.service()
    other = Written()
    other.service()
    with pytest.raises(Broken, match="does not follow"):
        written.checks.wrote(SOURCE, other.journal.entries[:1])


def test_end_with_a_service_without_record_and_entries_without_receipt(written: Written) -> None:
    service = written.service()
    clocks = Clocks(1_795_000_000_000_000)
    clocks.boot("boot-1", count_us=0, wall_us=0)
    clocks.run(10_000_000)
    with pytest.raises(Broken, match="has no record"):
        written.checks.finish(SOURCE, clocks)
    written.press()
    written.rating(service)
    with pytest.raises(Broken, match="2 of 2 entries are not receipted"):
        written.checks.finish(SOURCE, clocks)
    written.checks.receipt(SOURCE, 2, written.journal.entries[-1].hash)
    written.checks.finish(SOURCE, clocks)


def test_press_that_is_said_to_have_been_at_another_time(written: Written) -> None:
    clocks = Clocks(1_795_000_000_000_000)
    clocks.boot("boot-1", count_us=0, wall_us=0)
    clocks.run(10_000_000)
    service = written.service()
    written.press()
    written.rating(service, pressedAt={"bootId": "boot-1", "boottimeMs": 4_000})
    written.checks.receipt(SOURCE, 2, written.journal.entries[-1].hash)
    with pytest.raises(Broken, match="a time that is 4000 ms off"):
        written.checks.finish(SOURCE, clocks)


def test_time_that_lies_outside_its_interval(written: Written) -> None:
    clocks = Clocks(1_795_000_000_000_000)
    clocks.boot("boot-1", count_us=0, wall_us=0)
    clocks.run(10_000_000)
    # An hour later than it truly was.
    written.write("clock", utcMs=1_795_003_600_000, errorMs=10, stepMs=None)
    written.checks.receipt(SOURCE, 1, written.journal.entries[-1].hash)
    with pytest.raises(Broken, match="is not in"):
        written.checks.finish(SOURCE, clocks)


def test_platform_that_finds_a_fork_in_a_sound_unit(written: Written) -> None:
    with pytest.raises(Broken, match="the platform says fork"):
        written.checks.found(str(SOURCE), Problem("fork", 3, "two entries 3"))


@pytest.mark.parametrize(
    ("at_ms", "key", "counts"), [(1_000, 5, {5}), (3_000, 5, {2, 5}), (9_000, 5, {2})]
)
def test_model_of_a_correction(at_ms: int, key: int, counts: set[int]) -> None:
    plan = next(plan for plan in map(draw, range(50)) if plan.rules.correction_ms == 3_000)
    presses = [Press(2, 0, is_in_time=True), Press(key, at_ms, is_in_time=True)]
    assert Checks(Agenda(), plan).model(presses) == counts
    assert Checks(Agenda(), plan).model([]) == {None}


def test_faces_that_the_disk_does_not_bear_out(written: Written) -> None:
    counted = written.checks.journals[SOURCE].windows["1"]
    with pytest.raises(Broken, match="asks for prompt 4, which is not on disk"):
        written.checks.shown("1", messages.PLEASE_RATE, 4, counted)
    written.rating(written.service(), **UNRATED)
    with pytest.raises(Broken, match="thanks, and the last record is timeout"):
        written.checks.shown("1", messages.THANKS, 0, counted)


def test_edge_that_is_acknowledged_before_it_is_on_disk(written: Written) -> None:
    written.checks.acked("1", 7, 3, {"boot_id": 7, "seq": 3})
    for durable in ({}, {"boot_id": 7, "seq": 2}, {"boot_id": 6, "seq": 9}):
        with pytest.raises(Broken, match="edge 3 was acknowledged"):
            written.checks.acked("1", 7, 3, durable)


def test_agenda_in_which_time_stands_still() -> None:
    agenda = Agenda()

    def again() -> None:
        agenda.after(0, again)

    again()
    with pytest.raises(Broken, match="time stands still"):
        agenda.run(1)
