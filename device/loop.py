"""The firmware's loop (both interpreters).

It reads no clock and touches no pin but through its board, so that the simulator drives the same
body with a board of its own.
"""

import os

from device.firmware import RELEASE, digest
from device.pad import Pad
from device.update import Update, confirm
from protocol.pad import VERSION, messages
from protocol.pad.pad_end import PadEnd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from device.hardware import Board

HEARTBEATS_GOOD = 5  # statuses answered by the unit, one a second and one for each command
TRIAL_S = 60  # a unit that restarts meanwhile takes 10 s


class TrialFailed(Exception):
    """New firmware was not heard by the unit."""


class Loop:
    """One pad on one board."""

    def __init__(
        self, board: "Board", boot_id: int, firmware: bytes, root: str, on_trial: bool
    ) -> None:
        self._board, self._root, self._on_trial = board, root, on_trial
        self._proven = False
        who = (boot_id, 1, VERSION, board.uid, firmware, RELEASE)
        self._link = PadEnd(messages.Hello(*who, board.reset_cause, board.resets))
        # On trial the other slot is the proven one.
        state = messages.BUSY if on_trial else messages.NOT_OFFERED
        self.update = Update(board.files, "/b" if root == "/a" else "/a", state)
        self.pad = Pad(self._link, self.update, bool(board.problems))

    def turn(self) -> None:
        """One turn; the watchdog is fed only at its very end."""
        board, pad = self._board, self.pad
        out = pad.step(board.ticks_ms(), board.levels(), board.read())
        if out:
            board.write(out)
        board.show(pad.light.lamps, pad.light.buzzer_hz, pad.brightness, pad.volume)
        if not self._proven:
            self._prove()
        if self.update.state == messages.TAKEN:
            board.restart(messages.NEW_FIRMWARE)
        board.feed()

    def _prove(self) -> None:
        """New firmware stays when the unit has heard it for a while, and goes when it was not."""
        if self._link.heartbeat_count < HEARTBEATS_GOOD:
            if self._on_trial and self._link.status.uptime_s >= TRIAL_S:
                raise TrialFailed
        elif self.pad.face not in messages.ASKING:
            if self._on_trial:
                confirm(self._board.files, self._root)
                self.update.state = messages.NOT_OFFERED
            self._board.proven()
            self._proven = True


def run(board: "Board", root: str, on_trial: bool) -> None:
    """Turn for ever with the firmware in `root`; an error ends it."""
    boot_id = int.from_bytes(os.urandom(4), "big") or 1  # 0 means none on the line
    loop = Loop(board, boot_id, digest(board.files, root), root, on_trial)
    while True:
        loop.turn()
