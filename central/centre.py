"""The running centre: one thread, one turn for each batch of messages (real I/O).

A turn: take what arrived, decide, commit, acknowledge, tell. Nothing is told before the commit.
While the database is away the broker keeps the messages, and all goes on when it is back.
"""

import json
import logging
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, TextIO

from central import revocation
from central.alarms import Alarm
from central.asks import Ask
from central.broker import Broker, Message
from central.config import Config
from central.errors import ListUnreadable, RegistryError, StoreError
from central.ingest import Admitted, Finding, Outcome
from central.journal import Epoch
from central.judge import Arrival, Kept, Note, Refusal, admit, is_stranger
from central.metrics import Metrics
from central.registry_files import RegistryFiles
from central.store import Store
from central.tables import open_database
from protocol.central import receipts, topics
from protocol.central.canonical import canonical
from protocol.central.entry import Source, utc_text
from protocol.central.signing import SigningKey

if TYPE_CHECKING:
    from central.revocation_file import RevocationFile

log = logging.getLogger(__name__)

REGISTRY_S = 1.0  # a new unit is known at the latest this long after its first message
TICK_S = 0.3  # asks and alarms are told this late at the most
WATCH_S = 5.0  # silence is counted in minutes
STORE_RETRY_S = 1.0


class _Batch(NamedTuple):
    """Messages that arrived together, and what they were judged to be."""

    messages: list[Message]
    admitted: list[Admitted]
    received_utc_ms: int
    judged_s: float


