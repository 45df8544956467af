"""What the core is told (pure). Each is stamped with the boottime at which it was read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daemon.trial.wanted import Trial


@dataclass(frozen=True, slots=True)
class Sealed:
    """One entry as it lies in the journal: `text` is exactly what was signed."""

    seq: int
    kind: str
    hash: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What the store held at start."""

    epoch: str
    fresh: bool
    last_seq: int
    last_hash: str
    state: Mapping[str, Any]
    # Where the epoch before ended, and what was salvaged of it: of a file that begins a new one.
    previous: Mapping[str, Any] | None = None
    salvage: Mapping[str, Any] | None = None
    # How many entries of epochs before have no receipt.
    remains: int = 0


@dataclass(frozen=True, slots=True)
class PadOpened:
    """The serial port of a window's pad is open."""

    window: str


@dataclass(frozen=True, slots=True)
class PadReceived:
    window: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PadLost:
    """The serial port of a window's pad went away or cannot be opened."""

    window: str
    reason: str


@dataclass(frozen=True, slots=True)
class PadFound:
    """What was seen at USB when the pad was sought, in words."""

    words: str | None


@dataclass(frozen=True, slots=True)
class SignalOpened:
    """The serial port of a queue line is open; lines are numbered from 0."""

    line: int


@dataclass(frozen=True, slots=True)
class SignalReceived:
    line: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SignalLost:
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Committed:
    """Commit `number` is on disk; `sealed` are its entries as signed."""

    number: int
    sealed: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """Commit `number` did not become durable; it is asked for again, unchanged, until it does."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """Entries read from the journal from seq `first` on, in order; why, when they cannot be."""

    first: int
    sealed: tuple[Sealed, ...]
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Remain:
    """An entry of an epoch before; `place` is where it stands among all that is left of them."""

    place: int
    epoch: str
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class RemainsFetched:
    """Entries of epochs before, in order; none: there are no more, or they cannot be read now."""

    found: tuple[Remain, ...]


@dataclass(frozen=True, slots=True)
class RemainsSettled:
    """A receipt of an epoch before was noted; so many of their entries still have none."""

    left: int


@dataclass(frozen=True, slots=True)
class StoreMeasured:
    """How it stands with the disk (sound, nearly_full, full), and the store's counters."""

    disk: str
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BrokerUp:
    """The broker accepted us and the down topics are subscribed; what is wrong nevertheless."""

    warning: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerDown:
    """There is no connection, and why; `step` is the one that failed, a word of snapshot.STEPS."""

    reason: str
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The broker acknowledged the PUBLISH of entries (which delivers nothing) or refused them."""

    seqs: tuple[int, ...]
    refused: str


@dataclass(frozen=True, slots=True)
class ReceiptReceived:
    """A receipt whose signature and source hold."""

    epoch: str
    upto: int
    hash: str


@dataclass(frozen=True, slots=True)
class ReceiptRefused:
    """Something on the receipt topic that no platform key signed for this unit."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The platform wants entries first..last of an epoch again."""

    epoch: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ClockRead:
    """The wall clock against boottime: utc = boottime + offset."""

    offset_ms: int
    synced: bool
    error_ms: int


@dataclass(frozen=True, slots=True)
class Addressed:
    """The unit's own address in the hall's network; None without one."""

    address: str | None


@dataclass(frozen=True, slots=True)
class TrialAsked:
    """A technician wants a window tested; `asker` is whoever is to be told of it."""

    asker: int
    trial: Trial


@dataclass(frozen=True, slots=True)
class TrialLeft:
    """Whoever asked for a test has gone."""

    asker: int


@dataclass(frozen=True, slots=True)
class PanelDrew:
    """A window's display took the technician's picture, or failed to."""

    window: str
    ok: bool


@dataclass(frozen=True, slots=True)
class StopRequested:
    reason: str


@dataclass(frozen=True, slots=True)
class Woken:
    """Nothing but time has passed."""


Event = (
    PadOpened
    | PadReceived
    | PadLost
    | PadFound
    | SignalOpened
    | SignalReceived
    | SignalLost
    | Committed
    | CommitFailed
    | Fetched
    | RemainsFetched
    | RemainsSettled
    | StoreMeasured
    | BrokerUp
    | BrokerDown
    | Taken
    | ReceiptReceived
    | ReceiptRefused
    | Asked
    | ClockRead
    | Addressed
    | TrialAsked
    | TrialLeft
    | PanelDrew
    | StopRequested
    | Woken
)
