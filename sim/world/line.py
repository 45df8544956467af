"""One direction of a serial line: bytes at its speed, and what a bad one makes of them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from sim.world.agenda import Agenda

PIECES_MAX = 4
GAP_MS_MAX = 30  # between two pieces of one write


@dataclass(slots=True)
class Trouble:
    """How likely it is that a write is lost, damaged, doubled, or comes in pieces."""

    loses: float = 0.0
    flips: float = 0.0
    repeats: float = 0.0
    splits: float = 0.0

    @property
    def is_none(self) -> bool:
        return not (self.loses or self.flips or self.repeats or self.splits)


class Line:
    """What is written arrives in order, later, or not at all; `plugged` is the cable."""

    def __init__(
        self, agenda: Agenda, drawn: random.Random, baud: int, arrive: Callable[[bytes], None]
    ) -> None:
        self._agenda, self._random, self._arrive = agenda, drawn, arrive
        self._bytes_per_s = baud // 10
        self.trouble = Trouble()
        self.plugged = True
        self._cable = 0  # what is under way when it is pulled never arrives
        self._free_ms = 0  # when the last byte written so far has arrived
        self.under_way = 0

    @property
    def is_good(self) -> bool:
        """Nothing is under way, and nothing would befall it."""
        return self.plugged and self.trouble.is_none and not self.under_way

    def write(self, data: bytes) -> None:
        """Send; nobody learns what becomes of it."""
        if not self.plugged:
            return
        if self.trouble.is_none:
            self._send(data, 0)
            return
        drawn, trouble = self._random, self.trouble
        if drawn.random() < trouble.loses:
            return
        copies = 2 if drawn.random() < trouble.repeats else 1
        for _ in range(copies):
            for piece in self._pieces(self._damaged(data)):
                self._send(piece, drawn.randint(0, GAP_MS_MAX))

    def unplug(self) -> None:
        """Pull the cable."""
        self.plugged, self.under_way, self._free_ms = False, 0, 0
        self._cable += 1

    def plug(self) -> None:
        """Put it back."""
        self.plugged = True

    def _damaged(self, data: bytes) -> bytes:
        if self._random.random() >= self.trouble.flips:
            return data
        at = self._random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._random.randrange(8)]) + data[at + 1 :]

    def _pieces(self, data: bytes) -> list[bytes]:
        if self._random.random() >= self.trouble.splits:
            return [data]
        count = self._random.randint(2, PIECES_MAX)
        cuts = sorted(self._random.randrange(len(data) + 1) for _ in range(count - 1))
        ends = zip([0, *cuts], [*cuts, len(data)], strict=True)
        return [data[start:end] for start, end in ends if start < end]

    def _send(self, data: bytes, wait_ms: int) -> None:
        begins_ms = max(self._free_ms, self._agenda.now_ms + wait_ms)
        self._free_ms = begins_ms + max(1, -(-1000 * len(data) // self._bytes_per_s))
        cable, self.under_way = self._cable, self.under_way + 1

        def arrived() -> None:
            if self._cable == cable:
                self.under_way -= 1
                self._arrive(data)

        self._agenda.after(self._free_ms - self._agenda.now_ms, arrived)
