"""What may be shown of the unit (pure): one frozen picture for screen, page and status.

No level and no key stands in it: whoever reads it cannot tell how anybody rated.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from daemon.signers import PublicKey

# What the citizen's screen can say.
STARTING, IDLE, CALLED, PLEASE_RATE, HEARD, REASONS, THANKS, PAUSED, OUT_OF_SERVICE = (
    "starting", "idle", "called", "please_rate", "heard", "reasons", "thanks", "paused",
    "out_of_service",
)  # fmt: skip
# And the technician's, on the same glass.
SELF_TEST, COMMISSIONING, SIGNS = "self_test", "commissioning", "signs"

# Why it is out of service, for the technician: names of a line in the locale files.
DISK = "disk_trouble"
PAD = {"lost": "pad_lost", "foreign": "pad_foreign"}

# Where the way to the platform is broken, in the order in which it is gone: our own TLS files, the
# broker's name, its address, ... that it takes what is published, that the platform answers.
STEPS = ("files", "dns", "tcp", "tls", "connect", "subscribe", "publish", "receipts")
FILES, DNS, TCP, TLS, CONNECT, SUBSCRIBE, PUBLISH, RECEIPTS = STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What the citizen sees: one of the names above and the little it needs.

    reasons: what each key says, from the left; the same five whatever was pressed before.
    qr: the text of the code by which a phone may rate instead.
    unit, address, links: for who sets the unit up; a link is its name and whether it is good.
    number, blinks, beeps: for who tests it; the lamp blinks and the buzzer beeps so often, over and
    over.
    """

    name: str
    window: str
    ticket: str | None = None
    task_name: str | None = None
    remaining_s: int | None = None
    trouble: str | None = None
    reasons: tuple[str, ...] = ()
    qr: str | None = None
    unit: str | None = None
    address: str | None = None
    links: tuple[tuple[str, bool], ...] = ()
    number: str | None = None
    blinks: int = 0
    beeps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One serial line: what it is in, what is wrong in words, what went over it."""

    state: str
    trouble: str | None
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LastSignal:
    """The last thing on a queue line that was understood, at a boottime."""

    say: str
    window: str
    ticket: str | None
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalView(LineView):
    """A queue line, and the windows of this unit it speaks of."""

    port: str
    windows: tuple[str, ...]
    last: LastSignal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PadView(LineView):
    # Its port, whoever may be at the other end.
    is_open: bool
    uid: str | None
    firmware: str | None
    release: int | None
    update: str | None
    update_percent: int | None
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalView:
    epoch: str
    last_seq: int
    writing: bool
    trouble: str | None
    # How it stands with the disk: unknown, sound, nearly_full or full.
    disk: str
    counters: Mapping[str, int]
    # What signs now, and what signed before, the oldest first.
    signer: PublicKey
    former_signers: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkView:
    """`step`: one of STEPS, where it is broken."""

    state: str
    trouble: str | None
    step: str | None
    delivered: int
    backlog: int
    receipts_refused: int
    resends: int
    overtaken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """Today's counts of all windows; how the ratings fell is for the platform alone."""

    called: int
    completed: int
    prompted: int
    rated: int
    not_rated: int
    unbound: int
    strays: int
    late: int
    repeated: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockView:
    """utc = boottime + offset, to within `error_ms` while it is synced."""

    synced: bool
    offset_ms: int | None
    error_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    number: str
    screen: Screen
    state: str
    pad: PadView


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    source: str
    windows: tuple[WindowView, ...]
    signals: tuple[SignalView, ...]
    journal: JournalView
    uplink: UplinkView
    day: DayView
    clock: ClockView

    @property
    def closed_count(self) -> int:
        """Prompts closed today, rated or not."""
        return self.day.rated + self.day.not_rated

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
