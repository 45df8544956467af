"""What becomes known of a line (pure): each is worth an entry, and says why in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daemon.timekeeper import Timekeeper


@dataclass(frozen=True, slots=True)
class Fact:
    """`state` as in the entry: lost, back, faulty; `since_ms` is the boottime it holds from."""

    state: str
    reason: str
    since_ms: int | None = None

    def data(self, timekeeper: Timekeeper, counters: Mapping[str, int]) -> dict[str, Any]:
        """What an entry says of it, but for whose line it is."""
        return {
            "state": self.state,
            "reason": self.reason,
            "since": timekeeper.moment(self.since_ms),
            "counters": dict(counters),
        }


@dataclass(frozen=True, slots=True)
class Tested:
    """A self-test of the pad has ended; `keys` from the left, each whether it was proven."""

    ok: bool
    detail: str
    keys: tuple[bool, ...]
