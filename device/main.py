"""The firmware's loop (both interpreters); on the board this file is /main.py.

The loop reads no clock and touches no pin but through its board, so that the simulator drives the
same body with a board of its own.
"""

from device.firmware import digest
from device.pad import Pad
from device.settings import Settings, load
from protocol.pad.pad_end import PadEnd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from device.hardware import Board


class Loop:
    """One pad on one board."""

    def __init__(self, board: "Board", boot_id: int, firmware: bytes, settings: Settings) -> None:
        self._board = board
        self.pad = Pad(PadEnd(boot_id, board.uid, firmware, board.reset_cause), settings)

    def turn(self) -> None:
        """One turn; the watchdog is fed only at its very end."""
        board = self._board
        out, lamps, buzzer_hz = self.pad.step(board.ticks_ms(), board.levels(), board.read())
        if out:
            board.write(out)
        board.show(lamps, buzzer_hz)
        board.feed()


def run(board: "Board", boot_id: int, firmware: bytes, settings: Settings) -> None:
    """Turn for ever; an error ends it, and the unfed watchdog then resets the board."""
    loop = Loop(board, boot_id, firmware, settings)
    while True:
        loop.turn()


def start() -> None:
    """Run on the real board."""
    import micropython

    micropython.kbd_intr(-1)  # before all else: 0x03 on the line is data, not a way in
    from device import board

    settings = load("/settings.json")
    run(board.Rp2040(settings), board.random_boot_id(), digest("/lib"), settings)


if __name__ == "__main__":
    start()
