"""The journal's file: held by one process, opened by one connection, found to be as it must be.

WAL with synchronous=FULL: when a commit returns, its transaction has been synced, and with the
first sync of the WAL the directory too, so that the file's name is as durable as what is in it.
The settings are read back, because a pragma that is not understood says nothing.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from daemon.disk.append_only import TRIGGERS, trigger
from daemon.errors import DamageFound, StoreDamaged, StoreFailed, StoreFull, StoreUnusable

SCHEMA_VERSION = 2
# 4 MB of WAL before it is folded back: a few hundred cases between two larger writes.
CHECKPOINT_PAGES = 1000
# The lock file keeps daemons apart; only a stranger's program can make SQLite wait.
BUSY_S = 0.5
# name, how it is asked for, what must be read back. Exclusive comes first: a file that is never
# shared needs no index in shared memory.
SETTINGS = (
    ("locking_mode", "exclusive", "exclusive"),
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),
    ("trusted_schema", "off", 0),
)
KEEP = "keep it as evidence and move it away"
TABLES = {
    "journal": "id epoch source",
    "entry": "seq kind hash body",
    "state": "name value number sum",
    "remains": "epoch seq kind hash body receipted",
}
# Where sqlite-utils notes which steps have run.
MIGRATIONS = "_sqlite_migrations"
# What sqlite3 raises; the last where its own words quote bytes of a damaged file.
ERRORS = (sqlite3.Error, UnicodeDecodeError)
# The file format's first bytes, and where it keeps user_version (sqlite.org/fileformat2, 1.3).
MAGIC = b"SQLite format 3\0"
VERSION_AT = slice(60, 64)
# Fields of the first page that are the same in every journal (1.3.2 to 1.3.17): page size, rollback
# or WAL (twice), fractions, no vacuum, UTF-8, reserved. Some of them SQLite takes for orders.
FIXED = (
    (slice(16, 18), {b"\x10\0"}),
    (slice(18, 20), {b"\1\1", b"\2\2"}),
    (slice(20, 24), {b"\0\x40\x20\x20"}),
    (slice(44, 48), {b"\0\0\0\4"}),
    (slice(52, 56), {bytes(4)}),
    (slice(56, 60), {b"\0\0\0\1"}),
    (slice(64, 68), {bytes(4)}),
    (slice(72, 92), {bytes(20)}),
)
# SQLite's names for: not what was written.
DAMAGE = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_FORMAT", "SQLITE_MISMATCH")
# An insert into a sound file can offend none of these.
DAMAGE_IN_USE = (
    *DAMAGE, "SQLITE_CONSTRAINT_TRIGGER", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"
)  # fmt: skip
# What stands in the file is asked for in words that fit every journal; and a sector that cannot
# be read is lost.
DAMAGE_AT_START = (
    *DAMAGE, "SQLITE_CONSTRAINT", "SQLITE_ERROR", "SQLITE_TOOBIG", "SQLITE_IOERR_READ",
    "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS",
)  # fmt: skip


def hold(path: Path) -> IO[bytes]:
    """Take the lock beside the database, for as long as what is returned stays open."""
    name = path.with_name(path.name + ".lock")
    try:
        lock = os.fdopen(_private(name), "r+b", buffering=0)
    except OSError as error:
        raise StoreUnusable(_no_place(name, error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = lock.read(20).decode(errors="replace").strip() or "unknown"
        lock.close()
        raise StoreUnusable(
            f"{path}: another daemon (process {holder}) has this journal open: stop it first"
        ) from error
    except OSError as error:
        lock.close()
        raise StoreUnusable(
            f"{name}: cannot be locked ({error.strerror}): put the database on a local ext4 or f2fs"
        ) from error
    try:
        lock.truncate(0)
        lock.write(b"%d\n" % os.getpid())
    except OSError:
        # The number is only for the sentence above; a full disk does not hinder the lock.
        pass
    return lock


def connect(
    path: Path, checkpoint_pages: int, condemn: Callable[[StoreDamaged], None] | None = None
) -> sqlite3.Connection:
    """The one connection, its schema the newest. Raises StoreUnusable.

    condemn: told of damage while the file is still open. SQLite folds the log into a database as
    it closes it, but not into one that was moved meanwhile: so what is set aside stays as it is.
    """
    with ExitStack() as opened:
        with told(path, condemn):
            _check_header(path)
        db = opened.enter_context(closing(_connection(path)))
        with told(path, condemn):
            if _version(db) < SCHEMA_VERSION:
                _check_ours(path, db)
                db.close()
                _migrate(path)
                db = opened.enter_context(closing(_connection(path)))
            _set(path, db, checkpoint_pages)
            _check_schema(path, db)
        opened.pop_all()
        return db


@contextmanager
def told(path: Path, condemn: Callable[[StoreDamaged], None] | None) -> Iterator[None]:
    """SQLite's errors in words, and damage told to whom it concerns before anything is closed."""
    try:
        try:
            yield
        except ERRORS as error:
            raise unusable(path, error) from error
    except StoreDamaged as damage:
        if condemn is not None:
            condemn(damage)
        raise


def unusable(path: Path, error: Exception) -> StoreUnusable:
    """What is said of an error at start; StoreDamaged when the file is not as it was written."""
    is_damage = _name(error).startswith(DAMAGE_AT_START) or not _name(error)
    return (StoreDamaged if is_damage else StoreUnusable)(sentence(path, error))


