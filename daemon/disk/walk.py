"""The walk: every entry of the journal looked at, a slice at a time, by its hash and its chain.

Reading a million entries takes seconds, and on a card minutes: a start that waited for it would be
a window out of service. So a small file is walked at once and a large one beside the work; what
must be right before the first commit (the end, the state) is looked at in either case.
"""

import sqlite3
from pathlib import Path

from daemon.disk.database import ERRORS, damaged, failed
from daemon.disk.proof import Stored, flaw
from protocol.central.entry import GENESIS

# A slice takes 1.5 ms here and 8 ms on a Pi: what a press may have to wait for it.
SLICE_LEN = 100


class Walk:
    """From the first entry there is to the last one at the time of each slice."""

    def __init__(self, path: Path, db: sqlite3.Connection, pruned: int) -> None:
        self._path, self._db = path, db
        self._prevhash: str | None = GENESIS if pruned == 0 else None
        self.upto = pruned

    def slice(self, pruned: int, last_seq: int, limit: int = SLICE_LEN) -> bool:
        """Walk on; whether the end was reached. Raises DamageFound.

        pruned, last_seq: what must be there are the entries after the one up to the other.
        """
        if pruned > self.upto:
            self.upto, self._prevhash = pruned, None
        try:
            rows = self._db.execute(
                "select seq, kind, hash, body from entry where seq > ? order by seq limit ?",
                (self.upto, limit),
            ).fetchall()
        except ERRORS as error:
            raise failed(self._path, error, is_reading=True) from error
        for stored in map(Stored._make, rows):
            if stored.seq != self.upto + 1:
                raise damaged(self._path, f"entry {self.upto + 1}", "it is not there")
            why = flaw(stored, self._prevhash)
            if why is not None:
                raise damaged(self._path, f"entry {stored.seq}", why)
            self.upto, self._prevhash = stored.seq, stored.hash
        if not rows and self.upto != last_seq:
            raise damaged(self._path, f"entry {self.upto + 1}", "it is not there")
        return self.upto >= last_seq
