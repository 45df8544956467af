"""The machine's clocks: boottime for order, the wall clock with the kernel's own word on it."""

import ctypes
import time
from pathlib import Path

from daemon.events import ClockRead

# adjtimex(2): the return value when nothing disciplines the clock.
TIME_ERROR = 5
# What a clock is worth that is trusted without the kernel's word ([clock] trust = "host").
HOST_ERROR_MS = 1000


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as `maxerror`; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    )


def boottime_ms() -> int:
    """Milliseconds since the machine started, sleep included; never steps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class WallClock:
    """Keeps nothing, so that any thread may ask."""

    def __init__(self, trust: str) -> None:
        self._trust = trust
        self._libc = ctypes.CDLL(None, use_errno=True)

    def read(self) -> ClockRead:
        """The wall clock against boottime, and whether it is vouched for."""
        offset_ms = (time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1_000_000
        if self._trust == "host":
            return ClockRead(offset_ms, True, HOST_ERROR_MS)
        timex = _Timex()
        state = self._libc.adjtimex(ctypes.byref(timex))
        synced = state not in (-1, TIME_ERROR)
        return ClockRead(offset_ms, synced, max(1, timex.maxerror // 1000))

    def utc_ms(self) -> int | None:
        """The wall clock now, when it is vouched for."""
        read = self.read()
        return boottime_ms() + read.offset_ms if read.synced else None
