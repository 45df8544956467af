"""What stock MicroPython on a Pico has at its prompt, for a MicroPython VM (sim/board.py).

To import it puts it in the place of modules, as sim/rp2040.py does for the firmware; files that
only the VM has are not listed.
"""

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

HIDDEN = (
    "dev", "home", "proc", "rp2040.json", "rp2040.py", "stock_board.json", "stock_board.py", "tmp",
)  # fmt: skip

with open("/stock_board.json") as _file:
    facts: "dict[str, Any]" = json.load(_file)


class Module:
    """Another module, but for what is given."""

    def __init__(self, module: object, **given: object) -> None:
        self._module = module
        for name in sorted(given):
            setattr(self, name, given[name])

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._module, name)


class Implementation:
    name: str = facts["name"]
    version = tuple(facts["version"] or sys.implementation.version)
    _machine: str = facts["machine"]


def ilistdir(path: str = "/") -> "Iterator[tuple[str, int, int]]":
    for entry in os.ilistdir(path):  # type: ignore[attr-defined]
        if path != "/" or entry[0] not in HIDDEN:
            yield entry


def listdir(path: str = "/") -> list[str]:
    return [entry[0] for entry in ilistdir(path)]


def unique_id() -> bytes:
    return bytes.fromhex(facts["uid"])


def reset() -> None:
    with open("/dev/world", "r+b") as world:
        world.write(b"end\n")
        world.read(1)


for _name, _module in (
    ("machine", Module(None, reset=reset, unique_id=unique_id)),
    ("os", Module(os, ilistdir=ilistdir, listdir=listdir)),
    ("sys", Module(sys, implementation=Implementation)),
):
    sys.modules[_name] = _module  # type: ignore[assignment]
