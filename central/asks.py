"""When to ask a unit for entries that are missing: deadlines, no clock of its own (pure)."""

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Asking:
    """An epoch's open hole, how far it was asked for, and when to ask next."""

    first: int
    last: int
    since_utc_ms: int  # when this hole was first seen to begin here
    asked_upto: int
    retry_ms: int
    due_utc_ms: int


def follow(asking: Asking | None, hole: Hole | None, now_ms: int) -> Asking | None:
    """What to ask for when the hole is now this one; an answer brings the next ask forward."""
    if hole is None:
        return None
    first, last = hole
    if asking is None:
        return Asking(first, last, now_ms, 0, RETRY_MS, now_ms + FIRST_MS)
    if first == asking.first:
        return replace(asking, last=last)
    answered = first > asking.asked_upto
    due_ms = now_ms if answered else now_ms + RETRY_MS
    return Asking(first, last, now_ms, asking.asked_upto, RETRY_MS, due_ms)


def sent(asking: Asking, now_ms: int) -> Asking:
    """The asking after it was sent once more: less and less often, until it is answered."""
    return replace(
        asking,
        asked_upto=min(asking.last, asking.first + COUNT_MAX - 1),
        retry_ms=min(2 * asking.retry_ms, RETRY_MS_MAX),
        due_utc_ms=now_ms + asking.retry_ms,
    )
