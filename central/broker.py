"""The centre's end of MQTT: messages in batches, acknowledged when told to (real I/O).

One thread, no callbacks out of here: `wait` sleeps until something happens and returns all that
has arrived. A message stays with the broker until `acknowledge`, which is after the store has it.
Without a broker `wait` keeps trying, and says once why.
"""

import logging
import random
import select
import socket
import ssl
import time
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from central.config import BrokerConfig
from central.errors import ConfigError
from protocol.central.entry import TEXT_LEN_MAX
from protocol.central.topics import EVERY_AREA, every_up

log = logging.getLogger(__name__)

BATCH_COUNT_MAX = 512  # one commit; the more entries of a unit in it, the fewer receipts
RECEIVE_COUNT_MAX = 3 * BATCH_COUNT_MAX  # one is stored, the next is here, one is on its way
CONNECT_S = 5.0
KEEPALIVE_S = 30
MISC_S = 5.0  # paho looks after its keep-alive in loop_misc()
SESSION_S = 7 * 86_400  # the broker keeps what arrives while the centre is away
RETRY_S_MIN = 0.2
RETRY_S_MAX = 30.0


class Message(NamedTuple):
    """One message as it came; `number`, `qos` and `session` belong to its acknowledgement."""

    topic: str
    payload: bytes
    number: int
    qos: int
    session: int


