"""Files put in place in one step, on disk before anybody sees them; folders locked (real I/O)."""

import contextlib
import fcntl
import os
from pathlib import Path


def put(
    path: Path, content: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Make the file be this: whoever reads it meanwhile, or after a power cut, has old or new.

    owner: user and group, else whoever runs this. Raises OSError, and leaves nothing beside it.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    settle(path.parent)


def lock(folder: Path, *, waits: bool) -> int | None:
    """Have the folder for oneself until the descriptor is closed, or its process is gone.

    None when somebody else has it, and `waits` is not wanted.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def settle(folder: Path) -> None:
    """Have the folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
