"""The journal's contract, held by the file and by its double in memory."""

import json
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.disk.journal import Journal
from daemon.errors import StoreFailed
from daemon.events import Sealed
from protocol.central.chain import verify
from protocol.central.entry import GENESIS, Draft, Source, Stamp, digest, read
from protocol.central.signing import SigningKey
from sim.stores import MemoryJournal

SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")


def draft(seq: int) -> Draft:
    stamp = Stamp("boot-1", 1000 * seq, 1_700_000_000_000 + seq, True, 5)
    return Draft(seq, "test", "w03", {"what": "评价", "ok": True, "detail": "x" * seq}, stamp)


def drafts(first: int, last: int) -> tuple[Draft, ...]:
    return tuple(draft(seq) for seq in range(first, last + 1))


class OnFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._journal: Journal | None = None

    def open(self) -> Journal:
        """Open it, for the second time as after a restart."""
        self.close()
        self._journal = Journal(self.path, SOURCE, KEY)
        return self._journal

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    @contextmanager
    def full(self) -> Iterator[None]:
        """No file may grow by more than a part of a page."""
        wal = self.path.with_name(self.path.name + "-wal")
        with file_limit((wal.stat().st_size if wal.exists() else 0) + 1000):
            yield


class InMemory:
    def __init__(self) -> None:
        self._journal = MemoryJournal(SOURCE, KEY)

    def open(self) -> MemoryJournal:
        return self._journal

    def close(self) -> None:
        pass

    @contextmanager
    def full(self) -> Iterator[None]:
        self._journal.fail = "the disk is full"
        yield
        self._journal.fail = None


@contextmanager
def file_limit(length: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["file", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnFile | InMemory]:
    made = OnFile(tmp_path / "unit.db") if request.param == "file" else InMemory()
    yield made
    made.close()


def test_new_journal_when_opened_is_fresh(bench: OnFile | InMemory) -> None:
    restored = bench.open().restored
    assert (restored.fresh, restored.last_seq, restored.last_hash) == (True, 0, GENESIS)
    assert re.fullmatch("[0-9a-f]{16}", restored.epoch)
    assert restored.state == {}


def test_commit_seals_each_draft_into_the_chain(bench: OnFile | InMemory) -> None:
    journal = bench.open()
    sealed = journal.commit(drafts(1, 2), {}) + journal.commit(drafts(3, 3), {})
    assert [(entry.seq, entry.kind) for entry in sealed] == [(1, "test"), (2, "test"), (3, "test")]
    assert all(entry.hash == digest(entry.text) for entry in sealed)
    assert [read(entry.text).epoch for entry in sealed] == [journal.restored.epoch] * 3
    assert read(sealed[2].text).data["detail"] == "xxx"
    report = verify([entry.text for entry in sealed], {KEY.kid: KEY.public}, SOURCE)
    assert report.entry_count == 3
    assert not report.problems


def test_file_and_memory_seal_the_same_text(tmp_path: Path) -> None:
    with Journal(tmp_path / "unit.db", SOURCE, KEY) as journal:
        double = MemoryJournal(SOURCE, KEY, journal.restored.epoch)
        for part in (drafts(1, 3), (), drafts(4, 4)):
            assert journal.commit(part, {}) == double.commit(part, {})
        assert journal.read(1, 9) == double.read(1, 9)


def test_read_gives_pages_in_order(bench: OnFile | InMemory) -> None:
    journal = bench.open()
    sealed = journal.commit(drafts(1, 7), {})
    assert journal.read(1, 3) == sealed[:3]
    assert journal.read(4, 3) == sealed[3:6]
    assert journal.read(7, 3) == sealed[6:]
    assert journal.read(8, 3) == ()
    assert journal.read(-1, 2) == sealed[:2]
    assert journal.read(1, 0) == ()


@pytest.mark.parametrize("seq", [0, 2, 5])
def test_commit_of_a_draft_out_of_order_is_our_bug(bench: OnFile | InMemory, seq: int) -> None:
    journal = bench.open()
    journal.commit(drafts(1, 3), {})
    with pytest.raises(AssertionError, match="where the journal wants 4"):
        journal.commit((draft(seq),), {})
    assert journal.commit(drafts(4, 4), {})[0].seq == 4


def test_reopened_journal_knows_where_it_stood(bench: OnFile | InMemory) -> None:
    journal = bench.open()
    epoch = journal.restored.epoch
    state = {"pad": json.dumps({"boot_id": 7, "seq": 1}), "case": json.dumps("idle")}
    journal.commit(drafts(1, 1), state)
    last = journal.commit(drafts(2, 2), {"pad": json.dumps({"boot_id": 7, "seq": 2})})[0]
    restored = bench.open().restored
    assert (restored.epoch, restored.fresh) == (epoch, False)
    assert (restored.last_seq, restored.last_hash) == (2, last.hash)
    assert restored.state == {"pad": {"boot_id": 7, "seq": 2}, "case": "idle"}


def test_commit_of_state_alone_makes_no_entry(bench: OnFile | InMemory) -> None:
    journal = bench.open()
    journal.commit(drafts(1, 1), {})
    assert journal.commit((), {"pad": "1"}) == ()
    journal = bench.open()
    assert (journal.restored.last_seq, journal.restored.state) == (1, {"pad": 1})


def test_failed_commit_leaves_nothing_and_is_asked_for_again(bench: OnFile | InMemory) -> None:
    journal = bench.open()
    first = journal.commit(drafts(1, 2), {"pad": "1"})
    with bench.full():
        for _ in range(3):
            with pytest.raises(StoreFailed):
                journal.commit(drafts(3, 9), {"pad": "2"})
        assert journal.read(1, 99) == first
    again = journal.commit(drafts(3, 9), {"pad": "2"})
    assert [entry.seq for entry in again] == [3, 4, 5, 6, 7, 8, 9]
    journal = bench.open()
    assert journal.read(1, 99) == first + again
    assert journal.restored.state == {"pad": 2}


def test_restart_after_a_failed_commit_finds_what_was_before(bench: OnFile | InMemory) -> None:
    journal = bench.open()
    first = journal.commit(drafts(1, 2), {"pad": "1"})
    with bench.full(), pytest.raises(StoreFailed):
        journal.commit(drafts(3, 9), {"pad": "2"})
    journal = bench.open()
    assert (journal.read(1, 99), journal.restored.state) == (first, {"pad": 1})


def test_what_was_read_cannot_change_the_journal(bench: OnFile | InMemory) -> None:
    journal = bench.open()
    journal.commit(drafts(1, 1), {})
    entry = journal.read(1, 1)[0]
    with pytest.raises(AttributeError):
        entry.text = "{}"  # type: ignore[misc]
    assert journal.read(1, 1) == (Sealed(entry.seq, entry.kind, entry.hash, entry.text),)
