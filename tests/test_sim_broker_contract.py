"""What unit and centre take for granted of a broker: one suite for every broker that is in use.

The lying broker is beside the real ones in what it does when it is told to do right, or to refuse.
"""

import contextlib
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocol.central import topics
from sim.brokers import Amqtt, BrokerProcess, Mosquitto
from sim.desk import SOURCE
from sim.lying_broker import NOT_AUTHORIZED, Lies, LyingBroker
from sim.relay import Relay

pytestmark = pytest.mark.needs("mosquitto")

DEADLINE_S = 10.0
UP, DOWN = topics.up(SOURCE, "rating"), topics.down(SOURCE, topics.RECEIPT)
STATE = topics.up(SOURCE, topics.STATE)
EVERY_UP = "hcp/v1/+/+/+/up/+"
REAL: dict[str, tuple[type[BrokerProcess], int]] = {
    "mosquitto, MQTT 5": (Mosquitto, 5),
    "mosquitto, MQTT 3.1.1": (Mosquitto, 4),
    "amqtt, MQTT 3.1.1": (Amqtt, 4),
}
# It imports for two seconds.
SLOW = {"amqtt, MQTT 3.1.1"}


class Guest:
    """Somebody at a broker; what happened to it comes out of queues."""

    def __init__(self, port: int, protocol: int, name: str, *, will: bytes | None = None) -> None:
        self.heard: queue.Queue[MQTTMessage] = queue.Queue()
        self.let_in: queue.Queue[str] = queue.Queue()
        self.left: queue.Queue[str] = queue.Queue()
        self._subscribed: queue.Queue[bool] = queue.Queue()
        version = MQTTProtocolVersion.MQTTv5 if protocol == 5 else MQTTProtocolVersion.MQTTv311
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, name, protocol=version, reconnect_on_failure=False
        )
        # Not by way of `self`: paho closes its own sockets when nobody holds the client any more.
        let_in, left, heard, subscribed = self.let_in, self.left, self.heard, self._subscribed
        client.on_connect = lambda _c, _d, _f, reason, _p: let_in.put(str(reason))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: left.put(str(reason))
        client.on_message = lambda _c, _d, message: heard.put(message)
        client.on_subscribe = lambda *_: subscribed.put(True)
        if will is not None:
            client.will_set(STATE, will, qos=1, retain=True)
        client.connect("127.0.0.1", port)
        client.loop_start()

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)
        assert self._subscribed.get(timeout=DEADLINE_S)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Until the broker has acknowledged it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(DEADLINE_S)

    def next(self) -> MQTTMessage:
        return self.heard.get(timeout=DEADLINE_S)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


Invite = Callable[..., Guest]


@pytest.fixture(scope="module", params=[
    pytest.param(name, marks=[pytest.mark.campaign] if name in SLOW else []) for name in REAL
])  # fmt: skip
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[BrokerProcess, int]]:
    kind, protocol = REAL[request.param]
    with kind() as broker:
        yield broker, protocol


@pytest.fixture
def invite(broker: tuple[BrokerProcess, int]) -> Iterator[Invite]:
    """Makes guests that are let in; all leave at the end."""
    with contextlib.ExitStack() as stack:

        def make(name: str, *, port: int = broker[0].port, **more: Any) -> Guest:
            guest = Guest(port, broker[1], name, **more)
            stack.callback(guest.leave)
            assert guest.let_in.get(timeout=DEADLINE_S) == "Success"
            return guest

        yield make


def test_entries_are_acknowledged_and_arrive_once_in_their_order(invite: Invite) -> None:
    platform, unit = invite("platform"), invite("unit")
    platform.subscribe(EVERY_UP)
    for number in range(50):
        unit.say(UP, b"%d" % number)
    # Not the unit's own side, nor another depth.
    unit.say(DOWN, b"no")
    unit.say(UP + "/deeper", b"no")
    unit.say(UP, b"last")
    messages = [platform.next() for _ in range(51)]
    assert [each.payload for each in messages] == [*(b"%d" % n for n in range(50)), b"last"]
    assert {(each.topic, each.qos, each.retain) for each in messages} == {(UP, 1, False)}
    assert platform.heard.empty()


