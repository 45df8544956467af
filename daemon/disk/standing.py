"""What a journal's file holds at start, once it is known to be sound. Reads only."""

import os
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.disk.proof import Stored, epoch_of, flaw
from daemon.disk.state_rows import HEAD, REMAINS, Row, StateHead, trouble
from daemon.disk.walk import Walk
from daemon.disk.witness import Witness
from daemon.errors import DamageFound, StoreDamaged, StoreUnusable
from protocol.central.entry import BadEntry, Source, read

EPOCH = re.compile("[0-9a-f]{16}")
# A file of a week or two is looked at as a whole: 15 ms here, a tenth of a second on a Pi. A larger
# one would keep the window waiting, and is walked beside the work.
CHECKED_LEN = 2 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the journal stands; `epoch` None: the file is new."""

    epoch: str | None
    head: StateHead
    rows: Mapping[str, str]
    walk: Walk


def standing(
    path: Path, db: sqlite3.Connection, source: Source, witness: Witness | None
) -> Standing:
    """Where the journal stands. Raises what sqlite3 does, StoreDamaged, StoreUnusable."""
    rows = [Row._make(row) for row in db.execute("select name, value, number, sum from state")]
    journal = db.execute("select epoch, source from journal").fetchone()
    last = db.execute("select seq, hash, body from entry order by seq desc limit 1").fetchone()
    wrong = trouble(rows)
    if wrong is not None:
        raise _damaged(path, wrong)
    head = StateHead.read(next(row for row in rows if row.name == HEAD))
    assert head is not None
    _check_last(path, head, last)
    epoch = _epoch(path, journal, source, last)
    _check_witness(path, epoch, head, witness)
    # A flipped bit there would be a receipt that never was.
    remains = "select count(*) from remains where receipted is null"
    told = next((row.value for row in rows if row.name == REMAINS), "0")
    if str(db.execute(remains).fetchone()[0]) != told:
        raise _damaged(path, "what is left of epochs before is damaged")
    walk = Walk(path, db, head.pruned)
    if os.stat(path).st_size <= CHECKED_LEN:
        try:
            _check_all(path, db, walk, head)
        except DamageFound as error:
            raise StoreDamaged(str(error)) from error
    return Standing(epoch=epoch, head=head, walk=walk, rows={row.name: row.value for row in rows})


def _check_last(path: Path, head: StateHead, last: tuple[int, str, str] | None) -> None:
    seq, hash_, _ = last or (0, head.hash, "")
    if (seq, hash_) != (head.seq, head.hash):
        raise _damaged(path, f"the last entry ({head.seq}) is not where it was written")


def _epoch(
    path: Path,
    journal: tuple[str, str] | None,
    source: Source,
    last: tuple[int, str, str] | None,
) -> str | None:
    """The journal's epoch and the unit's name, as its last entry has them too."""
    if journal is None:
        if last is not None:
            raise _damaged(path, "the epoch is not there")
        return None
    epoch, unit = journal
    if type(epoch) is not str or not EPOCH.fullmatch(epoch):
        raise _damaged(path, "the epoch is damaged: it is not one")
    if last is not None:
        seq, _, body = last
        try:
            entry = read(body)
        except (BadEntry, TypeError) as error:
            raise _damaged(path, f"the last entry ({seq}) is damaged: {error}") from error
        if (entry.epoch, entry.seq, entry.hash) != (epoch, seq, last[1]):
            raise _damaged(path, f"the last entry ({seq}) does not stand where it was written")
        if unit != str(entry.source):
            raise _damaged(path, "the unit's name is damaged")
    if unit != str(source):
        raise StoreUnusable(
            f"{path}: this is the journal of {unit}, the configuration says "
            f"{source}: give this unit a database of its own"
        )
    return epoch


def _check_witness(path: Path, epoch: str | None, head: StateHead, witness: Witness | None) -> None:
    """What was noted after a commit must be there; another epoch's note is of another file."""
    if witness is None or epoch not in (None, witness.epoch):
        return
    if epoch is not None and witness.number <= head.number:
        return
    raise _damaged(
        path, f"the last commits are not there ({witness.number} were made, {head.number} found)"
    )


def _check_all(path: Path, db: sqlite3.Connection, walk: Walk, head: StateHead) -> None:
    found = db.execute("pragma integrity_check(1)").fetchone()
    if found != ("ok",):
        raise _damaged(path, str(found[0]).strip().replace("\n", ", "))
    while not walk.slice(head.pruned, head.seq):
        pass
    for epoch, *row in db.execute("select epoch, seq, kind, hash, body from remains"):
        stored = Stored._make(row)
        why = flaw(stored, None)
        if why is not None or epoch_of(stored.body) != epoch:
            raise _damaged(path, f"entry {stored.seq} of an epoch before is damaged")


def _damaged(path: Path, why: str) -> StoreDamaged:
    return StoreDamaged(f"{path}: {why}")
