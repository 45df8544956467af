"""E1 at the centre: what was attacked opens an alarm, or does no harm at all."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from central.archive import Archive
from central.config import AlarmConfig, StoreConfig
from central.judge import Arrival, admit
from central.registry import Registry, Unit
from central.store import Store
from central.tables import open_database
from protocol.central import schema, topics
from protocol.central.canonical import canonical
from protocol.central.chain import Head, verify
from protocol.central.entry import BadEntry, read
from sim.attacks import ATTACKS, KEYS, SOURCE, UNIT, case
from sim.journals import BOOT_UTC_MS

LIMITS = AlarmConfig(silent_ms=300_000, gap_ms=30_000, withheld_ms=600_000)
LATER_MS = LIMITS.withheld_ms + 1_000
REGISTRY = Registry({SOURCE: Unit.of(UNIT.public)})


class Platform:
    """A centre without a broker, told what a unit sends and how late it is."""

    def __init__(self, folder: Path) -> None:
        self._database = open_database(StoreConfig(database=folder / "central.db", url=None))
        self.store, self.archive = Store(self._database), Archive(self._database)
        self.now_ms = BOOT_UTC_MS + 3_600_000

    def take(self, *arrivals: Arrival) -> None:
        admitted = [admit(each, REGISTRY, self.now_ms) for each in arrivals]
        self.store.take(admitted, self.now_ms, lambda _, epoch: f"receipt {epoch.upto}")

    def hear(self, texts: list[str]) -> None:
        """All texts at once, and later the health of a unit whose journal they are."""
        self.take(*(Arrival(topic(text), text.encode()) for text in texts))
        self.now_ms += LATER_MS
        own = [entry for text in texts if (entry := authentic(text)) is not None]
        if own:
            self.take(health(Head.of(own[-1]), self.now_ms))
        self.store.alarms.watch(self.now_ms, LIMITS)

    @property
    def alarms(self) -> set[str]:
        return {alarm.name for alarm in self.store.alarms.all(closed=True)}

    @property
    def stored(self) -> list[str]:
        return [row.text for row in self.archive.rows()]

    def close(self) -> None:
        self._database.close()


def topic(text: str) -> str:
    try:
        return topics.up(SOURCE, read(text).kind)
    except BadEntry:
        return topics.up(SOURCE, "rating")


def authentic(text: str) -> Any:
    try:
        entry = read(text)
    except BadEntry:
        return None
    return entry if entry.source == SOURCE and entry.is_signed_by(UNIT.public) else None


def health(head: Head, utc_ms: int) -> Arrival:
    value = dict(schema.load("health")["examples"][0], source=str(SOURCE))
    value["head"] = {"epoch": head.epoch, "seq": head.seq, "hash": head.hash}
    value["stamp"] = {**value["stamp"], "utcMs": utc_ms, "synced": True, "errorMs": 15}
    return Arrival(topics.up(SOURCE, topics.HEALTH), canonical(value))


@pytest.mark.promise
@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_centre_when_a_journal_was_attacked_then_an_alarm_opens_or_nothing_is_changed(
    tmp_path: Path, name: str, promise: Callable[..., None], scale: int
) -> None:
    act, _ = ATTACKS[name]
    tried = bad = 0
    for seed in range(2 if scale == 1 else min(200, 5 * scale // 3)):
        for knows_it in (True, False):
            given = case(seed)
            genuine = list(given.texts)
            attacked = act(given)
            if not knows_it and not verify(attacked, KEYS, SOURCE).problems:
                continue  # a shorter genuine journal: to who never saw more it is one
            folder = tmp_path / f"{seed}-{knows_it}"
            folder.mkdir()
            with closing(Platform(folder)) as platform:
                if knows_it:
                    platform.hear(genuine)
                    assert platform.alarms == set()
                platform.hear(attacked)
                stored = platform.stored
                harmless = set(genuine) <= set(stored) and not verify(stored, KEYS, SOURCE).problems
                invented = [text for text in stored if authentic(text) is None]
                tried += 1
                bad += bool(invented) or not (platform.alarms or harmless)
    promise("E1", "attacks on a journal, at the centre", tried, bad)
