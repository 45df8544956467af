"""The witness: how far the journal had got, noted beside it, so that a lost end shows.

A flipped bit in the newest transaction looks to SQLite like a transaction that was never finished:
it drops it without a word. The witness is written after the commit has been synced and is itself
not synced, so it may lag behind a power cut and can never be ahead of what the card must hold.
"""

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

_FORM = re.compile(
    rb"([0-9a-f]{16}) (\d{1,19}) (\d{1,16}) ([0-9a-f]{64}) (\d{1,16}) ([0-9a-f]{16})\n"
)


@dataclass(frozen=True, slots=True)
class Witness:
    """After commit `number` the epoch ended with entry `seq`, and began after `pruned`."""

    epoch: str
    number: int
    seq: int
    hash: str
    pruned: int

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What was noted; None when nothing was, or when it cannot be believed."""
        try:
            with path.open("rb") as file:
                found = _FORM.match(file.read(256))
        except OSError:
            return None
        if found is None:
            return None
        epoch, number, seq, hash_, pruned, _ = (part.decode() for part in found.groups())
        witness = cls(epoch, int(number), int(seq), hash_, int(pruned))
        return witness if witness.line() == found[0] else None

    def line(self) -> bytes:
        text = f"{self.epoch} {self.number} {self.seq} {self.hash} {self.pruned}"
        return f"{text} {sha256(text.encode()).hexdigest()[:16]}\n".encode()


def witness_path(database: Path) -> Path:
    """Where the witness of this journal lies."""
    return database.with_name(database.name + ".head")


class Notes:
    """The file it is noted in, held open: a commit costs one write into a cached page."""

    def __init__(self, database: Path) -> None:
        path = witness_path(database)
        self._file: int | None = None
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # Without it the journal is as sound as before it knew of one.
            return

    def write(self, witness: Witness) -> None:
        """Note it; a disk that has no room for it hinders no commit."""
        if self._file is None:
            return
        try:
            os.pwrite(self._file, witness.line().ljust(160), 0)
        except OSError:
            return

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
