"""The interval in which something truly happened, computed from a boot's clock entries (pure).

A unit counts milliseconds since its boot; that clock never steps and drifts by at most DRIFT_PPM.
Each `clock` entry anchors the count to UTC with an error bound. Every anchor of the boot, earlier
or later, narrows the interval; times in entries are never rewritten.
"""

from collections.abc import Iterable
from typing import NamedTuple, Self

from protocol.central.entry import Entry

DRIFT_PPM = 100  # the Raspberry Pi's crystal is specified to 50 ppm; ageing and heat take the rest
ROUNDING_MS = 2  # each of the two clocks is cut to whole milliseconds at both ends


class Anchor(NamedTuple):
    """What a `clock` entry says: this count of this boot was that UTC, give or take."""

    boot_id: str
    boottime_ms: int
    utc_ms: int
    error_ms: int

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The anchor a `clock` entry holds."""
        stamp = entry.stamp
        return cls(stamp.boot_id, stamp.boottime_ms, entry.data["utcMs"], entry.data["errorMs"])


def interval(
    stamp_boot_id: str, boottime_ms: int, anchors: Iterable[Anchor]
) -> tuple[int, int] | None:
    """Return (earliest, latest) UTC in ms, or None when the boot has no anchor.

    Anchors that contradict each other (an error bound was wrong) widen the answer to all of them.
    """
    bounds = [_bounds(boottime_ms, anchor) for anchor in anchors if anchor.boot_id == stamp_boot_id]
    if not bounds:
        return None
    earliest = max(low for low, _ in bounds)
    latest = min(high for _, high in bounds)
    if earliest <= latest:
        return earliest, latest
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _bounds(boottime_ms: int, anchor: Anchor) -> tuple[int, int]:
    passed_ms = boottime_ms - anchor.boottime_ms
    # Upwards: a count of n ms on a fast clock is n / (1 + drift) of true time.
    drift_ms = -(-abs(passed_ms) * DRIFT_PPM // (1_000_000 - DRIFT_PPM))
    margin_ms = anchor.error_ms + drift_ms + ROUNDING_MS
    return anchor.utc_ms + passed_ms - margin_ms, anchor.utc_ms + passed_ms + margin_ms
