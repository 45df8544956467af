"""The uplink against real brokers and lying ones: delivered is the platform's word alone."""

import contextlib
import os
import queue
import re
import socket
import ssl
import time

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from daemon.config.uplink import Uplink as UplinkConfig
from daemon.effects import Publish, Report
from daemon.events import (
    Asked,
    BrokerDown,
    BrokerUp,
    ReceiptReceived,
    ReceiptRefused,
    Sealed,
    Taken,
)
from daemon.inbox import LOSSY_LEN_MAX, Inbox, Waker
from daemon.net.certificate import life
from daemon.net.connection import ADVICE, ADVICE_ELSE, IN_FLIGHT_MAX, Connection
from daemon.net.rivals import NAMED, SUSPECTED
from daemon.net.uplink import Uplink
from protocol.central import receipts, topics
from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from sim.authority import Authority
from sim.brokers import Mosquitto, ShippedMosquitto
from sim.desk import SOURCE, Desk
from sim.lying_broker import (
    BAD_CLIENT_ID,
    BAD_PASSWORD,
    BAD_VERSION,
    NO_SUBSCRIBERS,
    NOT_AUTHORIZED,
    PUBACK,
    QUOTA_EXCEEDED,
    SHUTTING_DOWN,
    SILENT,
    TAKEN_OVER,
    UNAVAILABLE,
    Lies,
    LyingBroker,
    goodbye,
    packet,
    publish,
)

DEADLINE_S = 10.0
LOOPBACK = "127.0.0.1"
PLATFORM = SigningKey.from_seed(bytes(31) + b"\x09")
IMPOSTOR = SigningKey.from_seed(bytes(31) + b"\x0a")
EPOCH, HASH, TIME = "00000000000000aa", "ab" * 32, "2026-11-22T08:00:00.000Z"
RECEIPT_TOPIC, ASK_TOPIC = (topics.down(SOURCE, what) for what in (topics.RECEIPT, topics.ASK))
STATE_TOPIC, HEALTH_TOPIC = (topics.up(SOURCE, what) for what in (topics.STATE, topics.HEALTH))


def entry(seq, kind="rating"):
    return Sealed(seq, kind, HASH, f"entry {seq}")


class Ear:
    """What the uplink posts, and its death, if our own bug killed it."""

    def __init__(self):
        self.events = queue.Queue()
        self.deaths = []

    def next(self, kind, timeout_s=DEADLINE_S):
        """The next event of a kind; the ones before it are dropped."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            event = self.events.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if isinstance(event, kind):
                return event


def large(seq):
    """An entry of which no socket's buffers hold a window."""
    return Sealed(seq, "rating", HASH, "x" * 500_000)


@contextlib.contextmanager
def connected(broker, ear):
    """One connection without its thread, let in by the broker; and what wakes it."""
    config = UplinkConfig(
        broker=LOOPBACK, port=broker.port, protocol=5, redial_ms=1000, platform_key=None,
        tls_ca=None, tls_certificate=None, tls_key=None,
    )  # fmt: skip
    waker = Waker()
    connection = Connection(config, SOURCE, {}, ear.events.put, DEADLINE_S)
    connection.open()
    while not connection.is_ready:
        connection.turn(waker)
    yield connection, waker
    connection.close()
    waker.close()


def down(ear, step):
    """Why the connection ended, which it did at this step of the way."""
    event = ear.next(BrokerDown)
    assert event.step == step, event
    return event.reason


def taken(ear, count):
    """The numbers of the next entries that the broker took, at least `count`."""
    seqs = []
    while len(seqs) < count:
        event = ear.next(Taken)
        assert event.refused == ""
        seqs += event.seqs
    return seqs


@pytest.fixture
def ear():
    ear = Ear()
    yield ear
    assert ear.deaths == []


@pytest.fixture
def uplink(ear):
    """Makes started uplinks; all are stopped at the end."""
    made = []

    def start(port, protocol=5, **more):
        tls = {name: more.pop(name, None) for name in ("tls_ca", "tls_certificate", "tls_key")}
        config = UplinkConfig(
            broker=more.pop("broker", LOOPBACK), port=port, protocol=protocol,
            redial_ms=more.pop("redial_ms", 120_000), platform_key=None, **tls,
        )  # fmt: skip
        post = more.pop("post", ear.events.put)
        keys = {PLATFORM.kid: PLATFORM.public}
        made.append(Uplink(config, SOURCE, keys, post, ear.deaths.append, **more))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop(DEADLINE_S)
        assert not one.is_alive()


