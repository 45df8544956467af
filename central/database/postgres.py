"""PostgreSQL: the database many workers share (real I/O; the only import of psycopg)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache

import psycopg

from central.database import Row, Values
from central.errors import StoreError

CONNECT_S = 5
# What is committed must survive a power cut of the server: these are its defaults.
SETTINGS = {"fsync": ("on",), "synchronous_commit": ("on", "remote_apply", "remote_write", "local")}
CREATE_LOCK = 0x68637063  # "hcpc": workers that start together create the tables once
STREAM_ROW_COUNT = 1_000
TYPES = {
    "id": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "int": "BIGINT",
    "bytes": "BYTEA",
    "strict": "",
}


class Postgres:
    """A database on a server; connected anew after trouble."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        """url: as libpq reads it, postgresql://…; the password comes from ~/.pgpass."""
        self._url, self._read_only = url, read_only
        self._db: psycopg.Connection[Row] | None = None
        self._connection()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._told(), self._connection().transaction():
            yield

    def run(self, sql: str, values: Values = ()) -> int:
        with self._told():
            return self._connection().execute(_theirs(sql), values).rowcount

    def run_many(self, sql: str, rows: Sequence[Values]) -> None:
        with self._told(), self._connection().cursor() as cursor:
            cursor.executemany(_theirs(sql), rows)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._told(), self._connection().cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        with self._told():
            return self._connection().execute(_theirs(sql), values).fetchall()

    def stream(self, sql: str, values: Values = ()) -> Iterator[Row]:
        db = self._connection()
        with self._told(), db.transaction(), db.cursor(name="stream") as cursor:
            cursor.itersize = STREAM_ROW_COUNT
            cursor.execute(_theirs(sql), values)
            yield from cursor

    def tables(self) -> set[str]:
        """The names of the tables that are there."""
        sql = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
        return {name for (name,) in self.rows(sql)}

    def create(self, script: str) -> None:
        """Carry out a script of definitions as one transaction."""
        with self._told(), self._connection().transaction():
            self.rows("SELECT pg_advisory_xact_lock(?)", (CREATE_LOCK,))
            if not self.tables():
                self._connection().execute(script.format(**TYPES).encode())

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(psycopg.Error):
                db.close()

    @property
    def _place(self) -> str:
        """The server without a password."""
        parts = psycopg.conninfo.conninfo_to_dict(self._url)
        where = parts.get("host") or parts.get("hostaddr") or "the local socket"
        return f"PostgreSQL at {where}:{parts.get('port') or 5432}"

    def _connection(self) -> "psycopg.Connection[Row]":
        if self._db is None or self._db.closed:
            with self._told():
                self._db = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_S)
                self._db.read_only = self._read_only
                self._prepare(self._db)
        return self._db

    def _prepare(self, db: "psycopg.Connection[Row]") -> None:
        for name, allowed in SETTINGS.items():
            found = db.execute(f"SHOW {name}".encode()).fetchone()
            if found is None or found[0] not in allowed:
                raise StoreError(f"{self._place}: {name} is off, so a power cut would lose entries")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            self.close()
            raise StoreError(f"{self._place}: {_sentence(error)}") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
            self.close()
            raise StoreError(f"{self._place}: {_sentence(error)}") from error
        except StoreError:
            self.close()
            raise


def _sentence(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error)
    return " ".join(said.split())[:300]


@cache
def _theirs(sql: str) -> bytes:
    assert "%" not in sql, sql
    return sql.replace("?", "%s").encode()
