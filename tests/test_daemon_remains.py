"""What is left of an epoch that was set aside reaches the platform: queue, store and centre."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from central.config import StoreConfig
from central.registry import Unit
from daemon.disk.journal import Journal
from daemon.effects import FetchRemains, Publish, Settle
from daemon.events import Asked, Remain, Sealed
from daemon.net.outbox import Outbox
from daemon.net.remains import AGAIN_MS, AGAIN_MS_MAX, PAGE_LEN, PAGE_MS, Remains
from protocol.central import topics
from protocol.central.entry import Draft, Stamp
from sim import caring
from sim.archives import Platform
from sim.journals import key
from sim.promises import DATABASE, KEY, SOURCE

NOW = 1_790_000_000_000
DAY = 20_000
OLD = "0a1b2c3d4e5f6071"


def remain(place: int) -> Remain:
    return Remain(place, OLD, Sealed(place, "test", f"hash-{place}", f"text-{place}"))


def test_remains_are_sent_page_by_page_and_again_ever_later() -> None:
    remains, waits = Remains(2), []
    now_ms = 1000
    remains.broker_up(now_ms)
    for _ in range(30):
        assert remains.poll(now_ms, DAY) == [FetchRemains(0, PAGE_LEN)]
        assert remains.wake_at_ms() is None
        remains.fetched(now_ms, (remain(1), remain(2)))
        sent = remains.poll(now_ms, DAY)
        assert [effect.entry.seq for effect in sent if isinstance(effect, Publish)] == [1, 2]
        now_ms += PAGE_MS
        assert remains.poll(now_ms, DAY) == [FetchRemains(2, PAGE_LEN)]
        remains.fetched(now_ms, ())
        due_ms = remains.wake_at_ms()
        assert due_ms is not None
        waits.append(due_ms - now_ms)
        now_ms = due_ms
    assert waits[:3] == [AGAIN_MS, 2 * AGAIN_MS, 4 * AGAIN_MS]
    assert waits[-1] == AGAIN_MS_MAX


def test_remains_without_a_broker_or_without_an_entry_wake_nobody() -> None:
    assert Remains(2).wake_at_ms() is None
    none = Remains(0)
    none.broker_up(0)
    assert none.wake_at_ms() is None
    none.receipt(OLD, 9, "hash")
    assert none.poll(0, DAY) == []


def test_receipt_of_an_old_epoch_is_settled_in_the_store_and_ends_it() -> None:
    remains = Remains(1)
    remains.broker_up(0)
    remains.poll(0, DAY)
    remains.receipt(OLD, 7, "hash-7")
    assert remains.poll(0, DAY) == [Settle(OLD, 7, "hash-7", DAY)]
    remains.fetched(0, ())
    remains.settled(0)
    assert remains.wake_at_ms() is None


def test_ask_for_an_old_epoch_is_answered_with_what_is_left_and_ends() -> None:
    remains, ask = Remains(0), Asked(OLD, 3, 9)
    remains.broker_up(0)
    remains.asked(0, ask)
    assert remains.poll(0, DAY) == [FetchRemains(0, PAGE_LEN, ask)]
    remains.fetched(0, (remain(4),))
    assert remains.poll(0, DAY) == [Publish(remain(4).sealed)]
    assert remains.poll(PAGE_MS, DAY) == [FetchRemains(4, PAGE_LEN, ask)]
    remains.fetched(PAGE_MS, ())
    assert remains.wake_at_ms() is None


def test_ask_for_pruned_entries_is_answered_by_what_is_left() -> None:
    outbox = Outbox("e", 9, 9)
    outbox.broker_up()
    outbox.asked("e", 1, 9)
    (fetch,) = outbox.poll(0)
    outbox.fetched(0, fetch.first, tuple(remain(seq).sealed for seq in (8, 9)))  # type: ignore[union-attr]
    sent = outbox.poll(0)
    assert [effect.entry.seq for effect in sent if isinstance(effect, Publish)] == [8, 9]
    assert not [effect for effect in outbox.poll(60_000) if not isinstance(effect, Publish)]


def test_ask_for_entries_that_are_all_pruned_ends() -> None:
    outbox = Outbox("e", 9, 9)
    outbox.broker_up()
    outbox.asked("e", 1, 3)
    (fetch,) = outbox.poll(0)
    outbox.fetched(0, fetch.first, tuple(remain(seq).sealed for seq in (8, 9)))  # type: ignore[union-attr]
    assert outbox.poll(60_000) == []


# -- the whole way: the unit's journal and the platform's own code


class Road:
    """Carries what the queue wants between a rescued journal and a platform."""

    def __init__(self, journal: Journal, platform: Platform) -> None:
        self.journal, self.platform = journal, platform
        self.remains = Remains(journal.restored.remains)
        self.now_ms = 0
        self.findings: list[str] = []
        self.sent_count = 0

    def run(self, until_ms: int) -> None:
        self.remains.broker_up(self.now_ms)
        while self.now_ms <= until_ms:
            while effects := self.remains.poll(self.now_ms, DAY):
                for effect in effects:
                    self.do(effect)
            due_ms = self.remains.wake_at_ms()
            self.now_ms = until_ms + 1 if due_ms is None else due_ms

    def do(self, effect: Publish | FetchRemains | Settle) -> None:
        if isinstance(effect, FetchRemains):
            found = self.journal.remains(effect.after, effect.limit, effect.asked)
            self.remains.fetched(self.now_ms, found)
        elif isinstance(effect, Settle):
            left = self.journal.settle(effect.epoch, effect.upto, effect.hash, effect.day)
            self.remains.settled(left)
        else:
            self.sent_count += 1
            self.send(effect.entry)

    def send(self, entry: Sealed) -> None:
        from central.judge import Arrival

        arrival = Arrival(topics.up(SOURCE, entry.kind), entry.text.encode())
        outcome = self.platform.take(arrival)
        self.findings += [
            f"{finding.problem.name}: {finding.problem.sentence}" for finding in outcome.findings
        ]
        for _, epoch in outcome.receipts:
            if epoch.name != self.journal.restored.epoch:
                self.remains.receipt(epoch.name, epoch.upto, epoch.hash)

    def boot(self) -> None:
        """The new epoch's first entry, as the core writes it."""
        restored = self.journal.restored
        data = {
            "reason": "quarantine", "versions": {}, "configHash": "0" * 16, "prompts": {},
            "previous": restored.previous, "salvage": dict(restored.salvage or {}),
        }  # fmt: skip
        draft = Draft(1, "boot", "unit", data, Stamp("boot-2", 1, None, False, None))
        self.send(self.journal.commit((draft,), {})[0])


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    folder = tmp_path / "centre"
    folder.mkdir()
    config = StoreConfig(database=folder / "central.db", url=None)
    units = {SOURCE: Unit({KEY.kid: KEY.public})}
    with closing(Platform(folder, config, units, key(100), NOW)) as made:
        yield made


