"""What is to be done to a board's files, from what is wanted and what was found there (pure).

The order keeps a promise: while anything else changes there is no /main.py. So whenever the cable
is pulled, what stays is either the whole pad from before, or a board at MicroPython's prompt, or
the whole new pad. The slots of updates over the line (docs/pad.md) go, so that what came by cable
is what runs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from provisioning.pad.contents import MAIN, digests

FOLDER = ""  # what was found in the place of a digest


@dataclass(frozen=True, slots=True)
class Put:
    """Write a file, make sure of it, and only then let it have its name."""

    path: str
    content: bytes

    def __str__(self) -> str:
        return f"put {self.path}, {len(self.content)} bytes"


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, or a folder that is empty by then."""

    path: str
    is_folder: bool = False

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder."""

    path: str

    def __str__(self) -> str:
        return f"make {self.path}"


Step = Put | Remove | MakeFolder


def plan(
    wanted: Mapping[str, bytes], found: Mapping[str, str], left: Collection[str] = ()
) -> list[Step]:
    """The steps, in order; none when the board is as it should be.

    wanted: in the order of putting. found: path, SHA-256 in hex or FOLDER. left: paths that stay
    as they are, if they are there.
    """
    right, folders = digests(wanted), _folders(wanted)
    files = [path for path in sorted(found) if found[path] != FOLDER]
    steps: list[Step] = [Remove(path) for path in files if path not in right and path not in left]
    # The longer path first: a folder goes when what was in it has gone.
    steps += [
        Remove(path, is_folder=True)
        for path in sorted(found, key=lambda path: (-len(path), path))
        if found[path] == FOLDER and path not in folders
    ]
    steps += [MakeFolder(path) for path in folders if found.get(path) != FOLDER]
    puts = [Put(path, wanted[path]) for path in wanted if found.get(path) != right[path]]
    if MAIN in files and (steps or puts) and puts != [Put(MAIN, wanted[MAIN])]:
        steps.insert(0, Remove(MAIN))
        puts = [put for put in puts if put.path != MAIN] + [Put(MAIN, wanted[MAIN])]
    return steps + puts


def _folders(wanted: Mapping[str, bytes]) -> list[str]:
    """Each folder above a wanted file, the upper one first."""
    folders = {
        path[:at] for path in wanted for at, char in enumerate(path) if char == "/" and at > 0
    }
    return sorted(folders)
