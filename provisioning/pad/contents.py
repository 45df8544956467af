"""What is to be on a pad's flash: path, content (pure, but for the package's own files).

/main.py comes last: without it the board waits at MicroPython's prompt, so one that was unplugged
in the middle is a board to flash again, and never a pad that runs half of something.
"""

import ast
import io
import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from importlib.resources import files
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

from device import firmware
from device.settings import UART_USB, Settings
from provisioning.pad.errors import SettingsWrong

LIB = "/lib"
MAIN = "/main.py"
SETTINGS = "/settings.json"
# Whose pad it is. The firmware ignores it; whoever brings a cable reads it.
ENROLLED = "/enrolled.json"
# A file is written under its name and this. In its own folder: littlefs takes two steps to move a
# file to another one, and with power lost between them the folder it came from reads as empty.
PART = ".new"
_PINS = ("KEY_PINS", "LAMP_PINS", "BUZZER_PIN", "TX_PIN")


def wanted(
    settings: Mapping[str, Any] | None, enrolled: Mapping[str, str] | None
) -> dict[str, bytes]:
    """Each file, in the order in which they are to be put; what is None is not among them."""
    paths = (*firmware.LOADER_FILES, *firmware.FILES)
    contents = {f"{LIB}/{path}": _resource(path) for path in paths}
    if settings is not None:
        contents[SETTINGS] = _as_json(settings)
    if enrolled is not None:
        contents[ENROLLED] = _as_json(enrolled)
    contents[MAIN] = _resource("device/main.py")
    return contents


def digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each, in hex."""
    return {path: sha256(content).hexdigest() for path, content in contents.items()}


def firmware_digest(contents: Mapping[str, bytes]) -> bytes:
    """What the Hello of a pad with these files says of its firmware."""
    return firmware.digest(cast(Any, _Packed(contents)), LIB)


def merged(before: bytes | None, changes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The settings on the board with the changes in them; None leaves them as they are.

    A change to None takes a setting away. Raises SettingsWrong where the firmware would not take
    the outcome.
    """
    if changes is None:
        return None
    values = read_object(before) | dict(changes)
    values = {name: value for name, value in values.items() if value is not None}
    problems = Settings(values, cast(Any, _pin_map())).problems
    if problems:
        raise SettingsWrong(
            f"the pad would not take these settings: {'; '.join(problems)}",
            "mend them: docs/pad.md has each with its range",
        )
    return values


def is_on_usb(settings: bytes | None) -> bool:
    """Whether the line of a pad with this /settings.json is its USB."""
    return bool(read_object(settings).get("uart") == UART_USB)


def read_object(raw: bytes | None) -> dict[str, Any]:
    """The JSON object in a file of the board; empty if there is none."""
    try:
        value = json.loads(raw or b"{}")
    except ValueError:
        value = {}
    return value if isinstance(value, dict) else {}


def is_pad(paths: Collection[str]) -> bool:
    """Whether files like these are, or were once to be, a pad's."""
    ours = {ENROLLED, *(f"{LIB}/{path}" for path in firmware.LOADER_FILES + firmware.FILES)}
    return any(path.removesuffix(PART) in ours for path in paths)


def _as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(value), sort_keys=True).encode() + b"\n"


def _resource(path: str) -> bytes:
    package, *below = path.split("/")
    return files(package).joinpath(*below).read_bytes()


def _pin_map() -> SimpleNamespace:
    """The wiring in device/board.py, which only a board can import."""
    pins = SimpleNamespace()
    for node in ast.parse(_resource("device/board.py")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in _PINS:
                setattr(pins, target.id, ast.literal_eval(node.value))
    return pins


class _Packed:
    """As much of a board's file system as device.firmware.digest reads."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = contents

    def open(self, path: str, _mode: str) -> BinaryIO:
        return io.BytesIO(self._contents[path])
