"""Why somebody rated as they did (pure): five keys, each with one label, whatever the level.

The screen stands where others see it. So a key says the same about every level ("service manner"),
and the hall's table says which norm code that is at the level that was pressed. What the citizen
saw and pressed stands in the record beside the code, so that the table's word can be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What one key says; `codes` is its norm code at each level."""

    label: str
    codes: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """The hall's table, by its name; `keys` from the left, `ask_ms` how long they are asked for."""

    table: str
    ask_ms: int
    keys: tuple[Reason, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(reason.label for reason in self.keys)


def given(reasons: Reasons | None, level: int | None, key: int | None) -> dict[str, Any]:
    """What a rating entry says of its reason; silence is no reason."""
    if reasons is None or level is None or key is None:
        return {"reasons": [], "reasonKey": None, "reasonTable": None}
    code = reasons.keys[key - 1].codes[level]
    return {"reasons": [code], "reasonKey": key, "reasonTable": reasons.table}
