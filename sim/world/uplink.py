"""A unit's connection to the broker, as daemon/net keeps it: one at a time, so much in flight."""

import random
from collections.abc import Callable
from functools import partial

from daemon.events import BrokerDown, BrokerUp, Event, Sealed, Taken
from daemon.net.connection import IN_FLIGHT_MAX
from daemon.net.down import heard
from daemon.net.uplink import PATIENCE_S
from daemon.snapshot import PUBLISH
from protocol.central import topics
from protocol.central.canonical import canonical
from protocol.central.entry import Source
from protocol.central.signing import VerifyKey
from sim.world.agenda import Agenda
from sim.world.broker import Broker

PATIENCE_MS = int(1000 * PATIENCE_S)
REDIAL_MS_MAX = 120_000
PLACE = "broker broker.hall:8883"


class Uplink:
    """Answers `start`'s process with events; what is published while it is down is nobody's."""

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
        self._free_ms = 0  # when all that is under way to the unit has arrived
        self._in_flight: dict[tuple[int, str], int] = {}  # since when
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

    def lose(self, why: str) -> None:
        """The connection ends, and is called for again later and later, at random."""
        if not self.is_up:
            return
        self._end()
        self._answer(BrokerDown(f"{PLACE} {why}", PUBLISH))
        self._dial(self._random.randint(0, 1000))

    def publish(self, entry: Sealed, *, live: bool) -> None:
        """As daemon.net.connection: once at a time, the live ones first."""
        name = (entry.seq, entry.hash)
        if self.is_up and name not in self._in_flight and name not in self._live:
            if live:
                self._waiting.pop(name, None)
            (self._live if live else self._waiting)[name] = entry
            self._send()

    def report(self, payload: bytes) -> None:
        """The unit's health."""
        if self.is_up:
            self._broker.publish(self, topics.up(self.source, topics.HEALTH), payload, None)

    def bring(self, for_ms: int, call: Callable[[], None]) -> None:
        """Have something come to the unit, after all that is under way on this connection."""
        if not self.is_up:
            return
        connection, now_ms = self._connection, self._agenda.now_ms
        self._free_ms = max(self._free_ms, now_ms + for_ms)
        self._agenda.after(
            self._free_ms - now_ms, lambda: call() if self._connection == connection else None
        )

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
            self._in_flight[name] = now_ms = self._agenda.now_ms
            topic = topics.up(self.source, entry.kind)
            self._broker.publish(self, topic, entry.text.encode(), entry)
            self._agenda.after(PATIENCE_MS, partial(self._give_up, name, now_ms, self._connection))

    def _give_up(self, name: tuple[int, str], sent_ms: int, connection: int) -> None:
        if self._connection == connection and self._in_flight.get(name) == sent_ms:
            self.lose(f"has acknowledged nothing for {PATIENCE_S:g} s")

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
        self._answer(BrokerDown(f"{PLACE} {why}", step))
        self._dial(self._random.randint(0, min(REDIAL_MS_MAX, 1000 << min(self._attempt, 16))))

    def _end(self) -> None:
        self.is_up, self._free_ms = False, 0
        self._connection += 1
        self._in_flight.clear()
        self._live.clear()
        self._waiting.clear()
