"""Which files the firmware is, and their fingerprint (both interpreters)."""

import hashlib
import sys

DIGEST_LEN = 8  # bytes of the SHA-256 that a Hello has room for

# What goes to /lib of the board, sorted; device/main.py goes to /main.py as well.
FILES = (
    "device/__init__.py",
    "device/board.py",
    "device/debounce.py",
    "device/firmware.py",
    "device/lamps.py",
    "device/main.py",
    "device/pad.py",
    "device/settings.py",
    "protocol/__init__.py",
    "protocol/pad/__init__.py",
    "protocol/pad/errors.py",
    "protocol/pad/framing.py",
    "protocol/pad/line.py",
    "protocol/pad/messages.py",
    "protocol/pad/pad_end.py",
)


def digest(root: str) -> bytes:
    """SHA-256 over path, zero, content of each file below `root`, cut to DIGEST_LEN.

    Frozen into an image there are no files; the image's own version stands for them.
    """
    sha = hashlib.sha256()
    try:
        for path in FILES:
            sha.update(path.encode() + b"\x00")
            with open(root + "/" + path, "rb") as file:
                sha.update(file.read())
    except OSError:
        sha = hashlib.sha256(sys.version.encode())
    return sha.digest()[:DIGEST_LEN]
