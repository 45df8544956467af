"""[trace]: whether every step is recorded for support, and for whose eyes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """`file` and `key` are both there or both None; a file never grows beyond `file_len_max`."""

    file: Path | None
    key: Path | None
    file_len_max: int

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        trace = cls(
            file=table.path_or_none("file", base),
            key=table.path_or_none("key", base),
            # 72 MB a day at an idle window (docs/trace.md).
            file_len_max=table.integer("size_mb", 1, 1024, 64) * MEGABYTE,
        )
        if trace.file is not None:
            table.needs("key", "the public key of who may read the trace")
        if trace.key is not None:
            table.needs("file", "where the trace is written")
        table.done()
        return trace
