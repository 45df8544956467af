"""What the core wants done (pure). Executed in order; power may fail between any two."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daemon.events import Asked, Sealed
from protocol.central.entry import Draft


@dataclass(frozen=True, slots=True)
class Commit:
    """Seal the drafts, store them and these state rows in one transaction; answered by an event."""

    number: int
    drafts: tuple[Draft, ...]
    state: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read at most `limit` entries from seq `first` on."""

    first: int
    limit: int


@dataclass(frozen=True, slots=True)
class FetchRemains:
    """Read at most `limit` entries of epochs before, after a place: unreceipted, or those asked."""

    after: int
    limit: int
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Settle:
    """Note a receipt of an epoch before; `day` is today, 0 while that is unknown."""

    epoch: str
    upto: int
    hash: str
    day: int


@dataclass(frozen=True, slots=True)
class Tend:
    """Look after the store and measure it; entries up to `delivered` have their receipt."""

    delivered: int
    day: int | None


@dataclass(frozen=True, slots=True)
class SendToPad:
    """Bytes for the pad of a window."""

    window: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SendToTerminal:
    """Bytes for the terminals on a queue line."""

    line: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SeekPad:
    """Look what is plugged in while the pad is not heard; answered by an event."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Send the entry; a live one goes before all that waits."""

    entry: Sealed
    live: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Say on the health topic how the unit does, if there is a connection; nobody keeps it."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class TellTechnician:
    """Say something to whoever asked for a test; the last thing is its result."""

    asker: int
    answer: Mapping[str, Any]
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """All that had to be written is on disk; the process may end."""


StoreJob = Commit | Fetch | FetchRemains | Settle | Tend
Effect = StoreJob | SendToPad | SendToTerminal | SeekPad | Publish | Report | TellTechnician | Stop
