"""The broker and the network before it: takes, delays, drops, refuses, forgets, repeats."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from daemon.events import Sealed
from daemon.net.connection import ADVICE
from daemon.snapshot import TCP, TLS
from protocol.central import receipts, topics
from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from sim.lying_broker import QUOTA_EXCEEDED
from sim.world.agenda import Agenda

TRIP_MS = (1, 12)
SLOW_MS = (1_000, 15_000)
# In the words of daemon.net.connection.
REFUSED = f"the broker refuses entries (Quota exceeded): {ADVICE[QUOTA_EXCEEDED]}"
UNWELCOME = (
    "closed the connection before it let this unit in: have the platform look at its certificate"
)
STRANGER = SigningKey.from_seed(bytes(31) + b"\x66")


@dataclass(slots=True)
class Manners:
    """How the broker behaves now."""

    is_away: bool = False
    is_slow: bool = False
    drops: bool = False
    refuses: bool = False
    is_mute: bool = False
    repeats: bool = False
    replays: bool = False
    forges: bool = False
    refused_certificates: set[Source] = field(default_factory=set)


class Subscriber(Protocol):
    """The platform, as the broker knows it."""

    def arrive(self, topic: str, payload: bytes) -> bool:
        """Take a message; False when nobody is there, and it is kept for later."""


class Caller(Protocol):
    """A unit's connection, as the broker knows it."""

    source: Source
    is_up: bool

    def bring(self, for_ms: int, call: Callable[[], None]) -> None:
        """Have it called after so long and after all that was brought before, if it is up then."""

    def taken(self, entry: Sealed, refused: str) -> None:
        """The acknowledgement of an entry, or why it is refused."""

    def hear(self, topic: str, payload: bytes) -> None:
        """What the platform says."""

    def lose(self, why: str) -> None:
        """The connection ends."""


class Broker:
    """One broker, its retained messages and what it keeps for a platform that is away."""

    def __init__(self, agenda: Agenda, drawn: random.Random) -> None:
        self._agenda, self._random = agenda, drawn
        self.manners = Manners()
        self.platform: Subscriber | None = None
        self._kept: list[tuple[str, bytes]] = []  # for the platform, in order
        self._retained: dict[str, bytes] = {}
        self._receipts: list[bytes] = []
        self._callers: dict[Source, Caller] = {}
        self._free_ms: dict[str, int] = {}

    def welcome(self, caller: Caller) -> tuple[str, str] | None:
        """Let a unit in; why not, and at which step, when not."""
        if self.manners.is_away:
            return "cannot be reached: Connection refused", TCP
        if caller.source in self.manners.refused_certificates:
            return UNWELCOME, TLS
        self._callers[caller.source] = caller
        return None

    def subscribe(self, source: Source) -> None:
        """Send what is retained for a unit."""
        for topic, payload in self._retained.items():
            if topic.startswith(_down_to(source)):
                self._down(source, topic, payload)

    def publish(self, caller: Caller, topic: str, payload: bytes, entry: Sealed | None) -> None:
        """Take what a unit says, each topic in its order; an entry is acknowledged."""
        manners = self.manners
        if entry is not None and not manners.is_mute:
            refused = REFUSED if manners.refuses else ""
            caller.bring(2 * self._trip_ms(), partial(caller.taken, entry, refused))
        if manners.drops or manners.refuses or manners.is_mute:
            return
        hand_on = partial(self.hand_on, topic, payload, is_kept=entry is not None)
        copies = 2 if manners.repeats and self._random.random() < 0.5 else 1
        for _ in range(copies):
            at_ms = max(self._free_ms.get(topic, 0), self._agenda.now_ms + self._trip_ms())
            self._free_ms[topic] = at_ms
            self._agenda.after(at_ms - self._agenda.now_ms, hand_on)

    def from_platform(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """What the platform says to a unit; to a broker that is away it says the last again."""
        if retain:
            self._retained[topic] = payload
            self._receipts.append(payload)
        if self.manners.is_away:
            return
        for source, caller in self._callers.items():
            if topic.startswith(_down_to(source)) and caller.is_up:
                self._down(source, topic, payload)
                self._deceive(source, topic)

    def hand_over(self) -> None:
        """The platform is back: it gets what was kept for it."""
        kept, self._kept = self._kept, []
        for topic, payload in kept:
            self.hand_on(topic, payload, is_kept=True)

    def tear(self) -> None:
        """Every connection ends; what was under way to a unit is lost."""
        for caller in self._callers.values():
            caller.lose("closed the connection")

    def forget(self) -> None:
        """A broker without persistence was killed: nothing of what it kept is left."""
        self._kept.clear()
        self._retained.clear()

    def hand_on(self, topic: str, payload: bytes, *, is_kept: bool) -> None:
        """Give it to the platform; what has QoS 1 is kept for a platform that is away."""
        assert self.platform is not None
        is_taken = not self._kept and self.platform.arrive(topic, payload)
        if is_kept and not is_taken:
            self._kept.append((topic, payload))

    def _down(self, source: Source, topic: str, payload: bytes) -> None:
        caller = self._callers[source]
        caller.bring(self._trip_ms(), partial(caller.hear, topic, payload))

    def _deceive(self, source: Source, topic: str) -> None:
        """Send a unit, after a receipt, one that is not for it, is old, or that nobody signed."""
        manners, drawn = self.manners, self._random
        if manners.replays and self._receipts:
            self._down(source, topic, drawn.choice(self._receipts))
        if manners.forges:
            epoch, upto = "00000000000000aa", drawn.randint(1, 10_000)
            time = "2026-11-29T00:00:00.000Z"
            text = receipts.make(
                STRANGER, source, epoch, upto, f"{drawn.getrandbits(256):064x}", time
            )
            self._down(source, topic, text.encode())

    def _trip_ms(self) -> int:
        return self._random.randint(*(SLOW_MS if self.manners.is_slow else TRIP_MS))


def _down_to(source: Source) -> str:
    """How every topic begins on which the platform speaks to a unit."""
    return topics.every_down(source).removesuffix("+")
