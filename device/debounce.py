"""From bouncing contacts to one press, one edge (pure; CPython and MicroPython).

All five keys are counted at once in three bit planes, so a sample costs the same whatever happens
and allocates nothing. A key changes when SAMPLE_COUNT samples in a row agree on it: 16 ms, which
no spike under SAMPLE_MS survives and which keeps a press under 40 ms after 20 ms of bouncing.
A press beside another key that is down, or on its way down, is a chord: nobody can say which was
meant, so it is counted and neither it nor its release is reported.
"""

from protocol.pad.line import TICKS_MAX, ticks_diff
from protocol.pad.messages import KEY_COUNT

SAMPLE_MS = 2
SAMPLE_COUNT = 8  # what three bit planes can count
STUCK_MS = (
    4000  # three times a hold that means something; one that is stuck must not block the others
)


class Debounce:
    """Turns raw levels (bit 0 = key 1, 1 = down) into reported keys."""

    def __init__(self) -> None:
        self.down = 0  # keys whose press was reported and whose release was not
        self.stuck = 0
        self.chord_count = 0
        self.stable = 0  # keys that are down, believed or not
        self.since_ticks = [0] * KEY_COUNT  # when each went down last
        self._ones = self._twos = self._fours = 0
        self._due_ticks = 0

    def sample(self, now_ticks: int, levels: int) -> int:
        """The keys whose reported state changed; more often than SAMPLE_MS it only returns 0."""
        late_ms = ticks_diff(now_ticks, self._due_ticks)
        if -SAMPLE_MS <= late_ms < 0:
            return 0
        # A turn that is a little late does not stretch the eight samples; a long one does.
        in_step = 0 <= late_ms < SAMPLE_MS
        self._due_ticks = ((self._due_ticks if in_step else now_ticks) + SAMPLE_MS) & TICKS_MAX
        differing = levels ^ self.stable
        self._fours = (self._fours ^ (self._twos & self._ones)) & differing
        self._twos = (self._twos ^ self._ones) & differing
        self._ones = ~self._ones & differing
        changed = differing & ~(self._ones | self._twos | self._fours)
        if self.stable:
            self._find_stuck(now_ticks)
        return self._accept(now_ticks, changed) if changed else 0

    def _accept(self, now_ticks: int, changed: int) -> int:
        self.stable ^= changed
        pressed = changed & self.stable
        self.stuck &= self.stable
        for index in range(KEY_COUNT):
            if pressed >> index & 1:
                self.since_ticks[index] = now_ticks
        # Two equal samples are more than a spike: such a key is on its way down.
        coming = (self._twos | self._fours) & ~self.stable
        held = (self.stable | coming) & ~self.stuck
        if pressed and held & (held - 1):
            self.chord_count += 1
            pressed = 0
        reported = pressed | (changed & ~self.stable & self.down)
        self.down ^= reported
        return reported

    def _find_stuck(self, now_ticks: int) -> None:
        for index in range(KEY_COUNT):
            held_ms = ticks_diff(now_ticks, self.since_ticks[index])
            if self.stable >> index & 1 and held_ms >= STUCK_MS:
                self.stuck |= 1 << index
