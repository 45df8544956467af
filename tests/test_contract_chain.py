"""Attacks on a journal: every one is found and named, whoever did it and wherever it hits."""

from collections.abc import Callable

import pytest

from protocol.central.chain import NAMES, Head, Report, Verifier, verify
from protocol.central.entry import Entry, Source
from protocol.central.schema import data_problems
from sim.attacks import ATTACKS, COUNT, KEYS, SOURCE, UNIT, case
from sim.journals import Writer, journal

SEEDS, SEEDS_MAX = range(8), 200
Promise = Callable[..., None]


def check(entry: Entry) -> list[str]:
    return data_problems(entry.kind, entry.data)


def verified(texts: list[str], known: Head | None = None) -> Report:
    return verify(texts, KEYS, SOURCE, known=known, check=check)


@pytest.mark.promise
@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_verify_when_a_journal_was_attacked_then_names_it(
    name: str, promise: Promise, scale: int
) -> None:
    act, expected = ATTACKS[name]
    count = min(SEEDS_MAX, len(SEEDS) * scale)
    for seed in range(count):
        given = case(seed)
        attacked = act(given)
        found = {problem.name for problem in verified(attacked, known=given.head).problems}
        assert found & expected, f"seed {seed}: {found or 'nothing'} instead of {expected}"
        assert found <= NAMES.keys()
    promise("E1", "attacks on a journal, each named", count)


def test_verify_when_attacks_are_counted_then_every_name_is_covered() -> None:
    assert len(ATTACKS) >= 40
    assert set().union(*(names for _, names in ATTACKS.values())) == NAMES.keys()


@pytest.mark.parametrize("seed", SEEDS)
def test_verify_when_a_journal_is_genuine_then_finds_nothing(seed: int) -> None:
    given = case(seed)
    texts = [*given.texts, given.writer.begin_epoch(reason="quarantine")]
    texts += journal(given.writer, 5)
    report = verified(texts, known=given.head)
    assert report.problems == ()
    assert report.entry_count == COUNT + 6
    assert report.epochs == (given.head.epoch, given.writer.head.epoch)
    assert report.head == given.writer.head


def test_verify_when_one_entry_is_bad_then_the_good_ones_after_it_still_count() -> None:
    given = case(0)
    texts = [*given.texts[:5], "rubbish", *given.texts[6:]]
    report = verified(texts)
    assert [problem.name for problem in report.problems] == ["bad_entry", "gap"]
    assert report.entry_count == COUNT - 1
    assert report.head == given.head


def test_verifier_when_no_source_is_given_then_the_first_entry_sets_it() -> None:
    verifier = Verifier(KEYS)
    assert verifier.push(case(0).texts[0]) == []
    other = Writer(Source("330102", "h01", "w04"), UNIT, 9).write("boot")
    assert [problem.name for problem in verifier.push(other)] == ["wrong_source"]
