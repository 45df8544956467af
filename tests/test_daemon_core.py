"""One completed case, one rating record (A6): whatever the order of anything, against a model."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from daemon.effects import Effect
from daemon.events import BrokerUp, ClockRead, SignalLost, SignalOpened, StopRequested
from protocol.central import chain
from protocol.pad import messages
from sim.desk import RULES, SOURCE, Desk

Promise = Callable[..., None]
UTC_MS = 1_795_000_000_000


def test_start_writes_a_boot_entry_with_what_runs() -> None:
    desk = Desk()
    (boot,) = desk.entries("boot")
    assert boot.data["reason"] == "new_epoch"
    assert boot.data["previous"] is None
    desk.crash()
    first, second = desk.entries("boot")
    assert second.data["reason"] == "start"
    assert second.data["previous"] == {"epoch": first.epoch, "seq": first.seq, "hash": first.hash}


def test_stop_is_written_before_the_process_may_end() -> None:
    desk = Desk()
    desk.journal.fail = "the disk is full"
    desk.give(StopRequested("SIGTERM"))
    assert not desk.stopped
    desk.journal.fail = None
    desk.run(2000)
    assert desk.stopped
    assert desk.entries("stopped")[0].data["reason"] == "SIGTERM"
    assert desk.journal.entries[-1].kind == "stopped"


def test_stop_on_a_disk_that_takes_nothing_is_not_held_up() -> None:
    desk = Desk()
    desk.journal.fail = "the disk is full"
    desk.give(StopRequested("SIGTERM"))
    desk.run(2900)
    assert not desk.stopped
    desk.run(200)
    assert desk.stopped
    assert desk.entries("stopped") == []


def test_thanks_that_end_while_the_next_record_waits_for_the_disk_keep_nobody_busy() -> None:
    desk = Desk(replace(RULES, correction_ms=0, not_public_hold_ms=0))
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.press(1)
    desk.say("completed", projectNo="P2")
    desk.journal.fail = "the disk is full"
    desk.press(2)
    desk.run(5000)
    desk.journal.fail = None
    desk.run(1500)
    assert [rating["outcome"] for rating in desk.ratings] == ["rated", "rated"]


def test_stop_with_a_prompt_open_waits_for_the_disk_alone() -> None:
    desk = Desk()
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.run(RULES.prompt_ms - 500)
    desk.journal.fail = "the disk is full"
    desk.give(StopRequested("SIGTERM"))
    desk.run(2900)
    assert not desk.stopped


def test_stopped_is_the_last_entry_whatever_still_comes() -> None:
    desk = Desk()
    desk.say("called", ticket="A001")
    desk.give(StopRequested("SIGTERM"))
    desk.say("completed", projectNo="P1")
    desk.press(1)
    desk.give(SignalLost(0, "the cable is out"))
    desk.unplug()
    desk.run(5000)
    assert desk.stopped
    assert desk.journal.entries[-1].kind == "stopped"


def test_clock_is_anchored_when_known_and_when_stepped() -> None:
    desk = Desk()
    desk.give(ClockRead(UTC_MS - desk.now_ms, False, 0))
    desk.say("called", ticket="A001")
    assert desk.entries("clock") == []
    desk.give(ClockRead(UTC_MS - desk.now_ms, True, 20))
    desk.give(ClockRead(UTC_MS - desk.now_ms + 400, True, 20))
    desk.give(ClockRead(UTC_MS - desk.now_ms - 3_600_000, True, 20))
    steps = [entry.data["stepMs"] for entry in desk.entries("clock")]
    assert steps == [None, -3_600_000]


def test_clock_that_was_lost_is_in_every_stamp_and_anchored_when_known_again() -> None:
    desk = Desk()
    desk.give(ClockRead(UTC_MS - desk.now_ms, True, 20))
    desk.give(ClockRead(UTC_MS - desk.now_ms, False, 16_500))
    desk.give(SignalLost(0, "the cable is out"))
    (lost,) = desk.entries("signal")
    assert (lost.stamp.synced, lost.stamp.error_ms) == (False, None)
    desk.give(ClockRead(UTC_MS - desk.now_ms + 300, True, 25))
    desk.give(ClockRead(UTC_MS - desk.now_ms + 300, True, 26))
    anchors = [(entry.data["stepMs"], entry.data["errorMs"]) for entry in desk.entries("clock")]
    assert anchors == [(None, 20), (300, 25)]


def test_day_is_summed_up_at_local_midnight() -> None:
    desk = Desk()
    midnight_utc_ms = UTC_MS - (UTC_MS + 8 * 3_600_000) % 86_400_000 + 86_400_000
    desk.give(ClockRead(midnight_utc_ms - 60_000 - desk.now_ms, True, 20))
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.press(1)
    desk.run(61_000)
    (daily,) = desk.entries("daily")
    assert (daily.data["called"], daily.data["completed"]) == (1, 1)
    assert daily.data["rated"] == {"1": 0, "2": 0, "3": 0, "4": 0, "5": 1}
    desk.run(61_000)
    assert len(desk.entries("daily")) == 1


def test_lost_queue_line_and_its_return_are_entries() -> None:
    desk = Desk()
    desk.give(SignalLost(0, "the cable is out"))
    desk.give(SignalLost(0, "the cable is out"))
    desk.give(SignalOpened(0))
    assert [entry.data["state"] for entry in desk.entries("signal")] == ["lost", "back"]


def test_stuck_key_and_foreign_version_are_said_in_words() -> None:
    desk = Desk()
    status = messages.Status(1, 1, 0, 0, 0, 0, 0b00100, 1, 0, 0, 0)
    desk.hear(status)
    desk.hear(messages.Hello(1, 1, 9, b"desk-pad", bytes(8), 1))
    assert [entry.data["reason"][:12] for entry in desk.entries("pad")] == [
        "key 3 is hel", "the pad spea",
    ]  # fmt: skip
    assert desk.screen.name == "out_of_service"


def test_everything_decided_is_published_and_verifies() -> None:
    desk = Desk()
    desk.platform = True
    desk.give(BrokerUp())
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.press(1)
    desk.run(RULES.correction_ms)
    texts = [entry.text for entry in desk.journal.entries]
    assert desk.published == list(range(1, len(texts) + 1))
    assert desk.snapshot.uplink.backlog == 0
    report = chain.verify(texts, {desk.key.kid: desk.key.public}, SOURCE)
    assert list(report.problems) == []


def test_live_entries_overtake_a_backlog_and_all_are_delivered() -> None:
    desk = Desk()
    for number in range(20):
        desk.say("called", ticket=f"A{number:03}", ticketSerial=f"s{number}")
        desk.say("completed", projectNo=f"P{number}")
    backlog = len(desk.journal.entries)
    desk.give(BrokerUp())
    sent = len(desk.published)
    desk.say("called", ticket="A100", ticketSerial="s100")
    desk.say("completed", projectNo="P100")
    live = [seq for seq in desk.published[sent:] if seq > backlog]
    assert live == list(range(backlog + 1, len(desk.journal.entries) + 1))
    assert desk.snapshot.uplink.overtaken == len(live)
    desk.platform = True
    desk.run(5000)
    assert desk.snapshot.uplink.backlog == 0
    assert set(desk.published) == set(range(1, len(desk.journal.entries) + 1))


class Window(RuleBasedStateMachine):
    """Citizens, clerk, cable, disk and power in any order.

    The model: which cases were completed, and which keys were pressed under each prompt.
    """

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.completed: list[str] = []
        self.uncertain: set[str] = set()
        self.pressed: dict[int, list[int]] = {}
        self.disturbed: set[int] = set()
        self.tickets = 0

    # -- clerk

    @rule()
    def call(self) -> None:
        self.tickets += 1
        self.desk.say("called", ticket=f"A{self.tickets:03}", ticketSerial=f"s{self.tickets}")

    @rule(say=st.sampled_from(["recalled", "skipped", "transferred", "prompt", "served"]))
    def say(self, say: str) -> None:
        self.desk.say(say)

    @rule()
    def complete(self) -> None:
        case = f"P{len(self.completed) + len(self.uncertain)}"
        crashes = self.desk.crash_count
        sound = self.desk.core.snapshot(self.desk.now_ms).journal.trouble is None
        self.desk.say("completed", projectNo=case, ticket="T", ticketSerial=f"s{self.tickets}")
        if crashes == self.desk.crash_count and sound and self.desk.journal.fail is None:
            self.completed.append(case)
        else:
            self.uncertain.add(case)

    @rule()
    def complete_again(self) -> None:
        if self.completed:
            self.desk.say(
                "completed", projectNo=self.completed[-1], ticketSerial=f"s{self.tickets}"
            )

    # -- citizen

    @rule(key=st.integers(1, 5), hold_ms=st.sampled_from([10, 200, 1500]))
    def press(self, key: int, hold_ms: int) -> None:
        if self.desk.prompt:
            self.pressed.setdefault(self.desk.prompt, []).append(key)
        self.desk.press(key, hold_ms)

    @rule(keys=st.lists(st.integers(1, 5), min_size=3, max_size=6))
    def mash(self, keys: list[int]) -> None:
        for key in keys:
            self.press(key, 10)

    @rule(ms=st.sampled_from([50, 1000, 3100, 10_500]))
    def wait(self, ms: int) -> None:
        self.desk.run(ms)

    # -- faults

    @rule()
    def unplug(self) -> None:
        self.disturb()
        self.desk.unplug()

    @rule()
    def replug(self) -> None:
        self.desk.replug()

    @rule()
    def restart_pad(self) -> None:
        self.disturb()
        self.desk.restart_pad()

    @rule(power=st.booleans(), off_ms=st.sampled_from([0, 2000, 20_000]))
    def crash(self, power: bool, off_ms: int) -> None:
        self.disturb()
        self.desk.crash(power=power, off_ms=off_ms)

    @rule(effects=st.integers(0, 6))
    def crash_between_effects(self, effects: int) -> None:
        self.disturb()
        left = iter(range(effects))
        self.desk.crash_before = lambda _effect: self._runs_out(left)

    def _runs_out(self, left: Iterator[int]) -> bool:
        if next(left, None) is not None:
            return False
        self.disturb()
        self.desk.crash_before = _never
        return True

    @rule()
    def disk_fails(self) -> None:
        self.disturb()
        self.desk.journal.fail = "the disk is full"

    @rule()
    def disk_works(self) -> None:
        self.desk.journal.fail = None

    def disturb(self) -> None:
        """A press of the prompt now open may be lost with its pad, or come too late."""
        self.disturbed.add(self.desk.prompt)
        self.disturbed.update(range(len(self.desk.entries("service")) + 4))

    # -- what must hold

    @invariant()
    def each_service_has_at_most_one_record(self) -> None:
        Window.steps += 1
        services = [entry.id for entry in self.desk.entries("service")]
        records = Counter(rating["service"] for rating in self.desk.ratings)
        assert set(records) <= set(services)
        assert all(count == 1 for count in records.values())
        assert sum(1 for service in services if service not in records) <= 1

    def teardown(self) -> None:
        self.desk.crash_before = _never
        self.desk.journal.fail = None
        self.desk.replug()
        self.desk.run(RULES.prompt_ms + 10_000)
        services = {entry.id: entry.data for entry in self.desk.entries("service")}
        cases = Counter(data["projectNo"] for data in services.values() if data["projectNo"])
        assert all(count == 1 for count in cases.values())
        if self.tickets:
            assert set(self.completed) <= set(cases)
        assert set(cases) <= {*self.completed, *self.uncertain}
        assert Counter(r["service"] for r in self.desk.ratings) == Counter(list(services))
        for rating in self.desk.ratings:
            self._is_what_was_pressed(rating, services[rating["service"]]["promptId"])
        numbers = [entry.seq for entry in self.desk.journal.entries]
        assert numbers == list(range(1, len(numbers) + 1))

    def _is_what_was_pressed(self, rating: dict[str, object], prompt: int) -> None:
        keys = self.pressed.get(prompt, [])
        if rating["outcome"] == "rated":
            assert rating["key"] in keys
            assert rating["satisfaction"] == 6 - int(str(rating["key"]))
        else:
            assert rating["satisfaction"] is None
            assert not keys or prompt in self.disturbed


def _never(_effect: Effect) -> bool:
    return False


@pytest.mark.promise
def test_one_case_is_one_record_in_any_order(promise: Promise, scale: int) -> None:
    Window.steps = 0
    run_state_machine_as_test(
        Window, settings=settings(max_examples=min(4000, 120 * scale), stateful_step_count=30)
    )
    promise("A6", "clerk, citizen, cable, disk, power in any order: steps", Window.steps, 0)
