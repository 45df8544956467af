"""The machine's clocks: boottime for order, the wall clock with the kernel's own word on it."""

import ctypes
import time
from pathlib import Path

from daemon.events import ClockRead

# adjtimex(2): the return value when nothing disciplines the clock.
TIME_ERROR = 5
# Status bit of adjtimex(2): `offset` is in nanoseconds, not microseconds.
STA_NANO = 0x2000
# What a clock is worth that is trusted without the kernel's word ([clock] trust = "host").
HOST_ERROR_MS = 1000
# timesyncd moves the clock slowly over less than this (NTP_MAX_ADJUST) and boottime along with it.
SLEW_MS = 400


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as `status`; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def boottime_ms() -> int:
    """Milliseconds since the machine started, sleep included; never steps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def bound_ms(maxerror_us: int, slewing_us: int, server_error_ms: int) -> int:
    """How far a synchronised clock may be off.

    maxerror_us: what the kernel adds up since the last answer of the time server. timesyncd begins
    it with 0, whatever the server's own distance is, so that comes on top: `server_error_ms`.
    slewing_us: what is still to be set right slowly.
    """
    return -(-(maxerror_us + abs(slewing_us)) // 1000) + SLEW_MS + server_error_ms


class WallClock:
    """Keeps nothing, so that any thread may ask."""

    def __init__(self, trust: str, server_error_ms: int) -> None:
        self._trust, self._server_error_ms = trust, server_error_ms
        self._libc = ctypes.CDLL(None, use_errno=True)

    def read(self) -> ClockRead:
        """The wall clock against boottime, and whether it is vouched for."""
        before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall_ns = time.time_ns()
        after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        offset_ms = (wall_ns - (before_ns + after_ns) // 2) // 1_000_000
        # Somebody else may have had the processor between two of them.
        between_ms = -(-(after_ns - before_ns) // 1_000_000)
        if self._trust == "host":
            return ClockRead(offset_ms, True, HOST_ERROR_MS + between_ms)
        timex = _Timex()
        state = self._libc.adjtimex(ctypes.byref(timex))
        slewing_us = timex.offset // 1000 if timex.status & STA_NANO else timex.offset
        error_ms = bound_ms(timex.maxerror, slewing_us, self._server_error_ms) + between_ms
        return ClockRead(offset_ms, state not in (-1, TIME_ERROR), error_ms)

    def utc_ms(self) -> int | None:
        """The wall clock now, when it is vouched for."""
        read = self.read()
        return boottime_ms() + read.offset_ms if read.synced else None
