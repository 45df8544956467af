"""Bytes read as a tape of decisions (pure): a fuzzer that changes bytes then changes decisions.

At its end every number is 0 and every text empty, so any bytes are a whole tape.
"""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Tape:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        """Whether something is left."""
        return self._at < len(self._data)

    def byte(self) -> int:
        return self.number(1)

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def choice(self, items: Sequence[Item]) -> Item:
        return items[self.byte() % len(items)]

    def take(self, count: int) -> bytes:
        """At most so many bytes."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def text(self) -> bytes:
        """Bytes whose length stands before them."""
        return self.take(self.byte())

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def splits(self) -> list[bytes]:
        """The rest, in pieces of lengths that it says itself."""
        data, pieces, at = self.rest(), [], 0
        while at < len(data):
            length = 1 + data[at] % 23
            pieces.append(data[at : at + length])
            at += length
        return pieces
