"""The boot partition of a card in this machine's reader (real I/O)."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from provisioning import files
from provisioning.errors import ProvisioningError
from provisioning.image.card import CMDLINE, CONFIG, FOLDER, UNIT, Way

# What a system of ours or of another may have it mounted as: never the card of this very machine.
OWN = ("/boot", "/boot/firmware")
CLOUD_INIT = ("user-data", "network-config", "meta-data")
WHEELS = f"{FOLDER}/wheels"
# What the files above and the file system itself need beside the copies.
SPARE_BYTES = 4 << 20


class BootPartition:
    """A mounted one: the way of its system, and the unit and card it was made before, if any.

    Raises ProvisioningError for any other folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not any((folder / name).is_file() for name in (CMDLINE, CONFIG)):
            raise ProvisioningError(
                f"{folder}: no boot partition of a Raspberry Pi: "
                f"neither {CMDLINE} nor {CONFIG} is in it",
                "write Raspberry Pi OS to the card without customisation, plug it in again, and "
                "name where its first partition is mounted, as /media/$USER/bootfs",
            )
        if str(folder.resolve()) in OWN:
            raise ProvisioningError(
                f"{folder} is what this machine started from", "name the card in the reader"
            )
        self.way = self._way()
        self.unit, self.card = self._noted("UNIT"), self._noted("CARD")

    def found(self) -> dict[str, str]:
        """What is there of the texts that only grow by ours."""
        return {
            name: (self.folder / name).read_text("utf-8", "surrogateescape")
            for name in (CMDLINE, CONFIG)
            if (self.folder / name).is_file()
        }

    def differing(self, made: Mapping[str, bytes], carried: Iterable[Path]) -> list[str]:
        """The names of what is not there yet as it is to be, in the order of writing."""
        copies = [f"{WHEELS}/{file.name}" for file in carried if not self._is_copied(file)]
        return copies + [name for name, content in made.items() if self._content(name) != content]

    def write(
        self,
        made: Mapping[str, bytes],
        carried: Iterable[Path],
        left_over: Iterable[str],
        advance: Callable[[float], None],
    ) -> None:
        """Make the files be there, copies first; an interrupted run leaves nothing that starts.

        Raises ProvisioningError when there is no room, or the card takes nothing.
        """
        carried = list(carried)
        names = {file.name for file in carried}
        try:
            (self.folder / WHEELS).mkdir(parents=True, exist_ok=True)
            for old in (self.folder / WHEELS).iterdir():
                if old.name not in names:
                    old.unlink()
            self._need(sum(file.stat().st_size for file in carried if not self._is_copied(file)))
            for file in carried:
                if not self._is_copied(file):
                    files.put(self.folder / WHEELS / file.name, file.read_bytes())
                advance(file.stat().st_size)
            for name in left_over:
                (self.folder / name).unlink(missing_ok=True)
            for name, content in made.items():
                if self._content(name) != content:
                    (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                    files.put(self.folder / name, content)
        except OSError as error:
            raise ProvisioningError(
                f"{self.folder}: the card takes nothing: {error.strerror}",
                "look at its write protection, plug it in again and repeat the command",
            ) from error

    def _way(self) -> Way:
        if any((self.folder / name).is_file() for name in CLOUD_INIT):
            return Way.CLOUD_INIT
        if not (self.folder / CMDLINE).is_file():
            raise ProvisioningError(
                f"{self.folder}: this system has neither cloud-init nor {CMDLINE}",
                "Raspberry Pi OS 12 or 13, or Ubuntu for Raspberry Pi, will do",
            )
        return Way.FIRST_RUN

    def _noted(self, name: str) -> str | None:
        """What an earlier run has written for the unit's script."""
        text = (self._content(UNIT) or b"").decode("utf-8", "replace")
        found = re.search(rf"^{name}=([a-z0-9-]+)$", text, re.M)
        return found[1] if found else None

    def _content(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def _is_copied(self, file: Path) -> bool:
        copy = self.folder / WHEELS / file.name
        return copy.is_file() and copy.read_bytes() == file.read_bytes()

    def _need(self, copied: int) -> None:
        free, needed = shutil.disk_usage(self.folder).free, copied + SPARE_BYTES
        if free < needed:
            raise ProvisioningError(
                f"{self.folder}: {free >> 20} MB are free, {needed >> 20} are needed",
                "give fewer wheels: `pip download 'haochaping[unit]'` for this kind of Pi alone",
            )
