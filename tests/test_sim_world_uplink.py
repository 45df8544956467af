"""The uplink's contract, held by the world's uplink and broker and by the daemon's on MQTT.

What an honest broker does is tried on mosquitto, what a bad one does on sim.lying_broker. A test
waits for what must come; what must not come would have come before it.
"""

import queue
import random
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from daemon.config.uplink import Uplink as UplinkConfig
from daemon.events import (
    Asked,
    BrokerDown,
    BrokerUp,
    Event,
    ReceiptReceived,
    ReceiptRefused,
    Sealed,
    Taken,
)
from daemon.net.connection import ADVICE, IN_FLIGHT_MAX
from daemon.net.down import heard
from daemon.net.uplink import Uplink
from daemon.snapshot import PUBLISH, TCP
from protocol.central import receipts, topics
from protocol.central.entry import KINDS, Source
from protocol.central.signing import SigningKey
from sim.brokers import HOST, Mosquitto
from sim.lying_broker import QUOTA_EXCEEDED, SILENT, Lies, LyingBroker
from sim.world import broker as world
from sim.world import uplink as unit
from sim.world.agenda import Agenda

HANG_S = 10.0
# A silent broker is left after this, so that nothing here waits for long.
PATIENCE_S = 0.5
# The double's patience, a long dialling, and then some.
WAIT_MS = 600_000
SOURCE, NEIGHBOUR = Source("330102", "h01", "w03"), Source("330102", "h01", "w04")
PLATFORM = SigningKey.from_seed(bytes(31) + b"\x09")
IMPOSTOR = SigningKey.from_seed(bytes(31) + b"\x0a")
KEYS = {PLATFORM.kid: PLATFORM.public}
EPOCH, HASH, TIME = "00000000000000aa", "ab" * 32, "2026-11-22T08:00:00.000Z"
RECEIPT, ASK = (topics.down(SOURCE, what) for what in (topics.RECEIPT, topics.ASK))


def entry(seq: int) -> Sealed:
    return Sealed(seq, "rating", HASH, f"entry {seq}")


def receipt(upto: int, key: SigningKey = PLATFORM, source: Source = SOURCE) -> str:
    return receipts.make(key, source, EPOCH, upto, HASH, TIME)


class Real:
    """The daemon's uplink, with its thread, at one of our brokers."""

    def __init__(self, port: int) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        config = UplinkConfig(
            broker=HOST, port=port, protocol=5, redial_ms=500, platform_key=None,
            tls_ca=None, tls_certificate=None, tls_key=None,
        )  # fmt: skip
        self._uplink = Uplink(
            config, SOURCE, KEYS, self._events.put, pytest.fail, patience_s=PATIENCE_S
        )
        self.start, self.publish = self._uplink.start, self._uplink.publish

    def event(self) -> Event:
        return self._events.get(timeout=HANG_S)

    def close(self) -> None:
        if self._uplink.is_alive():
            self._uplink.stop(HANG_S)
        assert not self._uplink.is_alive()


