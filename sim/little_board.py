"""The files of a board on a chip whose power may fail at any moment (sim/flash.py).

Looked at and changed as provisioning.pad.board does it over the cable; both pass one contract.
"""

from collections.abc import Callable
from hashlib import sha256

from provisioning.pad.contents import PART
from provisioning.pad.plan import FOLDER, MakeFolder, Put, Remove, Step
from sim.flash import LittleFiles


class LittleBoard:
    """What a board at its prompt can be asked for; `files` are its file system."""

    def __init__(self, files: LittleFiles) -> None:
        self._files = files

    def look(self) -> dict[str, str]:
        """Each file with its SHA-256 in hex, each folder with nothing."""
        found: dict[str, str] = {}
        self._look("", found)
        return found

    def read(self, path: str) -> bytes:
        """The content of a file."""
        with self._files.open(path, "rb") as file:
            return file.read()

    def do(self, step: Step, on_bytes: Callable[[int], None] = lambda _: None) -> None:
        """Carry out one step."""
        match step:
            case Put():
                with self._files.open(step.path + PART, "wb") as file:
                    on_bytes(file.write(step.content))
                assert self.read(step.path + PART) == step.content
                self._files.rename(step.path + PART, step.path)
            case Remove():
                self._files.remove(step.path)
            case MakeFolder():
                self._files.mkdir(step.path)

    def _look(self, folder: str, found: dict[str, str]) -> None:
        for name in self._files.listdir(folder or "/"):
            path = f"{folder}/{name}"
            try:
                found[path] = sha256(self.read(path)).hexdigest()
            except IsADirectoryError:
                found[path] = FOLDER
                self._look(path, found)
