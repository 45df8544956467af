"""[case]: how long the citizen may take for what."""

from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    prompt_ms: int
    correction_ms: int
    not_public_hold_ms: int

    @classmethod
    def read(cls, table: Table) -> Self:
        case = cls(
            # 10 s on key pads to 60 s on tablets are in use (domain.md 4).
            prompt_ms=table.milliseconds("prompt_s", 1, 120, 30.0),
            correction_ms=table.milliseconds("correction_s", 0, 10, 3.0),
            not_public_hold_ms=table.milliseconds("not_public_hold_s", 0, 5, 1.2),
        )
        table.done()
        return case
