"""[store]: where the journal lies, how long entries stay in it, what is kept for a full disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    database: Path
    keep_days: int
    ballast_len: int

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        store = cls(
            database=table.path("database", base),
            keep_days=table.integer("keep_days", 7, 3650, 400),
            ballast_len=table.integer("ballast_mb", 0, 1024, 8) * MIB,
        )
        table.done()
        return store
