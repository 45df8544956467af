"""The journal's file: how it is made, what is refused, and in which words."""

import json
import os
import re
import resource
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.disk.database import SCHEMA_VERSION, TABLES, connect, sentence
from daemon.disk.journal import Journal
from daemon.errors import StoreFailed, StoreUnusable
from protocol.central.entry import Draft, Source, Stamp
from protocol.central.signing import SigningKey

SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
NOBODY = 65534
APPEND_ONLY = "the journal is append-only"


def drafts(first: int, last: int) -> tuple[Draft, ...]:
    return tuple(
        Draft(seq, "test", "w03", {"what": "评价", "ok": True, "detail": "x" * seq}, stamp)
        for seq in range(first, last + 1)
        for stamp in (Stamp("boot-1", seq, None, False, None),)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of three entries."""
    with Journal(tmp_path / "unit.db", SOURCE, KEY) as journal:
        journal.commit(drafts(1, 3), {"pad": "1"})
    return tmp_path / "unit.db"


def refusal(path: Path, source: Source = SOURCE) -> str:
    """The sentence with which it is refused; the file stays as it is."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreUnusable) as caught:
        Journal(path, source, KEY)
    assert before == (path.read_bytes() if path.is_file() else None)
    return str(caught.value)


def change(path: Path, *statements: str) -> None:
    """What someone does to the file with another program."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def damage(path: Path, *statements: str) -> None:
    """What only a failing card does: against the triggers, and null where there must be text."""
    trigger = "create trigger entry_no_update before update on entry "
    trigger += f"begin select raise(abort, '{APPEND_ONLY}'); end"
    nullable = "update sqlite_master set sql = replace(sql, ' NOT NULL', '') where type = 'table'"
    change(path, "drop trigger entry_no_update", "pragma writable_schema = on", nullable)
    change(path, *statements, trigger)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write anywhere, so it steps down."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that others may look into; tmp_path is its owner's alone."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)
        Path(directory).chmod(0o755)


@contextmanager
def file_limit(length: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("locking_mode", "exclusive"),
        ("trusted_schema", 0),
        ("wal_autocheckpoint", 7),
        ("user_version", SCHEMA_VERSION),
    ],
)
def test_connection_has_its_settings(path: Path, pragma: str, value: str | int) -> None:
    with closing(connect(path, 7)) as db:
        assert db.execute(f"pragma {pragma}").fetchone() == (value,)


def test_setting_that_is_not_taken_is_refused(path: Path) -> None:
    with pytest.raises(StoreUnusable, match="the setting wal_autocheckpoint is 0, not 4294967296"):
        connect(path, 1 << 32)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_table_is_strict(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        (text,) = db.execute("select sql from sqlite_master where name = ?", (table,)).fetchone()
    assert text.endswith("STRICT")


def test_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with Journal(tmp_path / "unit.db", SOURCE, KEY) as journal:
            journal.commit(drafts(1, 1), {})
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(umask)
    assert set(modes.values()) == {0o600}
    assert modes.keys() == {"unit.db", "unit.db-wal", "unit.db.lock", "unit.db.head"}


def test_open_journal_is_closed_to_other_programs(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        journal.commit(drafts(4, 4), {})
        with (
            closing(sqlite3.connect(path, timeout=0)) as stranger,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            stranger.execute("select count(*) from entry")
    assert [name.name for name in path.parent.iterdir() if name.name.endswith("-shm")] == []


@pytest.mark.parametrize(
    "statement",
    [
        "update entry set body = '{}' where seq = 2",
        "delete from entry where seq = 2",
        "insert or replace into entry values (2, 'test', 'h', '{}')",
        "insert into entry values (9, 'test', 'h', '{}')",
    ],
)
def test_entry_once_written_is_refused_to_every_program(path: Path, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=APPEND_ONLY):
        change(path, statement)
    with Journal(path, SOURCE, KEY) as journal:
        assert [entry.seq for entry in journal.read(1, 9)] == [1, 2, 3]


def test_second_opener_is_refused_with_the_process_that_holds_it(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        with pytest.raises(StoreUnusable) as caught:
            Journal(path, SOURCE, KEY)
        assert str(caught.value) == (
            f"{path}: another daemon (process {os.getpid()}) has this journal open: stop it first"
        )
        assert journal.commit(drafts(4, 4), {})
    Journal(path, SOURCE, KEY).close()


def test_file_held_by_another_program_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("begin immediate")
        assert refusal(path) == f"{path}: another program has this journal open: stop it first"
    Journal(path, SOURCE, KEY).close()


def test_file_of_a_newer_daemon_is_refused_untouched(path: Path, tmp_path: Path) -> None:
    """Even after a power cut, when opening it as a database would fold its WAL back."""
    newer = tmp_path / "newer" / "unit.db"
    newer.parent.mkdir()
    step = "insert into _sqlite_migrations (migration_set, name) values ('journal', 'm999')"
    change(path, step, f"pragma user_version = {SCHEMA_VERSION + 1}")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("insert into state values ('new', '1', 0, '')")
        for name in ("unit.db", "unit.db-wal"):
            shutil.copy(path.with_name(name), newer.with_name(name))
    wal = newer.with_name("unit.db-wal").read_bytes()
    assert refusal(newer) == (
        f"{newer}: written by a newer daemon (schema {SCHEMA_VERSION + 1}, this one knows "
        f"{SCHEMA_VERSION}): install the newer daemon again; nothing was changed"
    )
    assert wal == newer.with_name("unit.db-wal").read_bytes() != b""


def test_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "unit.db"
    path.write_bytes(b"a shopping list, much longer than a header" * 99)
    assert re.search(r"not a sound database \(.*\): keep it as evidence", refusal(path))


def test_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    change(tmp_path / "unit.db", "create table recipe (name text)")
    assert refusal(tmp_path / "unit.db") == (
        f"{tmp_path / 'unit.db'}: another program's database: give the journal a file of its own"
    )


def test_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    (tmp_path / "unit.db").touch()
    with Journal(tmp_path / "unit.db", SOURCE, KEY) as journal:
        assert journal.restored.fresh


@pytest.mark.parametrize(
    "statements",
    [
        ("drop trigger entry_append",),
        ("drop trigger entry_no_update",),
        ("drop trigger entry_no_delete",),
        ("create trigger mine after insert on entry begin delete from state; end",),
        (
            "drop trigger entry_no_update",
            "create trigger entry_no_update before update on entry begin select 1; end",
        ),
        ("drop table state",),
        ("drop table state", "create table state (name text primary key, value text not null)"),
    ],
    ids=lambda statements: statements[-1][:32],
)
def test_schema_that_was_tampered_with_is_refused(path: Path, statements: tuple[str, ...]) -> None:
    change(path, *statements)
    assert refusal(path) == (
        f"{path}: its tables are not those this daemon made: keep the file as evidence, move it "
        "away and start again"
    )


def test_journal_of_another_unit_is_refused(path: Path) -> None:
    assert refusal(path, Source("330102", "h01", "w04")) == (
        f"{path}: this is the journal of /330102/h01/w03, the configuration says "
        "/330102/h01/w04: give this unit a database of its own"
    )


def set_aside(path: Path) -> dict[str, Any]:
    """What a start says of a file that it sets aside, which stays as it was."""
    before = path.read_bytes()
    with Journal(path, SOURCE, KEY) as journal:
        assert (journal.restored.fresh, journal.restored.last_seq) == (True, 0)
        told = journal.restored.salvage
    assert told is not None
    assert (path.parent / "quarantine" / told["file"]).read_bytes() == before
    return dict(told)


@pytest.mark.parametrize(
    ("seq", "body", "why"),
    [
        (3, "replace(body, '\"ok\":true', '\"ok\":fals')", "no JSON|not JSON|line 1|value"),
        (3, "replace(body, '评价', '评分')", "does not stand where it was written"),
        (3, "(select body from entry where seq = 2)", "does not stand where it was written"),
        (3, "cast(x'ff' as text)", "a text in it is none"),
        (3, "null", "last entry .3. is damaged"),
        (2, "null", "NULL value in entry|entry 2 is damaged: it holds no text"),
        (2, "replace(body, '评价', '评分')", "entry 2 is damaged: it is not the text"),
        (2, "(select body from entry where seq = 1)", "entry 2 is damaged: it is not the text"),
        (2, "cast(x'ff' as text)", "a text in it is none"),
    ],
)
def test_entry_when_damaged_sets_the_file_aside(path: Path, seq: int, body: str, why: str) -> None:
    damage(path, f"update entry set body = {body} where seq = {seq}")
    told = set_aside(path)
    assert re.search(why, told["why"]), told["why"]
    assert (told["salvaged"], told["missing"], told["state"]) == (2, [[seq, seq]], "kept")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("update state set value = '{' where name = 'pad'", "the state 'pad' is damaged"),
        ("update state set value = '2' where name = 'pad'", "the state 'pad' is damaged"),
        ("update state set value = null where name = 'pad'", "the state 'pad' is damaged"),
        ("delete from state where name = 'pad'", "a row of the state is missing or outdated"),
        ("delete from state where name = 'head'", "where the journal stands is not there"),
        ("update journal set epoch = '00'", "the epoch is damaged: it is not one"),
        ("update journal set epoch = null", "the epoch is damaged: it is not one"),
        ("delete from journal", "the epoch is not there"),
        ("update journal set source = '/3/h01/w03'", "the unit's name is damaged"),
    ],
)
def test_state_or_epoch_when_damaged_sets_the_file_aside(path: Path, change: str, why: str) -> None:
    damage(path, change)
    told = set_aside(path)
    assert why in told["why"]
    assert (told["salvaged"], told["missing"]) == (3, [])


def test_bytes_of_a_damaged_text_are_told_to_nobody(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They may be a rating: no level is readable at the window."""
    damage(path, "update entry set body = cast(x'736563726574ff' as text) where seq = 2")
    told = set_aside(path)
    assert "secret" not in json.dumps(told) + caplog.text


def test_commit_with_state_that_cannot_be_stored_leaves_no_entry(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        with pytest.raises(StoreFailed):
            journal.commit(drafts(4, 4), {"pad": b"2"})  # type: ignore[dict-item]
        assert journal.read(4, 1) == ()
        assert journal.commit(drafts(4, 4), {"pad": "2"})


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    sentence = refusal(tmp_path / "absent" / "unit.db")
    assert sentence == (
        f"{tmp_path / 'absent'}: is no directory: make one for the journal, or mend store.database"
    )


def test_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file: is no directory: make one" in refusal(tmp_path / "file" / "unit.db")


def test_database_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "unit.db").mkdir()
    assert "unit.db: cannot be written (Is a directory)" in refusal(tmp_path / "unit.db")


def test_directory_that_may_not_be_written_is_refused(public: Path) -> None:
    public.chmod(0o555)
    with as_nobody(), pytest.raises(StoreUnusable) as caught:
        Journal(public / "unit.db", SOURCE, KEY)
    assert str(caught.value) == (
        f"{public / 'unit.db.lock'}: cannot be written (Permission denied): the journal needs a "
        "directory of its own that this user may write, with no file of another user in it"
    )


def test_database_that_may_not_be_written_is_refused(public: Path) -> None:
    path = public / "unit.db"
    Journal(path, SOURCE, KEY).close()
    path.chmod(0o444)
    path.with_name("unit.db.lock").chmod(0o666)
    with as_nobody(), pytest.raises(StoreUnusable) as caught:
        Journal(path, SOURCE, KEY)
    assert str(caught.value).startswith(f"{path}: cannot be written (Permission denied)")


def test_disk_full_at_start_still_reads_and_takes_commits_later(path: Path) -> None:
    with file_limit(0):
        journal = Journal(path, SOURCE, KEY)
        assert len(journal.read(1, 9)) == 3
        with pytest.raises(StoreFailed, match="a write is refused: lift the size limit"):
            journal.commit(drafts(4, 99), {})
    assert len(journal.commit(drafts(4, 99), {})) == 96
    journal.close()


@pytest.mark.parametrize("length", [0, 1000, 5000, 13000])
def test_disk_full_while_the_file_is_made_is_said_and_mended_later(
    tmp_path: Path, length: int
) -> None:
    with file_limit(length), pytest.raises(StoreUnusable, match="a write is refused"):
        Journal(tmp_path / "unit.db", SOURCE, KEY)
    with Journal(tmp_path / "unit.db", SOURCE, KEY) as journal:
        assert journal.restored.fresh
        assert journal.commit(drafts(1, 1), {})


@pytest.mark.parametrize(
    ("name", "what", "to_do"),
    [
        ("SQLITE_FULL", "the disk is full", "free some space"),
        ("SQLITE_IOERR_WRITE", "a write is refused", "lift the size limit"),
        ("SQLITE_IOERR_READ", "the disk fails", "replace the card"),
        ("SQLITE_IOERR_FSYNC", "the disk fails", "replace the card"),
        ("SQLITE_READONLY", "cannot be written", "read-only or the user may not write"),
        ("SQLITE_CANTOPEN", "cannot be written", "read-only or the user may not write"),
        ("SQLITE_BUSY", "another program has this journal open", "stop it first"),
        ("SQLITE_NOTADB", "not a sound database", "keep it as evidence"),
        ("SQLITE_CORRUPT", "not a sound database", "keep it as evidence"),
        ("SQLITE_CONSTRAINT_TRIGGER", "not a sound database", "keep it as evidence"),
        ("", "not a sound database", "keep it as evidence"),
        ("SQLITE_NOMEM", "out of everything", "start the daemon again"),
    ],
)
def test_sentence_says_what_is_wrong_and_what_to_do(name: str, what: str, to_do: str) -> None:
    error = sqlite3.OperationalError("out of everything")
    if name:
        error.sqlite_errorname = name
    said = sentence(Path("unit.db"), error)
    assert said.startswith(f"unit.db: {what}")
    assert to_do in said
