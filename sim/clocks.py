"""A machine's clocks against true time, as Linux and systemd-timesyncd keep them (pure).

Boottime runs on a crystal that is off by some millionths. The wall clock is boottime and an offset.
A time server sets it: by a step, or when it is less than 0.4 s off by moving both clocks slowly.
The kernel adds up what the clock may be off, and trusts nothing beyond 16 s; whoever sets the clock
by hand loses its trust at once.
"""

from bisect import bisect_right

from daemon.events import ClockRead
from daemon.wallclock import SLEW_MS, bound_ms

# The kernel's: MAXFREQ, NTP_PHASE_LIMIT.
GROWTH_PPM = 500
TRUSTED_US_MAX = 16_000_000
# The phase-locked loop takes an eighth of the rest each second; half of that is slow enough.
SLEW_PPM = 50_000
MILLION = 1_000_000


class Clocks:
    """Times in µs; `true_ms` tells afterwards what the true time was."""

    def __init__(self, true_us: int) -> None:
        self.true_us = true_us
        self.drift_ppm = 0
        self.server_error_ms = 0
        # Of each boot (boottime, true time) wherever the rate may change.
        self._segments: dict[str, list[tuple[int, int]]] = {}

    @property
    def boottime_ms(self) -> int:
        return self.count_us // 1000

    def boot(self, boot_id: str, *, count_us: int, wall_us: int) -> None:
        """The machine starts; without a clock of its own it has whatever time it saved, or 1970."""
        self._boot_id, self.count_us = boot_id, count_us
        self._offset_us = wall_us - count_us
        self._slewing_us, self._maxerror_us, self.synced = 0, TRUSTED_US_MAX, False
        self._segments[boot_id] = [(count_us, self.true_us)]

    def run(self, for_us: int) -> None:
        """Let time pass, measured by this machine's boottime."""
        while for_us > 0:
            slew_for_us = abs(self._slewing_us) * MILLION // SLEW_PPM
            piece_us = min(for_us, slew_for_us) if slew_for_us else for_us
            self._run(piece_us, piece_us * SLEW_PPM // MILLION if slew_for_us else 0)
            for_us -= piece_us

    def run_until(self, true_us: int) -> None:
        """Let time pass until it is truly so late, to some microseconds."""
        while (left_us := true_us - self.true_us) > 1:
            # A clock that is slowed down shows less than what truly passes.
            slowed_ppm = SLEW_PPM if self._slewing_us < 0 else 0
            self.run(left_us * (MILLION + self.drift_ppm - slowed_ppm) // MILLION + 1)

    def _run(self, for_us: int, slewed_us: int) -> None:
        slewed_us = slewed_us if self._slewing_us > 0 else -slewed_us
        self._slewing_us -= slewed_us
        self.count_us += for_us
        # The count got further by what was slewed, and by the drift of the crystal.
        self.true_us += (for_us - slewed_us) * MILLION // (MILLION + self.drift_ppm)
        self._maxerror_us += for_us * GROWTH_PPM // MILLION
        self.synced = self.synced and self._maxerror_us <= TRUSTED_US_MAX
        self._segments[self._boot_id].append((self.count_us, self.true_us))

    def true_ms(self, boot_id: str, boottime_ms: int) -> float:
        """The true time at a count of a boot."""
        segments = self._segments[boot_id]
        index = bisect_right(segments, boottime_ms * 1000, key=lambda one: one[0])
        count_us, true_us = segments[index - 1]
        passed_us = boottime_ms * 1000 - count_us
        if passed_us == 0:
            return true_us / 1000
        next_count_us, next_true_us = segments[index]
        rate = (next_true_us - true_us) / (next_count_us - count_us)
        return (true_us + passed_us * rate) / 1000

    def answer(self, server_off_us: int) -> None:
        """The time server answers; it is itself off by so much."""
        off_us = self.true_us + server_off_us - (self.count_us + self._offset_us)
        if abs(off_us) < SLEW_MS * 1000:
            self._slewing_us = off_us
        else:
            self._offset_us += off_us
            self._slewing_us = 0
        self._maxerror_us, self.synced = 0, True

    def set_by_hand(self, by_us: int) -> None:
        """Somebody sets the wall clock."""
        self._offset_us += by_us
        self._slewing_us, self._maxerror_us, self.synced = 0, TRUSTED_US_MAX, False

    def read(self) -> ClockRead:
        """What daemon.wallclock.WallClock reads of such a machine."""
        error_ms = bound_ms(self._maxerror_us, self._slewing_us, self.server_error_ms)
        return ClockRead(self._offset_us // 1000, self.synced, error_ms)
