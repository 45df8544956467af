"""The journal on disk: entries sealed as they are stored, and the state that goes with them."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon.disk import database, opening
from daemon.disk.database import CHECKPOINT_PAGES, damaged, failed, unusable
from daemon.disk.proof import Stored, flaw, prevhash_of
from daemon.disk.sealing import sealed
from daemon.disk.standing import Standing
from daemon.disk.state_rows import INSERT, MARKS, OWN, REMAINS, SALVAGE, Row, StateHead
from daemon.disk.walk import Walk
from daemon.disk.witness import Notes, Witness
from daemon.errors import StoreFailed, StoreUnusable
from daemon.events import Asked, Remain, Restored, Sealed
from protocol.central.entry import Draft, Source
from protocol.central.signing import SigningKey

# One a day: longer than entries may be kept.
MARKS_MAX = 4000


class Journal:
    """Open it, take `restored`, then commit and read. Belongs to the thread that uses it."""

    def __init__(
        self,
        path: Path,
        source: Source,
        key: SigningKey,
        *,
        checkpoint_pages: int = CHECKPOINT_PAGES,
    ) -> None:
        self._path, self._source, self._key = path, source, key
        with ExitStack() as opened:
            opened.enter_context(database.hold(path))
            self._db, found = opening.sound(path, source, checkpoint_pages)
            opened.enter_context(closing(self._db))
            self._notes = opened.enter_context(closing(Notes(path)))
            self._head, self._walk = found.head, found.walk
            self._marks: list[list[int]] = json.loads(found.rows.get(MARKS, "[]"))
            self.restored = self._restored(found)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    # -- hot path

    def commit(self, drafts: tuple[Draft, ...], state: Mapping[str, str]) -> tuple[Sealed, ...]:
        """Seal and store in one transaction; what was sealed. Raises StoreFailed.

        What failed is not there, or was all there but for its sync; it is to be asked for again
        before anything else, and the same drafts give the same entries.
        """
        entries = self._seal(drafts)
        last = (entries[-1].seq, entries[-1].hash) if entries else (self._head.seq, self._head.hash)
        head = self._head.after(state, seq=last[0], hash=last[1])
        rows = [Row.of(name, value, head.number) for name, value in state.items()]
        with self._transaction():
            self._db.executemany(
                "insert into entry (seq, kind, hash, body) values (?, ?, ?, ?)",
                [(entry.seq, entry.kind, entry.hash, entry.text) for entry in entries],
            )
            self._db.executemany(INSERT, [*rows, head.row()])
        self._took(head)
        return entries

    def read(self, first: int, limit: int) -> tuple[Sealed, ...]:
        """At most `limit` entries from seq `first` on, in order. Raises StoreFailed."""
        try:
            rows = self._db.execute(
                "select seq, kind, hash, body from entry where seq >= ? order by seq limit ?",
                (first, limit),
            ).fetchall()
        except database.ERRORS as error:
            raise failed(self._path, error) from error
        for row in map(Stored._make, rows):
            why = flaw(row, None)
            if why is not None:
                raise damaged(self._path, f"entry {row.seq}", why)
        return tuple(Sealed(*row) for row in rows)

    def _seal(self, drafts: tuple[Draft, ...]) -> tuple[Sealed, ...]:
        return tuple(
            sealed(
                drafts,
                after=(self._head.seq, self._head.hash),
                epoch=self.restored.epoch,
                source=self._source,
                key=self._key,
            )
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("begin immediate")
            yield
            self._db.execute("commit")
        except database.ERRORS as error:
            if self._db.in_transaction:
                # Should this fail too, the next begin says so.
                with suppress(*database.ERRORS):
                    self._db.execute("rollback")
            raise failed(self._path, error) from error

    def _took(self, head: StateHead) -> None:
        self._head = head
        self._notes.write(
            Witness(self.restored.epoch, head.number, head.seq, head.hash, head.pruned)
        )

    # -- care

    @property
    def path(self) -> Path:
        return self._path

    @property
    def pruned(self) -> int:
        """Entries up to this one are gone."""
        return self._head.pruned

    @property
    def last_seq(self) -> int:
        return self._head.seq

    @property
    def looked_upto(self) -> int:
        """Entries up to this one were seen to be sound since the start, or since `look_anew`."""
        return self._walk.upto

    def look(self) -> bool:
        """Look at the next slice of the entries; whether all were seen. Raises DamageFound."""
        return self._walk.slice(self._head.pruned, self._head.seq)

    def look_anew(self) -> None:
        """Let the next look begin at the first entry."""
        self._walk = Walk(self._path, self._db, self._head.pruned)

    def note_receipts(self, day: int, delivered: int) -> None:
        """Remember, once a day, that entries up to `delivered` had their receipt by this day."""
        if self._marks and self._marks[-1][0] == day:
            return
        # A clock that was ahead is corrected by the marks of its own days.
        marks = [mark for mark in self._marks if mark[0] < day][-MARKS_MAX:]
        marks.append([day, min(delivered, self._head.seq)])
        head = self._head.after([MARKS])
        row = Row.of(MARKS, json.dumps(marks, separators=(",", ":")), head.number)
        with self._transaction():
            self._db.executemany(INSERT, [row, head.row()])
        self._marks = marks
        self._took(head)

    def prune(self, before_day: int | None, limit: int) -> bool:
        """Remove some of what had its receipt before a day, or at all; whether more is to go."""
        upto = self._delivered()
        if before_day is not None:
            marks = [upto for day, upto in self._marks if day < before_day]
            upto = min(upto, max(marks, default=0))
        upto = min(upto, self._head.seq - 1)
        first = self._head.pruned + 1
        if upto >= first:
            last = min(upto, first + limit - 1)
            head = self._head.after((), pruned=last)
            with self._transaction():
                self._db.execute("delete from entry where seq <= ?", (last,))
                self._db.execute(INSERT, head.row())
            self._took(head)
            return last < upto
        return self._prune_remains(before_day, limit)

    def _delivered(self) -> int:
        """The position of receipts that is on disk."""
        query = "select cast(substr(value, 14) as integer) from state where name = 'outbox'"
        row = self._db.execute(query).fetchone()
        return 0 if row is None else int(row[0])

    def _prune_remains(self, before_day: int | None, limit: int) -> bool:
        # A day that is never reached: every one with a receipt.
        before_day = 1 << 40 if before_day is None else before_day
        with self._transaction():
            gone = self._db.execute(
                "delete from remains where rowid in (select rowid from remains "
                "where receipted > 0 and receipted < ? limit ?)",
                (before_day, limit),
            )
        return gone.rowcount == limit

    # -- epochs before

    def remains(self, after: int, limit: int, asked: Asked | None = None) -> tuple[Remain, ...]:
        """Entries of epochs before, in order: unreceipted, or those asked. Raises StoreFailed."""
        which = "receipted is null"
        values: tuple[str | int, ...] = ()
        if asked is not None:
            which = "epoch = ? and seq between ? and ?"
            values = (asked.epoch, asked.first, asked.last)
        try:
            rows = self._db.execute(
                "select rowid, epoch, seq, kind, hash, body from remains "
                f"where {which} and rowid > ? order by rowid limit ?",
                (*values, after, limit),
            ).fetchall()
        except database.ERRORS as error:
            raise failed(self._path, error) from error
        for _, _, *row in rows:
            why = flaw(Stored._make(row), None)
            if why is not None:
                raise damaged(self._path, f"entry {row[0]} of an epoch before", why)
        return tuple(Remain(place, epoch, Sealed(*row)) for place, epoch, *row in rows)

    def settle(self, epoch: str, upto: int, hash_: str, day: int) -> int:
        """Note a receipt of an epoch before; how many entries still have none.

        It counts when its hash is that of our own entry, or the one which the entry after it names.
        """
        if self._hash_of_remain(epoch, upto) == hash_:
            head = self._head.after([REMAINS])
            with self._transaction():
                self._db.execute(
                    "update remains set receipted = ? "
                    "where epoch = ? and seq <= ? and receipted is null",
                    (day, epoch, upto),
                )
                row = Row.of(REMAINS, str(self.remain_count()), head.number)
                self._db.executemany(INSERT, [row, head.row()])
            self._took(head)
        return self.remain_count()

    def remain_count(self) -> int:
        """How many entries of epochs before have no receipt."""
        try:
            found = self._db.execute("select count(*) from remains where receipted is null")
            return int(found.fetchone()[0])
        except database.ERRORS as error:
            raise failed(self._path, error) from error

    def date_remains(self, day: int) -> None:
        """Count the age of what had its receipt before the file was set aside from this day on."""
        with self._transaction():
            self._db.execute("update remains set receipted = ? where receipted = 0", (day,))

    def _hash_of_remain(self, epoch: str, seq: int) -> str | None:
        try:
            rows = self._db.execute(
                "select seq, hash, body from remains where epoch = ? and seq in (?, ?)",
                (epoch, seq, seq + 1),
            ).fetchall()
        except database.ERRORS as error:
            raise failed(self._path, error) from error
        for found, hash_, body in rows:
            return str(hash_) if found == seq else prevhash_of(body)
        return None

    # -- start

    def _restored(self, found: Standing) -> Restored:
        is_fresh = found.head.seq == 0
        told = json.loads(found.rows.get(SALVAGE, "{}")) if is_fresh else {}
        try:
            return Restored(
                epoch=found.epoch or self._begun(),
                fresh=is_fresh,
                last_seq=found.head.seq,
                last_hash=found.head.hash,
                state={
                    name: json.loads(value)
                    for name, value in found.rows.items()
                    if name not in OWN and name != "head"
                },
                previous=told.get("previous"),
                salvage=told.get("salvage"),
                remains=self.remain_count(),
            )
        except StoreFailed as error:
            raise StoreUnusable(str(error)) from error
        except database.ERRORS as error:
            raise unusable(self._path, error) from error

    def _begun(self) -> str:
        """The epoch of a new file."""
        epoch = secrets.token_hex(8)
        self._db.execute(
            "insert into journal (id, epoch, source) values (1, ?, ?)", (epoch, str(self._source))
        )
        return epoch