class Centre:
    """Subscribes, stores each entry once, signs receipts, asks for what is missing."""

    def __init__(self, config: Config, out: TextIO | None = None) -> None:
        """out: where each happening is printed as a line of JSON, if anywhere."""
        self._out = out
        self._key = SigningKey.load(config.platform_key)
        self._registry = RegistryFiles(config.registry)
        self._keys_are_kept = True
        self._read_registry(at_start=True)
        self._registry_at_s = self._tick_at_s = self._watch_at_s = self._store_at_s = 0.0
        self._config = config
        self._metrics = Metrics(config.metrics)
        self._lists = _revocation_file(config)
        self._batches: deque[_Batch] = deque()
        self._store_trouble = ""

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        with closing(Store(open_database(self._config.store))) as store, _stop_signals() as stop:
            store.keep_keys(self._registry.registry, _utc_ms())
            broker = Broker(self._config.broker, stop)
            units = len(self._registry.registry)
            log.info("centre started units=%d key=%s", units, self._key.kid)
            while not _is_readable(stop):
                self._turn(broker, store)
            broker.close()
            log.info("centre stopped")

    def _turn(self, broker: Broker, store: Store) -> None:
        next_s = max(self._tick_at_s, self._store_at_s)
        messages = broker.wait(max(0.0, next_s - time.monotonic()))
        if broker.take_ready():
            self._say({"ready": True})
        if messages:
            self._batches.append(self._judged(messages))
        if time.monotonic() < self._store_at_s:
            return
        try:
            self._refresh_registry(store)
            while self._batches:
                self._take(self._batches[0], broker, store)
                self._batches.popleft()
            self._tick(broker, store)
        except StoreError as error:
            self._wait_for_store(str(error))
        else:
            self._store_is_well()
        self._metrics.standing(
            broker=broker.is_up,
            store=not self._store_trouble,
            held=sum(len(batch.messages) for batch in self._batches),
            units=len(self._registry.registry),
        )

    # -- a batch

    def _judged(self, messages: list[Message]) -> _Batch:
        now = _utc_ms()
        admitted = self._admitted(messages, now)
        # A new unit, or a unit with a new key, speaks as soon as somebody has written it into the
        # registry: a stranger is looked for once more before he is one.
        if any(map(is_stranger, admitted)) and self._read_registry():
            admitted = self._admitted(messages, now)
        return _Batch(messages, admitted, now, time.monotonic())

    def _admitted(self, messages: list[Message], now: int) -> list[Kept | Note | Refusal]:
        registry = self._registry.registry
        return [admit(Arrival(each.topic, each.payload), registry, now) for each in messages]

    def _take(self, batch: _Batch, broker: Broker, store: Store) -> None:
        time_text = utc_text(batch.received_utc_ms)

        def sign(source: Source, epoch: Epoch) -> str:
            return receipts.make(self._key, source, epoch.name, epoch.upto, epoch.hash, time_text)

        outcome = store.take(batch.admitted, batch.received_utc_ms, sign)
        self._metrics.stored(outcome, time.monotonic() - batch.judged_s)
        broker.acknowledge(batch.messages)
        self._tell(outcome, broker)

    def _tell(self, outcome: Outcome, broker: Broker) -> None:
        self._say_stored(outcome)
        for displaced in outcome.displaced:
            self._report(Finding(*displaced))
        for finding in outcome.findings:
            self._report(finding)
        for source, epoch in outcome.receipts:
            assert epoch.receipt is not None
            # Between two workers an older receipt may follow a newer one and stay: a unit knows
            # what it has, and a repeated entry brings the newest again.
            broker.publish(topics.down(source, topics.RECEIPT), epoch.receipt.encode(), retain=True)
            if self._out:
                self._print(f'{{"receipt":{epoch.receipt}}}')

    # -- what time brings

    def _tick(self, broker: Broker, store: Store) -> None:
        now_s, now = time.monotonic(), _utc_ms()
        if now_s < self._tick_at_s:
            return
        self._tick_at_s = now_s + TICK_S
        if now_s >= self._watch_at_s:
            self._watch_at_s = now_s + WATCH_S
            store.alarms.watch(now, self._config.alarms)
            self._watch_lists(store, now)
            counts = Counter(alarm.name for alarm in store.alarms.all())
            self._metrics.alarms({name: counts[name] for name in topics.ALARMS})
        if not broker.is_up:
            return
        asks = store.take_due_asks(now)
        self._metrics.asked(len(asks))
        for ask in asks:
            self._ask(ask, broker)
        for alarm in store.alarms.untold():
            self._call_out(alarm, broker)
            store.alarms.told(alarm)

    def _watch_lists(self, store: Store, now: int) -> None:
        if self._lists is None:
            return
        try:
            lists = self._lists.read()
        except ListUnreadable as error:
            store.alarms.watch_list(str(error), now)
            self._metrics.list_days(0)
            return
        store.alarms.watch_list(revocation.stale(lists, now, self._config.alarms.list_ms), now)
        left_ms = revocation.left_ms(lists, now)
        self._metrics.list_days(inf if left_ms is None else left_ms / revocation.DAY_MS)

    def _ask(self, ask: Ask, broker: Broker) -> None:
        value = {"epoch": ask.epoch, "from": ask.first, "upto": ask.last}
        broker.publish_once(topics.down(ask.source, topics.ASK), canonical(value))
        self._say({"ask": {"source": str(ask.source), **value}})

    def _call_out(self, alarm: Alarm, broker: Broker) -> None:
        state = "open" if alarm.closed_utc_ms is None else "closed"
        value = {
            "source": alarm.source or None,
            "name": alarm.name,
            "state": state,
            "since": utc_text(alarm.opened_utc_ms),
            "last": utc_text(alarm.last_utc_ms),
            "count": alarm.seen_count,
            "sentence": alarm.sentence,
        }
        source = Source.parse(alarm.source) if alarm.source else None
        broker.publish(topics.alarm(source, alarm.name), canonical(value))
        log.warning("alarm name=%s source=%s state=%s: %s",
                    alarm.name, alarm.source or None, state, alarm.sentence)  # fmt: skip
        self._say({"alarm": value})

    # -- trouble

    def _wait_for_store(self, why: str) -> None:
        self._metrics.failed()
        self._store_at_s = time.monotonic() + STORE_RETRY_S
        if why != self._store_trouble:
            log.warning("%s; nothing is acknowledged until it is back; trying again", why)
            self._store_trouble = why

    def _store_is_well(self) -> None:
        if self._store_trouble:
            log.info("the database is back")
            self._store_trouble = ""

    def _refresh_registry(self, store: Store) -> None:
        now_s = time.monotonic()
        if now_s >= self._registry_at_s:
            self._registry_at_s = now_s + REGISTRY_S
            self._read_registry()
        if not self._keys_are_kept:
            store.keep_keys(self._registry.registry, _utc_ms())
            self._keys_are_kept = True

    def _read_registry(self, *, at_start: bool = False) -> bool:
        """Whether it names other units than before.

        At the start it raises RegistryError when something is wrong and no unit is known; the bad
        file of one hall must not keep the centre from serving all others.
        """
        is_changed, troubles = self._registry.refresh()
        if at_start and troubles and not len(self._registry.registry):
            raise RegistryError("\n".join(troubles))
        for trouble in troubles:
            log.warning("%s; the units known before stay known", trouble)
        if is_changed and not at_start:
            log.info("registry read units=%d", len(self._registry.registry))
            self._keys_are_kept = False
        return is_changed

    # -- what is said

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


def _revocation_file(config: Config) -> "RevocationFile | None":
    path = config.broker.revocation_list
    if path is None:
        return None
    # Here, so that a centre that watches no list needs neither cryptography nor the 10 MB it takes.
    from central.revocation_file import RevocationFile

    return RevocationFile(path)


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


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000
