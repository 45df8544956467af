"""[store]: where the journal lies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    database: Path

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        store = cls(database=table.path("database", base))
        table.done()
        return store
