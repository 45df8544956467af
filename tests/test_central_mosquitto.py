"""The broker as shipped: a unit speaks and hears for itself alone, until it may not at all."""

import contextlib
import queue
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from central.broker import RECEIVE_COUNT_MAX
from daemon.config.uplink import Uplink as UplinkConfig
from daemon.events import BrokerDown, BrokerUp, Event, Sealed
from daemon.net.uplink import Uplink
from protocol.central import topics
from protocol.central.entry import TEXT_LEN_MAX, Source
from sim.authority import LOOPBACK, Authority, Identity
from sim.brokers import SHIPPED, ShippedMosquitto

pytestmark = [
    pytest.mark.needs("mosquitto"),
    pytest.mark.needs("mosquitto_pub"),
    # paho leaves the socket of a failed handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]

DEADLINE_S = 10.0
UNIT, VICTIM = "330102/h01/w03", "330102/h01/w04"
# Certificates the units' authority might be talked into; each is tried against VICTIM.
NAMES = (
    UNIT,
    "330102/h02/w04",  # the same name in another hall
    "330103/h01/w04",
    "330102/h01/w0",
    "330102/h01/w04x",
    "330102/h01",
    "330102",
    f"{VICTIM}/up",
    f"{VICTIM}/down",
    f"{VICTIM}/",
    f"/{VICTIM}",
    "+",
    "#",
    "330102/+/w04",
    "330102/h01/+",
    "330102/#",
    "+/+/+",
    "%u",
    "%c",
    "$SYS",
    "$share/central",
    "rules",
)
FOREIGN = (
    *(topics.up(Source(*VICTIM.split("/")), name) for name in topics.UP_NAMES),
    *(topics.down(Source(*VICTIM.split("/")), name) for name in topics.DOWN_NAMES),
    f"hcp/v1/{VICTIM}/alarm/fork",
    f"hcp/v1/{VICTIM}/up",
    f"hcp/v1/{VICTIM}/up/up/rating",
    f"hcp/v1/{VICTIM}/down/up/rating",
    "hcp/v1/330102/h02/w09/up/rating",
    "hcp/v1/330102/h01/up/rating",
    "hcp/v1/330102/up/rating",
    "hcp/v1/up/rating",
    "hcp/v1//up/rating",
    "$SYS/broker/uptime",
)
OWN = (
    *(f"hcp/v1/{UNIT}/{way}" for way in ("down/receipt", "down/ask", "alarm/fork")),
    f"hcp/v1/{UNIT}/up/anything",
)
FILTERS = (
    f"hcp/v1/{VICTIM}/down/receipt",
    f"hcp/v1/{VICTIM}/down/+",
    f"hcp/v1/{VICTIM}/#",
    "hcp/v1/+/+/+/down/+",
    "hcp/v1/+/+/+/up/+",
    "hcp/v1/+/+/+/alarm/+",
    "hcp/v1/#",
    "+/+/+/+/+/+/+",
    "#",
    "$SYS/#",
    "$share/central/hcp/v1/+/+/+/up/+",
    "$share/mine/hcp/v1/+/+/+/down/+",
)


class Peer:
    """One client of the broker: what it is told, and what became of what it said."""

    def __init__(
        self,
        port: int,
        ca: Path,
        identity: Identity | None,
        *,
        protocol: int = 5,
        client_id: str = "somebody",
        will: str | None = None,
        tls: bool = True,
    ) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._said: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion(protocol),
            reconnect_on_failure=False,
        )
        if tls:
            pair = (str(identity.certificate), str(identity.key)) if identity else (None, None)
            client.tls_set(str(ca), *pair)
        if will is not None:
            client.will_set(will, b"will", qos=1)
        client.on_socket_open = _send_at_once
        client.on_connect = lambda _c, _d, _f, reason, _p: self._said.put(("connack", reason))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: self._said.put(("gone", reason))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._said.put(("suback", reasons))
        client.on_publish = lambda _c, _d, mid, reason, _p: self._said.put(("puback", reason))
        client.on_message = lambda _c, _d, message: self.heard.put(
            (message.topic, bytes(message.payload))
        )
        try:
            client.connect(LOOPBACK, port)
        except OSError as error:
            self._said.put(("gone", error))
        else:
            client.loop_start()
        what, reason = self._next()
        self.is_in = what == "connack" and not reason.is_failure
        if not self.is_in:
            client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> str:
        """Say it and wait for what becomes of it: "puback", or "gone"."""
        self._client.publish(topic, payload, qos, retain)
        what, _ = self._next()
        return what

    def subscribe(self, *filters: str) -> None:
        self._client.subscribe([(one, 1) for one in filters])
        assert self._next()[0] == "suback"

    def take_heard(self) -> list[tuple[str, bytes]]:
        """What came so far."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.heard.get_nowait())
        return found

    def is_thrown_out(self) -> bool:
        return self._next()[0] == "gone"

    def leave(self, *, rudely: bool = False) -> None:
        connection: Any = self._client.socket()
        if rudely and connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
        self._client.disconnect()
        self._client.loop_stop()

    def _next(self) -> tuple[str, Any]:
        return self._said.get(timeout=DEADLINE_S)


def _send_at_once(_client: Client, _data: object, connection: Any) -> None:
    # Without it the acknowledgement of a small packet takes 40 ms.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Standing(NamedTuple):
    """The one that must not be disturbed: a real uplink, and what it posted."""

    link: Uplink
    events: "queue.Queue[Event]"


class Hall:
    """A shipped broker with a platform that hears everything and a unit that is always there."""

    def __init__(self, folder: Path) -> None:
        self.units, self.platform = Authority(folder, "units"), Authority(folder, "platform")
        self.broker = ShippedMosquitto(folder / "b", self.units, self.platform)
        self._made: dict[str, Identity] = {}
        self._marker = 0

    def start(self) -> None:
        self.broker.start()
        try:
            self.central = self.at_platform("central")
            self.central.subscribe("#")
            self.monitor = self.at_platform("monitor")
            self.victim = self.uplink(VICTIM)
        except BaseException:
            self.broker.stop()
            raise

    def stop(self) -> None:
        self.victim.link.stop(DEADLINE_S)
        for one in (self.central, self.monitor):
            one.leave()
        self.broker.stop()

    def identity(self, name: str) -> Identity:
        """The unit's certificate; the same one each time."""
        if name not in self._made:
            self._made[name] = self.units.issue(name)
        return self._made[name]

    def peer(self, identity: Identity | None, **more: Any) -> Peer:
        return Peer(self.broker.port, self.platform.certificate, identity, **more)

    def at_platform(self, role: str) -> Peer:
        identity = self.platform.issue(role)
        port, ca = self.broker.platform_port, self.platform.certificate
        found = Peer(port, ca, identity, client_id=role)
        assert found.is_in
        return found

    def uplink(self, name: str, protocol: int = 5) -> Standing:
        """A real unit's uplink, up."""
        identity, events = self.identity(name), queue.Queue[Event]()
        config = UplinkConfig(
            broker=LOOPBACK, port=self.broker.port, protocol=protocol, redial_ms=1_000,
            platform_key=Path("unused"), tls_ca=self.platform.certificate,
            tls_certificate=identity.certificate, tls_key=identity.key,
        )  # fmt: skip
        link = Uplink(config, Source(*name.split("/")), {}, events.put, events.put)
        link.start()
        assert events.get(timeout=DEADLINE_S) == BrokerUp()
        return Standing(link, events)

    def fence(self) -> list[tuple[str, bytes]]:
        """What the platform heard up to a new entry of the victim, which it does hear."""
        self._marker += 1
        text = f"entry {self._marker}"
        self.victim.link.publish(Sealed(self._marker, "rating", "", text))
        marker, heard = (f"hcp/v1/{VICTIM}/up/rating", text.encode()), []
        while True:
            found = self.central.heard.get(timeout=DEADLINE_S)
            if found == marker:
                return heard
            heard.append(found)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        assert self.central.publish(topic, payload, retain=retain) == "puback"

    def is_victim_undisturbed(self) -> bool:
        self.fence()
        return not any(isinstance(event, BrokerDown) for event in self.victim.events.queue)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path)
    hall.start()
    yield hall
    hall.stop()


