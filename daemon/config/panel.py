"""[panel]: the OLED in front of the citizen."""

from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    display: str
    language: str

    @classmethod
    def read(cls, table: Table) -> Self:
        panel = cls(
            display=table.choice("display", ("none", "ssd1306", "sh1106"), "none"),
            language=table.choice("language", ("zh", "en"), "zh"),
        )
        table.done()
        return panel
