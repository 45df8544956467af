"""The alarms: one open of a name at a unit, closed by what ends it, told when it changes."""

from dataclasses import replace
from typing import Any

import pytest

from central.alarms import Alarms
from central.asks import Asking
from central.config import AlarmConfig, StoreConfig
from central.ingest import Outcome
from central.journal import Epoch
from central.judge import ALARM_OF, NAMES
from central.registry import Registry, Unit
from central.store import Store
from central.tables import open_database
from protocol.central import topics
from protocol.central.entry import Source
from sim.journals import key

SOURCE, OTHER = Source("330102", "h01", "w03"), Source("330102", "h01", "w04")
LIMITS = AlarmConfig(silent_ms=300_000, gap_ms=30_000, withheld_ms=600_000)
NOW = 1_790_000_000_000


@pytest.fixture
def store(store_config: StoreConfig) -> Any:
    store = Store(open_database(store_config))
    yield store
    store.close()


@pytest.fixture
def alarms(store: Store) -> Alarms:
    return store.alarms


def names(alarms: Alarms) -> list[str]:
    return [alarm.name for alarm in alarms.all()]


def hear(store: Store, source: Source = SOURCE, now: int = NOW) -> None:
    with store.transaction():
        store.hold([source], now)


def hole(store: Store, asking: Asking | None, *, proved: bool) -> None:
    """Let the unit's epoch have this hole."""
    epoch = Epoch("e", 1, 10, asking=asking, ended_at=20 if proved else None, told_seq=20)
    with store.transaction():
        store.hold([SOURCE], NOW)
        store.keep(Outcome(NOW, epochs={(SOURCE, "e"): epoch}))


def test_every_problem_raises_an_alarm_of_the_contract() -> None:
    assert ALARM_OF.keys() == NAMES.keys() - {"repeated"}
    assert set(ALARM_OF.values()) == set(topics.ALARMS)


def test_find_when_it_is_open_then_counts_and_tells_the_latest(alarms: Alarms) -> None:
    alarms.find(str(SOURCE), "fork", "first", NOW, clears=False)
    alarms.find(str(SOURCE), "broken_chain", "second", NOW + 5, clears=False)
    alarms.find(str(OTHER), "fork", "another", NOW, clears=False)
    first, other = alarms.all()
    assert (first.name, first.seen_count, first.sentence) == ("fork", 2, "second")
    assert (first.opened_utc_ms, first.last_utc_ms) == (NOW, NOW + 5)
    assert (other.source, other.seen_count) == (str(OTHER), 1)


def test_told_when_it_changed_meanwhile_then_it_is_to_be_told_again(alarms: Alarms) -> None:
    alarms.find(str(SOURCE), "fork", "x", NOW, clears=False)
    (opened,) = alarms.untold()
    assert alarms.close(opened.id, NOW + 1)
    alarms.told(opened)
    (closed,) = alarms.untold()
    assert closed.closed_utc_ms == NOW + 1
    alarms.told(closed)
    assert alarms.untold() == []


def test_close_when_an_operator_says_so_then_the_next_problem_opens_a_new_one(
    alarms: Alarms,
) -> None:
    alarms.find(str(SOURCE), "fork", "x", NOW, clears=False)
    (alarm,) = alarms.all()
    assert alarms.close(alarm.id, NOW + 1)
    assert not alarms.close(alarm.id, NOW + 2)
    assert alarms.all() == []
    alarms.find(str(SOURCE), "fork", "y", NOW + 3, clears=False)
    assert [each.sentence for each in alarms.all()] == ["y"]
    assert [each.sentence for each in alarms.all(closed=True)] == ["x", "y"]


def test_clear_when_somebody_has_to_look_then_leaves_it_open(alarms: Alarms) -> None:
    alarms.find(str(SOURCE), "clock", "off", NOW, clears=True)
    alarms.clear("clock", SOURCE, NOW)
    assert names(alarms) == []
    alarms.find(str(SOURCE), "clock", "off", NOW, clears=True)
    alarms.find(str(SOURCE), "clock", "signed in the future", NOW, clears=False)
    alarms.clear("clock", SOURCE, NOW)
    assert names(alarms) == ["clock"]


