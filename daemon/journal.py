"""The journal on disk: entries sealed as they are stored, and the state that goes with them."""

import json
import re
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daemon import database
from daemon.database import CHECKPOINT_PAGES, sentence
from daemon.errors import StoreFailed, StoreUnusable
from daemon.events import Restored, Sealed
from daemon.sealing import sealed
from protocol.central.entry import GENESIS, BadEntry, Draft, Source, read
from protocol.central.signing import SigningKey

EPOCH = re.compile("[0-9a-f]{16}")


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
            self._db = opened.enter_context(closing(database.connect(path, checkpoint_pages)))
            self.restored = self._restore()
            self._opened = opened.pop_all()
        self._seq, self._hash = self.restored.last_seq, self.restored.last_hash

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
        try:
            self._db.execute("begin immediate")
            self._db.executemany(
                "insert into entry (seq, kind, hash, body) values (?, ?, ?, ?)",
                [(entry.seq, entry.kind, entry.hash, entry.text) for entry in entries],
            )
            self._db.executemany(
                "insert into state (name, value) values (?, ?) "
                "on conflict (name) do update set value = excluded.value",
                list(state.items()),
            )
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                # Should this fail too, the next begin says so.
                with suppress(sqlite3.Error):
                    self._db.execute("rollback")
            raise StoreFailed(sentence(self._path, error)) from error
        if entries:
            self._seq, self._hash = entries[-1].seq, entries[-1].hash
        return entries

    def read(self, first: int, limit: int) -> tuple[Sealed, ...]:
        """At most `limit` entries from seq `first` on, in order. Raises StoreFailed."""
        try:
            rows = self._db.execute(
                "select seq, kind, hash, body from entry where seq >= ? order by seq limit ?",
                (first, limit),
            ).fetchall()
        except sqlite3.Error as error:
            raise StoreFailed(sentence(self._path, error)) from error
        for row in rows:
            if not _is_sound(row[1:]):
                raise StoreFailed(f"{self._path}: entry {row[0]} is damaged: it holds no text")
        return tuple(Sealed(*row) for row in rows)

    def _seal(self, drafts: tuple[Draft, ...]) -> tuple[Sealed, ...]:
        return tuple(
            sealed(
                drafts,
                after=(self._seq, self._hash),
                epoch=self.restored.epoch,
                source=self._source,
                key=self._key,
            )
        )

    # -- start

    def _restore(self) -> Restored:
        try:
            return self._restored()
        except sqlite3.Error as error:
            raise StoreUnusable(sentence(self._path, error)) from error

    def _restored(self) -> Restored:
        epoch = self._epoch()
        last = self._db.execute(
            "select seq, hash, body from entry order by seq desc limit 1"
        ).fetchone()
        last_seq, last_hash = (0, GENESIS) if last is None else self._check_last(epoch, *last)
        state = self._db.execute("select name, value from state").fetchall()
        return Restored(
            epoch=epoch,
            fresh=last is None,
            last_seq=last_seq,
            last_hash=last_hash,
            state={name: self._state(name, value) for name, value in state},
        )

    def _epoch(self) -> str:
        """The journal's epoch; a new file begins one."""
        row = self._db.execute("select epoch, source from journal").fetchone()
        if row is None:
            row = (secrets.token_hex(8), str(self._source))
            self._db.execute("insert into journal (id, epoch, source) values (1, ?, ?)", row)
        epoch, source = row
        if not _is_sound(row) or not EPOCH.fullmatch(epoch):
            raise self._damaged("the epoch", "it is not one")
        if source != str(self._source):
            raise StoreUnusable(
                f"{self._path}: this is the journal of {source}, the configuration says "
                f"{self._source}: give this unit a database of its own"
            )
        return str(epoch)

    def _check_last(self, epoch: str, seq: int, hash_: str, body: str) -> tuple[int, str]:
        what = f"the last entry ({seq})"
        if not _is_sound((hash_, body)):
            raise self._damaged(what, "it holds no text")
        try:
            entry = read(body)
        except BadEntry as error:
            raise self._damaged(what, str(error)) from error
        if (entry.epoch, entry.seq, entry.hash) != (epoch, seq, hash_):
            raise self._damaged(what, "it does not stand where it was written")
        return seq, hash_

    def _state(self, name: str, value: str) -> Any:
        try:
            return json.loads(value)
        except (ValueError, TypeError) as error:
            raise self._damaged(f"the state {name!r}", str(error)) from error

    def _damaged(self, what: str, why: str) -> StoreUnusable:
        return StoreUnusable(
            f"{self._path}: {what} is damaged: {why}; keep the file as evidence, move it away and "
            "start again: a new journal begins and says so to the platform"
        )


def _is_sound(texts: tuple[object, ...]) -> bool:
    """Damage inside a page can make a null of a text that may be none."""
    return all(type(text) is str for text in texts)
