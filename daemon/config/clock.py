"""[clock]: whose word on the time is believed."""

from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    trust: str

    @classmethod
    def read(cls, table: Table) -> Self:
        clock = cls(trust=table.choice("trust", ("kernel", "host"), "kernel"))
        table.done()
        return clock
