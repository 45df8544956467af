"""Where the centre keeps everything: one SQLite database, one transaction a batch (real I/O).

Every entry is kept once under (source, epoch, seq) and never changed. What was refused is kept in
`problems` with its text: the quarantine. A row there without text is a remark on a stored entry.
"""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from central.errors import StoreError
from central.ingest import Displaced, Finding, Kept, Outcome
from central.journal import Epoch, lived_order
from protocol.central.entry import TEXT_LEN_MAX, Source

APPLICATION_ID = 0x68637063  # "hcpc"
VERSION = 1
BUSY_MS = 5_000  # another process reads or backs up
PROBLEM_COUNT_MAX = 10_000  # per unit, so that a flood of rubbish cannot fill the disk

SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,  -- order of arrival
    source TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    hash TEXT NOT NULL,
    received_utc_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (source, epoch, seq)
) STRICT;
CREATE TABLE epochs (
    source TEXT NOT NULL,
    epoch TEXT NOT NULL,
    number INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    hash TEXT NOT NULL,
    previous TEXT,
    ended_at INTEGER,
    PRIMARY KEY (source, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE problems (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    epoch TEXT,
    seq INTEGER,
    sentence TEXT NOT NULL,
    first_utc_ms INTEGER NOT NULL,
    last_utc_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    text BLOB,
    UNIQUE (source, name, digest)
) STRICT;
CREATE TABLE notes (
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    received_utc_ms INTEGER NOT NULL,
    PRIMARY KEY (source, name)
) STRICT, WITHOUT ROWID;
"""

KEEP_ENTRY = """
INSERT INTO entries (source, epoch, seq, kind, hash, received_utc_ms, text)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
KEEP_EPOCH = """
INSERT INTO epochs (source, epoch, number, upto, hash, previous, ended_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET upto = excluded.upto, hash = excluded.hash,
    previous = excluded.previous, ended_at = excluded.ended_at
"""
KEEP_PROBLEM = """
INSERT INTO problems
    (source, name, digest, epoch, seq, sentence, first_utc_ms, last_utc_ms, count, text)
SELECT :source, :name, :digest, :epoch, :seq, :sentence, :now, :now, 1, :text
WHERE (SELECT count(*) FROM problems WHERE source = :source) < :count_max
   OR EXISTS (SELECT 1 FROM problems
              WHERE source = :source AND name = :name AND digest = :digest)
ON CONFLICT DO UPDATE SET count = count + 1, last_utc_ms = excluded.last_utc_ms
"""
KEEP_NOTE = """
INSERT INTO notes (source, name, text, received_utc_ms) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET text = excluded.text, received_utc_ms = excluded.received_utc_ms
"""


class Row(NamedTuple):
    """One stored entry."""

    source: str
    epoch: str
    seq: int
    received_utc_ms: int
    text: str


class ProblemRow(NamedTuple):
    """One problem as it was recorded; `text` is set when the message is in quarantine."""

    source: str
    name: str
    seq: int | None
    sentence: str
    seen_count: int
    text: bytes | None


class Store:
    """The database of a centre; one object, one connection, one thread."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error
        try:
            self._prepare(read_only)
        except (sqlite3.Error, StoreError) as error:
            self._db.close()
            raise StoreError(f"{path}: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def commit(self, outcome: Outcome) -> None:
        """Store a whole batch, or nothing of it; on disk when this returns."""
        if not outcome.changes:
            return
        now = outcome.received_utc_ms
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(KEEP_ENTRY, [_entry_row(kept, now) for kept in outcome.kept])
                for displaced in outcome.displaced:
                    self._displace(displaced, now)
                for finding in outcome.findings:
                    self._keep_problem(finding, now)
                self._db.executemany(KEEP_EPOCH, [_epoch_row(*item) for item in _changed(outcome)])
                self._db.executemany(
                    KEEP_NOTE,
                    [(str(src), name, text, now) for (src, name), text in outcome.notes.items()],
                )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def hash_at(self, source: Source, epoch: str, seq: int) -> str | None:
        """The hash of a stored entry."""
        sql = "SELECT hash FROM entries WHERE source = ? AND epoch = ? AND seq = ?"
        row = self._db.execute(sql, (str(source), epoch, seq)).fetchone()
        return row[0] if row else None

    def sources(self) -> list[Source]:
        """The units that were heard of."""
        rows = self._db.execute("SELECT DISTINCT source FROM epochs ORDER BY source")
        return [Source.parse(source) for (source,) in rows]

    def epochs(self, source: Source) -> list[Epoch]:
        """A unit's epochs in their order, without what waits."""
        sql = "SELECT epoch, number, upto, hash, previous, ended_at FROM epochs WHERE source = ?"
        return lived_order([Epoch(*row) for row in self._db.execute(sql, (str(source),))])

    def texts(self, source: Source, epoch: str, *, above: int = 0) -> Iterator[str]:
        """An epoch's entries in their order, from the one after number `above`."""
        sql = "SELECT text FROM entries WHERE source = ? AND epoch = ? AND seq > ? ORDER BY seq"
        return (text for (text,) in self._db.execute(sql, (str(source), epoch, above)))

    def rows(self) -> Iterator[Row]:
        """All entries: unit by unit, epoch by epoch, in the order of their numbers."""
        sql = (
            "SELECT source, epoch, seq, received_utc_ms, text FROM entries"
            " WHERE source = ? AND epoch = ? ORDER BY seq"
        )
        for source in self.sources():
            for epoch in self.epochs(source):
                yield from map(Row._make, self._db.execute(sql, (str(source), epoch.name)))

    def problems(self) -> list[ProblemRow]:
        """Everything that was ever found wrong, oldest first."""
        sql = "SELECT source, name, seq, sentence, count, text FROM problems ORDER BY id"
        return [ProblemRow._make(row) for row in self._db.execute(sql)]

    def notes(self) -> dict[tuple[str, str], str]:
        """The latest state and health of each unit."""
        rows = self._db.execute("SELECT source, name, text FROM notes")
        return {(source, name): text for source, name, text in rows}

    def _prepare(self, read_only: bool) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        if not read_only:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            if self._pragma("application_id") == 0 and not self._tables():
                self._create()
            if (self._pragma("journal_mode"), self._pragma("synchronous")) != ("wal", 2):
                raise StoreError("WAL with synchronous=FULL is not possible here")
        if self._pragma("application_id") != APPLICATION_ID:
            raise StoreError("not a database of the centre")
        if self._pragma("user_version") != VERSION:
            found = self._pragma("user_version")
            raise StoreError(f"version {found}, this program needs {VERSION}")

    def _create(self) -> None:
        self._db.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {VERSION}; COMMIT;"
        )

    def _pragma(self, name: str) -> int | str:
        value: int | str = self._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    def _tables(self) -> list[str]:
        return [name for (name,) in self._db.execute("SELECT name FROM sqlite_schema")]

    def _displace(self, displaced: Displaced, now: int) -> None:
        key = (str(displaced.source), displaced.epoch, displaced.problem.seq)
        sql = "DELETE FROM entries WHERE source = ? AND epoch = ? AND seq = ? RETURNING text"
        (text,) = self._db.execute(sql, key).fetchone()
        self._keep_problem(Finding(*displaced, text.encode()), now)

    def _keep_problem(self, finding: Finding, now: int) -> None:
        source, epoch, (name, seq, sentence), payload = finding
        subject = payload if payload is not None else f"{epoch}-{seq} {sentence}".encode()
        self._db.execute(
            KEEP_PROBLEM,
            {
                "source": str(source or ""),
                "name": name,
                "digest": sha256(subject).hexdigest(),
                "epoch": epoch,
                "seq": seq,
                "sentence": sentence,
                "now": now,
                "text": payload[:TEXT_LEN_MAX] if payload is not None else None,
                "count_max": PROBLEM_COUNT_MAX,
            },
        )


def _entry_row(kept: Kept, now: int) -> tuple[str | int, ...]:
    entry = kept.entry
    source = str(entry.source)
    return (source, entry.epoch, entry.seq, entry.kind, entry.hash, now, entry.text)


def _changed(outcome: Outcome) -> list[tuple[Source, Epoch]]:
    return [(source, epoch) for (source, _), epoch in outcome.epochs.items()]


def _epoch_row(source: Source, epoch: Epoch) -> tuple[str | int | None, ...]:
    place = (epoch.number, epoch.upto, epoch.hash, epoch.previous, epoch.ended_at)
    return (str(source), epoch.name, *place)
