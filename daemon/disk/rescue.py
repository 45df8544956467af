"""From a damaged journal to one that serves: set aside, salvaged, begun anew.

The new file is built under another name and gets its own in one step, once it is on disk, so a
power cut leaves either nothing of it or all of it; what is left of an attempt is thrown away.
"""

import json
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.disk import ballast, database, quarantine
from daemon.disk.quarantine import Mark
from daemon.disk.state_rows import INSERT, REMAINS, SALVAGE, Row, StateHead
from daemon.disk.wal import PAGE_LEN
from daemon.disk.witness import Witness, witness_path
from daemon.errors import StoreUnusable
from protocol.central.entry import Source

if TYPE_CHECKING:
    from daemon.disk.salvage import Salvage

log = logging.getLogger(__name__)

# What has a receipt is copied as long as this lasts; the window waits meanwhile.
SALVAGE_S = 1.0
# What the boot entry can list; more gaps are told as one from the first to the last of the rest.
MISSING_MAX = 16
FIRST_ENTRY = b'{"alg":"Ed25519","data":'


def condemn(path: Path, damage: Exception) -> None:
    """Set a damaged journal aside for good. Raises StoreUnusable when that cannot be."""
    if not _was_ours(path):
        why = str(damage).removesuffix(f": {database.KEEP}")
        raise StoreUnusable(f"{why}: {database.KEEP}") from damage
    # Whatever is in the way of this, room must not be.
    ballast.free(path)
    quarantine.set_aside(path, quarantine.mark(path, str(damage)))


def rescue(path: Path, source: Source, checkpoint_pages: int) -> None:
    """Put a sound new journal where one was condemned. Raises StoreUnusable."""
    mark = quarantine.marked(path)
    assert mark is not None
    moved = quarantine.set_aside(path, mark)
    if not path.exists():
        found = _found(moved)
        _build(path, source, found, mark, checkpoint_pages)
        log.error(
            "journal state=quarantined file=%s salvaged=%d missing=%d trouble=%r",
            moved, found.count, sum(last - first + 1 for first, last in found.missing), mark.why,
        )  # fmt: skip
    quarantine.unmark(path)


def _was_ours(path: Path) -> bool:
    """Whether a journal was here: else the configuration names somebody's other file."""
    if Witness.read(witness_path(path)) is not None:
        return True
    return any(FIRST_ENTRY in part for name in (path, _log(path)) for part in _Bytes(name).parts())


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


class _Bytes:
    """A file read a part at a time; it may be large, and sectors of it may be lost."""

    PART_LEN = 1 << 20

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.length = os.stat(path).st_size if path.is_file() else 0
        except OSError:
            self.length = 0

    def read(self, at: int, length: int) -> bytes:
        """The bytes there are; zeros for those that cannot be read."""
        length = max(0, min(length, self.length - at))
        try:
            with self._path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), length, at)
        except OSError:
            if length <= PAGE_LEN:
                return bytes(length)
        pages = range(at, at + length, PAGE_LEN)
        return b"".join(self.read(page, min(PAGE_LEN, at + length - page)) for page in pages)

    def parts(self) -> Iterator[bytes]:
        for at in range(0, self.length, self.PART_LEN):
            yield self.read(at, self.PART_LEN + len(FIRST_ENTRY))


def _found(moved: Path) -> "Salvage":
    until_s = time.monotonic() + SALVAGE_S
    witness, frames = Witness.read(witness_path(moved)), _Bytes(_log(moved))
    log_bytes = frames.read(0, frames.length)
    # Only a damaged card needs it; it is as large as the rest of the store.
    from daemon.disk.salvage import salvage

    return salvage(_Bytes(moved), log_bytes, witness, lambda: time.monotonic() > until_s)


def _build(path: Path, source: Source, found: "Salvage", mark: Mark, checkpoint_pages: int) -> None:
    new = path.with_name(path.name + ".new")
    for suffix in ("", "-wal", "-journal"):
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    try:
        with closing(database.connect(new, checkpoint_pages)) as db:
            _fill(db, source, found, mark)
    except database.ERRORS as error:
        raise database.unusable(new, error) from error
    os.rename(new, path)
    quarantine.sync(path.parent)


def _fill(db: sqlite3.Connection, source: Source, found: "Salvage", mark: Mark) -> None:
    unreceipted = sum(one.receipted is None for one in found.entries)
    rows = {
        **found.state,
        SALVAGE: json.dumps(_told(found, mark), ensure_ascii=False),
        REMAINS: str(unreceipted),
    }
    head = StateHead(rows=dict.fromkeys(rows, 0))
    db.execute("begin immediate")
    db.execute(
        "insert into journal (id, epoch, source) values (1, ?, ?)",
        (secrets.token_hex(8), str(source)),
    )
    db.executemany(
        "insert into remains (epoch, seq, kind, hash, body, receipted) values (?, ?, ?, ?, ?, ?)",
        [
            (one.epoch, one.seq, one.kind, one.hash, one.text, one.receipted)
            for one in found.entries
        ],
    )
    db.executemany(
        INSERT,
        [*(Row.of(name, value, 0) for name, value in rows.items()), head.row()],
    )
    db.execute("commit")


def _told(found: "Salvage", mark: Mark) -> dict[str, object]:
    """What the new epoch's first entry says of the one before."""
    head, missing = found.head, [list(gap) for gap in found.missing]
    if len(missing) > MISSING_MAX:
        missing[MISSING_MAX - 1 :] = [[missing[MISSING_MAX - 1][0], missing[-1][1]]]
    return {
        "previous": (
            None if head is None else {"epoch": head.epoch, "seq": head.seq, "hash": head.hash}
        ),
        "salvage": {
            "file": f"{mark.name}.db",
            "why": mark.why,
            "salvaged": found.count,
            "first": found.first,
            "missing": missing,
            "state": found.state_word,
        },
    }
