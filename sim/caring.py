"""What the store does for its journal, as a command for the power-cut explorer. Real I/O.

`python -m sim.caring DIRECTORY rescue|prune|migrate` opens the journal there, which sets a damaged
one aside or brings an old one to the newest schema; `prune` then removes what was delivered. At the
end one line on stdout promises what holds for good.
"""

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from daemon.disk.journal import Journal
from daemon.errors import DaemonError
from protocol.central.entry import Draft, Stamp
from sim import old_journals
from sim.promises import DATABASE, KEY, SOURCE

ENTRY_COUNT, DELIVERED = 14, 9
# The entry that is damaged.
DAMAGED = 6
DAY, KEEP_DAYS = 20_000, 400
ALL = 1 << 20
CHECKPOINT_PAGES = 12


def draft(seq: int) -> Draft:
    """One of the journal's entries."""
    stamp = Stamp("boot-1", 1000 * seq, None, False, None)
    data = {"window": "3", "what": "self_test", "ok": True, "detail": "x" * (1 + 30 * (seq % 8))}
    return Draft(seq, "test", "w03", data, stamp)


def state(seq: int) -> dict[str, str]:
    """The rows that go with an entry."""
    delivered = json.dumps({"delivered": min(seq, DELIVERED)})
    return {"pad": json.dumps({"boot_id": 7, "seq": seq}), "outbox": delivered}


def begin(directory: Path) -> None:
    """A journal of which a part is delivered, closed in good order."""
    with Journal(directory / DATABASE, SOURCE, KEY) as journal:
        for seq in range(1, ENTRY_COUNT + 1):
            journal.commit((draft(seq),), state(seq))
        journal.note_receipts(DAY - KEEP_DAYS - 1, DELIVERED)


def damage(directory: Path) -> None:
    """Flip a bit of an entry."""
    path = directory / DATABASE
    data = bytearray(path.read_bytes())
    at = data.index(f'"sequence":"{DAMAGED:020}"'.encode())
    data[at + 20] ^= 4
    path.write_bytes(data)


def age(directory: Path) -> None:
    """Make it a journal of the schema before."""
    path = directory / DATABASE
    with Journal(path, SOURCE, KEY) as journal:
        epoch, entries = journal.restored.epoch, journal.read(1, ALL)
    for name in directory.iterdir():
        name.unlink()
    old_journals.write_1(path, epoch, str(SOURCE), entries, state(ENTRY_COUNT))


def work(directory: Path, what: str) -> None:
    """Do it, and say so."""
    with Journal(directory / DATABASE, SOURCE, KEY, checkpoint_pages=CHECKPOINT_PAGES) as journal:
        while what == "prune" and journal.prune(DAY - KEEP_DAYS, 3):
            pass
        sys.stdout.write(f"{what}\n")
        sys.stdout.flush()


def check(directory: Path, promised: tuple[str, ...]) -> str | None:
    """What is wrong after a cut; None when nothing was lost, whatever had been done already."""
    try:
        with Journal(directory / DATABASE, SOURCE, KEY) as journal:
            return _wrong(directory, journal, promised)
    except DaemonError as error:
        return str(error)


def _wrong(directory: Path, journal: Journal, promised: tuple[str, ...]) -> str | None:
    restored = journal.restored
    seqs = {entry.seq for entry in journal.read(1, ALL)}
    if restored.salvage is not None:
        seqs = {seq for (seq,) in _rows(journal, "select seq from remains")}
        wanted = set(range(1, ENTRY_COUNT + 1)) - {DAMAGED}
        if restored.salvage["missing"] != [[DAMAGED, DAMAGED]]:
            return f"says that {restored.salvage['missing']} is missing"
        if not list(directory.glob(f"quarantine/{restored.salvage['file']}")):
            return "the evidence is gone"
        if restored.remains != ENTRY_COUNT - DELIVERED:
            return f"{restored.remains} entries are to be sent"
    else:
        first = DELIVERED + 1 if "prune" in promised else journal.pruned + 1
        wanted = set(range(first, ENTRY_COUNT + 1))
        if journal.pruned > DELIVERED:
            return "pruned without a receipt"
    if seqs != wanted:
        return f"{sorted(seqs ^ wanted)} are wrong"
    if restored.state["pad"] != {"boot_id": 7, "seq": ENTRY_COUNT}:
        return f"the pad's position is {restored.state['pad']}"
    seq = restored.last_seq + 1
    return None if journal.commit((draft(seq),), state(ENTRY_COUNT)) else "the next commit fails"


def _rows(journal: Journal, query: str) -> list[tuple[int]]:
    # The one connection; closing() would end it.
    database: sqlite3.Connection = journal._db
    with closing(database.execute(query)) as cursor:
        return cursor.fetchall()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.caring", description="Care for a journal.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("what", choices=("rescue", "prune", "migrate"))
    asked = parser.parse_args()
    work(asked.directory, asked.what)
    return 0


if __name__ == "__main__":
    sys.exit(main())
