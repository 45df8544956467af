"""When to ask a unit for entries that are missing: deadlines, no clock of its own (pure)."""

from dataclasses import dataclass
from typing import NamedTuple

from protocol.central.entry import Source

FIRST_MS = 300  # entries of several kinds travel on several topics and may overtake each other
RETRY_MS = 2_000  # a unit answers in well under a second when it is there
RETRY_MS_MAX = 60_000
COUNT_MAX = 1_000  # one ask; the next follows when it is answered

Hole = tuple[int, int]


class Ask(NamedTuple):
    """Send again: entries first to last of an epoch."""

    source: Source
    epoch: str
    first: int
    last: int


@dataclass(slots=True)
class _Open:
    hole: Hole
    due_ms: int
    retry_ms: int = RETRY_MS
    asked_upto: int = 0


class Asks:
    """The holes that are open, each with the time of its next ask."""

    def __init__(self) -> None:
        self._open: dict[tuple[Source, str], _Open] = {}

    def note(self, now_ms: int, source: Source, epoch: str, hole: Hole | None) -> None:
        """Tell the first hole of an epoch as it is now; None when there is none."""
        key = (source, epoch)
        known = self._open.get(key)
        if hole is None:
            self._open.pop(key, None)
        elif known is None:
            self._open[key] = _Open(hole, now_ms + FIRST_MS)
        else:
            progress = hole[0] > known.hole[0]
            known.hole = hole
            if progress:
                known.retry_ms = RETRY_MS
                answered = hole[0] > known.asked_upto
                known.due_ms = now_ms if answered else now_ms + RETRY_MS

    def due(self, now_ms: int) -> list[Ask]:
        """The asks to send now; each comes again, less and less often, until it is answered."""
        asks = []
        for (source, epoch), known in self._open.items():
            if known.due_ms <= now_ms:
                first, last = known.hole
                known.asked_upto = min(last, first + COUNT_MAX - 1)
                known.due_ms = now_ms + known.retry_ms
                known.retry_ms = min(2 * known.retry_ms, RETRY_MS_MAX)
                asks.append(Ask(source, epoch, first, known.asked_upto))
        return asks

    def wake_at_ms(self) -> int | None:
        """When due() has something next."""
        return min((known.due_ms for known in self._open.values()), default=None)