def rescued(directory: Path, platform: Platform, *, had: int, is_entry_damaged: bool) -> Journal:
    """A journal of which the platform had the first entries, damaged and opened again."""
    directory.mkdir()
    caring.begin(directory)
    path = directory / DATABASE
    with Journal(path, SOURCE, KEY) as journal:
        platform.take_entries(entry.text for entry in journal.read(1, had))
    if is_entry_damaged:
        caring.damage(directory)
    else:
        data = path.read_bytes()
        at = data.index(b'{"boot_id": 7, "seq": 14}')
        path.write_bytes(data[:at] + b"#" + data[at + 1 :])
    return Journal(path, SOURCE, KEY)


def test_salvaged_entries_reach_the_platform_under_their_own_epoch(
    tmp_path: Path, platform: Platform
) -> None:
    with rescued(
        tmp_path / "unit", platform, had=caring.DELIVERED, is_entry_damaged=False
    ) as journal:
        road = Road(journal, platform)
        road.boot()
        road.run(AGAIN_MS)
        assert road.remains.count == journal.remain_count() == 0
        assert road.sent_count == caring.ENTRY_COUNT - caring.DELIVERED
        # The hole behind the new epoch was filled; nothing else was wrong.
        assert not [finding for finding in road.findings if not finding.startswith("gap")]
        assert road.remains.wake_at_ms() is None


def test_entries_above_a_hole_that_nobody_can_fill_wait_at_the_platform(
    tmp_path: Path, platform: Platform
) -> None:
    with rescued(tmp_path / "unit", platform, had=3, is_entry_damaged=True) as journal:
        # A unit whose receipts came later than the platform says: it sends all it is not sure of.
        journal._db.execute("update remains set receipted = null")
        road = Road(journal, platform)
        road.remains.count = journal.remain_count()
        road.boot()
        road.run(10 * AGAIN_MS)
        left = {one.sealed.seq for one in journal.remains(0, 99)}
        assert left == set(range(caring.DAMAGED + 1, caring.ENTRY_COUNT + 1))
        sent = road.sent_count
        road.run(road.now_ms + AGAIN_MS_MAX)
        assert road.sent_count - sent < 12 * len(left)


def test_receipt_with_another_hash_settles_nothing(tmp_path: Path, platform: Platform) -> None:
    with rescued(tmp_path / "unit", platform, had=0, is_entry_damaged=True) as journal:
        previous = journal.restored.previous
        assert previous is not None
        count = journal.remain_count()
        assert journal.settle(previous["epoch"], previous["seq"], "0" * 64, DAY) == count
        # The damaged entry's own hash is known by the one after it.
        assert journal.settle(previous["epoch"], caring.DAMAGED, "0" * 64, DAY) == count
        assert journal.settle(previous["epoch"], previous["seq"], previous["hash"], DAY) == 0
