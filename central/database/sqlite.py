"""SQLite: the database of one centre on one machine (real I/O)."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from central.database import Row, Values, marks
from central.errors import StoreError

BUSY_MS = 5_000  # another worker commits, or somebody makes a backup
TYPES = {"id": "INTEGER PRIMARY KEY", "int": "INTEGER", "bytes": "BLOB", "strict": "STRICT"}


class Sqlite:
    """A database in a file; opened anew after trouble, so that a file put back is found."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._read_only = read_only
        self._db: sqlite3.Connection | None = None
        self._connection()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        db = self._connection()
        with self._told():
            db.execute("BEGIN IMMEDIATE")
            try:
                yield
                db.execute("COMMIT")
            except BaseException:
                if self._db is db and db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def run(self, sql: str, values: Values = ()) -> int:
        with self._told():
            return self._connection().execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Sequence[Values]) -> None:
        with self._told():
            self._connection().executemany(sql, rows)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
        names = ", ".join(columns)
        self.run_many(f"INSERT INTO {table} ({names}) VALUES ({marks(len(columns))})", rows)

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        with self._told():
            return self._connection().execute(sql, values).fetchall()

    def stream(self, sql: str, values: Values = ()) -> Iterator[Row]:
        with self._told():
            yield from self._connection().execute(sql, values)

    def tables(self) -> set[str]:
        """The names of the tables that are there."""
        return {name for (name,) in self.rows("SELECT name FROM sqlite_schema WHERE type='table'")}

    def create(self, script: str) -> None:
        """Carry out a script of definitions as one transaction."""
        with self._told():
            self._connection().executescript(
                f"BEGIN IMMEDIATE; {script.format(**TYPES)} COMMIT;"
            )  # fmt: skip

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            with self._told():
                self._db = sqlite3.connect(self._uri, uri=True, isolation_level=None)
                self._prepare(self._db)
        return self._db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        if self._read_only:
            return
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        settings = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in _SETTINGS]
        if settings != list(_SETTINGS.values()):
            raise StoreError(f"{self._path}: WAL with synchronous=FULL is not possible here")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            self.close()
            raise StoreError(f"{self._path}: {error}") from error
        except StoreError:
            self.close()
            raise


_SETTINGS = {"journal_mode": "wal", "synchronous": 2}
