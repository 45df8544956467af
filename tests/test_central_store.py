"""The store's contract, on each engine: a batch is there once, as a whole or not at all."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from central.archive import Archive
from central.asks import FIRST_MS, RETRY_MS, Ask, Asking
from central.config import StoreConfig
from central.database import Database
from central.errors import StoreError
from central.ingest import Displaced, Finding, Kept, Outcome
from central.journal import Epoch
from central.registry import Registry, Unit
from central.store import Store
from central.tables import open_database
from protocol.central.chain import Problem
from protocol.central.entry import Source, read
from sim.journals import Writer, journal, key
from sim.postgres import Postgres

SOURCE, OTHER = Source("330102", "h01", "w03"), Source("330102", "h01", "w04")
UTC_MS = 1_790_000_000_000


@pytest.fixture
def database(store_config: StoreConfig) -> Any:
    database = open_database(store_config)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def archive(database: Database) -> Archive:
    return Archive(database)


def outcome(texts: list[str], **more: Any) -> Outcome:
    entries = [read(text) for text in texts]
    epoch = Epoch(entries[-1].epoch, 1, entries[-1].seq, entries[-1].hash) if entries else None
    return Outcome(
        UTC_MS,
        kept=[Kept(entry, []) for entry in entries],
        epochs={(SOURCE, epoch.name): epoch} if epoch else {},
        **more,
    )


def keep(store: Store, *outcomes: Outcome) -> None:
    with store.transaction():
        store.hold([SOURCE], UTC_MS)
        for one in outcomes:
            store.keep(one)


def finding(seq: int | None = None, payload: bytes | None = b"x", name: str = "fork") -> Finding:
    return Finding(SOURCE, "e", Problem(name, seq, "two texts"), payload)


def texts_of(archive: Archive) -> list[str]:
    return [row.text for row in archive.rows()]


def test_keep_when_opened_again_then_everything_is_there(store_config: StoreConfig) -> None:
    unit = Writer(SOURCE, key(1), 1)
    texts = journal(unit, 4)
    first = read(texts[0])
    store = Store(open_database(store_config))
    notes = {(SOURCE, "state"): "on", (SOURCE, "health"): "{}"}
    keep(store, outcome(texts, notes=notes, findings=[finding(3)]))
    store.close()
    database = open_database(store_config)
    archive = Archive(database)
    assert archive.sources() == [SOURCE]
    assert archive.epochs(SOURCE) == [Epoch(unit.head.epoch, 1, 4, unit.head.hash)]
    assert [(row.seq, row.received_utc_ms, row.text) for row in archive.rows()] == [
        (seq, UTC_MS, text) for seq, text in enumerate(texts, 1)
    ]
    assert [(row.name, row.seq, row.text) for row in archive.problems()] == [("fork", 3, b"x")]
    assert [(row.source, row.state, row.health) for row in archive.units()] == [
        (str(SOURCE), "on", "{}")
    ]
    numbers = [(SOURCE, first.epoch, seq) for seq in (1, 4, 5)]
    with Store(database).transaction():
        standing = Store(database).standing([SOURCE, OTHER], numbers)
    assert standing.hashes == {numbers[0]: first.hash, numbers[1]: unit.head.hash}
    assert list(standing.journals[SOURCE]) == archive.epochs(SOURCE)
    assert list(standing.journals[OTHER]) == []
    database.close()


def test_standing_when_entries_wait_above_a_hole_then_they_wait_again(store: Store) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 6)
    second, fourth = read(texts[1]), read(texts[3])
    epoch = Epoch(second.epoch, 1, 2, second.hash, ended_at=5, ended_hash="h", told_seq=6)
    one = outcome([*texts[:2], texts[3]])
    one.epochs = {(SOURCE, epoch.name): epoch}
    keep(store, one)
    with store.transaction():
        (found,) = store.standing([SOURCE], []).journals[SOURCE]
    assert found.waiting.keys() == {4}
    assert (found.waiting[4].hash, found.waiting[4].kind) == (fourth.hash, fourth.kind)
    assert (found.ended_at, found.ended_hash, found.told_seq) == (5, "h", 6)


def test_transaction_when_it_fails_then_nothing_of_the_batch_is_there(
    store: Store, archive: Archive
) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 3)
    keep(store, outcome(texts[:2]))
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        keep(store, outcome([texts[2], texts[1]], findings=[finding()]))
    assert texts_of(archive) == texts[:2]
    assert archive.problems() == []
    keep(store, outcome(texts[2:]))
    assert texts_of(archive) == texts


def test_keep_when_an_entry_is_displaced_then_it_moves_with_its_text(
    store: Store, archive: Archive
) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 2)
    entry = read(texts[1])
    wrong = Problem("broken_chain", 2, "does not fit")
    displaced = [Displaced(SOURCE, entry.epoch, wrong)]
    keep(store, outcome(texts), outcome([], displaced=displaced))
    assert texts_of(archive) == texts[:1]
    assert archive.problems()[0].text == texts[1].encode()


def test_keep_when_a_problem_comes_again_then_it_is_counted(store: Store, archive: Archive) -> None:
    keep(store, outcome([], findings=[finding(), finding(), finding(payload=None)]))
    keep(store, outcome([], findings=[finding()]))
    found = {(row.seen_count, row.text) for row in archive.problems()}
    assert found == {(3, b"x"), (1, None)}
    (alarm,) = store.alarms.all()
    assert (alarm.name, alarm.seen_count) == ("fork", 4)


def test_keep_when_rubbish_floods_then_each_has_its_share_of_the_quarantine(
    database: Database, archive: Archive
) -> None:
    store = Store(database, problem_count_max=50)
    flood = [finding(payload=b"%d" % number) for number in range(60)]
    keep(store, outcome([], findings=flood))
    strangers = [
        Finding(
            Source("330102", "h01", f"s{n}"), None, Problem("unknown_unit", None, ""), b"", False
        )
        for n in range(60)
    ]
    other = Finding(OTHER, None, Problem("fork", None, ""), b"x")
    keep(store, outcome([], findings=[*strangers, other, flood[0]]))
    charged = [row.source == str(SOURCE) for row in archive.problems()]
    assert (charged.count(True), charged.count(False)) == (50, 51)
    assert archive.problems()[0].seen_count == 2
    assert len(store.alarms.all()) == 1 + 50 + 1


def test_hold_when_another_worker_judges_the_unit_then_waits_for_it(
    store_config: StoreConfig, store: Store
) -> None:
    order: list[str] = []
    with store.transaction():
        store.hold([SOURCE], UTC_MS)

        def judge() -> None:
            other = Store(open_database(store_config))
            with other.transaction():
                other.hold([SOURCE], UTC_MS)
                order.append("second")
            other.close()

        second = threading.Thread(target=judge)
        second.start()
        store.keep(outcome(journal(Writer(SOURCE, key(1), 1), 2)))
        order.append("first")
    second.join(10)
    assert order == ["first", "second"]


def test_take_due_asks_when_two_workers_look_then_one_of_them_asks(
    store_config: StoreConfig, store: Store
) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 4)
    first = read(texts[0])
    one = outcome([texts[0], texts[3]])
    epoch = Epoch(first.epoch, 1, 1, first.hash)
    epoch.asking = Asking(2, 3, UTC_MS, 0, RETRY_MS, UTC_MS + FIRST_MS)
    one.epochs = {(SOURCE, epoch.name): epoch}
    keep(store, one)
    other = Store(open_database(store_config))
    assert other.take_due_asks(UTC_MS) == []
    assert other.take_due_asks(UTC_MS + FIRST_MS) == [Ask(SOURCE, epoch.name, 2, 3)]
    assert store.take_due_asks(UTC_MS + FIRST_MS) == []
    assert store.take_due_asks(UTC_MS + FIRST_MS + RETRY_MS) == [Ask(SOURCE, epoch.name, 2, 3)]
    other.close()


def test_keep_keys_when_keys_come_and_go_then_every_one_is_remembered(
    store: Store, archive: Archive
) -> None:
    old, new = key(1).public, key(2).public
    revoked = "2026-11-22T10:00:00Z"
    both = {old.kid: old, new.kid: new}
    store.keep_keys(Registry({SOURCE: Unit.of(old)}), 1)
    store.keep_keys(Registry({SOURCE: Unit.of(old)}), 2)
    store.keep_keys(Registry({SOURCE: Unit(both, {old.kid: revoked})}), 3)
    store.keep_keys(Registry({SOURCE: Unit.of(new)}), 4)
    assert [row[1:] for row in archive.key_rows()] == [
        (old.kid, old.to_text(), 1, revoked, 4),
        (new.kid, new.to_text(), 3, None, None),
    ]
    assert archive.keys(SOURCE).keys() == both.keys()


def test_keep_when_data_are_not_what_the_schema_wants_then_the_entry_is_kept_all_the_same(
    store: Store, archive: Archive
) -> None:
    unit = Writer(SOURCE, key(1), 1)
    dirty = [
        unit.write("boot"),
        unit.write("rating", projectNo="a\x00b", outcome=7, satisfaction="5"),
        unit.write("rating", projectNo=["x"], satisfaction=99, service="y" * 500),
    ]
    keep(store, outcome(dirty))
    assert texts_of(archive) == dirty


# -- what is an engine's own


def test_sqlite_when_opened_then_its_settings_are_those_promised(tmp_path: Path) -> None:
    config = StoreConfig(database=tmp_path / "a b#c?.db", url=None)
    database = open_database(config)
    assert database.rows("PRAGMA journal_mode") == [("wal",)]
    assert database.rows("PRAGMA synchronous") == [(2,)]
    tables = database.rows("SELECT name, strict FROM pragma_table_list WHERE type = 'table'")
    strict = {name for name, is_strict in tables if is_strict}
    assert strict == database.tables() == {
        "alarms", "centre", "entries", "epochs", "keys", "problems", "units",
    }  # fmt: skip
    database.close()


def test_sqlite_when_the_file_is_not_ours_then_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    config = StoreConfig(database=path, url=None)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match=r"other\.db: not a database of the centre"):
        open_database(config)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"other\.db: file is not a database"):
        open_database(config)
    with pytest.raises(StoreError, match="unable to open"):
        open_database(StoreConfig(database=tmp_path / "none" / "central.db", url=None))


def test_database_when_made_by_a_later_version_then_is_refused(store_config: StoreConfig) -> None:
    database = open_database(store_config)
    database.run("UPDATE centre SET version = 99")
    database.close()
    with pytest.raises(StoreError, match="version 99, this program needs 2"):
        open_database(store_config)


def test_database_when_read_only_then_reads_beside_the_writer_and_writes_nothing(
    store_config: StoreConfig, store: Store
) -> None:
    texts = journal(Writer(SOURCE, key(1), 1), 2)
    keep(store, outcome(texts[:1]))
    reader = open_database(store_config, read_only=True)
    assert texts_of(Archive(reader)) == texts[:1]
    with pytest.raises(StoreError, match=r"readonly|read-only"):
        keep(Store(reader), outcome(texts[1:]))
    keep(store, outcome(texts[1:]))
    assert len(texts_of(Archive(reader))) == 2
    reader.close()


def test_sqlite_when_there_is_none_to_read_then_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.db: unable to open"):
        open_database(StoreConfig(database=tmp_path / "none.db", url=None), read_only=True)


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
def test_postgres_when_it_would_lose_commits_then_is_refused(
    postgres: Postgres, tmp_path: Path, setting: str
) -> None:
    url = postgres.create_database(f"unsafe_{setting}")
    if setting == "fsync":
        postgres.stop()
        postgres.settings["fsync"] = "off"
        postgres.start()
    else:
        url += "?options=-csynchronous_commit%3Doff"
    try:
        with pytest.raises(StoreError, match=f"{setting} is off"):
            open_database(StoreConfig(database=tmp_path, url=url))
    finally:
        if setting == "fsync":
            postgres.stop()
            del postgres.settings["fsync"]
            postgres.start()


@pytest.mark.needs("postgres")
def test_postgres_when_it_was_away_then_the_next_transaction_finds_it(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.create_database("away")
    store = Store(open_database(StoreConfig(database=tmp_path, url=url)))
    texts = journal(Writer(SOURCE, key(1), 1), 2)
    keep(store, outcome(texts[:1]))
    postgres.kill()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"PostgreSQL at 127\.0\.0\.1:\d+: "):
            keep(store, outcome(texts[1:]))
    postgres.start()
    keep(store, outcome(texts[1:]))
    store.close()
