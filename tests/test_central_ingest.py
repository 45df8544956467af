"""What the centre decides: whatever arrives in whatever order, each entry once and nothing else."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.asks import Ask
from central.ingest import Arrival, Ingest, Outcome
from central.journal import EPOCH_COUNT_MAX, WAITING_COUNT_MAX, Epoch, Journal, Waiting
from central.judge import NOTE_LEN_MAX
from central.registry import Registry
from central.store import Store
from protocol.central import topics
from protocol.central.chain import Head, verify
from protocol.central.entry import GENESIS, Source, digest, read
from sim.journals import Writer, journal, key

SOURCE, OTHER = Source("330102", "h01", "w03"), Source("330102", "h01", "w04")
UNIT = key(1)
KEYS = {UNIT.kid: UNIT.public}
REGISTRY = Registry({SOURCE: KEYS})
UTC_MS = 1_790_000_000_000


def arrival(text: str, source: Source = SOURCE) -> Arrival:
    return Arrival(topics.up(source, read(text).kind), text.encode())


class Desk:
    """An ingest on a real store, which may lose its memory at any time."""

    def __init__(self, folder: str | Path) -> None:
        self.store = Store(Path(folder, "central.db"))
        self.now_ms = 0
        self.restart()

    def restart(self) -> None:
        self.ingest = Ingest(self.store.hash_at)
        for source in self.store.sources():
            for epoch in self.store.epochs(source):
                waiting = list(self.store.texts(source, epoch.name, above=epoch.upto))
                self.ingest.restore(self.now_ms, source, epoch, waiting)

    def take(self, *arrivals: Arrival) -> Outcome:
        outcome = self.ingest.take(self.now_ms, UTC_MS, arrivals, REGISTRY)
        self.store.commit(outcome)
        return outcome

    def take_texts(self, *texts: str) -> Outcome:
        return self.take(*map(arrival, texts))

    def asks(self) -> list[Ask]:
        """What is asked next, however long that takes."""
        self.now_ms = max(self.now_ms, self.ingest.wake_at_ms() or 0)
        return self.ingest.due(self.now_ms)

    def stored(self) -> list[str]:
        return [row.text for row in self.store.rows()]


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def names(outcome: Outcome) -> list[str]:
    return [finding.problem.name for finding in outcome.findings]


def writer(seed: int = 1) -> Writer:
    return Writer(SOURCE, UNIT, seed)


def test_take_when_entries_come_in_order_then_keeps_them_and_receipts_the_last(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 5)
    outcome = desk.take_texts(*texts)
    assert [kept.entry.text for kept in outcome.kept] == texts
    assert outcome.receipts == [(SOURCE, unit.head)]
    assert outcome.findings == []
    assert desk.stored() == texts


def test_take_when_an_entry_is_repeated_then_receipts_again_and_stores_nothing(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 3)
    desk.take_texts(*texts)
    outcome = desk.take_texts(texts[0], texts[0])
    assert not outcome.changes
    assert outcome.receipts == [(SOURCE, unit.head)]
    assert desk.stored() == texts


def test_take_when_there_is_a_hole_then_waits_asks_and_joins(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 6)
    head = Head.of(read(texts[1]))
    outcome = desk.take_texts(*texts[:2], *texts[4:])
    assert names(outcome) == ["gap"]
    assert outcome.receipts == [(SOURCE, head)]
    assert desk.asks() == [Ask(SOURCE, head.epoch, 3, 4)]
    outcome = desk.take_texts(texts[3], texts[2])
    assert outcome.receipts == [(SOURCE, unit.head)]
    assert desk.asks() == []
    assert desk.stored() == texts


def test_take_when_the_centre_is_new_then_asks_for_the_journal_from_its_start(desk: Desk) -> None:
    texts = journal(writer(), 4)
    outcome = desk.take_texts(texts[3])
    assert outcome.receipts == []
    assert desk.asks() == [Ask(SOURCE, read(texts[0]).epoch, 1, 3)]


def test_take_when_a_number_comes_with_another_text_then_keeps_the_first_and_names_the_fork(
    desk: Desk,
) -> None:
    texts, clone = journal(writer(), 3), writer()
    journal(clone, 2)
    second = clone.write("test", what="other")
    desk.take_texts(*texts)
    outcome = desk.take_texts(second)
    assert names(outcome) == ["fork"]
    assert desk.stored() == texts
    assert [row.text for row in desk.store.problems()] == [second.encode()]


def test_take_when_a_fork_comes_within_one_batch_then_the_first_counts(desk: Desk) -> None:
    clone = writer()
    first = clone.write("boot")
    clone.head = Head(clone.head.epoch, 0, GENESIS)
    assert names(desk.take_texts(first, clone.write("boot"))) == ["fork"]
    assert desk.stored() == [first]


def test_take_when_an_entry_does_not_continue_the_chain_then_quarantines_it_without_receipt(
    desk: Desk,
) -> None:
    unit = writer()
    texts = journal(unit, 3)
    unit.head = Head(unit.head.epoch, 3, "ab" * 32)
    broken = unit.write("rating")
    desk.take_texts(*texts)
    outcome = desk.take_texts(broken)
    assert names(outcome) == ["broken_chain"]
    assert outcome.receipts == [(SOURCE, Head.of(read(texts[2])))]
    assert desk.stored() == texts
    assert [row.text for row in desk.store.problems()] == [broken.encode()]


def test_take_when_what_waited_does_not_fit_then_moves_it_out_and_asks_for_the_right_one(
    desk: Desk,
) -> None:
    unit, clone = writer(), writer()
    texts = journal(unit, 6)
    journal(clone, 2)
    strangers = [clone.write("test", what="other") for _ in range(3)]
    desk.take_texts(texts[0], strangers[2], texts[5])
    outcome = desk.take_texts(*texts[1:4])
    assert [displaced.problem.name for displaced in outcome.displaced] == ["broken_chain"]
    assert desk.store.problems()[-1].text == strangers[2].encode()
    assert desk.asks() == [Ask(SOURCE, unit.head.epoch, 5, 5)]
    desk.take_texts(texts[4])
    assert desk.stored() == texts


def test_take_when_a_new_epoch_follows_the_old_then_accepts_it_and_remembers_both(
    desk: Desk,
) -> None:
    unit = writer()
    old = journal(unit, 3)
    old_head = unit.head
    new = [unit.begin_epoch(), *journal(unit, 2)]
    outcome = desk.take_texts(*old, *new)
    assert names(outcome) == []
    assert outcome.receipts == [(SOURCE, old_head), (SOURCE, unit.head)]
    assert [epoch.name for epoch in desk.store.epochs(SOURCE)] == [
        old_head.epoch,
        unit.head.epoch,
    ]


def test_take_when_a_new_epoch_hides_the_tail_of_the_old_then_names_the_rollback(
    desk: Desk,
) -> None:
    unit = writer()
    texts = journal(unit, 5)
    outcome = desk.take_texts(*texts, unit.begin_epoch(previous=Head.of(read(texts[2]))))
    assert names(outcome) == ["rollback"]
    assert len(desk.stored()) == 6


def test_take_when_an_epoch_that_ended_goes_on_then_names_the_rollback(desk: Desk) -> None:
    unit, old = writer(), writer()
    texts = journal(unit, 3)
    journal(old, 3)
    outcome = desk.take_texts(*texts, unit.begin_epoch(), old.write("rating"))
    assert names(outcome) == ["rollback"]


def test_take_when_the_tail_of_an_ended_epoch_is_missing_then_asks_for_it(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 5)
    old_epoch = unit.head.epoch
    outcome = desk.take_texts(*texts[:3], unit.begin_epoch())
    assert names(outcome) == ["gap"]
    assert desk.asks() == [Ask(SOURCE, old_epoch, 4, 5)]
    desk.take_texts(*texts[3:])
    assert desk.asks() == []


def test_take_when_a_whole_epoch_is_missing_then_asks_for_it_and_puts_it_in_its_place(
    desk: Desk,
) -> None:
    unit = writer()
    first = journal(unit, 2)
    second = [unit.begin_epoch(), *journal(unit, 2)]
    missing = unit.head.epoch
    third = [unit.begin_epoch()]
    assert names(desk.take_texts(*first, *third)) == ["gap"]
    desk.restart()
    assert desk.asks() == [Ask(SOURCE, missing, 1, 3)]
    assert names(desk.take_texts(*second)) == []
    assert desk.stored() == [*first, *second, *third]
    assert verify(desk.stored(), KEYS, SOURCE).problems == ()


def test_take_when_an_epoch_says_it_follows_itself_then_names_it_and_goes_on(desk: Desk) -> None:
    unit = writer()
    itself = {"epoch": unit.head.epoch, "seq": 5, "hash": "ab" * 32}
    outcome = desk.take_texts(unit.write("boot", previous=itself), unit.write("rating"))
    assert names(outcome) == ["gap"]
    assert outcome.receipts == [(SOURCE, unit.head)]


def test_place_when_a_unit_begins_epochs_without_end_then_refuses_more() -> None:
    stuck = Journal()
    for number in range(EPOCH_COUNT_MAX):
        stuck.restore(Epoch(f"{number:016x}", number + 1, 1))
    placed = stuck.place(read(writer().write("boot")))
    assert not placed.kept
    assert [problem.name for problem in placed.problems] == ["rollback"]


def test_take_when_data_do_not_keep_the_schema_then_stores_receipts_and_remarks(
    desk: Desk,
) -> None:
    unit = writer()
    outcome = desk.take_texts(unit.write("boot"), unit.write("rating", satisfaction=9))
    assert names(outcome) == ["schema"]
    assert [problem.name for problem in outcome.kept[1].problems] == ["schema"]
    assert outcome.receipts == [(SOURCE, unit.head)]


def bad_messages() -> list[tuple[str, Arrival]]:
    good, other, forger = writer().write("boot"), Writer(OTHER, UNIT, 1), Writer(SOURCE, key(2), 1)
    up = topics.up(SOURCE, "boot")
    return [
        ("bad_topic", Arrival("somewhere/else", good.encode())),
        ("bad_topic", Arrival(topics.down(SOURCE, topics.ASK), good.encode())),
        ("unknown_unit", arrival(other.write("boot"), OTHER)),
        ("wrong_source", Arrival(up, Writer(OTHER, UNIT, 1).write("boot").encode())),
        ("wrong_topic", Arrival(topics.up(SOURCE, "rating"), good.encode())),
        ("unknown_key", Arrival(up, forger.write("boot").encode())),
        ("bad_entry", Arrival(up, b"\x00\xff")),
        ("not_canonical", Arrival(up, good.encode() + b" ")),
        ("bad_signature", Arrival(up, good.replace("start", "stark").encode())),
        ("bad_note", Arrival(topics.up(SOURCE, topics.HEALTH), b"x" * (NOTE_LEN_MAX + 1))),
        ("bad_note", Arrival(topics.up(SOURCE, topics.STATE), b"\xff")),
    ]


@pytest.mark.parametrize(("name", "message"), bad_messages(), ids=lambda value: str(value)[:12])
def test_take_when_a_message_is_bad_then_quarantines_it_and_the_stream_goes_on(
    desk: Desk, name: str, message: Arrival
) -> None:
    texts = journal(writer(), 2)
    outcome = desk.take(arrival(texts[0]), message, message, arrival(texts[1]))
    assert names(outcome) == [name, name]
    assert desk.stored() == texts
    (row,) = desk.store.problems()
    assert (row.name, row.seen_count, row.text) == (name, 2, message.payload)


def test_take_when_state_or_health_comes_then_notes_the_latest(desk: Desk) -> None:
    state, health = topics.up(SOURCE, topics.STATE), topics.up(SOURCE, topics.HEALTH)
    outcome = desk.take(Arrival(state, b"off"), Arrival(health, b"{}"), Arrival(state, b"on"))
    assert (outcome.kept, outcome.receipts) == ([], [])
    assert desk.store.notes() == {(str(SOURCE), "state"): "on", (str(SOURCE), "health"): "{}"}


def test_place_when_too_many_wait_then_leaves_the_rest_to_be_sent_again() -> None:
    unit = writer()
    journal(unit, 1)
    entry = read(unit.write("rating"))
    full = Epoch(unit.head.epoch, 1)
    full.waiting = dict.fromkeys(range(100, 100 + WAITING_COUNT_MAX), Waiting("", ""))
    stuck = Journal()
    stuck.restore(full)
    placed = stuck.place(entry)
    assert not placed.kept
    assert [problem.name for problem in placed.problems] == ["gap"]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """A journal's length and batches of positions: any order, any repetition, any loss."""
    count = draw(st.integers(1, 12))
    batches = st.lists(st.lists(st.integers(0, count - 1), max_size=8), max_size=6)
    return count, draw(batches)