# -- each attempt: how many bad of how many


def foreign_words(hall: Hall, name: str, protocol: int) -> tuple[int, int]:
    """Publish where another is at home: nothing of it may reach the platform or the other unit."""
    hall.fence()
    own = f"hcp/v1/{name}/"
    tried = [one for one in (*FOREIGN, *OWN) if not (one.startswith(own) and one not in OWN)]
    intruder = hall.peer(hall.identity(name), protocol=protocol)
    assert intruder.is_in
    for topic in tried:
        for retain in (False, True):
            assert intruder.publish(topic, b"forged", retain=retain) == "puback"
    intruder.leave()
    heard = [one for one in hall.fence() if one[1] == b"forged"]
    late = hall.at_platform("rules")
    late.subscribe("#", "$SYS/#")
    late.publish("nothing", b"")
    kept = [one for one in late.take_heard() if one[1] == b"forged"]
    late.leave()
    return 2 * len(tried), len(heard) + len(kept)


def foreign_last_words(hall: Hall, name: str, protocol: int) -> tuple[int, int]:
    """Leave a last will where another is at home, and vanish."""
    hall.fence()
    for topic in FOREIGN[:2]:
        identity = hall.identity(name)
        hall.peer(identity, protocol=protocol, will=topic).leave(rudely=True)
        # Its next connection ends the one before at the latest, which sends the will.
        hall.peer(identity, protocol=protocol).leave()
    return 2, len([one for one in hall.fence() if one[1] == b"will"])


