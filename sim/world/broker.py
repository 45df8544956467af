"""The broker and the network before it: takes, delays, drops, refuses, forgets, repeats."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from daemon.events import BrokerDown, BrokerUp, Event, Sealed, Taken
from daemon.net.down import heard
from daemon.snapshot import CONNECT, TCP, TLS
from protocol.central import receipts, topics
from protocol.central.canonical import canonical
from protocol.central.entry import Source
from protocol.central.signing import SigningKey, VerifyKey
from sim.world.agenda import Agenda

TRIP_MS = (1, 12)
SLOW_MS = (1_000, 15_000)
PATIENCE_MS = 30_000  # daemon.net.uplink
REDIAL_MS_MAX = 120_000
IN_FLIGHT_MAX = 32
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


class Broker:
    """One broker, its retained messages and what it keeps for a platform that is away."""

    def __init__(self, agenda: Agenda, drawn: random.Random) -> None:
        self._agenda, self._random = agenda, drawn
        self.manners = Manners()
        self.platform: Subscriber | None = None
        self._kept: list[tuple[str, bytes]] = []  # for the platform, in order
        self._retained: dict[str, bytes] = {}
        self._receipts: list[bytes] = []
        self._uplinks: dict[Source, Uplink] = {}
        self._free_ms: dict[str, int] = {}

    def welcome(self, uplink: "Uplink") -> tuple[str, str] | None:
        """Let a unit in; why not, and at which step, when not."""
        if self.manners.is_away:
            return "cannot be reached: connection refused", TCP
        if uplink.source in self.manners.refused_certificates:
            return "closed the connection before it let this unit in", TLS
        self._uplinks[uplink.source] = uplink
        return None

    def subscribe(self, source: Source) -> None:
        """Send what is retained for a unit."""
        for topic, payload in self._retained.items():
            if topic.startswith(_down_to(source)):
                self._down(source, topic, payload)

    def publish(self, uplink: "Uplink", topic: str, payload: bytes, entry: Sealed | None) -> None:
        """Take what a unit says, each topic in its order; an entry is acknowledged."""
        manners = self.manners
        refused = "the broker refuses entries (quota)" if manners.refuses else ""

        def taken() -> None:
            if entry is not None and not manners.is_mute:
                uplink.taken(entry, refused)

        self._agenda.after(2 * self._trip_ms(), taken)
        if manners.drops or manners.refuses or manners.is_mute:
            return
        hand_on = partial(self.hand_on, topic, payload, is_kept=entry is not None)
        copies = 2 if manners.repeats and self._random.random() < 0.5 else 1
        for _ in range(copies):
            at_ms = max(self._free_ms.get(topic, 0), self._agenda.now_ms + self._trip_ms())
            self._free_ms[topic] = at_ms
            self._agenda.after(at_ms - self._agenda.now_ms, hand_on)

    def from_platform(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """What the platform says to a unit."""
        if self.manners.is_away:
            return
        if retain:
            self._retained[topic] = payload
            self._receipts.append(payload)
        for source, uplink in self._uplinks.items():
            if topic.startswith(_down_to(source)) and uplink.is_up:
                self._down(source, topic, payload)
                self._deceive(source, topic)

    def hand_over(self) -> None:
        """The platform is back: it gets what was kept for it."""
        kept, self._kept = self._kept, []
        for topic, payload in kept:
            self.hand_on(topic, payload, is_kept=True)

    def tear(self) -> None:
        """Every connection ends; what was under way to a unit is lost."""
        for uplink in self._uplinks.values():
            uplink.lose("closed the connection")

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
        uplink = self._uplinks[source]
        self._agenda.after(self._trip_ms(), lambda: uplink.hear(topic, payload))

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


class Uplink:
    """A unit's connection, as daemon/net keeps it: one at a time, at most so much in flight."""

    def __init__(
        self,
        agenda: Agenda,
        drawn: random.Random,
        source: Source,
        broker: Broker,
        keys: dict[str, VerifyKey],
    ) -> None:
        self._agenda, self._random, self.source = agenda, drawn, source
        self._broker, self._keys = broker, keys
        self._answer: Callable[[Event], None] = lambda _: None
        self._process = self._connection = self._attempt = 0
        self.is_up = False
        self._in_flight: dict[tuple[int, str], int] = {}
        self._live: dict[tuple[int, str], Sealed] = {}
        self._waiting: dict[tuple[int, str], Sealed] = {}

    def start(self, answer: Callable[[Event], None]) -> None:
        """A new process: it calls the broker at once."""
        self._answer = answer
        self._attempt = 0
        self._dial(0)

    def kill(self) -> None:
        """The process is no more; what it has sent may still arrive."""
        self._process += 1
        self._end()

    def lose(self, why: str, step: str = CONNECT) -> None:
        """The connection ends, and is called for again later and later, at random."""
        if not self.is_up:
            return
        self._end()
        self._answer(BrokerDown(f"broker {why}", step))
        self._dial(self._random.randint(0, 1000))

    def publish(self, entry: Sealed, *, live: bool) -> None:
        """As daemon.net.connection: once at a time, the live ones first."""
        name = (entry.seq, entry.hash)
        if self.is_up and name not in self._in_flight and name not in self._live:
            (self._live if live else self._waiting)[name] = entry
            self._send()

    def report(self, payload: bytes) -> None:
        """The unit's health."""
        if self.is_up:
            self._broker.publish(self, topics.up(self.source, topics.HEALTH), payload, None)

    def taken(self, entry: Sealed, refused: str) -> None:
        """The broker's acknowledgement."""
        if self._in_flight.pop((entry.seq, entry.hash), None) is not None:
            self._answer(Taken((entry.seq,), refused))
            self._send()

    def hear(self, topic: str, payload: bytes) -> None:
        """What the platform says."""
        event = heard(topic, payload, self.source, self._keys) if self.is_up else None
        if event is not None:
            self._answer(event)

    def _send(self) -> None:
        while len(self._in_flight) < IN_FLIGHT_MAX and (self._live or self._waiting):
            waiting = self._live or self._waiting
            name = next(iter(waiting))
            entry = waiting.pop(name)
            self._in_flight[name] = connection = self._connection
            topic = topics.up(self.source, entry.kind)
            self._broker.publish(self, topic, entry.text.encode(), entry)
            self._agenda.after(PATIENCE_MS, partial(self._give_up, name, connection))

    def _give_up(self, name: tuple[int, str], connection: int) -> None:
        if self._connection == connection and name in self._in_flight:
            self.lose("has acknowledged nothing for 30 s")

    def _dial(self, wait_ms: int) -> None:
        process = self._process
        self._agenda.after(wait_ms, lambda: self._call() if process == self._process else None)

    def _call(self) -> None:
        refused = self._broker.welcome(self)
        if refused is None:
            self.is_up, self._attempt = True, 0
            self._answer(BrokerUp())
            state = canonical({"state": "online"})
            self._broker.publish(self, topics.up(self.source, topics.STATE), state, None)
            self._broker.subscribe(self.source)
            return
        why, step = refused
        self._attempt += 1
        self._answer(BrokerDown(f"broker {why}", step))
        self._dial(self._random.randint(0, min(REDIAL_MS_MAX, 1000 << min(self._attempt, 16))))

    def _end(self) -> None:
        self.is_up = False
        self._connection += 1
        self._in_flight.clear()
        self._live.clear()
        self._waiting.clear()


def _down_to(source: Source) -> str:
    """How every topic begins on which the platform speaks to a unit."""
    return topics.every_down(source).removesuffix("+")
