"""[unit]: which unit this is, and the key that signs its journal."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table

# One level of an MQTT topic, a file name and a certificate name: the common subset of the three.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    area: str
    hall: str
    unit: str
    signing_key: Path

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        name = "1 to 32 of a-z, 0-9 and -, not beginning with -"
        unit = cls(
            area=table.text(
                "area",
                fits=re.compile(r"[0-9]{6,12}").fullmatch,
                allowed="an areaCode, 6 to 12 digits",
            ),
            hall=table.text("hall", fits=NAME.fullmatch, allowed=name),
            unit=table.text("unit", fits=NAME.fullmatch, allowed=name),
            signing_key=table.path("signing_key", base),
        )
        table.done()
        return unit
