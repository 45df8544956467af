"""A journal's files with anything in them: noticed or harmless, and the next commit is there."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

from daemon.disk.journal import Journal
from daemon.disk.state_rows import HEAD, INSERT, MARKS, REMAINS, SALVAGE, Row
from daemon.errors import StoreUnusable
from daemon.events import Restored, Sealed
from protocol.central.entry import Draft, Stamp
from sim import memory
from sim.damage import SECTOR_LEN
from sim.examples import SOURCE, UNIT
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target

DATABASE, LOG = "unit.db", "unit.db-wal"
ENTRY_COUNT, DELIVERED = 24, 12
CHECKPOINT_PAGES = 12
DAY = 20_000
ALL = 1 << 20
EDITS_MAX = 6
HURTS = ("bytes", "flip", "zeros", "copy", "cut")
# What the journal itself keeps among the state; of the core's rows the core is the judge.
OWN_ROWS = (HEAD, MARKS, REMAINS, SALVAGE)
VALUES = (
    "1", "null", "[]", "{}", "[[]]", '[["x",1]]', "[[1,null]]", "[[1,2]]", "7.5", '"x"',
    '{"previous":1}', '{"previous":{"seq":"x"},"salvage":[]}',
)  # fmt: skip
LEN_MAX = 512


class _Base(NamedTuple):
    """A journal as it was left, what is in it, and the hash of each entry that ever was."""

    files: dict[str, bytes]
    entries: tuple[Sealed, ...]
    restored: Restored
    hashes: dict[int, str]


def seeds() -> Iterator[bytes]:
    yield bytes((0, 0, 0, 0, 0x20, 0, 4)) + b"edit"
    yield bytes((2, 1, 1, 0, 0x10, 7, 1, 0, 2, 0x30, 0, 0))
    yield bytes((4, 0, 3, 0, 0x10, 0, 0, 0x20, 0, 1, 4, 0, 0x40, 0))
    yield bytes((2, 0, 4, 0, 0, 0))
    for base in (1, 3, 5):
        for index in range(len(OWN_ROWS)):
            yield bytes((base, index, 2, 1, 1, 5))


def check(data: bytes) -> None:
    tape = Tape(data)
    options = tape.byte()
    is_forged, base = bool(options & 1), _bases()[(options >> 1) % 3]
    with tempfile.TemporaryDirectory(dir=memory.folder()) as folder:
        path = Path(folder) / DATABASE
        files = base.files if is_forged else _hurt(base.files, tape)
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        if is_forged:
            _forge(path, tape)
        try:
            _check(path, base, is_forged=is_forged)
        except StoreUnusable:
            return


def _check(path: Path, base: _Base, *, is_forged: bool) -> None:
    with Journal(path, SOURCE, UNIT) as journal:
        restored, entries = journal.restored, journal.read(1, ALL)
        remains = journal.remains(0, ALL)
        is_noticed = restored.epoch != base.restored.epoch
        if not is_noticed and not is_forged:
            assert (entries, restored.state) == (base.entries, base.restored.state), "not noticed"
        for remain in remains:
            assert base.hashes[remain.sealed.seq] == remain.sealed.hash, "saved what never was"
        last = journal.commit((_draft(restored.last_seq + 1),), {})[0]
        journal.note_receipts(DAY, DELIVERED)
        journal.prune(DAY + 1, ALL)
    with Journal(path, SOURCE, UNIT) as journal:
        assert journal.restored.last_hash == last.hash, "the next commit is not there"


@cache
def _bases() -> tuple[_Base, _Base, _Base]:
    """One as a crash leaves it, one closed in good order, one with what of it was salvaged."""
    with tempfile.TemporaryDirectory(dir=memory.folder()) as folder:
        path = Path(folder) / DATABASE
        with Journal(path, SOURCE, UNIT, checkpoint_pages=CHECKPOINT_PAGES) as journal:
            for seq in range(1, ENTRY_COUNT + 1):
                rows = {"3/case": {"ticket": seq}, "outbox": {"delivered": min(seq, DELIVERED)}}
                journal.commit(
                    (_draft(seq),), {name: json.dumps(row) for name, row in rows.items()}
                )
            journal.note_receipts(DAY - 1, DELIVERED)
            hashes = {entry.seq: entry.hash for entry in journal.read(1, ALL)}
            crashed = _files(path)
        closed = _base(path, hashes)
        with closing(sqlite3.connect(path)) as db:
            db.execute("update state set sum = 'another' where name = ?", (HEAD,))
            db.commit()
        return closed._replace(files=crashed), closed, _base(path, hashes)


def _base(path: Path, hashes: dict[int, str]) -> _Base:
    """The journal as it is once it has been opened and closed."""
    with Journal(path, SOURCE, UNIT) as journal:
        entries, restored = journal.read(1, ALL), journal.restored
    return _Base(_files(path), entries, restored, hashes)


def _files(path: Path) -> dict[str, bytes]:
    found = path.parent.glob(f"{DATABASE}*")
    return {one.name: one.read_bytes() for one in found if one.suffix != ".lock"}


def _draft(seq: int) -> Draft:
    stamp = Stamp("boot-1", 1000 * seq, None, False, None)
    # Every seventh does not fit its page.
    detail = "评" * (3000 if seq % 7 == 5 else 60)
    return Draft(seq, "test", "w03", {"what": "test", "ok": True, "detail": detail}, stamp)


def _hurt(files: dict[str, bytes], tape: Tape) -> dict[str, bytes]:
    """The files with some of their bytes changed."""
    hurt = {name: bytearray(content) for name, content in files.items()}
    names = [name for name in (DATABASE, LOG) if hurt.get(name)]
    for _ in range(EDITS_MAX):
        if not tape:
            break
        data, how = hurt[tape.choice(names)], tape.choice(HURTS)
        at = tape.number(3) % max(1, len(data))
        if how == "bytes":
            new = tape.text()[: len(data) - at]
            data[at : at + len(new)] = new
        elif how == "flip":
            data[at : at + 1] = bytes(byte ^ 1 << tape.byte() % 8 for byte in data[at : at + 1])
        elif how == "zeros":
            data[at : at + SECTOR_LEN] = bytes(len(data[at : at + SECTOR_LEN]))
        elif how == "copy":
            source = tape.number(3) % max(1, len(data))
            new = bytes(data[source : source + SECTOR_LEN])[: len(data) - at]
            data[at : at + len(new)] = new
        else:
            del data[at:]
    return {name: bytes(content) for name, content in hurt.items()}


def _forge(path: Path, tape: Tape) -> None:
    """Rows changed by somebody who knows how their sums are made."""
    with closing(sqlite3.connect(path)) as db:
        while tape:
            name, value = tape.choice(OWN_ROWS), tape.choice(VALUES)
            old = db.execute("select value, number from state where name = ?", (name,)).fetchone()
            if old is None:
                continue
            if name == HEAD:
                member = tape.choice(("seq", "hash", "pruned", "rows"))
                value = json.dumps({**json.loads(old[0]), member: json.loads(value)})
            db.execute(INSERT, Row.of(name, value, old[1]))
        db.commit()


TARGET = Target(promise="C2", what="a journal's files", seeds=seeds, check=check, len_max=LEN_MAX)
