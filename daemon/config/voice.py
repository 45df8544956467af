"""[voice]: what is said aloud, and by which program."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    please_rate: Path | None
    thanks: Path | None
    player: tuple[str, ...]
    longest_ms: int

    @property
    def is_wanted(self) -> bool:
        return self.please_rate is not None or self.thanks is not None

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        voice = cls(
            please_rate=table.path_or_none("please_rate", base),
            thanks=table.path_or_none("thanks", base),
            player=tuple(
                shlex.split(
                    table.text(
                        "player",
                        "aplay -q",
                        fits=_is_command,
                        allowed='a program and its options, as in "aplay -q"',
                    )
                )
            ),
            longest_ms=table.milliseconds("longest_s", 1, 30, 8.0),
        )
        table.done()
        return voice


def _is_command(text: str) -> bool:
    try:
        return text.isprintable() and bool(shlex.split(text)[0])
    except (ValueError, IndexError):
        return False
