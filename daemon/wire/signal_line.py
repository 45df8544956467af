"""The queue line as the core sees it (pure): what is said on it, and whether it is there at all.

It is a silent listener: a terminal that says nothing and a cable that is out look the same, so only
the port itself can be missed.
"""

from daemon.dialects import Dialect
from daemon.facts import Fact
from daemon.setup import QueueLine
from daemon.snapshot import LastSignal, SignalView
from daemon.wire.signals import Signal

WAITING, OPEN, LOST = "waiting", "open", "lost"


class SignalLine:
    """`state` is waiting, open or lost."""

    def __init__(self, line: QueueLine, dialect: Dialect) -> None:
        self._port, self.windows, self._dialect = line.port, line.windows, dialect
        self.state = WAITING
        self._trouble: str | None = None
        self._lost_ms: int | None = None
        self._last: LastSignal | None = None

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals = self._dialect.received(now_ms, data)
        if signals:
            last = signals[-1]
            self._last = LastSignal(last.say, last.window, last.ticket, now_ms)
        return signals

    def opened(self) -> list[Fact]:
        """The port is open."""
        before, self.state, self._trouble = self.state, OPEN, None
        return [Fact("back", "the port is open again", self._lost_ms)] if before == LOST else []

    def lost(self, now_ms: int, reason: str) -> list[Fact]:
        """The port went away or cannot be opened."""
        before, self.state, self._trouble = self.state, LOST, reason
        if before == LOST:
            return []
        self._lost_ms = now_ms
        return [Fact("lost", reason, now_ms)]

    def closed(self, window: str) -> bytes:
        """What tells the terminal that the prompt at a window is closed; nothing on most lines."""
        return self._dialect.closed(window)

    def counters(self) -> dict[str, int]:
        return self._dialect.counts.as_dict()

    def view(self) -> SignalView:
        return SignalView(
            state=self.state,
            trouble=self._trouble,
            counters=self.counters(),
            port=self._port,
            windows=self.windows,
            last=self._last,
        )
