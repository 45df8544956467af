"""One connection to the broker (the only import of paho), from its opening to its trouble.

Callbacks only turn what arrived into events. paho is used as a pipe: it gets no more entries than
it may send at once, so it queues nothing. What may be under way beyond the broker's own
acknowledgements is the outbox's window, not this one.
"""

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes

# Where it has been in every 2.x; paho.mqtt has one of the same name that 2.1 does not raise here.
from paho.mqtt.properties import MQTTException, Properties  # type: ignore[attr-defined]
from paho.mqtt.reasoncodes import ReasonCode

from daemon.config.uplink import Uplink as UplinkConfig
from daemon.events import BrokerUp, Event, Sealed, Taken
from daemon.inbox import Waker
from daemon.net import down
from daemon.net.certificate import Life, life
from daemon.snapshot import CONNECT, DNS, FILES, PUBLISH, SUBSCRIBE, TCP, TLS
from protocol.central import topics
from protocol.central.canonical import canonical
from protocol.central.entry import Source
from protocol.central.signing import VerifyKey

CONNECT_S = 5.0
KEEPALIVE_S = 30
# paho wants to look at its keep-alive about once a second.
MISC_S = 1.0
# Entries the broker has not acknowledged: 32 x 1 KB hide a 10 ms round trip at 3 200 entries/s.
IN_FLIGHT_MAX = 32
# The longest thing the platform has to say to a unit is a configuration.
DOWN_LEN_MAX = 64 * 1024
# What paho raises at bytes that are no MQTT: not our bug, and not the end of the daemon.
MALFORMED = (MQTTException, struct.error, ValueError, LookupError)
# The reason code of a connection that another client of our name got.
TAKEN_OVER = 0x8E
# What a technician does about a reason code of MQTT 5; the codes of 3.1.1 are told as these.
ADVICE = {
    0x82: "look at [uplink] port and protocol",
    0x84: "set [uplink] protocol = 4",
    0x85: "the broker must take the client id area/hall/unit, the name in the certificate",
    0x86: "the broker must let units in by their certificate, without a password",
    0x87: "have the platform admit this unit's certificate, and let it use its own topics",
    0x88: "wait, the unit calls again by itself",
    0x89: "wait, the unit calls again by itself",
    0x8A: "ask the platform why it banned this unit",
    0x8B: "wait, the unit calls again by itself",
    0x8D: "look at the network: what the unit says arrives too late",
    TAKEN_OVER: "another unit uses this one's name: look for a cloned card",
    0x95: "the broker must take packets of 64 KiB",
    0x97: "have the platform raise the broker's quota",
    0x98: "ask the platform why",
    0x9A: "the broker must keep retained messages",
    0x9B: "the broker must speak QoS 1",
    0x9C: "set [uplink] broker to where the platform has moved",
    0x9D: "set [uplink] broker to where the platform has moved",
    0x9F: "wait, the unit calls again by itself",
    0xA2: "the broker must let this unit subscribe with a +",
}
ADVICE_ELSE = "show this to the platform"
UNSPECIFIED = 0x80
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED: the clock's word.
OF_TIME = (9, 10)


_Name = tuple[int, str]


