"""The disk's contract, held by the world's disk and by the daemon's store on SQLite."""

import queue
import random
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from daemon.disk.journal import Journal
from daemon.disk.store import Store
from daemon.effects import Commit, Fetch, FetchRemains, Settle, StoreJob, Tend
from daemon.events import (
    CommitFailed,
    Committed,
    Event,
    Fetched,
    RemainsFetched,
    RemainsSettled,
    Restored,
    Sealed,
    StoreMeasured,
)
from protocol.central.chain import verify
from protocol.central.entry import GENESIS, Draft, Stamp
from sim.doomed_store import KEY, ROW, SOURCE, commit
from sim.stores import MemoryJournal
from sim.world.agenda import Agenda
from sim.world.disk import Disk

HANG_S = 10.0
# Longer than the double needs for all that is asked here.
PATIENCE_MS = 60_000
EPOCH = "0a1b2c3d4e5f6071"
ASKED = 20  # commits at once, amid which a process is killed; the store's queue holds 32


class OnSqlite:
    """The daemon's store, its worker and its file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "unit.db"
        self._events: queue.Queue[Event] = queue.Queue()
        self._store: Store | None = None

    def start(self) -> Restored:
        """A new process; what it finds."""
        self.close()
        journal = Journal(self.path, SOURCE, KEY)
        self._store = Store(journal, self._events.put, pytest.fail)
        self._store.start()
        return journal.restored

    def do(self, jobs: Sequence[StoreJob]) -> list[Event]:
        """Ask for all of them at once; their answers."""
        assert self._store is not None
        for job in jobs:
            self._store.do(job)
        return [self._events.get(timeout=HANG_S) for _ in jobs]

    @contextmanager
    def full(self) -> Iterator[None]:
        """No file may grow by more than a part of a page."""
        log = self.path.with_name(self.path.name + "-wal")
        most_len = (log.stat().st_size if log.exists() else 0) + 1000
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_len, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def die_amid(self, answers: int) -> dict[int, str]:
        """Ask for ASKED commits, be killed after so many answers; hash by seq, as answered."""
        self.close()
        command = [sys.executable, "-m", "sim.doomed_store", str(self.path), str(ASKED)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = list(islice(child.stdout, answers))
            child.kill()
            # What it still said before it died was answered too; half a line was not.
            said += (line for line in child.stdout if line.endswith("\n"))
        answered = (line.split() for line in said)
        return {int(seq): hash_ for seq, hash_ in answered}

    def close(self) -> None:
        if self._store is not None:
            self._store.stop()


class InTheWorld:
    """The world's disk, with a journal in memory."""

    def __init__(self, _folder: Path, epoch: str = EPOCH) -> None:
        self._agenda = Agenda()
        self._journal = MemoryJournal(SOURCE, KEY, epoch)
        self._disk = Disk(self._agenda, random.Random(1), self._journal, lambda _sealed: None)
        self._events: list[Event] = []

    def start(self) -> Restored:
        self._disk.start(self._events.append)
        return self._journal.restored

    def do(self, jobs: Sequence[StoreJob]) -> list[Event]:
        for job in jobs:
            self._disk.do(job)
        self._agenda.run(self._agenda.now_ms + PATIENCE_MS)
        answers = self._events.copy()
        self._events.clear()
        return answers

    @contextmanager
    def full(self) -> Iterator[None]:
        self._journal.fail = "the disk is full"
        yield
        self._journal.fail = None

    def die_amid(self, answers: int) -> dict[int, str]:
        self.start()
        last_seq = self._journal.last_seq
        for seq in range(1, ASKED + 1):
            self._disk.do(commit(last_seq + seq))
        while len(self._events) < answers:
            self._agenda.run(self._agenda.now_ms + 1)
        self._disk.kill()
        self._agenda.run(self._agenda.now_ms + PATIENCE_MS)
        return {one.seq: one.hash for one in sealed(self.do(()))}

    def close(self) -> None:
        pass


Side = OnSqlite | InTheWorld


@pytest.fixture(params=[OnSqlite, InTheWorld])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    made: Side = request.param(tmp_path)
    yield made
    made.close()


def sealed(events: Sequence[Event]) -> list[Sealed]:
    """The entries of commits, all of which went well."""
    found: list[Sealed] = []
    for event in events:
        assert isinstance(event, Committed)
        found += event.sealed
    return found


def several(number: int, first: int, last: int) -> Commit:
    """A commit of more than one entry, or of none."""
    stamp = Stamp("boot-2", first, None, False, None)
    drafts = (Draft(seq, "test", "w03", {"seq": seq}, stamp) for seq in range(first, last + 1))
    return Commit(number, tuple(drafts), {"pad": f'{{"seq":{last}}}'})


