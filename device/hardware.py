"""What the loop needs of its hardware (for type checkers and readers; never on the board)."""

from typing import Protocol


class Board(Protocol):
    """device/board.py is the real one; the simulator has another."""

    uid: bytes  # eight bytes that no other board has
    reset_cause: int

    def ticks_ms(self) -> int:
        """Milliseconds, wrapping after TICKS_MAX."""

    def levels(self) -> int:
        """The keys held down now, bit 0 = leftmost."""

    def read(self) -> bytes:
        """What came in on the line since the last time; never waits."""

    def write(self, data: bytes) -> None:
        """Send; never waits, what does not fit is lost and the link repeats it."""

    def show(self, lamps: int, buzzer_hz: int) -> None:
        """Light these lamps, bit 0 = leftmost, and sound this pitch; 0 = silence."""

    def feed(self) -> None:
        """Tell the watchdog that a whole turn was done."""