class Broker:
    """The connection to the broker, made and made again."""

    def __init__(self, config: BrokerConfig, wake: socket.socket) -> None:
        """wake: wait() returns early when it becomes readable."""
        self._config = config
        self._wake = wake
        self._number = random.getrandbits(64)
        self._client: Client | None = None
        self._session = 0
        self._arrived: list[Message] = []
        self._unconfirmed: dict[str, tuple[bytes, bool]] = {}
        self._numbers: dict[int, tuple[str, bytes]] = {}
        self._ready = self._subscribed = False
        self._broken = ""
        self._said = ""
        self._failed_count = 0
        self._retry_at_s = 0.0

    def wait(self, timeout_s: float) -> list[Message]:
        """Return what arrived, at the latest after timeout_s or when woken."""
        deadline_s = time.monotonic() + timeout_s
        while not (self._arrived or self._ready) and self._step(deadline_s):
            pass
        self._drain()
        arrived, self._arrived = self._arrived, []
        return arrived

    def take_ready(self) -> bool:
        """Whether the subscription was made since the last time this was asked."""
        ready, self._ready = self._ready, False
        return ready

    def acknowledge(self, messages: list[Message]) -> None:
        """Let the broker forget messages; those of an earlier connection come again anyway."""
        for message in messages:
            if self._client is not None and message.session == self._session:
                self._client.ack(message.number, message.qos)

    @property
    def is_up(self) -> bool:
        """Whether the broker took us and our subscription."""
        return self._subscribed

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send the topic's latest payload, again after a reconnect until the broker has it."""
        self._unconfirmed[topic] = (payload, retain)
        if self._client is not None:
            self._send(topic, payload, retain)

    def publish_once(self, topic: str, payload: bytes) -> None:
        """Send payload to whoever listens now; nobody keeps it."""
        if self._client is not None:
            self._client.publish(topic, payload, qos=0)

    def close(self) -> None:
        """Leave in order; without a share the broker keeps the session."""
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _step(self, deadline_s: float) -> bool:
        """Do what comes next; False when the caller should have its turn."""
        if self._client is None and time.monotonic() >= self._retry_at_s:
            self._connect()
        client = self._client
        until_s = deadline_s if client else min(deadline_s, self._retry_at_s)
        wait_s = max(0.0, min(until_s - time.monotonic(), MISC_S))
        connection: Any = client.socket() if client else None
        if client is None or connection is None:
            woken, _, _ = select.select([self._wake], [], [], wait_s)
        else:
            writers = [connection] if client.want_write() else []
            woken, writable, _ = select.select([self._wake, connection], writers, [], wait_s)
            if writable:
                client.loop_write()
            if connection in woken:
                client.loop_read()
            client.loop_misc()
        if self._broken:
            self._drop()
        return self._wake not in woken and time.monotonic() < deadline_s

    def _drain(self) -> None:
        """Read on while more is there: one commit then serves all of it."""
        count = 0
        while self._client is not None and count < len(self._arrived) < BATCH_COUNT_MAX:
            count = len(self._arrived)
            self._client.loop_read()

    def _connect(self) -> None:
        self._session += 1
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=self._is_shared if self._config.protocol == 4 else None,
            protocol=MQTTProtocolVersion(self._config.protocol),
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        try:
            self._secure(client)
        except OSError as error:
            raise ConfigError([f"broker.tls_*: the files cannot be used: {error}"]) from error
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        self._numbers.clear()
        self._client = client
        try:
            client.connect(
                self._config.host, self._config.port, KEEPALIVE_S, **self._session_args()
            )
        except ssl.SSLCertVerificationError as error:
            self._broken = f"{self._place} shows a bad certificate: {error.verify_message}"
            self._drop()
        except OSError as error:
            self._broken = f"no broker at {self._place}: {error.strerror or error}"
            self._drop()

    def _session_args(self) -> dict[str, Any]:
        if self._config.protocol == 4:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if self._is_shared else SESSION_S
        properties.ReceiveMaximum = RECEIVE_COUNT_MAX
        properties.MaximumPacketSize = 2 * TEXT_LEN_MAX
        return {"clean_start": self._is_shared, "properties": properties}

    def _secure(self, client: Client) -> None:
        config = self._config
        if config.tls_ca is not None:
            certificate, key = (
                None if path is None else str(path)
                for path in (config.tls_certificate, config.tls_key)
            )
            client.tls_set(str(config.tls_ca), certificate, key)

    @property
    def _is_shared(self) -> bool:
        # A session that outlives its worker would be given its part of what the others should do.
        return self._config.share is not None

    @property
    def _client_id(self) -> str:
        name = self._config.client_id
        return f"{name}-{self._number:016x}" if self._is_shared else name

    @property
    def _filters(self) -> list[tuple[str, int]]:
        share = f"$share/{self._config.share}/" if self._is_shared else ""
        areas = self._config.areas or (EVERY_AREA,)
        return [(share + every_up(area), 1) for area in areas]

    def _on_connect(
        self, client: Client, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            self._broken = f"the broker at {self._place} refuses: {reason}"
            return
        self._failed_count = 0
        log.info("broker up place=%s", self._place)
        self._said = ""
        client.subscribe(self._filters)
        for topic, (payload, retain) in list(self._unconfirmed.items()):
            self._send(topic, payload, retain)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _more: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._broken = f"the broker at {self._place} refuses the subscription: {reasons[0]}"
        else:
            self._ready = self._subscribed = True

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        topic = message.topic
        payload = bytes(message.payload)
        self._arrived.append(Message(topic, payload, message.mid, message.qos, self._session))

    def _on_publish(
        self, _client: Client, _data: object, mid: int, _reason: object, _more: object
    ) -> None:
        topic, payload = self._numbers.pop(mid, ("", b""))
        if self._unconfirmed.get(topic, (None,))[0] == payload:
            del self._unconfirmed[topic]

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        self._broken = self._broken or f"the broker at {self._place} left: {reason}"

    def _send(self, topic: str, payload: bytes, retain: bool) -> None:
        assert self._client is not None
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        self._numbers[sent.mid] = (topic, payload)

    def _drop(self) -> None:
        """Let go of a broken connection and choose when to try again (full jitter)."""
        client, self._client, self._subscribed = self._client, None, False
        if client is not None:
            client.on_disconnect = None
            client.disconnect()
        why, self._broken = self._broken, ""
        limit_s = min(RETRY_S_MAX, RETRY_S_MIN * 2.0 ** min(self._failed_count, 16))
        self._failed_count += 1
        self._retry_at_s = time.monotonic() + random.uniform(RETRY_S_MIN / 2, limit_s)
        if why != self._said:
            log.warning("%s; trying again", why)
            self._said = why

    @property
    def _place(self) -> str:
        return f"{self._config.host}:{self._config.port}"


def _send_at_once(_client: Client, _data: object, connection: Any) -> None:
    # Without it a small packet waits 40 ms for the acknowledgement of the one before.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
