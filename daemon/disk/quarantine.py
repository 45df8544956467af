"""The quarantine: where a damaged journal is moved, whole, and stays as evidence.

    unit.db.damaged       the mark: what is to be set aside, and why; durable before any move
    quarantine/0001-EPOCH.db, .db-wal, .db.head    what was, numbered, never overwritten

A power cut between any two steps leaves the mark, and the next start goes on from there. Nothing in
the quarantine is ever deleted by the daemon: when there is no more room for numbers it refuses.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon.disk.witness import Witness, witness_path
from daemon.errors import StoreUnusable

# A card that has damaged sixteen journals will damage the next.
SETS_MAX = 16
# What a boot entry has room for.
WHY_LEN_MAX = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """A journal that is to be set aside, or is being set aside: as what, and why."""

    name: str
    why: str


def marked(database: Path) -> Mark | None:
    """The mark that an earlier process made; a torn one was followed by nothing yet."""
    try:
        value = json.loads(_mark_path(database).read_text("utf-8"))
        return Mark(str(value["name"]), str(value["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def mark(database: Path, why: str) -> Mark:
    """Note durably that the journal is to be set aside. Raises StoreUnusable."""
    witness = Witness.read(witness_path(database))
    count = set_count(database)
    if count >= SETS_MAX:
        raise StoreUnusable(
            f"{why}; {_directory(database)} holds {count} damaged journals already: replace the "
            "card, and keep that directory as evidence"
        )
    # What is wrong, without where it is and what to do.
    short = why.removeprefix(f"{database}: ").partition(": keep ")[0][:WHY_LEN_MAX]
    made = Mark(f"{count + 1:04}-{witness.epoch if witness else 'unknown'}", short)
    try:
        descriptor = os.open(
            _mark_path(database), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        try:
            os.write(descriptor, json.dumps({"name": made.name, "why": made.why}).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync(database.parent)
    except OSError as error:
        raise _not_moved(database, why, error) from error
    return made


def set_aside(database: Path, mark: Mark) -> Path:
    """Move the marked files; where the database is now. Raises StoreUnusable."""
    place = _directory(database)
    moved = place / f"{mark.name}.db"
    try:
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)
            sync(database.parent)
        if moved.exists():
            return moved
        # The log first, and for good: beside a new database it would be taken for its own.
        for suffix in ("-wal", ".head", ""):
            _move(database.with_name(database.name + suffix), place / f"{mark.name}.db{suffix}")
            sync(place)
            sync(database.parent)
    except OSError as error:
        raise _not_moved(database, mark.why, error) from error
    return moved


def unmark(database: Path) -> None:
    """Everything was done."""
    _mark_path(database).unlink(missing_ok=True)
    sync(database.parent)


def set_count(database: Path) -> int:
    """The number of the last set there is; 0 without any."""
    with suppress(OSError):
        numbers = [name[:4] for name in os.listdir(_directory(database))]
        return max((int(number) for number in numbers if number.isdecimal()), default=0)
    return 0


def sync(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move(old: Path, new: Path) -> None:
    if old.exists() and not new.exists():
        os.rename(old, new)


def _directory(database: Path) -> Path:
    return database.with_name("quarantine")


def _mark_path(database: Path) -> Path:
    return database.with_name(database.name + ".damaged")


def _not_moved(database: Path, why: str, error: OSError) -> StoreUnusable:
    return StoreUnusable(
        f"{why}; it cannot be moved to {_directory(database)} ({error.strerror}): let this user "
        "write there, or move the journal's files there by hand, and start again"
    )
