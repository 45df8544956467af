"""What a unit's daemon says of itself (pure): `haochaping status`, read once, for all who judge it.

A unit may run another release than this laptop: what it does not say is None, never an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

UP, OPEN = "up", "open"
# While one of these is on a window's screen a citizen has been asked.
ASKING = frozenset(("opening", "prompted", "pressed", "reasoned"))
FOREIGN = "foreign"
NEARLY_FULL, FULL = "nearly_full", "full"
NO_PART = "none"
DAY_S = 86_400
# The way to the platform: our own TLS files, the broker's name, its address, ... that it takes what
# is published, that the platform answers.
STEPS = ("files", "dns", "tcp", "tls", "connect", "subscribe", "publish", "receipts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    """One window's pad; `exists`, `is_open`: its port; `update`: how new firmware stands."""

    state: str
    port: str | None
    exists: bool | None
    is_open: bool | None
    trouble: str | None
    uid: str | None
    firmware: str | None
    release: int | None
    update: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A display, or lamp and buzzer; `kind` is NO_PART where none is configured."""

    kind: str
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window of the unit: what its case is in, and what hangs there; None is not told."""

    number: str
    state: str
    pad: Pad
    display: Part | None
    lamp: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The last thing understood on a queue line."""

    say: str
    window: str | None
    ticket: str | None
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue line."""

    port: str
    windows: tuple[str, ...]
    state: str
    trouble: str | None
    counters: Mapping[str, int]
    heard: Heard | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """`kid`: what signs it now. `free_mb`: of the disk it lies on."""

    trouble: str | None
    disk: str | None
    free_mb: int | None
    kid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """`step`: where the way to the platform is broken, one of STEPS."""

    state: str
    trouble: str | None
    step: str | None
    broker: str | None
    delivered: int
    backlog: int
    # What is left of earlier epochs and of former keys, and not delivered either.
    remains: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    synced: bool
    error_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """From when to when the unit's certificate holds."""

    since: datetime
    until: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days; negative when it has ended."""
        return int((self.until - now).total_seconds() // DAY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    source: str
    version: str | None
    windows: tuple[Window, ...]
    queues: tuple[Queue, ...]
    journal: Journal
    uplink: Uplink
    clock: Clock
    certificate: Life | None

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """The answer of a daemon that serves. Raises ValueError for anything else."""
        try:
            return cls(
                source=told["source"],
                version=told.get("version"),
                windows=tuple(map(_window, told["windows"])),
                queues=tuple(map(_queue, told["signals"])),
                journal=_journal(told),
                uplink=_uplink(
                    told["uplink"], (told["journal"].get("counters") or {}).get("remains", 0)
                ),
                clock=Clock(synced=told["clock"]["synced"], error_ms=told["clock"].get("error_ms")),
                certificate=_life(told.get("certificate")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no status of a unit: {error!r}") from error

    def window(self, number: str) -> Window | None:
        """The window of that number, with or without its zeros in front."""
        wanted = number.lstrip("0")
        return next((each for each in self.windows if each.number.lstrip("0") == wanted), None)

    def queue_of(self, number: str) -> Queue | None:
        """The line that speaks of the window."""
        return next((queue for queue in self.queues if number in queue.windows), None)

    @property
    def left(self) -> int:
        """How many entries the platform does not have yet."""
        return self.uplink.backlog + self.uplink.remains

    @property
    def asking(self) -> tuple[str, ...]:
        """The windows where a citizen is asked at this moment."""
        return tuple(each.number for each in self.windows if each.state in ASKING)


def _window(told: Mapping[str, Any]) -> Window:
    pad = told["pad"]
    return Window(
        number=told["number"],
        state=told["state"],
        pad=Pad(
            state=pad["state"],
            port=pad.get("port"),
            exists=pad.get("exists"),
            is_open=pad.get("is_open"),
            trouble=pad.get("trouble"),
            uid=pad.get("uid"),
            firmware=pad.get("firmware"),
            release=pad.get("release"),
            update=pad.get("update"),
        ),
        display=_part(told.get("display")),
        lamp=_part(told.get("lamp")),
    )


def _part(told: Mapping[str, Any] | None) -> Part | None:
    return None if told is None else Part(kind=told["kind"], trouble=told.get("trouble"))


def _queue(told: Mapping[str, Any]) -> Queue:
    heard = told.get("last")
    return Queue(
        port=told["port"],
        windows=tuple(told["windows"]),
        state=told["state"],
        trouble=told.get("trouble"),
        counters=told.get("counters", {}),
        heard=None
        if not heard
        else Heard(
            say=heard["say"],
            window=heard.get("window"),
            ticket=heard.get("ticket"),
            age_ms=heard["age_ms"],
        ),
    )


def _journal(told: Mapping[str, Any]) -> Journal:
    journal = told["journal"]
    free_len = (told.get("disk") or {}).get("free_len")
    return Journal(
        trouble=journal.get("trouble"),
        disk=journal.get("disk"),
        free_mb=None if free_len is None else free_len // 1_000_000,
        kid=(journal.get("signer") or {}).get("kid"),
    )


def _uplink(told: Mapping[str, Any], remains: int) -> Uplink:
    return Uplink(
        state=told["state"],
        trouble=told.get("trouble"),
        step=told.get("step"),
        broker=told.get("broker"),
        delivered=told.get("delivered", 0),
        backlog=told.get("backlog", 0),
        remains=remains,
    )


def _life(told: Mapping[str, Any] | None) -> Life | None:
    if told is None:
        return None
    return Life(since=when(told["from"]), until=when(told["until"]))


def when(text: str) -> datetime:
    """An ISO time, with its zone; UTC when it names none."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
