"""The disk around the journal: how full it is, and how much this process has written to it."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SOUND, NEARLY_FULL, FULL = "sound", "nearly_full", "full"
# Four months of a busy window; on a small disk a tenth of it.
NEARLY_FULL_LEN = 64 << 20
NEARLY_FULL_PART = 10


class Room:
    """`read`: the kernel's account of the process, for a test to replace."""

    def __init__(self, database: Path, read: Callable[[], bytes] | None = None) -> None:
        self._database = database
        self._read = read or Path("/proc/self/io").read_bytes
        self._began_len = self._account()

    @property
    def free_len(self) -> int:
        with suppress(OSError):
            found = os.statvfs(self._database.parent)
            return found.f_bavail * found.f_frsize
        return 0

    @property
    def database_len(self) -> int:
        """The database and its log."""
        return sum(_length(self._database, suffix) for suffix in ("", "-wal"))

    @property
    def written_len(self) -> int:
        """Bytes handed to the block layer since the start; 0 where the kernel does not count."""
        return self._account() - self._began_len

    def word(self, *, is_spent: bool) -> str:
        """How it stands with the disk; is_spent: the ballast had to be given."""
        if is_spent:
            return FULL
        with suppress(OSError):
            found = os.statvfs(self._database.parent)
            total = found.f_blocks * found.f_frsize
            if self.free_len < min(NEARLY_FULL_LEN, total // NEARLY_FULL_PART):
                return NEARLY_FULL
        return SOUND

    def _account(self) -> int:
        with suppress(OSError, ValueError):
            for line in self._read().splitlines():
                name, _, value = line.partition(b": ")
                if name == b"write_bytes":
                    return int(value)
        return 0


def _length(path: Path, suffix: str) -> int:
    with suppress(OSError):
        return os.stat(path.with_name(path.name + suffix)).st_size
    return 0