def foreign_ears(hall: Hall, name: str, protocol: int) -> tuple[int, int]:
    """Subscribe to what others are told and say; one by one, so that each is alone to blame."""
    receipt = f"hcp/v1/{VICTIM}/down/receipt"
    hall.say(receipt, b"kept", retain=True)
    bad = 0
    intruder = hall.peer(hall.identity(name), protocol=protocol)
    for one in FILTERS:
        intruder.subscribe(one)
        hall.say(receipt, b"live")
        hall.say(f"hcp/v1/{VICTIM}/alarm/fork", b"live")
        hall.fence()
        # The broker works in order: what it wants to tell has come before this answer.
        assert intruder.publish("nothing", b"") == "puback"
        bad += bool(intruder.take_heard())
    intruder.leave()
    return len(FILTERS), bad


def foreign_client_ids(hall: Hall, name: str, protocol: int) -> tuple[int, int]:
    """Call oneself like another, to take its session over."""
    bad = 0
    for client_id in (VICTIM, "central", "monitor"):
        intruder = hall.peer(hall.identity(name), protocol=protocol, client_id=client_id)
        assert intruder.is_in
        intruder.leave()
        assert hall.monitor.publish("nothing", b"") == "puback"
        bad += not hall.is_victim_undisturbed()
    return 3, bad


def strangers(hall: Hall, protocol: int) -> Iterable[Callable[[], bool]]:
    """Whoever must not even get in; each says whether it did."""
    units, other = hall.units, Authority(hall.broker.folder.parent, f"units of {protocol}")
    revoked = units.issue(UNIT)
    assert hall.broker.revoke(units.revoke(revoked), UNIT).returncode == 0
    certificates = {
        "none": None,
        "expired": units.issue(UNIT, days=(-9, -2)),
        "not yet valid": units.issue(UNIT, days=(2, 9)),
        "another authority's": other.issue(UNIT),
        "its own": Identity(UNIT, other.certificate, other.key, 0),
        "revoked": revoked,
        "nameless": units.issue(""),
        "the platform's": hall.platform.issue("central"),
        "the platform's for a unit": hall.platform.issue(UNIT),
    }
    for identity in certificates.values():
        yield lambda one=identity: hall.peer(one, protocol=protocol).is_in
    yield lambda: hall.peer(None, protocol=protocol, tls=False).is_in
    ca, port = hall.platform.certificate, hall.broker.platform_port
    for name in (UNIT, "central", "rules", "monitor"):
        identity = hall.identity(name)
        yield lambda one=identity: Peer(port, ca, one, protocol=protocol).is_in
    yield lambda: Peer(port, ca, None, protocol=protocol, tls=False).is_in
    yield lambda: Peer(port, ca, None, protocol=protocol).is_in


def oversized(hall: Hall, protocol: int) -> tuple[int, int]:
    """Send more than an entry can be: the sender is out, and nobody else."""
    hall.fence()
    intruder = hall.peer(hall.identity(UNIT), protocol=protocol)
    went = intruder.publish(f"hcp/v1/{UNIT}/up/rating", bytes(TEXT_LEN_MAX + 2048))
    intruder.leave()
    return 1, len(hall.fence()) + (went != "gone")


PROTOCOLS = pytest.mark.parametrize("protocol", [5, 4])
WHAT = "attempts to speak or hear beyond one's own unit"


@pytest.mark.promise
@PROTOCOLS
@pytest.mark.parametrize(
    "attempt", [foreign_words, foreign_last_words, foreign_ears, foreign_client_ids]
)
def test_unit_when_it_reaches_beyond_itself_gains_nothing(
    hall: Hall, attempt: Callable[..., tuple[int, int]], protocol: int, promise: Callable[..., None]
) -> None:
    rows = [attempt(hall, name, protocol) for name in NAMES]
    assert hall.is_victim_undisturbed()
    promise("E2", WHAT, sum(tried for tried, _ in rows), sum(bad for _, bad in rows))