class Connection:
    """One connection, from its opening to the `trouble` that ended it."""

    def __init__(
        self,
        config: UplinkConfig,
        source: Source,
        keys: Mapping[str, VerifyKey],
        post: Callable[[Event], None],
        patience_s: float,
        is_clock_set: Callable[[], bool] = lambda: True,
        warning: str | None = None,
    ) -> None:
        """is_clock_set: whether a time server vouches for the machine's clock."""
        self._config, self._source, self._keys, self._post = config, source, keys, post
        self._patience_s, self._is_clock_set = patience_s, is_clock_set
        self._warning = warning
        self._client: mqtt.Client | None = None
        # By number and hash, so that an entry the outbox offers again while it is here is not sent
        # twice, and one of an epoch before is not taken for its namesake. The outbox bounds them.
        self._live: dict[_Name, Sealed] = {}
        self._waiting: dict[_Name, Sealed] = {}
        self._in_flight: dict[_Name, float] = {}
        self._numbers: dict[int, Sealed] = {}
        self._in_flight_max = IN_FLIGHT_MAX
        self._taken: dict[str, list[int]] = {}
        self._opened_s = time.monotonic()
        self._sent_away = False
        self.taken_over = False
        self.ready_at_s: float | None = None
        self.trouble = ""
        # Of a connection that has trouble: where the way is broken, a word of snapshot.STEPS.
        self.step: str | None = None
        self.certificate: Life | None = None

    @property
    def sentence(self) -> str:
        """Why there is no connection, for the technician."""
        config = self._config
        return f"broker {config.broker}:{config.port} {self.trouble or 'was left'}"

    @property
    def is_ready(self) -> bool:
        """Whether the broker let us in and lets us hear our receipts."""
        return self.ready_at_s is not None

    @property
    def was_welcome(self) -> bool:
        """Whether the broker let us in and did not send us away with a reason of its own."""
        return self.is_ready and not self._sent_away

    # -- the connection

    def open(self) -> None:
        self.certificate = self._own_life()
        try:
            self._client = client = self._made()
        except OSError as error:
            self._fail(FILES, f"is not called: the TLS files of [uplink] cannot be used: {error}")
            return
        try:
            client.connect(
                self._config.broker, self._config.port, KEEPALIVE_S, properties=self._limits()
            )
        except ssl.SSLCertVerificationError as error:
            trouble = f"shows a certificate that is not good: {error.verify_message}"
            if error.verify_code in OF_TIME:
                trouble += self._clock_says("have the platform renew the broker's certificate")
            self._fail(TLS, trouble)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            self._fail(_step_of(error), f"cannot be reached: {why}")
        self._opened_s = time.monotonic()

    def turn(self, waker: Waker) -> None:
        """Wait for the broker or the waker, and take what came."""
        client = self._client
        assert client is not None
        connection: Any = client.socket()
        if connection is None:
            self._fail(self._next_step, "closed the connection")
            return
        # TLS may hold bytes that the socket no longer has.
        pending = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        writing = [connection] if client.want_write() else []
        wait_s = 0 if pending else min(MISC_S, self._patience_s)
        readable, _, _ = select.select([connection, waker], writing, [], wait_s)
        if waker in readable:
            waker.drain()
        try:
            if connection in readable or pending:
                client.loop_read()
            if client.want_write():
                client.loop_write()
            client.loop_misc()
        except MALFORMED:
            self.step = CONNECT
            self.trouble = "does not speak MQTT: look at [uplink] port"
        self._tell_taken()
        self._watch(time.monotonic())

    def _watch(self, now_s: float) -> None:
        """Give up on a broker that holds the connection and says nothing."""
        oldest_s = next(iter(self._in_flight.values()), now_s)
        waiting_s = now_s - (oldest_s if self.is_ready else self._opened_s)
        if waiting_s > self._patience_s and not self.trouble:
            what = "acknowledged" if self.is_ready else "answered"
            self._fail(self._next_step, f"has {what} nothing for {self._patience_s:g} s")

    @property
    def _next_step(self) -> str:
        """Where a connection breaks that breaks now without a word."""
        return PUBLISH if self.is_ready else CONNECT

    def _fail(self, step: str, trouble: str) -> None:
        """The connection ends; the first reason is the one that is told."""
        if not self.trouble:
            self.step, self.trouble = step, trouble

    def offer(self, entry: Sealed, *, live: bool = False) -> None:
        name = _name(entry)
        if name in self._in_flight or name in self._live:
            return
        if live:
            self._waiting.pop(name, None)
        (self._live if live else self._waiting)[name] = entry

    def send(self) -> None:
        """Publish what waits, as far as the broker lets us."""
        client = self._client
        assert client is not None
        while self.is_ready and len(self._in_flight) < self._in_flight_max:
            waiting = self._live or self._waiting
            if not waiting:
                return
            entry = waiting.pop(next(iter(waiting)))
            sent = client.publish(topics.up(self._source, entry.kind), entry.text, qos=1)
            if sent.rc != mqtt.MQTT_ERR_SUCCESS:
                # The connection is gone, which its next turn finds.
                return
            self._in_flight[_name(entry)] = time.monotonic()
            self._numbers[sent.mid] = entry

    def report(self, payload: bytes) -> None:
        """Say how the unit does; not to a broker that does not even read what it was sent."""
        client = self._client
        assert client is not None
        if self.is_ready and not client.want_write():
            client.publish(topics.up(self._source, topics.HEALTH), payload, qos=0)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        connection: Any = client.socket()
        if self.is_ready and not self.trouble:
            client.publish(self._state_topic, _state("offline"), qos=0, retain=True)
        client.on_disconnect = None
        client.disconnect()
        if connection is not None:
            connection.close()

    def _made(self) -> mqtt.Client:
        config = self._config
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            # The certificate's name, so that a broker may compare the two.
            client_id=str(self._source).removeprefix("/"),
            protocol=mqtt.MQTTv5 if config.protocol == 5 else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = min(CONNECT_S, self._patience_s)
        client.max_inflight_messages = IN_FLIGHT_MAX
        if config.tls_ca is not None:
            client.tls_set(
                str(config.tls_ca),
                None if config.tls_certificate is None else str(config.tls_certificate),
                None if config.tls_key is None else str(config.tls_key),
            )
        client.will_set(self._state_topic, _state("offline"), qos=1, retain=True)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _limits(self) -> Properties | None:
        """What we tell an MQTT 5 broker not to exceed."""
        if self._config.protocol != 5:
            return None
        limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        limits.MaximumPacketSize = DOWN_LEN_MAX
        limits.ReceiveMaximum = IN_FLIGHT_MAX
        return limits

    @property
    def _state_topic(self) -> str:
        return topics.up(self._source, topics.STATE)

    # -- callbacks

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, limits: Any
    ) -> None:
        if reason.is_failure:
            self._fail(CONNECT, f"refuses this unit {_because(reason)}")
            return
        self._in_flight_max = min(IN_FLIGHT_MAX, getattr(limits, "ReceiveMaximum", IN_FLIGHT_MAX))
        client.subscribe(topics.every_down(self._source), qos=1)

    def _on_subscribe(
        self,
        client: mqtt.Client,
        _data: object,
        _mid: int,
        reasons: list[ReasonCode],
        _more: object,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            because = _because(reasons[0])
            self._fail(SUBSCRIBE, f"does not let this unit hear its receipts {because}")
        elif not self.is_ready:
            client.publish(self._state_topic, _state("online"), qos=0, retain=True)
            self.ready_at_s = time.monotonic()
            self._post(BrokerUp(self._warning))

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _data: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _more: object,
    ) -> None:
        self.taken_over = reason.value == TAKEN_OVER
        self._sent_away = flags.is_disconnect_packet_from_server
        if reason.value != UNSPECIFIED:
            self._fail(self._next_step, f"closed the connection {_because(reason)}")
            return
        # In TLS 1.3 a certificate is refused after the handshake, as far as the client can see.
        is_unwelcome = self._config.tls_certificate is not None and not self.is_ready
        step = TLS if is_unwelcome else self._next_step
        self._fail(step, f"closed the connection{self._why_unwelcome()}")

    # -- certificates and the clock

    def _own_life(self) -> Life | None:
        """From when to when this unit's certificate holds; None without one that can be read."""
        path = self._config.tls_certificate
        try:
            return None if path is None else life(path.read_bytes())
        except OSError:
            return None

    def _why_unwelcome(self) -> str:
        """Why a broker that says nothing may not let us in: it does not tell of certificates."""
        if self.is_ready or self._config.tls_certificate is None:
            return ""
        found = self.certificate
        if found is None or found[0] <= datetime.now(UTC) <= found[1]:
            return " before it let this unit in: have the platform look at its certificate"
        words = "has expired" if datetime.now(UTC) > found[1] else "is not yet valid"
        what = f" before it let this unit in: this unit's certificate {words}"
        return what + self._clock_says("have the platform issue a new one, and put it there")

    def _clock_says(self, advice: str) -> str:
        """What a certificate was measured by, and what to do when the two disagree."""
        now = f"; this unit's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        if self._is_clock_set():
            return f"{now}, and that is sure: {advice}"
        return (
            f"{now} and no time server has set it: let the unit reach its time server, "
            "it connects by itself then"
        )

    def _on_publish(
        self, _client: mqtt.Client, _data: object, mid: int, reason: ReasonCode, _more: object
    ) -> None:
        entry = self._numbers.pop(mid, None)
        if entry is not None:
            del self._in_flight[_name(entry)]
            refused = f"the broker refuses entries {_because(reason)}" if reason.is_failure else ""
            self._taken.setdefault(refused, []).append(entry.seq)

    def _tell_taken(self) -> None:
        """One event for a whole turn: a step of the core costs as much as sending an entry."""
        taken, self._taken = self._taken, {}
        for refused, seqs in taken.items():
            self._post(Taken(tuple(seqs), refused))

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        event = down.heard(message.topic, bytes(message.payload), self._source, self._keys)
        if event is not None:
            self._post(event)


def _step_of(error: Exception) -> str:
    """Where a call that failed came to: the broker's name, the way to it, or TLS with it."""
    # What is no name at all is told before anybody is asked.
    if isinstance(error, socket.gaierror | UnicodeError):
        return DNS
    # A handshake that takes too long is no SSLError in Python 3.11 and says so in its words alone.
    is_tls = isinstance(error, ssl.SSLError) or "handshake" in str(error)
    return TLS if is_tls else TCP


def _name(entry: Sealed) -> _Name:
    return entry.seq, entry.hash


def _send_at_once(_client: mqtt.Client, _data: object, connection: Any) -> None:
    # Without it a small packet waits up to 40 ms for the acknowledgement of the one before.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _because(reason: ReasonCode) -> str:
    """The broker's reason, and what to do about it."""
    return f"({reason}): {ADVICE.get(reason.value, ADVICE_ELSE)}"


def _state(state: str) -> bytes:
    return canonical({"state": state})
