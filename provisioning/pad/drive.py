"""A board in its boot loader, which is a drive: found, and given an image (real I/O)."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

from provisioning.pad import uf2
from provisioning.pad.errors import BoardNotFound, ImageUnfit

LABEL = Path("/dev/disk/by-label/RPI-RP2")  # RP2040 datasheet 2.8.4.1
MOUNTS = Path("/proc/self/mounts")
INFO = "INFO_UF2.TXT"
BOARD_ID = "RPI-RP2"
WRITE_LEN = 1 << 16
_OCTAL = re.compile(r"\\([0-7]{3})")  # how a space is written in the list of mounts


def find(mounts: Path = MOUNTS, label: Path = LABEL) -> Path | None:
    """Where the drive is mounted; None when no board is in its boot loader.

    Raises BoardNotFound when one is, but nobody has mounted it.
    """
    for line in mounts.read_text("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) > 2 and words[2] == "vfat":
            folder = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), words[1]))
            if _is_boot_loader(folder):
                return folder
    if label.exists():
        raise BoardNotFound(
            "a board is in its boot loader, but its drive RPI-RP2 is not mounted",
            f"mount it, and run it again: udisksctl mount -b {label}",
        )
    return None


def load(drive: Path, image: Path, on_bytes: Callable[[int, int], None]) -> int:
    """Check the image and copy it; how many bytes of flash it fills. Raises ImageUnfit.

    The board starts it by itself when it has all of it, and the drive goes away.
    """
    try:
        raw = image.read_bytes()
    except OSError as error:
        raise ImageUnfit(
            f"{image} cannot be read: {error.strerror}", "name the UF2 file with --uf2"
        ) from error
    length = uf2.check(raw)
    try:
        with (drive / "image.uf2").open("wb", buffering=0) as file:
            for at in range(0, len(raw), WRITE_LEN):
                file.write(raw[at : at + WRITE_LEN])
                os.fsync(file.fileno())
                on_bytes(min(at + WRITE_LEN, len(raw)), len(raw))
    except OSError as error:
        # With the last block the drive goes, sometimes before the file is closed.
        if error.errno not in (errno.EIO, errno.ENODEV, errno.ENOENT) or drive.exists():
            raise ImageUnfit(
                f"the image could not be copied to {drive}: {error.strerror}",
                "plug the board in again with BOOTSEL held, and run it again",
            ) from error
    return length


def _is_boot_loader(folder: Path) -> bool:
    try:
        told = (folder / INFO).read_text("ascii", "replace")
    except OSError:
        return False
    return f"Board-ID: {BOARD_ID}" in told
