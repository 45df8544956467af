"""[pad]: what the keys mean, how bright and loud the pad is, which firmware it gets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table
from daemon.front.night import Look, Looks

LEVELS = (5, 4, 3, 2, 1)
# Of a table of the hall's that every rating quotes.
TABLE_NAME = re.compile(r"[0-9A-Za-z._-]{1,32}")
TABLE_NAME_ALLOWED = "1 to 32 of 0-9, A-Z, a-z, . _ and -"
NIGHT = re.compile(r"([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    keys: tuple[int, ...]
    key_table: str
    looks: Looks
    firmware: Path | None
    firmware_key: Path | None

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        keys = table.value("keys", list(LEVELS))
        is_list = isinstance(keys, list) and all(type(level) is int for level in keys)
        if not is_list or sorted(keys) != sorted(LEVELS):
            table.wrong(
                "keys", keys, "the levels 1 to 5, each once, from the left key to the right"
            )
            keys = LEVELS
        pad = cls(
            keys=tuple(keys),
            key_table=table.text(
                "key_table", "k5-1", fits=TABLE_NAME.fullmatch, allowed=TABLE_NAME_ALLOWED
            ),
            looks=_looks(table),
            firmware=table.path_or_none("firmware", base),
            firmware_key=table.path_or_none("firmware_key", base),
        )
        if pad.firmware is not None:
            table.needs("firmware_key", "the key of who makes the firmware: firmware needs it")
        table.done()
        return pad


def _looks(table: Table) -> Looks:
    night = table.text(
        "night",
        "",
        fits=NIGHT.fullmatch,
        allowed='from when to when it is night, as in "21:00-06:30"',
    )
    start, end = (tuple(map(int, time.split(":"))) for time in (night or "0:0-0:0").split("-"))
    return Looks(
        day=Look(
            brightness=table.integer("brightness", 1, 100, 100),
            volume=table.integer("volume", 0, 100, 100),
        ),
        night=(start[0] * 60 + start[1], end[0] * 60 + end[1]) if night else None,
    )