class OnMosquitto(Real):
    """An honest broker, and the platform as somebody else at it."""

    def __init__(self) -> None:
        self._broker = Mosquitto()
        self._broker.start()
        super().__init__(self._broker.port)
        self._join()

    def _join(self) -> None:
        """The platform subscribes."""
        self._heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        subscribed: queue.Queue[bool] = queue.Queue()
        self._client = Client(
            CallbackAPIVersion.VERSION2, "platform", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_message = lambda *args: self._heard.put((args[2].topic, args[2].payload))
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.connect(HOST, self._broker.port)
        self._client.loop_start()
        self._client.subscribe("hcp/v1/+/+/+/up/+", qos=1)
        subscribed.get(timeout=HANG_S)

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def arrives(self) -> tuple[str, bytes]:
        """The next that comes to the platform."""
        return self._heard.get(timeout=HANG_S)

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        said = self._client.publish(topic, payload, qos=1, retain=retain)
        said.wait_for_publish(HANG_S)

    def go_away(self) -> None:
        self._leave()
        self._broker.kill()

    def come_back(self) -> None:
        self._broker.start()
        self._join()

    def close(self) -> None:
        super().close()
        self._leave()
        self._broker.stop()


class OnLies(Real):
    """A bad broker; what came to it stands for what would come to the platform."""

    def __init__(self) -> None:
        self._broker = LyingBroker()
        self._broker.start()
        super().__init__(self._broker.port)
        self._arrived: deque[tuple[str, bytes]] = deque()
        self.cut = self._broker.drop

    def be_mute(self) -> None:
        self._broker.lies = Lies(puback=SILENT)

    def refuse(self) -> None:
        self._broker.lies = Lies(puback=QUOTA_EXCEEDED)

    def stall(self) -> None:
        """It takes entries and acknowledges none of them until it goes on."""
        self._broker.lies = Lies(holds=True)

    def go_on(self) -> None:
        self._broker.read_on()

    def has(self, count: int) -> None:
        """Wait until so many entries have come to it."""
        while sum(topics.parse(topic)[2] in KINDS for topic, _ in self._arrived) < count:
            published = self._broker.published.get(timeout=HANG_S)
            self._arrived.append((published.topic, published.payload))

    def arrives(self) -> tuple[str, bytes]:
        if self._arrived:
            return self._arrived.popleft()
        published = self._broker.published.get(timeout=HANG_S)
        return published.topic, published.payload

    def close(self) -> None:
        super().close()
        self._broker.stop()


class InTheWorld:
    """The world's uplink at its broker."""

    def __init__(self) -> None:
        self.agenda = Agenda()
        self.broker = world.Broker(self.agenda, random.Random(1))
        self._uplink = unit.Uplink(self.agenda, random.Random(2), SOURCE, self.broker, KEYS)
        self.broker.platform = self
        self._events: list[Event] = []
        self._heard: list[tuple[str, bytes]] = []
        self._manners = self.broker.manners
        self.cut = self.broker.tear

    def start(self) -> None:
        self._uplink.start(self._events.append)

    def publish(self, entry: Sealed, *, live: bool = False) -> None:
        self._uplink.publish(entry, live=live)

    def arrive(self, topic: str, payload: bytes) -> bool:
        """The platform takes what the broker has for it."""
        self._heard.append((topic, payload))
        return True

    def event(self) -> Event:
        return self._next(self._events)

    def arrives(self) -> tuple[str, bytes]:
        return self._next(self._heard)

    def _next(self, found: list[Any]) -> Any:
        """What comes next; no more time passes than it takes."""
        until_ms = self.agenda.now_ms + WAIT_MS
        while not found and self.agenda.now_ms < until_ms:
            self.agenda.run(self.agenda.now_ms + 1)
        return found.pop(0)

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self.broker.from_platform(topic, payload.encode(), retain=retain)

    def go_away(self) -> None:
        self._manners.is_away = True
        self.broker.tear()
        self.broker.forget()

    def come_back(self) -> None:
        self._manners.is_away = False

    def be_mute(self) -> None:
        self._manners.is_mute = True

    def refuse(self) -> None:
        self._manners.refuses = True

    def stall(self) -> None:
        self._manners.is_slow = True

    def go_on(self) -> None:
        self._manners.is_slow = False

    def has(self, count: int) -> None:
        """They are under way as soon as they are published."""

    def close(self) -> None:
        pass


Honest = OnMosquitto | InTheWorld
Bad = OnLies | InTheWorld


@pytest.fixture(
    params=[pytest.param(OnMosquitto, marks=pytest.mark.needs("mosquitto")), InTheWorld]
)
def honest(request: pytest.FixtureRequest) -> Iterator[Honest]:
    with made(request.param) as side:
        yield side


@pytest.fixture(params=[OnLies, InTheWorld])
def bad(request: pytest.FixtureRequest) -> Iterator[Bad]:
    with made(request.param) as side:
        yield side


@contextmanager
def made(kind: Any) -> Iterator[Any]:
    side = kind()
    yield side
    side.close()


def after(side: Honest | Bad, kind: type[Event]) -> Any:
    """The next event of a kind; the ones before it are dropped."""
    while not isinstance(event := side.event(), kind):
        pass
    return event


def taken(side: Honest | Bad, count: int) -> list[int]:
    """The numbers the next events say were taken; how many at once is not promised."""
    seqs: list[int] = []
    while len(seqs) < count:
        event = side.event()
        assert isinstance(event, Taken), event
        assert event.refused == ""
        seqs += event.seqs
    return seqs


def entries(side: Honest | Bad, count: int) -> list[int]:
    """The numbers of the next entries that arrive; what is said of the unit is passed over."""
    found: list[int] = []
    while len(found) < count:
        topic, payload = side.arrives()
        if topics.parse(topic)[2] in KINDS:
            assert topic == topics.up(SOURCE, "rating")
            found.append(int(payload.removeprefix(b"entry ")))
    return found


def why(event: BrokerDown) -> str:
    """Its reason, but for the broker's place and the patience, which are not the same."""
    found = re.fullmatch(r"broker \S+:\d+ (.+)", event.reason)
    assert found is not None, event.reason
    return re.sub(r"for [\d.]+ s", "for PATIENCE", found[1])


# -- an honest broker


def test_broker_is_up_and_the_platform_hears_of_it(honest: Honest) -> None:
    honest.start()
    assert honest.event() == BrokerUp()
    assert honest.arrives() == (topics.up(SOURCE, topics.STATE), b'{"state":"online"}')


def test_entries_arrive_once_in_order_and_are_taken_once_in_order(honest: Honest) -> None:
    honest.start()
    assert honest.event() == BrokerUp()
    for seq in range(1, 101):
        honest.publish(entry(seq))
    assert taken(honest, 100) == list(range(1, 101))
    assert entries(honest, 100) == list(range(1, 101))
    honest.publish(entry(101))
    assert (taken(honest, 1), entries(honest, 1)) == ([101], [101])


def test_what_the_platform_says_is_heard_in_order_and_only_what_is_for_this_unit(
    honest: Honest,
) -> None:
    honest.start()
    assert honest.event() == BrokerUp()
    said = [
        (RECEIPT, receipt(1)),
        (RECEIPT, receipt(2, IMPOSTOR)),
        (RECEIPT, receipt(2, IMPOSTOR).replace(IMPOSTOR.kid, PLATFORM.kid)),
        (RECEIPT, receipt(2, source=NEIGHBOUR)),
        (topics.down(NEIGHBOUR, topics.RECEIPT), receipt(2, source=NEIGHBOUR)),
        (topics.down(NEIGHBOUR, topics.RECEIPT), receipt(2)),
        (RECEIPT, receipt(2)[:-1]),
        (RECEIPT, ""),
        (ASK, "{}"),
        (ASK, f'{{"epoch":"{EPOCH}","from":3,"upto":9}}'),
        (topics.down(SOURCE, topics.CONFIG), "{}"),
        (RECEIPT, receipt(1)),
        (RECEIPT, receipt(7)),
    ]
    for topic, payload in said:
        honest.say(topic, payload)
    for topic, payload in said:
        expected = heard(topic, payload.encode(), SOURCE, KEYS)
        if expected is not None:
            assert honest.event() == expected
    kinds = {type(heard(topic, payload.encode(), SOURCE, KEYS)) for topic, payload in said}
    assert kinds == {ReceiptReceived, ReceiptRefused, Asked, type(None)}


def test_retained_receipt_is_heard_after_each_subscription_the_newest_alone(
    honest: Honest,
) -> None:
    honest.say(RECEIPT, receipt(1), retain=True)
    honest.say(RECEIPT, receipt(2), retain=True)
    honest.start()
    assert {type(honest.event()), honest.event()} == {BrokerUp, ReceiptReceived(EPOCH, 2, HASH)}
    honest.say(RECEIPT, receipt(3))
    assert honest.event() == ReceiptReceived(EPOCH, 3, HASH)


def test_broker_that_goes_away_is_told_and_called_until_it_is_back(honest: Honest) -> None:
    honest.start()
    assert honest.event() == BrokerUp()
    honest.go_away()
    down = honest.event()
    assert isinstance(down, BrokerDown)
    assert (why(down), down.step) == ("closed the connection", PUBLISH)
    for _ in range(2):
        down = honest.event()
        assert isinstance(down, BrokerDown)
        assert (why(down), down.step) == ("cannot be reached: Connection refused", TCP)
    # Nobody keeps it: the outbox asks again.
    honest.publish(entry(1))
    honest.come_back()
    assert after(honest, BrokerUp) == BrokerUp()
    honest.publish(entry(2))
    assert (taken(honest, 1), entries(honest, 1)) == ([2], [2])


# -- a bad one


def test_entry_offered_again_while_it_is_under_way_is_sent_once(bad: Bad) -> None:
    bad.stall()
    bad.start()
    assert bad.event() == BrokerUp()
    for seq in (1, 1, 2, 1, 2, 3):
        bad.publish(entry(seq))
    bad.go_on()
    assert (taken(bad, 3), entries(bad, 3)) == ([1, 2, 3], [1, 2, 3])


def test_live_entries_go_before_what_waits_and_once(bad: Bad) -> None:
    bad.stall()
    bad.start()
    assert bad.event() == BrokerUp()
    last = IN_FLIGHT_MAX + 5
    for seq in range(1, last + 1):
        bad.publish(entry(seq))
    bad.has(IN_FLIGHT_MAX)
    # One that is new, and one that has waited.
    for seq in (last + 1, last - 1):
        bad.publish(entry(seq), live=True)
    bad.go_on()
    waiting = [seq for seq in range(IN_FLIGHT_MAX + 1, last + 1) if seq != last - 1]
    expected = [*range(1, IN_FLIGHT_MAX + 1), last + 1, last - 1, *waiting]
    assert taken(bad, len(expected)) == expected
    assert entries(bad, len(expected)) == expected
    bad.publish(entry(last + 2))
    assert (taken(bad, 1), entries(bad, 1)) == ([last + 2], [last + 2])


def test_mute_broker_gets_so_many_and_is_left_for_a_new_connection(bad: Bad) -> None:
    bad.be_mute()
    bad.start()
    assert bad.event() == BrokerUp()
    for seq in range(1, 100):
        bad.publish(entry(seq))
    down = bad.event()
    assert isinstance(down, BrokerDown)
    assert (why(down), down.step) == ("has acknowledged nothing for PATIENCE", PUBLISH)
    assert bad.event() == BrokerUp()
    if isinstance(bad, OnLies):
        # A mute broker of the world drops what it takes.
        assert entries(bad, IN_FLIGHT_MAX) == list(range(1, IN_FLIGHT_MAX + 1))
    bad.publish(entry(100))
    if isinstance(bad, OnLies):
        assert entries(bad, 1) == [100]


def test_refused_entry_is_taken_with_the_brokers_words_and_the_connection_stays(bad: Bad) -> None:
    bad.refuse()
    bad.start()
    assert bad.event() == BrokerUp()
    words = f"the broker refuses entries (Quota exceeded): {ADVICE[QUOTA_EXCEEDED]}"
    for seq in (1, 2):
        bad.publish(entry(seq))
        assert bad.event() == Taken((seq,), words)


def test_acknowledgement_of_a_connection_before_is_none_of_the_next(bad: Bad) -> None:
    bad.stall()
    bad.start()
    assert bad.event() == BrokerUp()
    bad.publish(entry(1))
    bad.has(1)
    bad.cut()
    down = bad.event()
    assert isinstance(down, BrokerDown)
    assert (why(down), down.step) == ("closed the connection", PUBLISH)
    bad.be_mute()
    assert bad.event() == BrokerUp()
    bad.publish(entry(1))
    down = bad.event()
    assert isinstance(down, BrokerDown), "it was the first one's"
    assert why(down) == "has acknowledged nothing for PATIENCE"


def test_world_counts_its_patience_anew_for_an_entry_that_is_sent_again() -> None:
    """What daemon.net.connection does by the time it keeps beside each entry."""
    with made(InTheWorld) as side:
        side.start()
        assert side.event() == BrokerUp()
        side.publish(entry(1))
        assert taken(side, 1) == [1]
        side.agenda.run(unit.PATIENCE_MS - 1)
        side.stall()
        side.publish(entry(1))
        assert taken(side, 1) == [1]
        assert side.agenda.now_ms > unit.PATIENCE_MS + 1