class Closed(Mosquitto):
    """A broker that lets nobody in without a name."""

    def _settings(self):
        return super()._settings().replace(b"allow_anonymous true", b"allow_anonymous false")


@pytest.fixture
def mosquitto():
    with Mosquitto() as broker:
        yield broker


class Platform:
    """Somebody else at the broker: hears everything, says what it is told to."""

    def __init__(self, port):
        self.heard = queue.Queue()
        subscribed = queue.Queue()
        self._client = Client(
            CallbackAPIVersion.VERSION2, "platform", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_message = lambda _client, _data, message: self.heard.put(message)
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.connect(LOOPBACK, port)
        self._client.loop_start()
        self._client.subscribe("hcp/v1/+/+/+/up/+", qos=1)
        subscribed.get(timeout=DEADLINE_S)

    def next(self, topic):
        deadline_s = time.monotonic() + DEADLINE_S
        while True:
            message = self.heard.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if message.topic == topic:
                return message

    def say(self, topic, payload, retain=False):
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(DEADLINE_S)

    def leave(self):
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def platform(mosquitto):
    platform = Platform(mosquitto.port)
    yield platform
    platform.leave()


def receipt(key=PLATFORM, source=SOURCE, epoch=EPOCH, upto=1, hash_=HASH):
    return receipts.make(key, source, epoch, upto, hash_, TIME)


def damaged(text):
    """Receipts somebody tampered with, none of which may count."""
    return [
        re.sub(r'"upto":\d+', '"upto":2', text),
        text.replace(EPOCH, "00000000000000ab"),
        re.sub('"hash":"..', '"hash":"00', text),
        text.replace("/w03", "/w04"),
        text[:-1], text + "}", text.replace("{", '{"upto":2,'), "", "{}", "[]", "null",
        text.upper(), text.encode()[:-9] + b"\xff\xfe\x00" + text.encode()[-6:], "x" * 20_000,
    ]  # fmt: skip


FORGED = [
    receipt(IMPOSTOR),
    receipt(IMPOSTOR).replace(IMPOSTOR.kid, PLATFORM.kid),
    receipt(source=Source("330102", "h01", "w04")),
    *damaged(receipt()),
]


# -- a real broker


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("protocol", [5, 4])
def test_entry_when_published_arrives_and_is_taken(mosquitto, platform, uplink, ear, protocol):
    link = uplink(mosquitto.port, protocol)
    ear.next(BrokerUp)
    for seq in range(1, 101):
        link.publish(entry(seq, "service" if seq % 2 else "rating"))
    for seq in range(1, 101):
        topic = topics.up(SOURCE, "service" if seq % 2 else "rating")
        message = platform.next(topic)
        assert (message.payload.decode(), message.qos) == (f"entry {seq}", 1)
        assert not message.retain
    assert taken(ear, 100) == list(range(1, 101))


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("protocol", [5, 4])
def test_receipt_when_valid_is_believed_and_when_not_is_refused(
    mosquitto, platform, uplink, ear, protocol
):
    platform.say(RECEIPT_TOPIC, receipt(), retain=True)
    uplink(mosquitto.port, protocol)
    ear.next(BrokerUp)
    assert ear.next(ReceiptReceived) == ReceiptReceived(EPOCH, 1, HASH)
    for forged in FORGED:
        platform.say(RECEIPT_TOPIC, forged)
        refused = ear.next((ReceiptReceived, ReceiptRefused))
        assert isinstance(refused, ReceiptRefused), forged
        assert refused.reason.startswith("a receipt was refused: ")
        assert refused.reason.isprintable()
        assert len(refused.reason) < 300
    platform.say(RECEIPT_TOPIC, receipt(upto=7))
    assert ear.next((ReceiptReceived, ReceiptRefused)) == ReceiptReceived(EPOCH, 7, HASH)


@pytest.mark.needs("mosquitto")
def test_ask_when_well_formed_is_passed_on_and_nothing_else_is(mosquitto, platform, uplink, ear):
    uplink(mosquitto.port)
    ear.next(BrokerUp)
    wrong = [
        "", "[]", "{}", '{"epoch":1,"from":1,"upto":2}', '{"epoch":"a","from":true,"upto":2}',
        '{"epoch":"a","from":1.5,"upto":2}', '{"epoch":"a","from":1}', "x" * 5000, b"\xff",
        '{"epoch":"a","from":1,"from":1,"upto":2}', '{"epoch":"a","from":2,"upto":1}',
        '{"epoch":"a","from":0,"upto":2}', '{"epoch":"a","from":1,"upto":9007199254740992}',
    ]  # fmt: skip
    for payload in wrong:
        platform.say(ASK_TOPIC, payload)
    platform.say(topics.down(SOURCE, topics.CONFIG), "{}")
    platform.say(ASK_TOPIC, '{"epoch":"aa","from":3,"upto":9,"later":"more"}')
    assert ear.events.get(timeout=DEADLINE_S) == Asked("aa", 3, 9)


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("protocol", [5, 4])
def test_state_says_online_offline_and_offline_when_killed(
    mosquitto, platform, uplink, ear, protocol
):
    def state():
        return platform.next(STATE_TOPIC).payload

    link = uplink(mosquitto.port, protocol)
    assert state() == b'{"state":"online"}'
    ear.next(BrokerUp)
    link.stop(DEADLINE_S)
    assert state() == b'{"state":"offline"}'
    assert ear.next(BrokerDown).reason == f"broker {LOOPBACK}:{mosquitto.port} was left"


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("protocol", [5, 4])
def test_another_unit_of_the_same_name_is_named_and_stays_named(mosquitto, uplink, ear, protocol):
    for post in (ear.events.put, queue.Queue().put):
        # Short enough for a test: a real unit that is so named waits two minutes at most.
        uplink(mosquitto.port, protocol, post=post, redial_ms=500)
    warnings = [ear.next(BrokerUp).warning for _ in range(12)]
    named = next(warning for warning in warnings if warning is not None)
    # Only a newer mosquitto gives the reason.
    assert named in ((NAMED, SUSPECTED) if protocol == 5 else (SUSPECTED,))
    assert set(warnings[warnings.index(named) :]) <= {NAMED, SUSPECTED}


@pytest.mark.needs("mosquitto")
def test_broker_when_killed_and_back_is_used_again(mosquitto, uplink, ear):
    link = uplink(mosquitto.port)
    ear.next(BrokerUp)
    mosquitto.kill()
    assert "closed the connection" in down(ear, "publish")
    mosquitto.start()
    platform = Platform(mosquitto.port)
    ear.next(BrokerUp)
    link.publish(entry(5))
    assert platform.next(topics.up(SOURCE, "rating")).payload == b"entry 5"
    platform.leave()


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("protocol", [5, 4])
def test_broker_when_it_refuses_us_says_so(uplink, ear, protocol):
    with Closed() as broker:
        uplink(broker.port, protocol)
        sentence = down(ear, "connect")
    refusal = f"refuses this unit (Not authorized): {ADVICE[NOT_AUTHORIZED]}"
    assert sentence == f"broker {LOOPBACK}:{broker.port} {refusal}"


@pytest.mark.needs("mosquitto")
def test_reconnecting_leaks_no_descriptor(mosquitto, uplink, ear):
    def restart():
        mosquitto.kill()
        ear.next(BrokerDown)
        mosquitto.start()
        ear.next(BrokerUp)

    uplink(mosquitto.port)
    ear.next(BrokerUp)
    restart()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        restart()
    assert len(os.listdir("/proc/self/fd")) <= before


# -- no broker


def free_port():
    with socket.create_server((LOOPBACK, 0)) as probe:
        return probe.getsockname()[1]


def test_broker_when_absent_is_said_in_words(uplink, ear):
    port = free_port()
    uplink(port)
    sentence = down(ear, "tcp")
    assert sentence == f"broker {LOOPBACK}:{port} cannot be reached: Connection refused"


@pytest.mark.parametrize("name", ["no-such-host.invalid", "." * 200, "-"])
def test_broker_when_its_name_is_not_known_is_said_in_words(uplink, ear, name):
    uplink(1883, broker=name)
    assert "cannot be reached: " in down(ear, "dns")


@contextlib.contextmanager
def swallower():
    """A host that swallows SYNs: a listener whose backlog is full and who accepts nobody."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=0))
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]


def test_stop_while_connecting_to_a_host_that_swallows_is_in_time(uplink, ear):
    with swallower() as port:
        link = uplink(port, patience_s=1.0)
        link.stop(0.3)
        # Still connecting: whoever stops it did not wait for that.
        assert link.is_alive()
        assert "cannot be reached: timed out" in down(ear, "tcp")


def test_stop_while_waiting_to_try_again_is_at_once(uplink, ear):
    link = uplink(free_port())
    ear.next(BrokerDown)
    link.stop(1.0)
    assert not link.is_alive()
    link.publish(entry(1))


# -- a lying broker


PROTOCOLS = pytest.mark.parametrize("protocol", [5, 4])


@pytest.mark.parametrize(
    ("lies", "step", "said"),
    [
        (
            Lies(suback=0x80),
            "subscribe",
            f"does not let this unit hear its receipts (Unspecified error): {ADVICE_ELSE}",
        ),
        (Lies(connack=None), "connect", "has answered nothing for 0.2 s"),
        (Lies(suback=None), "connect", "has answered nothing for 0.2 s"),
    ],
)
@PROTOCOLS
def test_broker_when_it_does_not_let_us_in_is_said_in_words(
    uplink, ear, lies, step, said, protocol
):
    with LyingBroker(lies) as broker:
        uplink(broker.port, protocol, patience_s=0.2)
        assert down(ear, step) == f"broker {LOOPBACK}:{broker.port} {said}"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (BAD_CLIENT_ID, "Client identifier not valid"),
        (BAD_PASSWORD, "Bad user name or password"),
        (NOT_AUTHORIZED, "Not authorized"),
        (UNAVAILABLE, "Server unavailable"),
    ],
)
@PROTOCOLS
def test_broker_when_it_refuses_the_unit_says_why_and_what_to_do(
    uplink, ear, code, words, protocol
):
    with LyingBroker(Lies(connack=code)) as broker:
        uplink(broker.port, protocol)
        said = ear.next(BrokerDown).reason
    assert said.endswith(f" refuses this unit ({words}): {ADVICE[code]}")


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (5, "refuses this unit (Unsupported protocol version): set [uplink] protocol = 4"),
        (4, "closed the connection (Protocol error): look at [uplink] port and protocol"),
    ],
)
def test_broker_when_it_speaks_another_version_says_so(uplink, ear, protocol, words):
    with LyingBroker(Lies(connack=BAD_VERSION)) as broker:
        uplink(broker.port, protocol)
        assert ear.next(BrokerDown).reason == f"broker {LOOPBACK}:{broker.port} {words}"


def test_broker_when_it_lets_nobody_subscribe_says_what_to_do(uplink, ear):
    with LyingBroker(Lies(suback=NOT_AUTHORIZED)) as broker:
        uplink(broker.port)
        said = ear.next(BrokerDown).reason
    assert said.endswith(f"its receipts (Not authorized): {ADVICE[NOT_AUTHORIZED]}")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (TAKEN_OVER, "Session taken over): another unit uses this one's name"),
        (NOT_AUTHORIZED, "Not authorized): have the platform admit this unit's certificate"),
        (SHUTTING_DOWN, "Server shutting down): wait, the unit calls again by itself"),
        (0x83, "Implementation specific error): show this to the platform"),
    ],
)
def test_broker_when_it_sends_the_unit_away_says_why_and_what_to_do(uplink, ear, code, words):
    with LyingBroker() as broker:
        uplink(broker.port)
        ear.next(BrokerUp)
        broker.send(goodbye(code))
        said = ear.next(BrokerDown).reason
    assert f"closed the connection ({words}" in said


def test_another_unit_when_the_broker_says_so_is_named_the_second_time(uplink, ear):
    with LyingBroker() as broker:
        uplink(broker.port, redial_ms=500)
        for warning in (None, None, NAMED):
            assert ear.next(BrokerUp).warning == warning
            broker.send(goodbye(TAKEN_OVER))


@pytest.mark.parametrize(
    ("end", "welcome"),
    [
        (lambda broker: broker.send(goodbye(TAKEN_OVER)), False),
        (lambda broker: broker.drop(), True),
    ],
    ids=["sent away", "dropped"],
)
def test_only_a_broker_that_did_not_send_us_away_is_called_again_at_once(ear, end, welcome):
    with LyingBroker() as broker, connected(broker, ear) as (connection, waker):
        end(broker)
        while not connection.trouble:
            connection.turn(waker)
    assert connection.was_welcome == welcome


@PROTOCOLS
def test_unit_calls_itself_what_its_certificate_calls_it(uplink, ear, protocol):
    with LyingBroker() as broker:
        uplink(broker.port, protocol)
        ear.next(BrokerUp)
        assert b"\x00\x0e330102/h01/w03" in broker.will


@PROTOCOLS
def test_broker_when_it_acknowledges_nothing_is_left_for_a_new_connection(uplink, ear, protocol):
    with LyingBroker(Lies(puback=SILENT)) as broker:
        link = uplink(broker.port, protocol, patience_s=0.2)
        ear.next(BrokerUp)
        link.publish(entry(1))
        assert "has acknowledged nothing for 0.2 s" in ear.next(BrokerDown).reason
        ear.next(BrokerUp)
        assert broker.connect_count == 2


def test_entry_when_offered_again_unacknowledged_is_sent_once(uplink, ear):
    with LyingBroker(Lies(puback=SILENT)) as broker:
        link = uplink(broker.port)
        ear.next(BrokerUp)
        for seq in (1, 1, 2, 1, 2):
            link.publish(entry(seq))
        link.publish(entry(3))
        sent = []
        while "entry 3" not in sent:
            sent.append(broker.published.get(timeout=DEADLINE_S).payload.decode())
        assert sent == ['{"state":"online"}', "entry 1", "entry 2", "entry 3"]


@pytest.mark.parametrize(
    ("announced", "most"), [(1, 1), (3, 3), (65_535, IN_FLIGHT_MAX), (None, IN_FLIGHT_MAX)]
)
def test_broker_when_it_takes_few_at_a_time_gets_no_more(uplink, ear, announced, most):
    with LyingBroker(Lies(puback=SILENT, receive_maximum=announced)) as broker:
        link = uplink(broker.port, patience_s=0.5)
        ear.next(BrokerUp)
        for seq in range(1, 100):
            link.publish(entry(seq))
        ear.next(BrokerDown)
        rated = [one.payload for one in broker.published.queue if one.qos]
        assert rated == [b"entry %d" % seq for seq in range(1, most + 1)]


def test_broker_when_it_takes_one_at_a_time_gets_all(uplink, ear):
    with LyingBroker(Lies(receive_maximum=1)) as broker:
        link = uplink(broker.port)
        ear.next(BrokerUp)
        for seq in range(1, 101):
            link.publish(entry(seq))
        assert taken(ear, 100) == list(range(1, 101))


def test_live_entry_goes_before_all_that_waits(uplink, ear):
    with LyingBroker(Lies(puback=SILENT, receive_maximum=1)) as broker:
        link = uplink(broker.port)
        ear.next(BrokerUp)
        link.publish(entry(1))
        while broker.published.get(timeout=DEADLINE_S).payload != b"entry 1":
            pass
        for seq in range(2, 100):
            link.publish(entry(seq))
        link.publish(entry(999), live=True)
        for number in range(1, 9):
            # One of them is the first entry's.
            broker.send(packet(PUBACK, number.to_bytes(2, "big")))
        assert broker.published.get(timeout=DEADLINE_S).payload == b"entry 999"


def test_entry_offered_alone_is_sent_at_once(uplink, ear):
    with LyingBroker() as broker:
        link = uplink(broker.port)
        ear.next(BrokerUp)
        begun_s = time.monotonic()
        for seq in range(1, 31):
            link.publish(entry(seq))
            ear.next(Taken)
        # Not even a third of what it would take if each waited for paho's own second.
        assert time.monotonic() - begun_s < 10


def test_broker_when_it_reads_nothing_any_more_holds_nobody_up(uplink, ear):
    with LyingBroker(Lies(puback=SILENT, reads=1)) as broker:
        link = uplink(broker.port, patience_s=1.0)
        ear.next(BrokerUp)
        for seq in range(1, 100):
            link.publish(large(seq))
        assert "has acknowledged nothing for 1 s" in ear.next(BrokerDown).reason


def test_report_to_a_broker_that_does_not_read_is_not_kept(ear):
    with (
        LyingBroker(Lies(puback=SILENT, reads=1)) as broker,
        connected(broker, ear) as (connection, waker),
    ):
        for seq in range(1, IN_FLIGHT_MAX + 1):
            connection.offer(large(seq))
        connection.send()
        for _ in range(100):
            connection.report(b"old")
        broker.read_on()
        while broker.published.qsize() <= IN_FLIGHT_MAX:
            connection.turn(waker)
        connection.report(b"new")
        said = [broker.published.get(timeout=DEADLINE_S) for _ in range(IN_FLIGHT_MAX + 2)]
        assert [one.payload for one in said if one.topic == HEALTH_TOPIC] == [b"new"]


@PROTOCOLS
def test_report_is_said_once_to_a_broker_that_is_there(uplink, ear, protocol):
    with LyingBroker() as broker:
        link = uplink(broker.port, protocol)
        ear.next(BrokerUp)
        link.report(b"the first")
        said = [broker.published.get(timeout=DEADLINE_S) for _ in range(2)][1]
        assert (said.topic, said.payload, said.qos) == (HEALTH_TOPIC, b"the first", 0)
        assert not said.retain
        broker.drop()
        ear.next(BrokerDown)
        link.report(b"to nobody")
        ear.next(BrokerUp)
        link.publish(entry(1))
        ear.next(Taken)
        assert b"to nobody" not in {one.payload for one in broker.published.queue}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            NOT_AUTHORIZED,
            f"the broker refuses entries (Not authorized): {ADVICE[NOT_AUTHORIZED]}",
        ),
        (
            QUOTA_EXCEEDED,
            f"the broker refuses entries (Quota exceeded): {ADVICE[QUOTA_EXCEEDED]}",
        ),
        (0x83, f"the broker refuses entries (Implementation specific error): {ADVICE_ELSE}"),
        (NO_SUBSCRIBERS, ""),
        (0, ""),
    ],
)
def test_entry_when_acknowledged_is_taken_with_the_reason(uplink, ear, code, words):
    with LyingBroker(Lies(puback=code)) as broker:
        link = uplink(broker.port)
        ear.next(BrokerUp)
        link.publish(entry(4))
        assert ear.next(Taken) == Taken((4,), words)


GARBAGE = [
    b"\x00" * 50,
    b"\xff" * 50,
    b"\x30\xff\xff\xff\xff\xff",
    b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3,
    b"\x40\x01\x00",
    b"\x40\x02\x00\x01\x20\x01\x00\x90\x00",
    b"\x30\x04\x00\x02\xff\xfe",
    b"\x32\x05\x00\x01a\x00\x00",
    b"\x90\x00\x20\x00\xb0\x00\x62\x00\x50\x00\x70\x00\xe0\x05\x99\x99\x99\x99\x99",
    publish("$SYS/x", b"", 4) + b"\x30\x02\x00\x09",
]


@pytest.mark.parametrize("garbage", GARBAGE)
@PROTOCOLS
def test_broker_when_it_talks_garbage_never_ends_the_daemon(uplink, ear, garbage, protocol):
    with LyingBroker(Lies(after_subscribe=garbage)) as broker:
        link = uplink(broker.port, protocol)
        ear.next(BrokerUp)
        broker.send(garbage)
        broker.drop()
        assert ear.next(BrokerDown).reason.isprintable()
        assert link.is_alive()


class Wired(Desk):
    """A desk whose entries go out over the real uplink; its core hears what the uplink posts."""

    def __init__(self, ear):
        self.ear = ear
        self.link = None
        super().__init__()

    def _do(self, effect):
        if isinstance(effect, Publish) and self.link is not None:
            self.link.publish(effect.entry, live=effect.live)
            return None
        if isinstance(effect, Report) and self.link is not None:
            self.link.report(effect.payload)
        return super()._do(effect)

    def hear(self, kind):
        """Pass events on to the core up to one of a kind."""
        while True:
            event = self.ear.events.get(timeout=DEADLINE_S)
            self.give(event)
            if isinstance(event, kind):
                return event

    def uplink_view(self):
        return self.core.snapshot(self.now_ms).uplink


def lies_of(desk, puback, forged):
    """A broker that acknowledges so and then tells the unit all of these."""
    return Lies(puback=puback, after_publish=lambda one: forged(desk) if one.qos else ())


def replayed(desk):
    """Receipts that were true once or elsewhere, and invented ones."""
    first, last = desk.journal.entries[0], desk.journal.entries[-1]
    epoch = desk.journal.restored.epoch
    texts = [
        receipt(epoch="00000000000000bb", upto=last.seq, hash_=last.hash),
        receipt(epoch=epoch, upto=last.seq, hash_=HASH),
        receipt(epoch=epoch, upto=last.seq + 1000, hash_=last.hash),
        receipt(IMPOSTOR, epoch=epoch, upto=last.seq, hash_=last.hash),
        receipt(source=Source("330102", "h01", "w04"), epoch=epoch, upto=1, hash_=first.hash),
        *damaged(receipt(epoch=epoch, upto=first.seq, hash_=first.hash)),
    ]
    return [(RECEIPT_TOPIC, text.encode() if isinstance(text, str) else text) for text in texts]


@pytest.mark.promise
@pytest.mark.parametrize(
    ("puback", "forged"),
    [
        (0, lambda _desk: ()),
        (NO_SUBSCRIBERS, lambda _desk: ()),
        (NOT_AUTHORIZED, lambda _desk: ()),
        (QUOTA_EXCEEDED, lambda _desk: ()),
        (0, replayed),
        (SILENT, replayed),
    ],
    ids=["drops", "nobody", "refuses", "full", "replays", "silent"],
)
@PROTOCOLS
def test_entries_when_the_broker_lies_are_never_delivered(
    uplink, ear, puback, forged, protocol, promise, scale
):
    desk = Wired(ear)
    with LyingBroker(lies_of(desk, puback, forged)) as broker:
        desk.link = uplink(broker.port, protocol)
        desk.hear(BrokerUp)
        for number in range(1, 10 * min(20, scale) + 1):
            desk.say("called", ticket=f"A{number}", ticketSerial=f"S{number}")
            desk.say("completed", projectNo=f"P{number}", serviceNumber=1)
            desk.press(number % 5 + 1)
            desk.run(4_000)
        for _ in range(2):
            # What has no receipt is sent again, and still counts for nothing.
            desk.run(11_000)
            while broker.published.qsize() < 8:
                desk.give(ear.events.get(timeout=DEADLINE_S))
        count = len(desk.journal.entries)
        awaited = ReceiptRefused if forged is replayed else Taken
        desk.hear(awaited)
        while not ear.events.empty():
            desk.give(ear.events.get())
        view = desk.uplink_view()
        assert (view.backlog, view.receipts_refused > 0) == (count, forged is replayed)
        if puback in (NOT_AUTHORIZED, QUOTA_EXCEEDED) and protocol == 5:
            assert "refuses entries" in view.trouble
        promise("A4", "entries given to brokers that lie", count, view.delivered)


@PROTOCOLS
def test_entries_when_the_platform_receipts_them_are_delivered(uplink, ear, protocol):
    def true_receipt(published):
        if not published.qos:
            return
        last = next(one for one in desk.journal.entries if one.text.encode() == published.payload)
        epoch = desk.journal.restored.epoch
        text = receipt(epoch=epoch, upto=last.seq, hash_=last.hash)
        yield RECEIPT_TOPIC, text.encode()

    desk = Wired(ear)
    with LyingBroker(Lies(after_publish=true_receipt)) as broker:
        desk.link = uplink(broker.port, protocol)
        desk.hear(BrokerUp)
        desk.say("called", ticket="A1")
        desk.say("completed", projectNo="P1")
        while desk.uplink_view().backlog:
            desk.hear(ReceiptReceived)
        assert desk.uplink_view().delivered == len(desk.journal.entries)


# -- TLS

# paho leaves the socket of a failed handshake to the garbage collector.
FAILED_HANDSHAKE = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


def certificate(folder, name, **days):
    """A certificate that signs itself, and its key."""
    authority = Authority(folder, name, **days)
    return authority.certificate, authority.key


def server_side(pem, key, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


@PROTOCOLS
def test_tls_with_certificates_on_both_sides_carries_entries(tmp_path, uplink, ear, protocol):
    ca, ca_key = certificate(tmp_path, "broker")
    unit, unit_key = certificate(tmp_path, "w03")
    with LyingBroker(tls=server_side(ca, ca_key, unit)) as broker:
        link = uplink(broker.port, protocol, tls_ca=ca, tls_certificate=unit, tls_key=unit_key)
        ear.next(BrokerUp)
        for seq in range(1, 51):
            link.publish(entry(seq))
        assert taken(ear, 50) == list(range(1, 51))


TO_TIME_SERVER = "and no time server has set it: let the unit reach its time server"


@FAILED_HANDSHAKE
@pytest.mark.promise
@pytest.mark.parametrize(
    ("is_set", "advice"),
    [
        (False, TO_TIME_SERVER),
        (True, "UTC, and that is sure: have the platform renew the broker's certificate"),
    ],
)
@pytest.mark.parametrize(
    ("days", "words"),
    [((-9, -2), "certificate has expired"), ((2, 9), "certificate is not yet valid")],
)
def test_tls_when_the_clock_and_the_certificate_disagree_names_the_clock(
    tmp_path, uplink, ear, days, words, is_set, advice, promise
):
    ca, key = certificate(tmp_path, "broker", days=days)
    with LyingBroker(tls=server_side(ca, key)) as broker:
        uplink(broker.port, tls_ca=ca, is_clock_set=lambda: is_set)
        said = down(ear, "tls")
    assert f"shows a certificate that is not good: {words}; this unit's clock says 20" in said
    assert advice in said
    promise("D2", f"offline because the {words}", 1)


@FAILED_HANDSHAKE
@pytest.mark.needs("mosquitto")
@pytest.mark.promise
@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((-9, -2), "this unit's certificate has expired; this unit's clock says 20"),
        ((2, 9), "this unit's certificate is not yet valid; this unit's clock says 20"),
    ],
)
def test_own_certificate_when_the_broker_closes_without_a_word_is_named_with_the_clock(
    tmp_path, uplink, ear, days, words, promise
):
    said = turned_away(tmp_path, uplink, ear, days)
    assert f"closed the connection before it let this unit in: {words}" in said
    assert TO_TIME_SERVER in said
    promise("D2", f"offline because {words.partition(';')[0]}", 1)


@FAILED_HANDSHAKE
@pytest.mark.needs("mosquitto")
def test_own_certificate_when_it_holds_and_the_broker_closes_is_for_the_platform(
    tmp_path, uplink, ear
):
    said = turned_away(tmp_path, uplink, ear, (-1, 1), authority="another's")
    assert said.endswith("before it let this unit in: have the platform look at its certificate")


def turned_away(folder, uplink, ear, days, authority="units"):
    """What the unit says when the shipped broker does not like its certificate."""
    units, platform = Authority(folder, "units"), Authority(folder, "platform")
    issuer = units if authority == "units" else Authority(folder, authority)
    unit = issuer.issue(str(SOURCE)[1:], days=days)
    with ShippedMosquitto(folder / "broker", units, platform) as broker:
        link = uplink(
            broker.port,
            tls_ca=platform.certificate,
            tls_certificate=unit.certificate,
            tls_key=unit.key,
            is_clock_set=lambda: False,
        )
        reason = down(ear, "tls")
        assert link.certificate == life(unit.certificate.read_bytes())
        return reason


@FAILED_HANDSHAKE
def test_tls_when_another_authority_signed_says_why(tmp_path, uplink, ear):
    theirs, key = certificate(tmp_path, "theirs")
    ours, _ = certificate(tmp_path, "ours")
    with LyingBroker(tls=server_side(theirs, key)) as broker:
        uplink(broker.port, tls_ca=ours)
        assert "not good: self-signed certificate" in down(ear, "tls")


@FAILED_HANDSHAKE
def test_tls_when_the_broker_speaks_none_says_why(tmp_path, uplink, ear):
    ca, _ = certificate(tmp_path, "broker")
    with LyingBroker() as broker:
        uplink(broker.port, tls_ca=ca, patience_s=0.2)
        broker.drop()
        assert "cannot be reached: " in down(ear, "tls")


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
@pytest.mark.parametrize("which", ["tls_ca", "tls_key"])
def test_tls_when_a_file_cannot_be_used_says_so(tmp_path, uplink, ear, content, which):
    pem, key = certificate(tmp_path, "unit")
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_bytes(content)
    files = {"tls_ca": pem, "tls_certificate": pem, "tls_key": key} | {which: bad}
    uplink(free_port(), **files)
    assert "the TLS files of [uplink] cannot be used: " in down(ear, "files")


# -- the inbox


def test_inbox_when_flooded_keeps_what_cannot_be_said_again():
    inbox = Inbox()
    for seq in range(2 * LOSSY_LEN_MAX):
        inbox.post(ReceiptRefused("no"))
        inbox.post(ReceiptReceived(EPOCH, seq, HASH))
        inbox.post(Asked(EPOCH, 1, 2))
    inbox.post(Taken((1,), ""))
    inbox.post(BrokerDown("gone"))
    events = inbox.take()
    assert len(events) == LOSSY_LEN_MAX + 2
    assert events[-2:] == [Taken((1,), ""), BrokerDown("gone")]
    assert inbox.lost_count == 5 * LOSSY_LEN_MAX
    assert inbox.take() == []
    inbox.waker.close()


def test_waker_when_full_or_closed_still_wakes_nobody_up_in_error():
    waker = Waker()
    for _ in range(5_000):
        waker.wake()
    waker.drain()
    waker.close()
    waker.wake()
