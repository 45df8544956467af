"""Which files the firmware is, its release and its fingerprint (both interpreters)."""

import hashlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from device.hardware import Files

RELEASE = 1  # counts up with every firmware that leaves the house
DIGEST_LEN = 8  # bytes of the SHA-256 that a Hello has room for

# What new firmware replaces, sorted: below /lib when it came by cable, else below its slot.
FILES = (
    "device/__init__.py",
    "device/debounce.py",
    "device/firmware.py",
    "device/loop.py",
    "device/pad.py",
    "device/selftest.py",
    "device/update.py",
    "protocol/__init__.py",
    "protocol/pad/__init__.py",
    "protocol/pad/errors.py",
    "protocol/pad/faces.py",
    "protocol/pad/framing.py",
    "protocol/pad/line.py",
    "protocol/pad/messages.py",
    "protocol/pad/pad_end.py",
)
# What only a cable replaces: these below /lib, and device/main.py as /main.py.
LOADER_FILES = ("device/board.py", "device/settings.py")


def digest(files: "Files", root: str) -> bytes:
    """SHA-256 over path, zero, content of each file below `root`, cut to DIGEST_LEN.

    Frozen into an image there are no files; the image's own version stands for them.
    """
    sha = hashlib.sha256()
    try:
        for path in FILES:
            sha.update(path.encode() + b"\x00")
            with files.open(root + "/" + path, "rb") as file:
                sha.update(file.read())
    except OSError:
        sha = hashlib.sha256(sys.version.encode())
    return sha.digest()[:DIGEST_LEN]
