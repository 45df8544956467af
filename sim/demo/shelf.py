"""What the page may load beside its own files: the firmware as it is, and MicroPython. Read only.

Each is named here one by one, so no path leads anywhere else.
"""

import json
from pathlib import Path

from device.firmware import FILES

ROOT = Path(__file__).resolve().parents[2]
# The loader chooses the firmware that runs; what belongs to the chip alone is not among them.
FIRMWARE = ("device/main.py", *FILES)
MICROPYTHON = ROOT / "node_modules/@micropython/micropython-webassembly-pyscript"
KINDS = {
    "micropython.mjs": "text/javascript; charset=utf-8",
    "micropython.wasm": "application/wasm",
}


def has_micropython(folder: Path = MICROPYTHON) -> bool:
    """Whether `npm ci` was done: only with this can a browser run the firmware."""
    return all((folder / name).is_file() for name in KINDS)


def find(path: str) -> tuple[bytes, str] | None:
    """The content and its type; None if there is no such thing."""
    folder, _, name = path.partition("/")
    if path == "firmware.json":
        return json.dumps(FIRMWARE).encode(), "application/json"
    if folder == "firmware" and name in FIRMWARE:
        return (ROOT / name).read_bytes(), "text/plain; charset=utf-8"
    if folder == "micropython" and name in KINDS and has_micropython():
        return (MICROPYTHON / name).read_bytes(), KINDS[name]
    return None