@pytest.mark.promise
@PROTOCOLS
def test_stranger_when_it_calls_is_not_let_in(
    hall: Hall, protocol: int, promise: Callable[..., None]
) -> None:
    results = [is_in() for is_in in strangers(hall, protocol)]
    assert hall.is_victim_undisturbed()
    promise("E2", WHAT, len(results), sum(results))


@pytest.mark.promise
@PROTOCOLS
def test_packet_when_too_long_ends_its_sender_alone(
    hall: Hall, protocol: int, promise: Callable[..., None]
) -> None:
    tried, bad = oversized(hall, protocol)
    assert hall.is_victim_undisturbed()
    promise("E2", WHAT, tried, bad)


@PROTOCOLS
def test_unit_when_it_speaks_for_itself_is_heard_and_told(hall: Hall, protocol: int) -> None:
    source = Source(*UNIT.split("/"))
    unit = hall.peer(hall.identity(UNIT), protocol=protocol)
    unit.subscribe(topics.every_down(source))
    hall.fence()
    for name in topics.UP_NAMES:
        assert unit.publish(topics.up(source, name), bytes(TEXT_LEN_MAX)) == "puback"
    heard = hall.fence()
    assert heard == [(topics.up(source, name), bytes(TEXT_LEN_MAX)) for name in topics.UP_NAMES]
    for name in topics.DOWN_NAMES:
        hall.say(topics.down(source, name), bytes(TEXT_LEN_MAX))
        found = unit.heard.get(timeout=DEADLINE_S)
        assert found == (topics.down(source, name), bytes(TEXT_LEN_MAX))
    unit.leave()


@pytest.mark.parametrize("attempt", [foreign_words, foreign_last_words, foreign_ears])
def test_broker_when_it_lets_everything_pass_is_found_out(
    tmp_path: Path, attempt: Callable[..., tuple[int, int]]
) -> None:
    hall = Hall(tmp_path)
    (hall.broker.folder / "unit.acl").write_text("pattern readwrite #\npattern readwrite $SYS/#\n")
    (hall.broker.folder / "platform.acl").write_text("pattern readwrite #\n")
    hall.start()
    tried, bad = attempt(hall, UNIT, 5)
    hall.stop()
    assert bad > tried // 2


def test_central_when_it_speaks_in_a_role_that_only_looks_is_not_heard(hall: Hall) -> None:
    hall.fence()
    rules = hall.at_platform("rules")
    for topic in FOREIGN:
        rules.publish(topic, b"forged")
    rules.leave()
    assert hall.fence() == []


# -- revocation


class Session(NamedTuple):
    """One TLS connection and what came of it."""

    connection: ssl.SSLSocket
    is_resumed: bool
    is_in: bool


def connected(
    hall: Hall, context: ssl.SSLContext, identity: Identity, before: Session | None = None
) -> Session:
    """Connect, by the TLS session of before if there is one: no certificate is asked for then."""
    context.load_cert_chain(identity.certificate, identity.key)
    plain = socket.create_connection((LOOPBACK, hall.broker.port), timeout=DEADLINE_S)
    connection = context.wrap_socket(
        plain,
        server_hostname=LOOPBACK,
        session=before and before.connection.session,
        do_handshake_on_connect=False,
    )
    answer = b""
    with contextlib.suppress(OSError):
        connection.do_handshake()
        # CONNECT, MQTT 3.1.1, clean session, keep-alive 30 s, client id "q".
        connection.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01q")
        answer = connection.recv(4)
    return Session(connection, bool(connection.session_reused), answer == b"\x20\x02\x00\x00")


def client_context(hall: Hall) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(hall.platform.certificate))


