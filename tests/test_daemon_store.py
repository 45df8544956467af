"""The store's thread: jobs in order, answers as events, the journal closed at the end."""

import queue
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.disk.append_only import trigger
from daemon.disk.journal import Journal
from daemon.disk.standing import CHECKED_LEN
from daemon.disk.store import Store
from daemon.effects import Commit, Fetch
from daemon.errors import StoreFailed
from daemon.events import CommitFailed, Committed, Event, Fetched
from protocol.central.entry import Draft, Source, Stamp
from protocol.central.signing import SigningKey

SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
# Long past anything the store does here; only a hang lasts as long.
HANG_S = 10.0


def draft(seq: int) -> Draft:
    return Draft(seq, "test", "w03", {"what": "w"}, Stamp("boot-1", seq, None, False, None))


class Bench:
    """A store on a real file, and what it posts."""

    def __init__(self, path: Path, *, starts: bool = True) -> None:
        self.path = path
        self.events: queue.Queue[Event] = queue.Queue()
        self.dead: queue.Queue[str] = queue.Queue()
        self.store = Store(Journal(path, SOURCE, KEY), self.events.put, self.dead.put)
        if starts:
            self.store.start()

    def next(self) -> Event:
        return self.events.get(timeout=HANG_S)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "unit.db")
    yield made
    made.store.stop()


def test_jobs_are_answered_in_their_order(bench: Bench) -> None:
    for number in range(1, 6):
        bench.store.do(Commit(number, (draft(number),), {}))
        bench.store.do(Fetch(number, 9))
    for number in range(1, 6):
        committed, fetched = bench.next(), bench.next()
        assert isinstance(committed, Committed)
        assert (committed.number, committed.sealed[0].seq) == (number, number)
        assert fetched == Fetched(number, committed.sealed)


def test_commit_that_fails_is_told_and_asked_for_again(bench: Bench) -> None:
    commit = Commit(1, tuple(draft(seq) for seq in range(1, 20)), {"pad": "1"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        bench.store.do(commit)
        failed = bench.next()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(failed, CommitFailed)
    assert failed.number == 1
    assert failed.reason.startswith(f"{bench.path}: a write is refused")
    bench.store.do(commit)
    committed = bench.next()
    assert isinstance(committed, Committed)
    assert [entry.seq for entry in committed.sealed] == list(range(1, 20))


def test_read_from_other_threads_gives_what_was_committed_before(bench: Bench) -> None:
    bench.store.do(Commit(1, tuple(draft(seq) for seq in range(1, 4)), {}))
    pages: queue.Queue[list[int]] = queue.Queue()

    def ask(first: int) -> None:
        pages.put([entry.seq for entry in bench.store.read(first, 2)])

    threads = [threading.Thread(target=ask, args=(first,)) for first in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert sorted(pages.get(timeout=HANG_S) for _ in threads) == [[], [1, 2], [2, 3], [3]]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A journal too large to be looked at as a whole at start, with one entry damaged."""
    path = tmp_path / "unit.db"
    with Journal(path, SOURCE, KEY) as journal:
        for seq in range(1, 62):
            long = Draft(seq, "test", "w03", {"what": "w" * 50_000}, draft(seq).stamp)
            journal.commit((long,), {})
    assert path.stat().st_size > CHECKED_LEN
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("drop trigger entry_no_update")
        db.execute("update entry set body = cast(x'ff' as text) where seq = 30")
        db.execute(trigger("entry_no_update"))
    return path


@pytest.mark.parametrize("asks", [True, False], ids=["when it is asked for", "by the walk"])
def test_damage_in_use_is_said_not_invented_and_set_aside(large: Path, asks: bool) -> None:
    bench = Bench(large, starts=False)
    if asks:
        bench.store.do(Fetch(30, 2))
    bench.store.start()
    assert bench.dead.get(timeout=HANG_S) == "store"
    if asks:
        answer = bench.next()
        assert isinstance(answer, Fetched)
        assert answer.sealed == ()
        assert "not a sound database" in (answer.trouble or "")
    bench.store.join(HANG_S)
    with Journal(large, SOURCE, KEY) as journal:
        told = journal.restored.salvage
        assert told is not None
        assert (told["salvaged"], told["missing"], told["state"]) == (60, [[30, 30]], "kept")
        assert journal.restored.remains == 60


def test_reader_who_waits_for_a_damaged_page_is_told(large: Path) -> None:
    bench = Bench(large)
    with pytest.raises(StoreFailed, match=r"not a sound database|the journal is closed"):
        bench.store.read(30, 2)
    bench.store.join(HANG_S)


def test_stop_finishes_what_is_queued_and_closes_the_journal(bench: Bench) -> None:
    bench.store.do(Commit(1, (draft(1),), {}))
    bench.store.stop()
    assert isinstance(bench.next(), Committed)
    assert [path.name for path in bench.path.parent.iterdir() if "-wal" in path.name] == []
    with Journal(bench.path, SOURCE, KEY) as journal:
        assert journal.restored.last_seq == 1


def test_read_after_stop_is_refused(bench: Bench) -> None:
    bench.store.stop()
    bench.store.stop()
    with pytest.raises(StoreFailed, match="the journal is closed"):
        bench.store.read(1, 1)


def test_worker_that_dies_of_our_bug_is_told_and_lets_go_of_the_journal(bench: Bench) -> None:
    bench.store.do(Commit(1, (draft(7),), {}))
    assert bench.dead.get(timeout=HANG_S) == "store"
    bench.store.join(HANG_S)
    Journal(bench.path, SOURCE, KEY).close()
