"""[lamp]: what hangs on the unit's own pins; which pins is said in each [[window]]."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table
from daemon.config.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    kind: str
    buzzer: str
    active_low: bool

    @classmethod
    def read(cls, table: Table, windows: Sequence[Window]) -> Self:
        """`windows`: whose pins and `kind` must fit together."""
        lamp = cls(
            kind=table.choice("kind", ("none", "gpio"), "none"),
            buzzer=table.choice("buzzer", ("passive", "active", "none"), "passive"),
            active_low=table.flag("active_low", False),
        )
        has_pins = any(window.lamp_pin or window.buzzer_pin for window in windows)
        if has_pins and lamp.kind == "none":
            table.wrong("kind", "none", '"gpio" where a [[window]] has a lamp_pin or buzzer_pin')
        if lamp.kind == "gpio" and windows and not has_pins:
            table.wrong("kind", "gpio", "a [[window]] has to say its lamp_pin or buzzer_pin, too")
        table.done()
        return lamp
