"""The papers on a stick, or in a card's boot partition: one folder for each unit (real I/O).

<stick>/haochaping/<unit>/invitation.json, request.json, grant.json
"""

from pathlib import Path

from provisioning import files
from provisioning.errors import ProvisioningError
from provisioning.papers.paper import PAPER_LEN_MAX

FOLDER = "haochaping"


class Stick:
    """The papers of the units on one stick."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise ProvisioningError(f"{root}: no stick is there", "plug it in, and mount it")
        self._root, self._folder = root, root / FOLDER

    def put(self, unit: str, kind: str, paper: bytes) -> Path:
        """Put a paper of a unit there; where. Raises ProvisioningError."""
        path = self._path(unit, kind)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.put(path, paper)
        except OSError as error:
            raise ProvisioningError(
                f"{path}: cannot be written ({error.strerror})", "is the stick full, or locked?"
            ) from error
        return path

    def read(self, unit: str, kind: str) -> bytes:
        """A paper of a unit. Raises ProvisioningError."""
        path = self._path(unit, kind)
        try:
            with path.open("rb") as file:
                return file.read(PAPER_LEN_MAX + 1)
        except OSError as error:
            raise ProvisioningError(
                f"{path}: the {kind} is not there ({error.strerror})", NEXT[kind].format(unit)
            ) from error

    def units(self, kind: str) -> list[str]:
        """The units that have this paper here."""
        return sorted(path.parent.name for path in self._folder.glob(f"*/{kind}.json"))

    def only(self, kind: str) -> str:
        """The one unit that has this paper here. Raises ProvisioningError for none or several."""
        found = self.units(kind)
        if len(found) == 1:
            return found[0]
        if not found:
            hint = NEXT[kind].format("UNIT")
            raise ProvisioningError(f"{self._root}: no {kind} is on it", hint)
        raise ProvisioningError(
            f"{self._root}: {kind}s of several units are on it: {', '.join(found)}",
            f"say which: --unit {found[0]}",
        )

    def _path(self, unit: str, kind: str) -> Path:
        return self._folder / unit / f"{kind}.json"


NEXT = {
    "invitation": "at the office: provision unit invite {} --to STICK",
    "request": "on the unit: sudo provision unit request STICK",
    "grant": "at the office: provision unit issue STICK",
}