@settings(max_examples=40)
@given(
    deliveries(), st.integers(0, 3), st.sets(st.integers(0, 8)), st.randoms(use_true_random=False)
)
def test_ingest_when_deliveries_are_disturbed_then_each_entry_is_stored_once_in_the_end(
    delivery: tuple[int, list[list[int]]], epoch_count: int, restarts: set[int], chance: Any
) -> None:
    count, batches = delivery
    unit = writer(chance.randrange(100))
    texts = journal(unit, count)
    for _ in range(epoch_count):
        texts += [unit.begin_epoch(), *journal(unit, chance.randrange(4))]
    by_number = {(entry.epoch, entry.seq): entry.text for entry in map(read, texts)}
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(folder)
        for number, batch in enumerate(batches):
            desk.take_texts(*(chance.choice(texts[position:]) for position in batch))
            if number in restarts:
                desk.restart()
        receipts: list[tuple[Source, Head]] = []
        for _ in range(100):
            # The unit sends its last entry until that has a receipt, and answers each ask,
            # in any order and with losses.
            receipts += desk.take_texts(texts[-1]).receipts
            answers = [
                by_number[ask.epoch, seq]
                for ask in desk.asks()
                for seq in range(ask.first, ask.last + 1)
                if chance.random() < 0.7
            ]
            chance.shuffle(answers)
            receipts += desk.take_texts(*answers).receipts
            if len(desk.stored()) == len(texts):
                break
        assert desk.stored() == texts
        assert receipts[-1] == (SOURCE, unit.head)
        assert {row.name for row in desk.store.problems()} <= {"gap"}
        assert desk.ingest.wake_at_ms() is None
        desk.store.close()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_ingest_when_a_clone_speaks_too_then_what_is_receipted_is_one_unbroken_chain(
    deliveries: list[tuple[int, bool]],
) -> None:
    unit, clone = writer(), writer()
    genuine = journal(unit, 10)
    cloned = [*journal(clone, 4), *(clone.write("test", what="other") for _ in range(6))]
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(folder)
        for position, by_clone in deliveries:
            outcome = desk.take_texts((cloned if by_clone else genuine)[position])
            for _, head in outcome.receipts:
                chained = list(desk.store.texts(SOURCE, head.epoch))[: head.seq]
                assert digest(chained[-1]) == head.hash
                assert verify(chained, KEYS, SOURCE).problems == ()
        desk.store.close()
