"""What of an RP2040 is plugged in at USB, in words: a boot loader has no serial port to speak on.

Only the kernel's own list is read; no device is opened or asked.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

# Far more than hangs on a unit: a device is listed once, and once for each of its interfaces.
ENTRIES_MAX = 512
# Four hexadecimal digits and a line feed (Linux drivers/usb/core/sysfs.c), and room to see more.
_ID_LEN = 8

_AGAIN = "unplug it and plug it in again"
_INSTALL = "install the firmware that came with this daemon"
_BOOT_LOADER = (
    f"the pad is in its boot loader: {_AGAIN} without holding BOOTSEL; "
    f"if that does not help, put MicroPython there and {_INSTALL}"
)
_MICROPYTHON = (
    f"a board with MicroPython is plugged in: if it is the pad, {_AGAIN}; if that does not help, "
    f"mend its line or the path in the configuration, or {_INSTALL}"
)
_CIRCUITPYTHON = (
    "a board with CircuitPython is plugged in: if it is the pad, "
    f"put MicroPython there and {_INSTALL}"
)
_OTHER = (
    "a board with another firmware is plugged in: if it is the pad, "
    f"put MicroPython there and {_INSTALL}"
)
# What idVendor:idProduct begins with; the first that is plugged in is said.
# 2e8a: github.com/raspberrypi/usb-pid; 0005: ports/rp2/mpconfigport.h of MicroPython; 0009, 000a:
# pico_stdio_usb of the Pico SDK; 239a, Adafruit: boards/raspberry_pi_pico of CircuitPython.
_WORDS = (
    ("2e8a:0003", _BOOT_LOADER),
    ("2e8a:000f", _BOOT_LOADER),
    ("2e8a:000b", _CIRCUITPYTHON),
    ("239a:", _CIRCUITPYTHON),
    ("2e8a:0009", _OTHER),
    ("2e8a:000a", _OTHER),
    ("2e8a:0005", _MICROPYTHON),
)


def attached(sysfs: Path = Path("/sys/bus/usb/devices")) -> str | None:
    """What of an RP2040 is plugged in beside the serial port, in words; None if nothing of it.

    A pad that works on a UART and takes its power from USB is listed, too, as MicroPython: to be
    asked only when the pad is not heard.
    """
    ids = set(_ids(sysfs))
    for start, words in _WORDS:
        if any(one.startswith(start) for one in ids):
            return words
    return None


def _ids(sysfs: Path) -> Iterator[str]:
    try:
        with os.scandir(sysfs) as entries:
            paths = [entry.path for entry in islice(entries, ENTRIES_MAX)]
    except OSError:
        return
    for path in paths:
        vendor, product = _read(f"{path}/idVendor"), _read(f"{path}/idProduct")
        if vendor and product:
            yield f"{vendor}:{product}"


def _read(path: str) -> str:
    """What the file says; empty if there is none, or none that can be read at once."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return os.read(file, _ID_LEN).decode("ascii", "replace").strip().lower()
    except OSError:
        return ""
    finally:
        os.close(file)
