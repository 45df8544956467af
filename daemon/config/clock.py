"""[clock]: whose word on the time is believed."""

from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    trust: str
    server_error_ms: int

    @classmethod
    def read(cls, table: Table) -> Self:
        clock = cls(
            trust=table.choice("trust", ("kernel", "host"), "kernel"),
            # timesyncd believes a server of this distance at most (RootDistanceMaxSec).
            server_error_ms=table.milliseconds("server_error_s", 0, 60, 5.0),
        )
        table.done()
        return clock
