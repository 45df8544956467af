"""[[window]]: the windows this unit serves, each with its pad and the line that speaks of it."""

import re
from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table, is_path

# A Raspberry Pi has four USB sockets, and each window's pad takes one.
WINDOWS_MAX = 4
NUMBER = re.compile(r"[0-9A-Za-z-]{1,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window; `signal` is the port of its queue line, which windows may share."""

    number: str
    pad: str
    signal: str

    @classmethod
    def read(cls, table: Table) -> Self:
        window = cls(
            number=table.text(
                "number", fits=NUMBER.fullmatch, allowed="1 to 8 of 0-9, A-Z, a-z and -"
            ),
            pad=table.text("pad", fits=is_path, allowed="a device path: /dev/haochaping/pad"),
            signal=table.text(
                "signal", fits=is_path, allowed="a device path: /dev/haochaping/signal"
            ),
        )
        table.done()
        return window


def windows(top: Table) -> tuple[Window, ...]:
    """Every [[window]], in the order of the file."""
    tables = top.tables("window", WINDOWS_MAX)
    found = tuple(Window.read(table) for table in tables)
    for name, what in (("number", "windows"), ("pad", "pads")):
        seen = [getattr(window, name).lstrip("0") for window in found]
        for index, value in enumerate(seen):
            if value and value in seen[:index]:
                tables[index].wrong(name, value, f"two {what} of one unit may not be the same")
    return found
