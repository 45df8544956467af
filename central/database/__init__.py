"""The engine under the store: one connection, transactions, and SQL both engines understand.

Statements are written once, with `?` for a value. What differs between the engines is in their two
files and nowhere else; both pass the same contract suite.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Row = tuple[Any, ...]
Value = str | int | bytes | None
Values = Sequence[Value]


class Database(Protocol):
    """One connection, made again after trouble; every trouble is a StoreError with a sentence."""

    def transaction(self) -> AbstractContextManager[None]:
        """All of it or nothing; on disk when it is left."""

    def run(self, sql: str, values: Values = ()) -> int:
        """Carry out one statement; how many rows it concerned."""

    def run_many(self, sql: str, rows: Sequence[Values]) -> None:
        """Carry out one statement for each row, in their order."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
        """Add many new rows, the fastest way there is."""

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """All rows of an answer."""

    def stream(self, sql: str, values: Values = ()) -> Iterator[Row]:
        """The rows of an answer of any size, one by one, as of one moment."""

    def tables(self) -> set[str]:
        """The names of the tables that are there."""

    def create(self, script: str) -> None:
        """Carry out definitions, `{id}` and the like standing for the engine's types, at once."""

    def close(self) -> None:
        """Let go of the connection."""


def marks(count: int) -> str:
    """`?, ?, ?` for so many values."""
    return ", ".join("?" * count)


def row_marks(count: int, width: int) -> str:
    """`(?, ?), (?, ?)` for so many rows."""
    return ", ".join([f"({marks(width)})"] * count)