def test_unit_when_revoked_is_out_at_once_and_all_others_stay(hall: Hall) -> None:
    identity = hall.identity(UNIT)
    unit = hall.uplink(UNIT)
    other = connected(hall, client_context(hall), hall.identity("330102/h01/w05"))
    assert other.is_in
    hall.fence()
    done = hall.broker.revoke(hall.units.revoke(identity), UNIT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"\nrevoke: {UNIT} is out\n")
    down = unit.events.get(timeout=DEADLINE_S)
    assert isinstance(down, BrokerDown)
    # Its last will is the broker's word for it.
    assert hall.fence() == [(f"hcp/v1/{UNIT}/up/state", b'{"state":"offline"}')]
    assert isinstance(unit.events.get(timeout=DEADLINE_S), BrokerDown)
    unit.link.stop(DEADLINE_S)
    assert not hall.peer(identity).is_in
    assert hall.is_victim_undisturbed()
    with other.connection as line:
        line.sendall(b"\xc0\x00")  # PINGREQ
        assert line.recv(2) == b"\xd0\x00"
    # What the access lists say holds as before the reload.
    _, bad = foreign_words(hall, "330102/h01/w05", 5)
    assert bad == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_unit_when_revoked_cannot_come_back_by_its_old_tls_session(
    hall: Hall, version: ssl.TLSVersion
) -> None:
    identity, context = hall.identity(UNIT), client_context(hall)
    context.minimum_version = context.maximum_version = version
    first = connected(hall, context, identity)
    second = connected(hall, context, identity, first)
    # Else the test would prove nothing.
    assert (first.is_in, second.is_resumed, second.is_in) == (True, True, True)
    assert hall.broker.revoke(hall.units.revoke(identity), UNIT).returncode == 0
    third = connected(hall, context, identity, first)
    assert not third.is_in
    for one in (first, second, third):
        one.connection.close()


def test_revoke_when_run_again_or_for_nobody_does_no_harm(hall: Hall) -> None:
    new = hall.units.revoke(hall.identity(UNIT))
    for _ in range(2):
        assert hall.broker.revoke(new, UNIT).returncode == 0
    assert hall.broker.crl.read_bytes() == new.read_bytes()
    assert hall.is_victim_undisturbed()


def test_revoke_when_something_is_wrong_says_so_and_changes_nothing(
    hall: Hall, tmp_path: Path
) -> None:
    new = hall.units.revoke(hall.identity(UNIT))
    before = hall.broker.crl.read_bytes()
    for name in ("", "w03", "a/b", "a/b/c/d", "/b/c", "a//c", "a/b/", "a/b/+"):
        done = hall.broker.revoke(new, UNIT, name)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"revoke: {name} is not <area>/<hall>/<unit>\n"
    assert hall.broker.crl.read_bytes() == before
    assert hall.is_victim_undisturbed()
    hall.broker.kill()
    done = hall.broker.revoke(new, UNIT)
    assert "the broker does not run here" in done.stderr
    hall.broker.start()


def test_unit_when_enrolled_later_needs_no_change_of_any_file_of_the_broker(hall: Hall) -> None:
    name = "330103/h09/w77"
    before = {path.name: path.read_bytes() for path in hall.broker.folder.glob("*.*[!gk]")}
    assert {"mosquitto.conf", "unit.acl", "unit-ca.pem", "unit.crl"} <= before.keys()
    unit = hall.peer(hall.units.issue(name))
    unit.subscribe(f"hcp/v1/{name}/down/+")
    hall.fence()
    assert unit.publish(f"hcp/v1/{name}/up/rating", b"first") == "puback"
    assert hall.fence() == [(f"hcp/v1/{name}/up/rating", b"first")]
    hall.say(f"hcp/v1/{name}/down/receipt", b"receipt")
    assert unit.heard.get(timeout=DEADLINE_S) == (f"hcp/v1/{name}/down/receipt", b"receipt")
    unit.leave()
    assert before == {name: (hall.broker.folder / name).read_bytes() for name in before}


# -- the files


def settings(name: str) -> list[list[str]]:
    lines = (SHIPPED / name).read_text("utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_access_list_of_units_names_what_the_contract_has() -> None:
    source = Source("a", "h", "u")
    up = [["pattern", "write", topics.up(source, name)] for name in topics.UP_NAMES]
    down = [["pattern", "read", topics.down(source, name)] for name in topics.DOWN_NAMES]
    found = [[*words[:2], words[2].replace("%u", "a/h/u")] for words in settings("unit.acl")]
    assert sorted(found) == sorted(up + down)


def test_limits_fit_what_both_ends_send() -> None:
    limits = {words[0]: words[1] for words in settings("mosquitto.conf")}
    longest = len(topics.up(Source(*["x" * 32] * 3), "correction"))
    assert int(limits["max_packet_size"]) > TEXT_LEN_MAX + longest
    assert int(limits["max_inflight_messages"]) >= RECEIVE_COUNT_MAX
    assert {words[1] for words in settings("mosquitto.conf") if words[0] == "log_type"} == {
        "error", "warning", "notice",
    }  # fmt: skip


def test_log_shows_who_came_and_nothing_that_was_said(hall: Hall) -> None:
    foreign_words(hall, UNIT, 5)
    hall.fence()
    said = hall.broker.log.read_text("utf-8")
    assert f"as {UNIT} " in said
    assert "forged" not in said
    assert "entry" not in said
