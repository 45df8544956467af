"""A sound journal at a path, whatever is found there: as it is, or rescued."""

import os
import sqlite3
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from daemon.disk import database, quarantine, wal
from daemon.disk.rescue import condemn, rescue
from daemon.disk.standing import Standing, standing
from daemon.disk.witness import Witness, witness_path
from daemon.errors import StoreDamaged
from protocol.central.entry import Source


def sound(path: Path, source: Source, checkpoint_pages: int) -> tuple[sqlite3.Connection, Standing]:
    """The connection to a sound journal, and where it stands. Raises StoreUnusable."""
    if quarantine.marked(path) is not None:
        rescue(path, source, checkpoint_pages)
    try:
        return _opened(path, source, checkpoint_pages)
    except StoreDamaged:
        rescue(path, source, checkpoint_pages)
    return _opened(path, source, checkpoint_pages)


def _opened(
    path: Path, source: Source, checkpoint_pages: int
) -> tuple[sqlite3.Connection, Standing]:
    """As `sound`; what is damaged was condemned when StoreDamaged is raised."""
    tell = partial(condemn, path)
    witness = Witness.read(witness_path(path))
    with ExitStack() as opened:
        with database.told(path, tell):
            why = _log_damage(path)
            if why is None and witness is not None and not _length(path):
                why = "it is empty or gone"
            if why is not None:
                raise StoreDamaged(f"{path}: {why}")
        db = opened.enter_context(closing(database.connect(path, checkpoint_pages, tell)))
        with database.told(path, tell):
            found = standing(path, db, source, witness)
        opened.pop_all()
        return db, found


def _length(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _log_damage(path: Path) -> str | None:
    """What is wrong with the log, before SQLite drops what it does not believe."""
    try:
        return wal.damage(path.with_name(path.name + "-wal").read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"its log cannot be read ({error.strerror})"
