"""What the firmware needs of its board (for type checkers and readers; defines nothing on it)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Files(Protocol):
        """The board's file system: `open` and `os`. Raises OSError."""

        @property
        def open(self) -> Any:
            """(path, "rb" or "wb") -> a file."""

        def remove(self, path: str) -> None: ...
        def rename(self, src: str, dst: str) -> None:
            """Replaces `dst`; a power cut leaves the one or the other."""

        def mkdir(self, path: str) -> None: ...
        def rmdir(self, path: str) -> None: ...
        def listdir(self, path: str) -> list[str]: ...

    class Board(Protocol):
        """device/board.py is the real one; the simulator has another."""

        uid: bytes  # eight bytes that no other board has
        reset_cause: int  # why this start, as a Hello says it
        resets: int  # by the watchdog or an error since it has power
        problems: list[str]  # of its settings

        @property
        def files(self) -> Files: ...

        def ticks_ms(self) -> int:
            """Milliseconds, wrapping after TICKS_MAX."""

        def levels(self) -> int:
            """The keys held down now, bit 0 = leftmost."""

        def read(self) -> bytes:
            """What came in on the line since the last time; never waits."""

        def write(self, data: bytes) -> None:
            """Send; never waits, what does not fit is lost and the link repeats it."""

        def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
            """Light these lamps, bit 0 = leftmost, and sound this pitch, 0 = none; per cent."""

        def feed(self) -> None:
            """Tell the watchdog that a whole turn was done."""

        def proven(self) -> None:
            """This start is a good one: errors in a row count from here."""

        def restart(self, cause: int) -> None:
            """Send what waits and start anew, with this cause in the next Hello."""
