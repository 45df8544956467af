"""The care of the store (pure): when it is tended, and what it last said of itself."""

from collections.abc import Mapping

from daemon.effects import Tend
from daemon.events import StoreMeasured

# As often as health is told.
EVERY_MS = 60_000
DAY_MS = 86_400_000


def day_of(utc_ms: int | None) -> int | None:
    """The day of the era, by which the age of a receipt is counted; None while time is unknown."""
    return None if utc_ms is None else utc_ms // DAY_MS


class Tending:
    def __init__(self, now_ms: int) -> None:
        self._due_ms: int | None = now_ms
        self.disk = "unknown"
        self.counters: Mapping[str, int] = {}

    def measured(self, now_ms: int, event: StoreMeasured) -> None:
        self.disk, self.counters = event.disk, event.counters
        self._due_ms = now_ms + EVERY_MS

    def poll(self, now_ms: int, delivered: int, day: int | None) -> list[Tend]:
        """Tend the store when it is due, and not before it has answered."""
        if self._due_ms is None or now_ms < self._due_ms:
            return []
        self._due_ms = None
        return [Tend(delivered, day)]

    def wake_at_ms(self) -> int | None:
        return self._due_ms
