"""The journal's file: held by one process, opened by one connection, found to be as it must be.

WAL with synchronous=FULL: when a commit returns, its transaction has been synced, and with the
first sync of the WAL the directory too, so that the file's name is as durable as what is in it.
The settings are read back, because a pragma that is not understood says nothing.
"""

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO

from daemon.append_only import TRIGGERS, trigger
from daemon.errors import StoreUnusable

SCHEMA_VERSION = 1
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
TABLES = {"journal", "entry", "state"}
# Where sqlite-utils notes which steps have run.
MIGRATIONS = "_sqlite_migrations"
# The file format's first bytes, and where it keeps user_version (sqlite.org/fileformat2, 1.3).
MAGIC = b"SQLite format 3\0"
VERSION_AT = slice(60, 64)


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


def connect(path: Path, checkpoint_pages: int) -> sqlite3.Connection:
    """The one connection, its schema the newest. Raises StoreUnusable."""
    _check_header(path)
    try:
        with ExitStack() as opened:
            db = opened.enter_context(closing(_connection(path)))
            if _version(db) < SCHEMA_VERSION:
                _check_ours(path, db)
                db.close()
                _migrate(path)
                db = opened.enter_context(closing(_connection(path)))
            _set(path, db, checkpoint_pages)
            _check_schema(path, db)
            opened.pop_all()
            return db
    except sqlite3.Error as error:
        raise StoreUnusable(sentence(path, error)) from error


def sentence(path: Path, error: sqlite3.Error) -> str:
    """SQLite's words turned into a technician's."""
    name = getattr(error, "sqlite_errorname", "")
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
    # An error without a name is of a text that is none.
    if not name or name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_CONSTRAINT")):
        return f"{path}: not a sound database ({error}): keep it as evidence and move it away"
    return f"{path}: {error} ({name}): start the daemon again"


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
    from daemon import migrations

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
    version = int.from_bytes(header[VERSION_AT], "big")
    if header.startswith(MAGIC) and version > SCHEMA_VERSION:
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


def _check_schema(path: Path, db: sqlite3.Connection) -> None:
    strict = {name for _, name, _, _, _, strict in db.execute("pragma table_list") if strict}
    found = dict(db.execute("select name, sql from sqlite_master where type = 'trigger'"))
    triggers = {name: text.lower() for name, text in found.items()}
    if not strict >= TABLES or triggers != {name: trigger(name) for name in TRIGGERS}:
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
