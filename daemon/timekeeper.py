"""What the unit knows of time (pure): boottime always, the wall clock when it is vouched for."""

from dataclasses import dataclass
from typing import Any

from daemon.snapshot import ClockView
from protocol.central.entry import Stamp

# Below this a change of the wall clock is slewing and rounding; a Pi's crystal drifts 1 s in ~3 h
# at 100 ppm, and an anchor that old is worth renewing.
STEP_MS = 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """utc = boottime + offset, true to error_ms while the clock is synchronised."""

    offset_ms: int
    error_ms: int


class Timekeeper:
    def __init__(self, boot_id: str) -> None:
        self.boot_id = boot_id
        self._offset_ms: int | None = None
        self._synced: Reading | None = None
        self._anchor: Reading | None = None

    @property
    def synced(self) -> bool:
        return self._synced is not None

    def stamp(self, at_ms: int) -> Stamp:
        """The stamp of something decided at boottime `at_ms`."""
        utc_ms = None if self._offset_ms is None else max(0, at_ms + self._offset_ms)
        error_ms = None if self._synced is None else self._synced.error_ms
        return Stamp(self.boot_id, at_ms, utc_ms, self.synced, error_ms)

    def moment(self, at_ms: int | None) -> dict[str, Any] | None:
        return None if at_ms is None else {"bootId": self.boot_id, "boottimeMs": at_ms}

    def read(
        self, now_ms: int, offset_ms: int, synced: bool, error_ms: int
    ) -> dict[str, Any] | None:
        """Take a reading; the data of a clock entry when it became known, again, or was stepped."""
        self._offset_ms = offset_ms
        was_synced, self._synced = self.synced, Reading(offset_ms, error_ms) if synced else None
        if not synced:
            return None
        step_ms = None if self._anchor is None else offset_ms - self._anchor.offset_ms
        if was_synced and step_ms is not None and abs(step_ms) < STEP_MS:
            return None
        self._anchor = self._synced
        return {"utcMs": max(0, now_ms + offset_ms), "errorMs": error_ms, "stepMs": step_ms}

    def view(self) -> ClockView:
        synced = self._synced
        return ClockView(
            synced=synced is not None,
            offset_ms=self._offset_ms,
            error_ms=None if synced is None else synced.error_ms,
        )

    def utc_ms(self, at_ms: int) -> int | None:
        """The wall clock at boottime `at_ms`, when it is vouched for."""
        return None if self._synced is None else at_ms + self._synced.offset_ms