def test_watch_when_nothing_is_heard_then_the_unit_is_silent_until_it_speaks(
    store: Store, alarms: Alarms
) -> None:
    hear(store)
    alarms.watch(NOW + LIMITS.silent_ms, LIMITS)
    assert names(alarms) == []
    for _ in range(2):
        alarms.watch(NOW + LIMITS.silent_ms + 1, LIMITS)
    (alarm,) = alarms.all()
    assert (alarm.name, alarm.source, alarm.seen_count) == ("silent_unit", str(SOURCE), 1)
    assert alarm.sentence == "nothing heard since 2026-09-21T14:13:20.000Z"
    hear(store, now=NOW + LIMITS.silent_ms + 2)
    alarms.watch(NOW + LIMITS.silent_ms + 3, LIMITS)
    assert names(alarms) == []


def test_watch_when_a_unit_is_given_up_then_its_silence_is_no_alarm_any_more(
    store: Store, alarms: Alarms
) -> None:
    old, new = key(1).public, key(2).public
    late = NOW + LIMITS.silent_ms + 1
    revoked = {old.kid: "2026-11-22T10:00:00Z"}
    store.keep_keys(Registry({SOURCE: Unit.of(old), OTHER: Unit.of(old)}), NOW)
    hear(store)
    hear(store, OTHER)
    alarms.watch(late, LIMITS)
    assert names(alarms) == ["silent_unit", "silent_unit"]
    # One is retired, its key revoked and still there; the other is not registered any more.
    store.keep_keys(Registry({SOURCE: Unit({old.kid: old}, revoked)}), late)
    alarms.watch(late, LIMITS)
    assert names(alarms) == []
    alarms.watch(late + 1, LIMITS)
    assert names(alarms) == []
    # It comes back with a new key, and is to be heard again.
    both = {old.kid: old, new.kid: new}
    store.keep_keys(Registry({SOURCE: Unit(both, revoked)}), late + 2)
    alarms.watch(late + 2, LIMITS)
    assert [(alarm.name, alarm.source) for alarm in alarms.all()] == [("silent_unit", str(SOURCE))]


@pytest.mark.parametrize(
    ("proved", "limit_ms", "name"),
    [(True, LIMITS.gap_ms, "gap"), (False, LIMITS.withheld_ms, "withheld")],
)
def test_watch_when_a_hole_does_not_move_then_it_is_an_alarm_until_it_is_filled(
    store: Store, alarms: Alarms, proved: bool, limit_ms: int, name: str
) -> None:
    asking = Asking(11, 20, NOW, 0, 2000, NOW)
    hole(store, asking, proved=proved)
    hear(store, now=NOW + limit_ms)
    alarms.watch(NOW + limit_ms, LIMITS)
    assert names(alarms) == []
    for _ in range(2):
        alarms.watch(NOW + limit_ms + 1, LIMITS)
    (alarm,) = alarms.all()
    assert (alarm.name, alarm.seen_count) == (name, 1)
    assert alarm.sentence.startswith("entries 11 to 20 of epoch e ")
    hole(store, None, proved=False)
    alarms.watch(NOW + limit_ms + 2, replace(LIMITS, silent_ms=2 * limit_ms))
    assert names(alarms) == []


def test_watch_list_when_it_runs_out_then_one_alarm_of_no_unit_follows_it_until_it_is_renewed(
    alarms: Alarms,
) -> None:
    alarms.watch_list(None, NOW)
    assert alarms.all() == []
    for after in range(3):
        alarms.watch_list("runs out in 13 days", NOW + after)
    (opened,) = alarms.untold()
    assert (opened.name, opened.source, opened.seen_count) == ("stale_list", "", 1)
    assert (opened.opened_utc_ms, opened.last_utc_ms) == (NOW, NOW)
    alarms.told(opened)
    alarms.watch_list("runs out in 12 days", NOW + 5)
    (alarm,) = alarms.all()
    assert (alarm.seen_count, alarm.sentence) == (2, "runs out in 12 days")
    alarms.watch_list(None, NOW + 6)
    (closed,) = alarms.untold()
    assert closed.closed_utc_ms == NOW + 6
    alarms.watch_list("runs out in 13 days", NOW + 7)
    assert [each.seen_count for each in alarms.all()] == [1]
    # An operator's word does not make the list new.
    (again,) = alarms.all()
    alarms.close(again.id, NOW + 8)
    alarms.watch_list("runs out in 13 days", NOW + 9)
    assert names(alarms) == ["stale_list"]


def test_watch_when_the_hole_is_filled_then_levels_withheld_stay_an_alarm(
    store: Store, alarms: Alarms
) -> None:
    alarms.find(str(SOURCE), "withheld", "the day does not add up", NOW, clears=False)
    hole(store, None, proved=False)
    alarms.watch(NOW, LIMITS)
    assert names(alarms) == ["withheld"]
