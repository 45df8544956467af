"""What each face looks and sounds like, at the pad and at the unit (pure; both interpreters).

A face never depends on the key that was pressed: who watches learns that somebody pressed, and
not what.
"""

from protocol.pad import messages
from protocol.pad.line import ticks_diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    Steps = tuple[tuple[int, int], ...]
    Pattern = tuple[Steps, Steps]

ALL, OUTER, MIDDLE, ODD, EVEN = 0b11111, 0b10001, 0b00100, 0b10101, 0b01010

# Per face: lamps, repeated as (mask, ms) steps; sound, played once as (Hz, ms) notes.
PATTERNS: "dict[int, Pattern]" = {
    messages.IDLE: (((MIDDLE, 40), (0, 4960)), ()),
    messages.PLEASE_RATE: (((ALL, 700), (0, 300)), ((1760, 120), (0, 80), (2093, 160))),
    messages.HEARD: (((ALL, 1000),), ((2093, 60),)),
    messages.THANKS: (((ALL, 150), (0, 150)), ((2093, 80), (2637, 160))),
    messages.PAUSED: (((OUTER, 1000),), ()),
    messages.NO_LINK: (((OUTER, 200), (0, 1800)), ()),
    messages.FAULT: (((ODD, 250), (EVEN, 250)), ()),
    messages.SELF_TEST: (
        ((1, 400), (2, 400), (4, 400), (8, 400), (16, 400), (ALL, 1000)),
        ((1760, 300), (0, 100), (2637, 300)),
    ),
}  # fmt: skip


def _at(steps: "Steps", elapsed_ms: int) -> int:
    """The value of the step that lasts at `elapsed_ms`; -1 after the last."""
    for value, step_ms in steps:
        elapsed_ms -= step_ms
        if elapsed_ms < 0:
            return value
    return -1


class Player:
    """Plays the pattern of a face."""

    def __init__(self) -> None:
        self.lamps = 0
        self.buzzer_hz = 0  # 0 = silent
        self._steps, self._notes = PATTERNS[messages.IDLE]
        self._round_ticks = self._notes_ticks = 0

    def start(self, now_ticks: int, pattern: "Pattern") -> None:
        """Play `pattern` from its beginning."""
        self._steps, self._notes = pattern
        self._round_ticks = self._notes_ticks = now_ticks

    def play(self, now_ticks: int) -> None:
        """Set `lamps` and `buzzer_hz` to what they are now."""
        self.lamps = _at(self._steps, ticks_diff(now_ticks, self._round_ticks))
        if self.lamps < 0:
            self._round_ticks = now_ticks
            self.lamps = self._steps[0][0]
        self.buzzer_hz = _at(self._notes, ticks_diff(now_ticks, self._notes_ticks))
        if self.buzzer_hz < 0:
            self._notes = ()
            self.buzzer_hz = 0