def test_receipt_that_is_retained_waits_for_its_unit_until_it_is_replaced_or_taken_back(
    invite: Invite,
) -> None:
    platform = invite("platform")
    for payload in (b"first", b"second"):
        platform.say(DOWN, payload, retain=True)
    unit = invite("unit")
    unit.subscribe(topics.every_down(SOURCE))
    kept = unit.next()
    assert (kept.payload, kept.retain) == (b"second", True)
    platform.say(DOWN, b"third", retain=True)
    live = unit.next()
    assert (live.payload, live.retain) == (b"third", False)
    platform.say(DOWN, b"", retain=True)
    assert unit.next().payload == b""
    late = invite("late")
    late.subscribe(topics.every_down(SOURCE))
    platform.say(DOWN, b"now")
    assert late.next().payload == b"now"


def test_will_is_said_of_who_breaks_off_and_not_of_who_leaves(
    broker: tuple[BrokerProcess, int], invite: Invite
) -> None:
    platform = invite("platform")
    platform.subscribe(EVERY_UP)
    invite("polite", will=b"lost").leave()
    relay = Relay(broker[0].port)
    relay.start()
    invite("unit", port=relay.port, will=b"offline")
    relay.stop()
    message = platform.next()
    assert (message.topic, message.payload) == (STATE, b"offline")
    platform.say(STATE, b"", retain=True)


def test_name_that_comes_again_takes_the_connection_over(
    broker: tuple[BrokerProcess, int], invite: Invite
) -> None:
    old = invite("unit")
    new = invite("unit")
    new.say(UP, b"mine")
    if isinstance(broker[0], Amqtt):
        # It lets both in: units of one name are only named where a broker does right.
        old.say(UP, b"mine, too")
        assert old.left.empty()
    else:
        assert old.left.get(timeout=DEADLINE_S)
    assert new.left.empty()


def test_message_of_64_kib_passes(invite: Invite) -> None:
    platform, unit = invite("platform"), invite("unit")
    unit.subscribe(topics.every_down(SOURCE))
    platform.say(DOWN, bytes(64 * 1024 - 100))
    assert len(unit.next().payload) == 64 * 1024 - 100


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.campaign] if name in SLOW else []) for name in REAL
])  # fmt: skip
def test_broker_when_killed_has_forgotten_everything(name: str) -> None:
    kind, protocol = REAL[name]
    with kind() as broker:
        platform = Guest(broker.port, protocol, "platform")
        platform.say(DOWN, b"kept", retain=True)
        broker.kill()
        assert platform.left.get(timeout=DEADLINE_S)
        broker.start()
        platform.leave()
        unit = Guest(broker.port, protocol, "unit")
        unit.subscribe(topics.every_down(SOURCE))
        unit.say(DOWN, b"new")
        assert unit.next().payload == b"new"
        unit.leave()


# -- the lying broker, in what it does right


class Closed(Mosquitto):
    """It lets nobody in without a name."""

    def _settings(self) -> bytes:
        return super()._settings().replace(b"allow_anonymous true", b"allow_anonymous false")


@pytest.mark.parametrize("protocol", [5, 4])
def test_lying_broker_when_it_tells_no_lie_lets_in_acknowledges_and_keeps_the_will(
    protocol: int,
) -> None:
    with LyingBroker() as broker:
        unit = Guest(broker.port, protocol, "unit", will=b"offline")
        assert unit.let_in.get(timeout=DEADLINE_S) == "Success"
        unit.subscribe(topics.every_down(SOURCE))
        for number in range(20):
            unit.say(UP, b"%d" % number)
        published = [broker.published.get(timeout=DEADLINE_S) for _ in range(20)]
        assert [each.payload for each in published] == [b"%d" % number for number in range(20)]
        assert {(each.topic, each.qos, each.retain) for each in published} == {(UP, 1, False)}
        assert b"offline" in broker.will
        unit.leave()


@pytest.mark.parametrize("protocol", [5, 4])
def test_lying_broker_refuses_as_mosquitto_does(protocol: int) -> None:
    answers = []
    with Closed() as closed, LyingBroker(Lies(connack=NOT_AUTHORIZED)) as lying:
        for broker in (closed, lying):
            unit = Guest(broker.port, protocol, "unit")
            answers.append(unit.let_in.get(timeout=DEADLINE_S))
            unit.leave()
    assert answers == ["Not authorized", "Not authorized"]
