"""[page]: where the technician's page is served."""

from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    host: str
    port: int

    @classmethod
    def read(cls, table: Table) -> Self:
        page = cls(
            host=table.choice("host", ("127.0.0.1", "::1"), "127.0.0.1"),
            port=table.integer("port", 0, 65535, 8787),
        )
        table.done()
        return page
