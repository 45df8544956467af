"""What each face looks and sounds like (pure; CPython and MicroPython).

A face never depends on the key that was pressed: who watches the pad learns that somebody
pressed, and not what.
"""

from protocol.pad.line import ticks_diff
from protocol.pad.messages import (
    FAULT,
    HEARD,
    IDLE,
    NO_LINK,
    PAUSED,
    PLEASE_RATE,
    SELF_TEST,
    THANKS,
)

ALL, OUTER, MIDDLE, ODD, EVEN = 0b11111, 0b10001, 0b00100, 0b10101, 0b01010

# Per face: lamps, repeated as (mask, ms) steps; sound, played once as (Hz, ms) notes.
PATTERNS: dict[int, tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]] = {
    IDLE: (((MIDDLE, 40), (0, 4960)), ()),
    PLEASE_RATE: (((ALL, 700), (0, 300)), ((1760, 120), (0, 80), (2093, 160))),
    HEARD: (((ALL, 1000),), ((2093, 60),)),
    THANKS: (((ALL, 150), (0, 150)), ((2093, 80), (2637, 160))),
    PAUSED: (((OUTER, 1000),), ()),
    NO_LINK: (((OUTER, 200), (0, 1800)), ()),
    FAULT: (((ODD, 250), (EVEN, 250)), ()),
    SELF_TEST: (
        ((1, 400), (2, 400), (4, 400), (8, 400), (16, 400), (ALL, 1000)),
        ((1760, 300), (0, 100), (2637, 300)),
    ),
}  # fmt: skip


def _at(steps: tuple[tuple[int, int], ...], elapsed_ms: int) -> int:
    """The value of the step that lasts at `elapsed_ms`; -1 after the last."""
    for value, step_ms in steps:
        elapsed_ms -= step_ms
        if elapsed_ms < 0:
            return value
    return -1


class Lamps:
    """Plays the pattern of a face."""

    def __init__(self) -> None:
        self.lamps = 0
        self.buzzer = 0  # Hz; 0 = silent
        self._steps, self._notes = PATTERNS[IDLE]
        self._round_ticks = self._notes_ticks = 0

    def start(self, now_ticks: int, face: int) -> None:
        """Play `face` from its beginning."""
        self._steps, self._notes = PATTERNS[face]
        self._round_ticks = self._notes_ticks = now_ticks

    def play(self, now_ticks: int) -> None:
        """Set `lamps` and `buzzer` to what they are now."""
        self.lamps = _at(self._steps, ticks_diff(now_ticks, self._round_ticks))
        if self.lamps < 0:
            self._round_ticks = now_ticks
            self.lamps = self._steps[0][0]
        self.buzzer = _at(self._notes, ticks_diff(now_ticks, self._notes_ticks))
        if self.buzzer < 0:
            self._notes = ()
            self.buzzer = 0
