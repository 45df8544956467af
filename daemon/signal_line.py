"""The queue line as the core sees it (pure): what is said on it, and whether it is there at all.

It is a silent listener: a terminal that says nothing and a cable that is out look the same, so only
the port itself can be missed.
"""

from daemon.dialects import Dialect
from daemon.facts import Fact
from daemon.signals import Signal
from daemon.snapshot import LineView

WAITING, OPEN, LOST = "waiting", "open", "lost"


class SignalLine:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._state = WAITING
        self._trouble: str | None = None
        self._lost_ms: int | None = None

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        return self._dialect.received(now_ms, data)

    def opened(self) -> list[Fact]:
        """The port is open."""
        before, self._state, self._trouble = self._state, OPEN, None
        return [Fact("back", "the port is open again", self._lost_ms)] if before == LOST else []

    def lost(self, now_ms: int, reason: str) -> list[Fact]:
        """The port went away or cannot be opened."""
        before, self._state, self._trouble = self._state, LOST, reason
        if before == LOST:
            return []
        self._lost_ms = now_ms
        return [Fact("lost", reason, now_ms)]

    def counters(self) -> dict[str, int]:
        return self._dialect.counts.as_dict()

    def view(self) -> LineView:
        return LineView(state=self._state, trouble=self._trouble, counters=self.counters())
