"""A folder in memory, for what outlives nothing: a sync costs nothing there. Real I/O."""

import os
import shutil
from pathlib import Path

PLACE = Path("/dev/shm")


def folder(room_len: int = 0) -> Path | None:
    """Where to put a temporary folder; None, for tempfile, where memory has no such room."""
    is_fit = os.access(PLACE, os.W_OK) and shutil.disk_usage(PLACE).free >= room_len
    return PLACE if is_fit else None
