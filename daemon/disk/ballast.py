"""The ballast: room on the disk that is kept for the moment when there is none.

Its blocks are reserved and never written. When a commit finds the disk full the first half is given
back, so that the entries under way and the stopped entry get through. The other half is given when
there are entries to remove: removing them takes room before it makes any. When there is room again
both are taken anew.
"""

import os
from contextlib import suppress
from pathlib import Path


class Ballast:
    """`length` 0: none is wanted."""

    def __init__(self, database: Path, length: int) -> None:
        self._paths, self._length = _paths(database), length // 2

    @property
    def length(self) -> int:
        """What is reserved now."""
        return sum(_length(path) for path in self._paths)

    @property
    def is_spent(self) -> bool:
        return self.length < 2 * self._length

    def take(self) -> None:
        """Reserve what is missing, while as much again stays free."""
        for path in self._paths:
            if _length(path) == self._length:
                continue
            path.unlink(missing_ok=True)
            room = os.statvfs(path.parent)
            if self._length and room.f_bavail * room.f_frsize >= 4 * self._length:
                _reserve(path, self._length)

    def free(self, *, is_last: bool = False) -> bool:
        """Give one half back; whether it was there."""
        try:
            self._paths[is_last].unlink()
        except OSError:
            return False
        return True


def free(database: Path) -> None:
    """Give all the ballast of this journal back."""
    for is_last in (False, True):
        Ballast(database, 0).free(is_last=is_last)


def _paths(database: Path) -> tuple[Path, Path]:
    """Where the halves lie."""
    first, last = (database.with_name(database.name + f".ballast{half}") for half in (1, 2))
    return first, last


def _length(path: Path) -> int:
    with suppress(OSError):
        return os.stat(path).st_size
    return 0


def _reserve(path: Path, length: int) -> None:
    """Nothing is left of an attempt for which there was no room."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, length)
        except OSError:
            path.unlink()
        finally:
            os.close(descriptor)
