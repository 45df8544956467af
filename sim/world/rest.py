"""The minutes in which a unit at rest only says that it is well, passed over at once.

While all its windows doze and the platform has everything, a unit still says its health, looks at
its disk and reads its clock each minute. Nothing of it reaches the journal, so it is left out until
something happens; then each is due as though it had been done. Who owns the clock keeps the last
reading and tells the core of it first, because stamps quote it.
"""

from daemon.core import Core
from daemon.health import EVERY_MS
from sim.world.doze import NEVER_MS


class Rest:
    """One unit at rest, from when nothing was left to do until it is stepped again."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._health_at_ms, self._tend_at_ms = core._health_at_ms, core._tending._due_ms
        core._health_at_ms = core._tending._due_ms = NEVER_MS

    @staticmethod
    def begin(core: Core) -> "Rest | None":
        """A rest, if neither is under way at this moment."""
        is_due = core._health_at_ms is not None and core._tending._due_ms is not None
        return Rest(core) if is_due else None

    def end(self, now_ms: int) -> None:
        """Both are due again when they would have been."""
        self._core._health_at_ms = _next(self._health_at_ms, now_ms)
        self._core._tending._due_ms = _next(self._tend_at_ms, now_ms)


def _next(due_ms: int | None, now_ms: int) -> int:
    assert due_ms is not None
    missed = max(0, (now_ms - due_ms) // EVERY_MS + 1)
    return due_ms + missed * EVERY_MS
