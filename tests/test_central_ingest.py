"""What the centre decides: whatever arrives in whatever order, each entry once and nothing else."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central import ingest
from central.archive import Archive
from central.asks import FIRST_MS, RETRY_MS_MAX, Ask
from central.config import StoreConfig
from central.ingest import Outcome
from central.journal import EPOCH_COUNT_MAX, WAITING_COUNT_MAX, Epoch, Journal, Waiting
from central.judge import (
    ALARM_OF,
    CLOCK_MS_MAX,
    NOTE_LEN_MAX,
    STEP_MS_MAX,
    UNKNOWN_MS_MAX,
    Arrival,
    admit,
)
from central.registry import Registry, Unit
from central.store import Store
from central.tables import open_database
from protocol.central import schema, topics
from protocol.central.canonical import canonical
from protocol.central.chain import Head, verify
from protocol.central.entry import GENESIS, TEXT_LEN_MAX, Source, digest, read
from sim.journals import BOOT_UTC_MS, Writer, journal, key

SOURCE, OTHER = Source("330102", "h01", "w03"), Source("330102", "h01", "w04")
UNIT, REVOKED = key(1), key(7)
KEYS = {UNIT.kid: UNIT.public}
REGISTRY = Registry(
    {
        SOURCE: Unit(
            {**KEYS, REVOKED.kid: REVOKED.public}, {REVOKED.kid: "2026-11-01T00:00:00Z"}, "3"
        )
    }
)
UTC_MS = BOOT_UTC_MS + 3_600_000


def arrival(text: str, source: Source = SOURCE) -> Arrival:
    return Arrival(topics.up(source, read(text).kind), text.encode())


class Desk:
    """A worker without a broker: what arrives is decided and stored. It remembers nothing."""

    def __init__(self, config: StoreConfig) -> None:
        database = open_database(config)
        self.store, self.archive = Store(database), Archive(database)
        self.now_ms = UTC_MS

    def take(self, *arrivals: Arrival) -> Outcome:
        admitted = [admit(each, REGISTRY, self.now_ms) for each in arrivals]
        return self.store.take(admitted, self.now_ms, lambda _, epoch: f"receipt {epoch.upto}")

    def take_texts(self, *texts: str) -> Outcome:
        return self.take(*map(arrival, texts))

    def asks(self) -> list[Ask]:
        """What is asked next, however long that takes."""
        self.now_ms += RETRY_MS_MAX
        return self.store.take_due_asks(self.now_ms)

    def stored(self) -> list[str]:
        return [row.text for row in self.archive.rows()]

    def alarms(self) -> list[tuple[str, str]]:
        return [(alarm.source, alarm.name) for alarm in self.store.alarms.all()]


def heads(outcome: Outcome) -> list[tuple[Source, Head]]:
    return [(source, epoch.head) for source, epoch in outcome.receipts]


@pytest.fixture
def desk(store_config: StoreConfig) -> Any:
    desk = Desk(store_config)
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
    assert heads(outcome) == [(SOURCE, unit.head)]
    assert outcome.findings == []
    assert desk.stored() == texts


def test_take_when_an_entry_is_repeated_then_receipts_again_and_stores_nothing(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 3)
    desk.take_texts(*texts)
    outcome = desk.take_texts(texts[0], texts[0])
    assert (outcome.kept, outcome.epochs, outcome.repeated_count) == ([], {}, 2)
    assert heads(outcome) == [(SOURCE, unit.head)]
    assert desk.stored() == texts


def test_take_when_there_is_a_hole_then_waits_asks_and_joins(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 6)
    head = Head.of(read(texts[1]))
    outcome = desk.take_texts(*texts[:2], *texts[4:])
    assert names(outcome) == []
    assert desk.store.take_due_asks(UTC_MS + FIRST_MS - 1) == []
    assert heads(outcome) == [(SOURCE, head)]
    assert desk.asks() == [Ask(SOURCE, head.epoch, 3, 4)]
    outcome = desk.take_texts(texts[3], texts[2])
    assert heads(outcome) == [(SOURCE, unit.head)]
    assert desk.asks() == []
    assert desk.stored() == texts


def test_take_when_the_centre_is_new_then_asks_for_the_journal_from_its_start(desk: Desk) -> None:
    texts = journal(writer(), 4)
    outcome = desk.take_texts(texts[3])
    assert heads(outcome) == []
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
    assert [row.text for row in desk.archive.problems()] == [second.encode()]


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
    assert heads(outcome) == [(SOURCE, Head.of(read(texts[2])))]
    assert desk.stored() == texts
    assert [row.text for row in desk.archive.problems()] == [broken.encode()]


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
    assert desk.archive.problems()[-1].text == strangers[2].encode()
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
    assert heads(outcome) == [(SOURCE, old_head), (SOURCE, unit.head)]
    assert [epoch.name for epoch in desk.archive.epochs(SOURCE)] == [
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
    assert names(outcome) == []
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
    assert names(desk.take_texts(*first, *third)) == []
    assert desk.asks() == [Ask(SOURCE, missing, 1, 3)]
    assert names(desk.take_texts(*second)) == []
    assert desk.stored() == [*first, *second, *third]
    assert verify(desk.stored(), KEYS, SOURCE).problems == ()


def test_take_when_an_epoch_says_it_follows_itself_then_names_it_and_goes_on(desk: Desk) -> None:
    unit = writer()
    itself = {"epoch": unit.head.epoch, "seq": 5, "hash": "ab" * 32}
    outcome = desk.take_texts(unit.write("boot", previous=itself), unit.write("rating"))
    assert names(outcome) == ["gap"]
    assert heads(outcome) == [(SOURCE, unit.head)]


def test_place_when_a_unit_begins_epochs_without_end_then_refuses_more() -> None:
    stuck = Journal(Epoch(f"{number:016x}", number + 1, 1) for number in range(EPOCH_COUNT_MAX))
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
    assert heads(outcome) == [(SOURCE, unit.head)]


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
        ("bad_entry", Arrival(up, b'{"a":')),
        ("bad_entry", Arrival(up, good.encode().replace(b"hcp.boot.v1", b"hcp.boot.v2"))),
        ("bad_entry", Arrival(up, good.encode().replace(b"hcp.boot.v1", b"hcp.vote.v1"))),
        ("bad_entry", Arrival(up, b'"' + b"x" * TEXT_LEN_MAX + b'"')),
        ("not_canonical", Arrival(up, good.encode() + b" ")),
        ("bad_signature", Arrival(up, good.replace("start", "stark").encode())),
        ("revoked_key", arrival(Writer(SOURCE, REVOKED, 1).write("boot"))),
        ("bad_note", Arrival(topics.up(SOURCE, topics.HEALTH), b"x" * (NOTE_LEN_MAX + 1))),
        ("bad_note", Arrival(topics.up(SOURCE, topics.HEALTH), b'{"head":7}')),
        ("bad_note", Arrival(topics.up(SOURCE, topics.STATE), b"\xff")),
        ("bad_note", Arrival(topics.up(SOURCE, topics.STATE), b'{"state":"\\ud800"}')),
        ("bad_note", Arrival(topics.up(SOURCE, topics.STATE), b"[" * 900 + b"]" * 900)),
    ]


@pytest.mark.parametrize(("name", "message"), bad_messages(), ids=lambda value: str(value)[:12])
def test_take_when_a_message_is_bad_then_quarantines_it_and_the_stream_goes_on(
    desk: Desk, name: str, message: Arrival
) -> None:
    texts = journal(writer(), 2)
    outcome = desk.take(arrival(texts[0]), message, message, arrival(texts[1]))
    assert names(outcome) == [name, name]
    assert desk.stored() == texts
    (row,) = desk.archive.problems()
    assert (row.name, row.seen_count, row.text) == (name, 2, message.payload[:TEXT_LEN_MAX])
    assert "\n" not in row.sentence
    (alarm,) = desk.store.alarms.all()
    assert (alarm.name, alarm.seen_count) == (ALARM_OF[name], 2)


STATE, HEALTH = topics.up(SOURCE, topics.STATE), topics.up(SOURCE, topics.HEALTH)


def health(head: Head, utc_ms: int | None = UTC_MS) -> Arrival:
    value = dict(schema.load("health")["examples"][0], source=str(SOURCE))
    value["head"] = {"epoch": head.epoch, "seq": head.seq, "hash": head.hash}
    known = utc_ms is not None
    times = {"utcMs": utc_ms, "synced": known, "errorMs": 15 if known else None}
    value["stamp"] = {**value["stamp"], **times}
    return Arrival(HEALTH, canonical(value))


def state(name: str) -> Arrival:
    return Arrival(STATE, canonical({"state": name}))


def test_take_when_state_or_health_comes_then_notes_the_latest(desk: Desk) -> None:
    unit = writer()
    journal(unit, 1)
    said = health(unit.head)
    outcome = desk.take(state("offline"), said, state("online"))
    assert (outcome.kept, outcome.receipts) == ([], [])
    (row,) = desk.archive.units()
    assert (row.state, row.health) == ('{"state":"online"}', said.payload.decode())


def test_health_when_it_names_the_end_of_what_is_stored_then_nothing_is_wrong(desk: Desk) -> None:
    unit = writer()
    desk.take_texts(*journal(unit, 3))
    desk.now_ms += ingest.SETTLED_MS
    assert names(desk.take(health(unit.head, desk.now_ms))) == []
    assert desk.alarms() == []


def test_health_when_it_names_more_than_is_stored_then_that_is_asked_for(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 5)
    desk.take_texts(*texts[:3])
    desk.take(health(unit.head))
    assert desk.asks() == [Ask(SOURCE, unit.head.epoch, 4, 5)]
    desk.take_texts(*texts[3:])
    assert desk.asks() == []


def test_health_when_it_names_less_than_is_stored_then_an_old_card_is_named(desk: Desk) -> None:
    unit = writer()
    texts = journal(unit, 5)
    desk.take_texts(*texts)
    old = health(Head.of(read(texts[2])), UTC_MS)
    assert names(desk.take(old)) == []  # another worker may just have been faster
    desk.now_ms += ingest.SETTLED_MS
    assert names(desk.take(health(Head.of(read(texts[2])), desk.now_ms))) == ["rollback"]
    assert desk.alarms() == [(str(SOURCE), "rollback")]


def test_health_when_it_names_another_hash_then_a_clone_is_named(desk: Desk) -> None:
    unit = writer()
    desk.take_texts(*journal(unit, 3))
    assert names(desk.take(health(Head(unit.head.epoch, 3, "ab" * 32)))) == ["fork"]


def test_health_when_it_speaks_of_an_epoch_that_ended_then_the_rollback_is_named(
    desk: Desk,
) -> None:
    unit = writer()
    texts = journal(unit, 3)
    old = unit.head
    desk.take_texts(*texts, unit.begin_epoch())
    desk.now_ms += ingest.SETTLED_MS
    assert names(desk.take(health(old, desk.now_ms))) == ["rollback"]


def test_health_when_the_clock_is_off_then_the_alarm_stays_until_it_is_right(desk: Desk) -> None:
    unit = writer()
    desk.take_texts(*journal(unit, 2))
    for utc_ms in (UTC_MS - 2 * CLOCK_MS_MAX, None, UTC_MS + 2 * CLOCK_MS_MAX):
        assert names(desk.take(health(unit.head, utc_ms))) == ["clock"]
        assert desk.alarms() == [(str(SOURCE), "clock")]
    desk.take(health(unit.head, UTC_MS + 1000))
    assert desk.alarms() == []


def test_health_when_the_unit_has_just_booted_then_it_need_not_know_the_time(desk: Desk) -> None:
    unit = writer()
    desk.take_texts(*journal(unit, 2))
    said = json.loads(health(unit.head, None).payload)
    said["stamp"]["boottimeMs"] = UNKNOWN_MS_MAX - 1
    assert names(desk.take(Arrival(HEALTH, canonical(said)))) == []
    assert desk.alarms() == []


def test_take_when_an_entry_comes_from_the_future_or_after_a_step_then_remarks_the_clock(
    desk: Desk,
) -> None:
    unit = writer()
    desk.now_ms = BOOT_UTC_MS - 2 * CLOCK_MS_MAX
    assert names(desk.take_texts(unit.write("boot"))) == ["clock"]
    desk.now_ms = UTC_MS
    step = {"utcMs": UTC_MS, "errorMs": 5, "stepMs": -2 * STEP_MS_MAX}
    assert names(desk.take_texts(unit.write("clock", **step))) == ["clock"]
    desk.take(health(unit.head))
    assert desk.alarms() == [(str(SOURCE), "clock")]  # what was signed does not become right


def test_take_when_the_window_is_not_the_registered_one_then_remarks_the_place(
    desk: Desk,
) -> None:
    unit = writer()
    outcome = desk.take_texts(unit.write("boot"), unit.write("service", window="4"))
    assert names(outcome) == ["wrong_window"]
    assert len(desk.stored()) == 2
    assert desk.alarms() == [(str(SOURCE), "wrong_place")]


def day(unit: Writer) -> list[str]:
    """A boot, three ratings and one prompt that ran out."""
    texts = [unit.write("boot")]
    for level in (5, 5, 2):
        texts.append(unit.write("rating", satisfaction=level, key=6 - level, reasons=[]))
    unrated = schema.load("rating")["examples"][1]
    return [*texts, unit.write("rating", **unrated)]


@pytest.mark.parametrize(
    ("rated", "not_rated", "wrong"),
    [
        ({"5": 2, "2": 1}, {"timeout": 1}, None),
        ({"5": 2, "2": 1, "1": 0}, {"timeout": 1, "pad_lost": 0}, None),
        ({"5": 2, "2": 2}, {"timeout": 1}, "2: 2 counted, 1 in the journal"),
        ({"5": 3, "2": 1}, {"timeout": 1}, "5: 3 counted, 2 in the journal"),
        ({"5": 2, "2": 1}, {}, "timeout: 0 counted, 1 in the journal"),
    ],
)
def test_daily_when_its_counts_are_not_those_of_the_journal_then_levels_are_withheld(
    desk: Desk, rated: dict[str, int], not_rated: dict[str, int], wrong: str | None
) -> None:
    unit = writer()
    counts = dict.fromkeys("12345", 0) | rated
    texts = [*day(unit), unit.write("daily", rated=counts, notRated=not_rated)]
    desk.take_texts(texts[-1], *texts[2:-1])
    assert desk.alarms() == []  # what is still missing may come
    desk.take_texts(*texts[:2])
    found = [row for row in desk.archive.problems() if row.name == "withheld"]
    assert [wrong in row.sentence for row in found] == ([] if wrong is None else [True])
    assert desk.alarms() == ([] if wrong is None else [(str(SOURCE), "withheld")])


def test_daily_when_it_is_the_second_then_counts_only_what_came_after_the_first(
    desk: Desk,
) -> None:
    unit = writer()
    desk.take_texts(*day(unit), unit.write("daily"))
    desk.take_texts(unit.write("rating", satisfaction=4, key=2, reasons=[]))
    desk.take_texts(unit.write("daily"))
    assert desk.alarms() == []


def test_take_when_an_epoch_did_not_end_as_the_next_one_says_then_names_the_fork(
    desk: Desk,
) -> None:
    unit = writer()
    texts = journal(unit, 3)
    named = Head(unit.head.epoch, 3, "ab" * 32)
    assert names(desk.take_texts(*texts[:2], unit.begin_epoch(previous=named))) == []
    assert names(desk.take_texts(texts[2])) == ["fork"]


def test_place_when_too_many_wait_then_leaves_the_rest_to_be_sent_again() -> None:
    unit = writer()
    journal(unit, 1)
    entry = read(unit.write("rating"))
    full = Epoch(unit.head.epoch, 1)
    full.waiting = dict.fromkeys(range(100, 100 + WAITING_COUNT_MAX), Waiting("", "", "rating"))
    stuck = Journal([full])
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
@given(deliveries(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_ingest_when_deliveries_are_disturbed_then_each_entry_is_stored_once_in_the_end(
    delivery: tuple[int, list[list[int]]], epoch_count: int, chance: Any
) -> None:
    count, batches = delivery
    unit = writer(chance.randrange(100))
    texts = journal(unit, count)
    for _ in range(epoch_count):
        texts += [unit.begin_epoch(), *journal(unit, chance.randrange(4))]
    by_number = {(entry.epoch, entry.seq): entry.text for entry in map(read, texts)}
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(StoreConfig(database=Path(folder, "central.db"), url=None))
        for batch in batches:
            desk.take_texts(*(chance.choice(texts[position:]) for position in batch))
        receipts: list[tuple[Source, Head]] = []
        for _ in range(100):
            # The unit sends its last entry until that has a receipt, and answers each ask,
            # in any order and with losses.
            receipts += heads(desk.take_texts(texts[-1]))
            answers = [
                by_number[ask.epoch, seq]
                for ask in desk.asks()
                for seq in range(ask.first, ask.last + 1)
                if chance.random() < 0.7
            ]
            chance.shuffle(answers)
            receipts += heads(desk.take_texts(*answers))
            if len(desk.stored()) == len(texts):
                break
        assert desk.stored() == texts
        assert receipts[-1] == (SOURCE, unit.head)
        assert {row.name for row in desk.archive.problems()} == set()
        assert desk.asks() == []
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
        desk = Desk(StoreConfig(database=Path(folder, "central.db"), url=None))
        for position, by_clone in deliveries:
            outcome = desk.take_texts((cloned if by_clone else genuine)[position])
            for _, head in heads(outcome):
                chained = list(desk.archive.texts(SOURCE, head.epoch))[: head.seq]
                assert digest(chained[-1]) == head.hash
                assert verify(chained, KEYS, SOURCE).problems == ()
        desk.store.close()
