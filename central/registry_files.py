"""The registry as it lies on disk, a file or a folder of them, read again when it is another one.

In a folder every `*.json` is one hall's registry, as whoever keeps the hall wrote it; what begins
with a dot is not looked at, so that a new one can be written beside the old and renamed. What is
wrong with one file concerns its units alone: they stay as they were (real I/O).
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from central.errors import RegistryError
from central.registry import Registry, Unit
from protocol.central.entry import Source

_Seen = tuple[int, int, int]  # inode, time of change, size


class Refreshed(NamedTuple):
    """Whether other units are known than before, and a sentence for each new trouble."""

    is_changed: bool
    troubles: tuple[str, ...]


@dataclass(slots=True)
class _File:
    """One file: as it was when it was last read, and what is in force of it."""

    seen: _Seen | None = None
    units: Mapping[Source, Unit] = field(default_factory=dict)
    trouble: str | None = None


class RegistryFiles:
    """The registry in a file or a folder that may be changed while the centre runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[Path, _File] = {}
        self._home: dict[Source, Path] = {}  # the file whose word about a unit counts
        self._disputes: list[str] = []
        self._told: set[str] = set()
        self.registry = Registry({})

    def refresh(self) -> Refreshed:
        """Read what is not as it was; each trouble is told once, until it has been mended."""
        troubles = []
        is_changed = False
        try:
            found = dict(self._look())
        except OSError as error:
            # A share that is not mounted must not make strangers of all units.
            troubles.append(f"{self._path}: {_reason(error)}")
        else:
            is_changed = self._read_changed(found)
        if is_changed:
            self._settle()
            self.registry = Registry(
                {source: self._files[path].units[source] for source, path in self._home.items()}
            )
        troubles += sorted(file.trouble for file in self._files.values() if file.trouble)
        troubles += self._disputes
        new = tuple(trouble for trouble in troubles if trouble not in self._told)
        self._told = set(troubles)
        return Refreshed(is_changed, new)

    def _look(self) -> Iterator[tuple[Path, _Seen]]:
        """The files and how they are now; raises OSError when there is none."""
        here = os.stat(self._path)
        if not stat.S_ISDIR(here.st_mode):
            yield self._path, _seen(here)
            return
        names = [
            name
            for name in os.listdir(self._path)
            if name.endswith(".json") and not name.startswith(".")
        ]
        if not names:
            raise FileNotFoundError(0, "no *.json is in it; put a hall's registry there")
        for name in names:
            try:
                yield self._path / name, _seen(os.stat(self._path / name))
            except OSError:  # a link that leads nowhere: reading it says so
                yield self._path / name, (0, 0, 0)

    def _read_changed(self, found: Mapping[Path, _Seen]) -> bool:
        """Read the files that are others than before; whether units may be others, too."""
        is_changed = False
        for path in self._files.keys() - found.keys():
            del self._files[path]
            is_changed = True
        for path, seen in found.items():
            file = self._files.setdefault(path, _File())
            if seen == file.seen:
                continue
            file.seen = seen
            try:
                file.units = dict(Registry.parse(path.read_text("utf-8")).items())
            except (OSError, UnicodeDecodeError, RegistryError) as error:
                file.trouble = f"{path}: {_reason(error)}"
            else:
                file.trouble, is_changed = None, True
        return is_changed

    def _settle(self) -> None:
        """Choose the file that counts for each unit: of two, the one that had it before."""
        home: dict[Source, Path] = {}
        claims = [
            (path, source) for path in sorted(self._files) for source in self._files[path].units
        ]
        for path, source in claims:
            if source not in home or self._home.get(source) == path:
                home[source] = path
        self._home = home
        self._disputes = [
            f"{path}: {source} is in {home[source].name} as well, which counts;"
            " take it out of one of the two"
            for path, source in claims
            if home[source] != path
        ]


def load(path: Path) -> Registry:
    """Read a registry for somebody who needs all of it; raises RegistryError."""
    files = RegistryFiles(path)
    _, troubles = files.refresh()
    if troubles:
        raise RegistryError("\n".join(troubles))
    return files.registry


def _seen(status: os.stat_result) -> _Seen:
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
