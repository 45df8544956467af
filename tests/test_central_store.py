"""The store's contract: a batch is there as a whole or not at all, once, and for good."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from central.errors import StoreError
from central.ingest import Displaced, Finding, Kept, Outcome
from central.journal import Epoch
from central.store import PROBLEM_COUNT_MAX, Store
from protocol.central.chain import Problem
from protocol.central.entry import Source, read
from sim.journals import Writer, journal, key

SOURCE = Source("330102", "h01", "w03")
UTC_MS = 1_790_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = Store(tmp_path / "central.db")
    yield store
    store.close()


def outcome(texts: list[str], **more: Any) -> Outcome:
    entries = [read(text) for text in texts]
    epoch = Epoch(entries[-1].epoch, 1, entries[-1].seq, entries[-1].hash) if entries else None
    return Outcome(
        UTC_MS,
        kept=[Kept(entry, []) for entry in entries],
        epochs={(SOURCE, epoch.name): epoch} if epoch else {},
        **more,
    )


def finding(seq: int | None = None, payload: bytes | None = b"x") -> Finding:
    return Finding(SOURCE, "e", Problem("fork", seq, "two texts"), payload)


def test_commit_when_reopened_then_everything_is_there(tmp_path: Path) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 4)
    first, last = read(texts[0]), read(texts[-1])
    store = Store(tmp_path / "a b#c?.db")
    store.commit(outcome(texts, notes={(SOURCE, "state"): "on"}, findings=[finding(3)]))
    store.close()
    store = Store(tmp_path / "a b#c?.db")
    assert store.sources() == [SOURCE]
    assert store.epochs(SOURCE) == [Epoch(last.epoch, 1, 4, last.hash)]
    assert list(store.texts(SOURCE, last.epoch)) == texts
    assert list(store.texts(SOURCE, last.epoch, above=2)) == texts[2:]
    assert store.hash_at(SOURCE, first.epoch, 1) == first.hash
    assert store.hash_at(SOURCE, first.epoch, 5) is None
    assert [(row.seq, row.received_utc_ms) for row in store.rows()] == [
        (seq, UTC_MS) for seq in range(1, 5)
    ]
    assert store.notes() == {(str(SOURCE), "state"): "on"}
    assert [(row.name, row.seq) for row in store.problems()] == [("fork", 3)]
    store.close()


def test_commit_when_a_number_is_taken_then_nothing_of_the_batch_is_there(store: Store) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 3)
    store.commit(outcome(texts[:2]))
    with pytest.raises(StoreError, match="UNIQUE"):
        store.commit(outcome([texts[2], texts[1]], findings=[finding()]))
    assert [row.text for row in store.rows()] == texts[:2]
    assert store.problems() == []
    store.commit(outcome(texts[2:]))
    assert [row.text for row in store.rows()] == texts


def test_commit_when_an_entry_is_displaced_then_it_moves_with_its_text(store: Store) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 2)
    entry = read(texts[1])
    store.commit(outcome(texts))
    wrong = Problem("broken_chain", 2, "does not fit")
    displaced = [Displaced(SOURCE, entry.epoch, wrong)]
    store.commit(outcome([], displaced=displaced, findings=[finding()]))
    assert [row.text for row in store.rows()] == texts[:1]
    assert store.problems()[0].text == texts[1].encode()


def test_commit_when_a_problem_comes_again_then_it_is_counted(store: Store) -> None:
    store.commit(Outcome(UTC_MS, findings=[finding(), finding(), finding(payload=None)]))
    store.commit(Outcome(UTC_MS, findings=[finding()]))
    assert [(row.seen_count, row.text) for row in store.problems()] == [(3, b"x"), (1, None)]


def test_commit_when_rubbish_floods_then_the_quarantine_is_bounded(store: Store) -> None:
    flood = [finding(payload=b"%d" % number) for number in range(PROBLEM_COUNT_MAX // 20)]
    fill = "INSERT INTO problems SELECT NULL, source, name, digest || ?, epoch, seq, sentence,"
    store.commit(Outcome(UTC_MS, findings=flood))
    with sqlite3.connect(store._path) as db:
        for number in range(19):
            db.execute(f"{fill} 0, 0, 1, text FROM problems WHERE length(digest) = 64", (number,))
    db.close()
    extra = Finding(Source("330102", "h01", "w04"), None, Problem("fork", None, ""), b"x")
    store.commit(Outcome(UTC_MS, findings=[finding(payload=b"one more"), flood[0], extra]))
    problems = store.problems()
    assert len(problems) == PROBLEM_COUNT_MAX + 1
    assert problems[0].seen_count == 2


def test_store_when_opened_then_its_settings_are_those_promised(tmp_path: Path) -> None:
    store = Store(tmp_path / "central.db")
    assert (store._pragma("journal_mode"), store._pragma("synchronous")) == ("wal", 2)
    tables = store._db.execute("PRAGMA table_list").fetchall()
    ours = {name: strict for _, name, kind, _, _, strict in tables if kind == "table"}
    assert {name for name, strict in ours.items() if strict} == {
        "entries",
        "epochs",
        "problems",
        "notes",
    }
    store.close()


def test_store_when_the_file_is_not_ours_then_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match=r"other\.db: not a database of the centre"):
        Store(path)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"other\.db: file is not a database"):
        Store(path)
    with pytest.raises(StoreError, match="unable to open"):
        Store(tmp_path / "none" / "central.db")


def test_store_when_made_by_a_later_version_then_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "central.db").close()
    with sqlite3.connect(tmp_path / "central.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="version 99, this program needs 1"):
        Store(tmp_path / "central.db")


def test_store_when_read_only_then_reads_beside_the_writer_and_writes_nothing(
    tmp_path: Path,
) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 2)
    store = Store(tmp_path / "central.db")
    store.commit(outcome(texts[:1]))
    reader = Store(tmp_path / "central.db", read_only=True)
    assert [row.text for row in reader.rows()] == texts[:1]
    with pytest.raises(StoreError, match="readonly"):
        reader.commit(outcome(texts[1:]))
    store.commit(outcome(texts[1:]))
    assert len(list(reader.rows())) == 2
    reader.close()
    store.close()
    with pytest.raises(StoreError):
        Store(tmp_path / "none.db", read_only=True)