def failed(path: Path, error: Exception, *, is_reading: bool = False) -> StoreFailed:
    """What is said of an error in use; DamageFound when no further try can help."""
    names = DAMAGE_AT_START if is_reading else DAMAGE_IN_USE
    if _name(error).startswith(names) or not _name(error):
        return DamageFound(sentence(path, error))
    return (StoreFull if _name(error) == "SQLITE_FULL" else StoreFailed)(sentence(path, error))


def damaged(path: Path, what: str, why: str) -> DamageFound:
    """What is said of something that does not prove itself."""
    return DamageFound(f"{path}: {what} is damaged: {why}")


def sentence(path: Path, error: Exception) -> str:
    """SQLite's words turned into a technician's."""
    name = _name(error)
    if name == "SQLITE_FULL":
        return f"{path}: the disk is full: free some space, nothing is lost meanwhile"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"{path}: cannot be written: the disk is read-only or the user may not write there"
    if name == "SQLITE_IOERR_WRITE":
        return (
            f"{path}: a write is refused: lift the size limit, if one is set, or replace the card; "
            "nothing is lost meanwhile"
        )
    if name.startswith("SQLITE_IOERR"):
        return f"{path}: the disk fails ({name}): replace the card"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{path}: another program has this journal open: stop it first"
    if not name:
        # Python's own words would quote the text, and it may be a rating.
        return f"{path}: not a sound database (a text in it is none): {KEEP}"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_CONSTRAINT")):
        return f"{path}: not a sound database ({error}): {KEEP}"
    return f"{path}: {error} ({name}): start the daemon again"


def _name(error: Exception) -> str:
    """SQLite's name of an error; of a text that is none there is no name."""
    return getattr(error, "sqlite_errorname", None) or ""


def _connection(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    name, wanted, _ = SETTINGS[0]
    db.execute(f"pragma {name} = {wanted}")
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _check_ours(path: Path, db: sqlite3.Connection) -> None:
    """Refuse to make a journal of what another program keeps here."""
    tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    if not tables <= {*TABLES, MIGRATIONS}:
        raise StoreUnusable(
            f"{path}: another program's database: give the journal a file of its own"
        )


def _migrate(path: Path) -> None:
    from daemon.disk import migrations

    migrations.apply(path, SCHEMA_VERSION)


def _check_header(path: Path) -> None:
    """Refuse what cannot be written, and a newer daemon's file before SQLite touches it."""
    try:
        descriptor = _private(path)
        try:
            header = os.read(descriptor, 100)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreUnusable(_no_place(path, error)) from error
    # What does not begin as a database may still be mended from its rollback journal.
    if not header.startswith(MAGIC):
        return
    if any(header[where] not in allowed for where, allowed in FIXED):
        raise StoreDamaged(f"{path}: the header of the file is damaged")
    version = int.from_bytes(header[VERSION_AT], "big")
    if version > SCHEMA_VERSION:
        if _step_count(path) == SCHEMA_VERSION:
            raise StoreDamaged(f"{path}: the version of the file is damaged")
        raise StoreUnusable(
            f"{path}: written by a newer daemon (schema {version}, this one knows "
            f"{SCHEMA_VERSION}): install the newer daemon again; nothing was changed"
        )


def _set(path: Path, db: sqlite3.Connection, checkpoint_pages: int) -> None:
    settings = (*SETTINGS, ("wal_autocheckpoint", str(checkpoint_pages), checkpoint_pages))
    for name, wanted, expected in settings:
        db.execute(f"pragma {name} = {wanted}")
        found = db.execute(f"pragma {name}").fetchone()[0]
        if found != expected:
            raise StoreUnusable(
                f"{path}: the setting {name} is {found}, not {expected}: this file system cannot "
                "keep the journal; put the database on a local ext4 or f2fs"
            )


def _step_count(path: Path) -> int | None:
    """How many steps of the schema have run, as the file says; it is only looked at."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)) as db:
            return int(db.execute(f"select count(*) from {MIGRATIONS}").fetchone()[0])
    except ERRORS:
        return None


def _check_schema(path: Path, db: sqlite3.Connection) -> None:
    strict = {name for _, name, _, _, _, strict in db.execute("pragma table_list") if strict}
    columns = {
        table: " ".join(row[1] for row in db.execute(f"pragma table_info({table})"))
        for table in TABLES
    }
    found = dict(db.execute("select name, sql from sqlite_master where type = 'trigger'"))
    if (
        not strict >= set(TABLES)
        or columns != TABLES
        or {name: str(text) for name, text in found.items()}
        != {name: trigger(name).replace("create trigger", "CREATE TRIGGER") for name in TRIGGERS}
    ):
        cookie = db.execute("pragma schema_version").fetchone()
        if cookie == db.execute("pragma application_id").fetchone():
            # No program changed them.
            raise StoreDamaged(f"{path}: its tables are damaged")
        raise StoreUnusable(
            f"{path}: its tables are not those this daemon made: keep the file as evidence, move "
            "it away and start again"
        )


def _private(path: Path) -> int:
    """Open a file to read and write; a new one is made for its owner's eyes only."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _no_place(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{path.parent}: is no directory: make one for the journal, or mend store.database"
    return (
        f"{path}: cannot be written ({error.strerror}): the journal needs a directory of its own "
        "that this user may write, with no file of another user in it"
    )
