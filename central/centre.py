"""The running centre: one thread, one turn for each batch of messages (real I/O).

A turn: take what arrived, decide, commit, acknowledge, tell. Nothing is told before the commit.
"""

import json
import logging
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import TextIO

from central.asks import Ask
from central.broker import Broker
from central.config import Config
from central.errors import RegistryError
from central.ingest import Arrival, Finding, Ingest, Outcome
from central.registry import RegistryFile
from central.store import Store
from protocol.central import receipts, topics
from protocol.central.canonical import canonical
from protocol.central.chain import Head
from protocol.central.entry import Source, utc_text
from protocol.central.signing import SigningKey

log = logging.getLogger(__name__)

IDLE_S = 5.0
REGISTRY_S = 1.0  # a new unit is known at the latest this long after its first message


class Centre:
    """Subscribes, stores each entry once, signs receipts, asks for what is missing."""

    def __init__(self, config: Config, out: TextIO | None = None) -> None:
        """out: where each happening is printed as a line of JSON, if anywhere."""
        self._out = out
        self._key = SigningKey.load(config.platform_key)
        self._registry = RegistryFile(config.registry)
        self._registry_at_s = 0.0
        self._config = config

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        with closing(Store(self._config.database)) as store, _stop_signals() as stop:
            ingest = Ingest(store.hash_at)
            _restore(ingest, store)
            broker = Broker(self._config.broker, stop)
            units = len(self._registry.registry)
            log.info("centre started units=%d key=%s", units, self._key.kid)
            while not _is_readable(stop):
                self._turn(broker, ingest, store)
            broker.close()
            log.info("centre stopped")

    def _turn(self, broker: Broker, ingest: Ingest, store: Store) -> None:
        wake_at_ms = ingest.wake_at_ms()
        idle_s = IDLE_S if wake_at_ms is None else max(0.0, wake_at_ms - _now_ms()) / 1000
        messages = broker.wait(min(idle_s, IDLE_S))
        if broker.take_ready():
            self._say({"ready": True})
        if messages:
            self._refresh_registry()
            arrivals = [Arrival(message.topic, message.payload) for message in messages]
            utc_ms = time.time_ns() // 1_000_000
            outcome = ingest.take(_now_ms(), utc_ms, arrivals, self._registry.registry)
            store.commit(outcome)
            broker.acknowledge(messages)
            self._tell(outcome, broker)
        for ask in ingest.due(_now_ms()):
            self._ask(ask, broker)

    def _tell(self, outcome: Outcome, broker: Broker) -> None:
        self._say_stored(outcome)
        for displaced in outcome.displaced:
            self._report(Finding(*displaced))
        for finding in outcome.findings:
            self._report(finding)
        for source, head in outcome.receipts:
            self._receipt(source, head, outcome.received_utc_ms, broker)

    def _receipt(self, source: Source, head: Head, utc_ms: int, broker: Broker) -> None:
        time_text = utc_text(utc_ms)
        text = receipts.make(self._key, source, head.epoch, head.seq, head.hash, time_text)
        broker.publish_retained(topics.down(source, topics.RECEIPT), text.encode())
        if self._out:
            self._print(f'{{"receipt":{text}}}')

    def _ask(self, ask: Ask, broker: Broker) -> None:
        value = {"epoch": ask.epoch, "from": ask.first, "upto": ask.last}
        broker.publish_once(topics.down(ask.source, topics.ASK), canonical(value))
        self._say({"ask": {"source": str(ask.source), **value}})

    def _report(self, finding: Finding) -> None:
        name, seq, sentence = finding.problem
        source = str(finding.source) if finding.source else None
        log.warning("problem name=%s source=%s seq=%s: %s", name, source, seq, sentence)
        value = {"name": name, "source": source, "seq": seq, "sentence": sentence}
        self._say({"problem": value})

    def _say_stored(self, outcome: Outcome) -> None:
        if not self._out:
            return
        for entry, problems in outcome.kept:
            value = {
                "source": str(entry.source),
                "epoch": entry.epoch,
                "seq": entry.seq,
                "kind": entry.kind,
                "id": entry.id,
                "problems": [problem.name for problem in problems],
                "receivedUtcMs": outcome.received_utc_ms,
            }
            # The entry goes out as the very text that was signed.
            self._print(f'{{"stored":{json.dumps(value)[:-1]}, "entry":{entry.text}}}}}')

    def _say(self, value: object) -> None:
        if self._out:
            self._print(json.dumps(value, ensure_ascii=False))

    def _print(self, line: str) -> None:
        assert self._out
        self._out.write(line + "\n")
        self._out.flush()

    def _refresh_registry(self) -> None:
        now_s = time.monotonic()
        if now_s < self._registry_at_s:
            return
        self._registry_at_s = now_s + REGISTRY_S
        try:
            if self._registry.refresh():
                log.info("registry read units=%d", len(self._registry.registry))
        except RegistryError as error:
            log.warning("%s; the units known before stay known", error)


def _restore(ingest: Ingest, store: Store) -> None:
    for source in store.sources():
        for epoch in store.epochs(source):
            waiting = list(store.texts(source, epoch.name, above=epoch.upto))
            ingest.restore(_now_ms(), source, epoch, waiting)


@contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """A socket that becomes readable when the process is told to stop."""
    ours, theirs = socket.socketpair()

    def stop(_number: int, _frame: FrameType | None) -> None:
        theirs.send(b"!")

    with ours, theirs:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield ours
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_readable(wake: socket.socket) -> bool:
    try:
        return bool(wake.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
