"""The platform: the centre's own judgement on its own database, one batch after the other."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from central.config import AlarmConfig, StoreConfig
from central.journal import Epoch
from central.judge import Arrival, admit
from central.registry import Registry
from central.store import Store
from central.tables import open_database
from protocol.central import receipts, topics
from protocol.central.canonical import canonical
from protocol.central.chain import Problem
from protocol.central.entry import KINDS, Source, utc_text
from protocol.central.signing import SigningKey
from sim.world.agenda import Agenda
from sim.world.broker import Broker
from sim.world.plan import MINUTE_MS

GATHER_MS = (1, 20)
TICK_MS = 15_000
WATCH_MS = 60_000
ALARMS = AlarmConfig(silent_ms=90 * MINUTE_MS, gap_ms=30 * MINUTE_MS, withheld_ms=30 * MINUTE_MS)


class Witness(Protocol):
    """Who hears what a platform comes to know."""

    def found(self, source: str, problem: Problem) -> None:
        """Something is wrong with a unit."""

    def receipt(self, source: Source, upto: int, hash_: str) -> None:
        """It signs that it holds all up to here."""


class Centre:
    """central/centre.py without its process: admit, take, tell, ask, watch."""

    def __init__(
        self,
        agenda: Agenda,
        drawn: random.Random,
        broker: Broker,
        registry: Registry,
        key: SigningKey,
        folder: Path,
        utc_ms: int,
        witness: Witness,
    ) -> None:
        self._agenda, self._random, self._broker = agenda, drawn, broker
        self._registry, self._key, self._began_utc_ms = registry, key, utc_ms
        self.store = Store(open_database(StoreConfig(database=folder / "central.db", url=None)))
        self._witness = witness
        self._arrivals: list[Arrival] = []
        self._process = 0
        self.is_up = False
        self._watched_ms = 0
        broker.platform = self
        self.start()

    @property
    def utc_ms(self) -> int:
        """True time; the platform has a time server."""
        return self._began_utc_ms + self._agenda.now_ms

    def start(self) -> None:
        """It runs, and takes what the broker has kept."""
        self.is_up = True
        self._agenda.after(TICK_MS, self._living(self._tick))
        self._broker.hand_over()

    def kill(self) -> None:
        """What it had not stored, it has not acknowledged: the broker keeps it."""
        self.is_up = False
        self._process += 1
        arrivals, self._arrivals = self._arrivals, []
        for topic, payload in arrivals:
            self._broker.hand_on(topic, payload, is_kept=topics.parse(topic)[2] in KINDS)

    def arrive(self, topic: str, payload: bytes) -> bool:
        """One message."""
        if not self.is_up:
            return False
        if not self._arrivals:
            wait_ms = self._random.randint(*GATHER_MS)
            self._agenda.after(wait_ms, self._living(self._take))
        self._arrivals.append(Arrival(topic, payload))
        return True

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def _living(self, call: Callable[[], None]) -> Callable[[], None]:
        """The same call, as long as this process lives."""
        process = self._process
        return lambda: call() if process == self._process else None

    def _take(self) -> None:
        arrivals, self._arrivals = self._arrivals, []
        now = self.utc_ms
        admitted = [admit(arrival, self._registry, now) for arrival in arrivals]
        outcome = self.store.take(admitted, now, self._sign)
        for finding in outcome.findings:
            self._witness.found(str(finding.source), finding.problem)
        for source, epoch in outcome.receipts:
            assert epoch.receipt is not None
            self._witness.receipt(source, epoch.upto, epoch.hash)
            topic = topics.down(source, topics.RECEIPT)
            self._broker.from_platform(topic, epoch.receipt.encode(), retain=True)

    def _sign(self, source: Source, epoch: Epoch) -> str:
        now = utc_text(self.utc_ms)
        return receipts.make(self._key, source, epoch.name, epoch.upto, epoch.hash, now)

    def _tick(self) -> None:
        self._agenda.after(TICK_MS, self._living(self._tick))
        # Without a broker none is spent.
        asks = [] if self._broker.manners.is_away else self.store.take_due_asks(self.utc_ms)
        for ask in asks:
            value = {"epoch": ask.epoch, "from": ask.first, "upto": ask.last}
            topic = topics.down(ask.source, topics.ASK)
            self._broker.from_platform(topic, canonical(value), retain=False)
        if self._agenda.now_ms >= self._watched_ms + WATCH_MS:
            self._watched_ms = self._agenda.now_ms
            self.store.alarms.watch(self.utc_ms, ALARMS)
