"""The minutes in which a unit at rest only says that it is well, passed over at once.

While all its windows doze and the platform has everything, a unit still says its health, looks at
its disk and reads its clock each minute. Nothing of it reaches the journal, so it is left out until
something happens; then each is due as though it had been done. Who owns the clock keeps the last
reading and tells the core of it first, because stamps quote it.
"""

from typing import Self

from daemon import health
from daemon.core import Core
from daemon.disk import tending
from sim.world.doze import NEVER_MS


class Rest:
    """One unit at rest, from when nothing was left to do until it is stepped again."""

    def __init__(self, core: Core, health_at_ms: int, tend_at_ms: int) -> None:
        self._core, self._health_at_ms, self._tend_at_ms = core, health_at_ms, tend_at_ms
        core._health_at_ms = core._tending._due_ms = NEVER_MS

    @classmethod
    def of(cls, core: Core) -> Self | None:
        """Its rest from now on; None while one of the two is under way."""
        health_at_ms, tend_at_ms = core._health_at_ms, core._tending._due_ms
        if health_at_ms is None or tend_at_ms is None:
            return None
        return cls(core, health_at_ms, tend_at_ms)

    def end(self, now_ms: int) -> None:
        """Both are due again when they would have been."""
        self._core._health_at_ms = _next(self._health_at_ms, health.EVERY_MS, now_ms)
        self._core._tending._due_ms = _next(self._tend_at_ms, tending.EVERY_MS, now_ms)


def _next(due_ms: int, every_ms: int, now_ms: int) -> int:
    return due_ms + max(0, (now_ms - due_ms) // every_ms + 1) * every_ms