def test_same_jobs_have_the_same_answers_byte_for_byte(tmp_path: Path) -> None:
    jobs: list[StoreJob] = [
        commit(1), Fetch(1, 9), several(2, 2, 5), Tend(0, None), FetchRemains(0, 9),
        several(3, 6, 5), Fetch(2, 2), Settle("00000000000000bb", 3, "ab" * 32, 7), commit(6),
        Fetch(-3, 4), Fetch(7, 1), Tend(3, 20_000), Fetch(1, 0), Fetch(1, 99),
    ]  # fmt: skip
    real = OnSqlite(tmp_path)
    double = InTheWorld(tmp_path, real.start().epoch)
    double.start()
    answers = [side.do(jobs) for side in (real, double)]
    for one, other in zip(*answers, strict=True):
        if isinstance(one, StoreMeasured):
            # The world's has no file whose length it could tell.
            assert isinstance(other, StoreMeasured)
            assert (one.disk, one.counters["kept"]) == (other.disk, other.counters["kept"])
        else:
            assert one == other
    assert real.start() == double.start()
    real.close()


def test_jobs_are_answered_in_their_order(disk: Side) -> None:
    disk.start()
    jobs: list[StoreJob] = []
    for seq in range(1, 6):
        jobs += [commit(seq), Fetch(seq, 9)]
    events = disk.do(jobs)
    for seq in range(1, 6):
        committed, fetched = events[2 * seq - 2 : 2 * seq]
        assert isinstance(committed, Committed)
        assert (committed.number, [one.seq for one in committed.sealed]) == (seq, [seq])
        assert fetched == Fetched(seq, committed.sealed)


def test_every_job_has_an_answer(disk: Side) -> None:
    disk.start()
    answers = disk.do([FetchRemains(0, 9), Settle("00000000000000bb", 3, "ab" * 32, 7)])
    assert answers == [RemainsFetched(()), RemainsSettled(0)]
    committed, measured = disk.do([several(1, 1, 3), Tend(0, None)])
    assert isinstance(committed, Committed)
    assert isinstance(measured, StoreMeasured)
    assert (measured.disk, measured.counters["kept"]) == ("sound", 3)


def test_fetch_gives_what_is_there_and_no_more(disk: Side) -> None:
    disk.start()
    entries = sealed(disk.do([several(1, 1, 7)]))
    for first, limit, found in (
        (1, 3, entries[:3]), (4, 3, entries[3:6]), (7, 3, entries[6:]), (8, 3, []),
        (-1, 2, entries[:2]), (1, 0, []), (1, 99, entries),
    ):  # fmt: skip
        assert disk.do([Fetch(first, limit)]) == [Fetched(first, tuple(found))]


def test_full_disk_fails_a_commit_and_takes_the_same_one_later(disk: Side) -> None:
    disk.start()
    first = sealed(disk.do([commit(1)]))
    large = several(2, 2, 40)
    with disk.full():
        for _ in range(3):
            failed, fetched = disk.do([large, Fetch(1, 99)])
            assert isinstance(failed, CommitFailed)
            assert failed.number == 2
            assert failed.reason.isprintable()
            assert fetched == Fetched(1, tuple(first))
    again = sealed(disk.do([large]))
    assert [one.seq for one in again] == list(range(2, 41))
    assert disk.do([Fetch(1, 99)]) == [Fetched(1, (*first, *again))]


def test_new_process_finds_where_the_one_before_stood(disk: Side) -> None:
    begun = disk.start()
    assert (begun.fresh, begun.last_seq, begun.last_hash, begun.state) == (True, 0, GENESIS, {})
    entries = sealed(disk.do([several(1, 1, 2), Commit(2, (), {"case": '"idle"'}), commit(3)]))
    with disk.full():
        disk.do([several(4, 4, 40)])
    restored = disk.start()
    assert (restored.epoch, restored.fresh, restored.remains) == (begun.epoch, False, 0)
    assert (restored.last_seq, restored.last_hash) == (3, entries[-1].hash)
    assert restored.state == {"pad": {"seq": 2}, "case": "idle", ROW: 3}


def test_killed_amid_its_jobs_keeps_what_it_answered_without_a_hole(disk: Side) -> None:
    answered: dict[int, str] = {}
    for count in (0, 1, 4):
        answered |= disk.die_amid(count)
        restored = disk.start()
        assert restored.last_seq >= max(answered, default=0)
        # What was not answered may be there; its row is there with it, or is not with it.
        assert restored.state.get(ROW, 0) == restored.last_seq
        (fetched,) = disk.do([Fetch(1, 99)])
        assert isinstance(fetched, Fetched)
        assert [one.seq for one in fetched.sealed] == list(range(1, restored.last_seq + 1))
        hashes = {one.seq: one.hash for one in fetched.sealed}
        assert answered.items() <= hashes.items()
        texts = (one.text for one in fetched.sealed)
        assert not verify(texts, {KEY.kid: KEY.public}, SOURCE).problems
    assert len(answered) >= 5
