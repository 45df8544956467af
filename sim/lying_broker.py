"""A broker that lies: it takes entries and drops them, refuses, is silent, stalls, replays, forges.

MQTT 3.1.1 and 5 as far as a unit speaks them, over plain sockets: one client at a time, which is
told whatever `Lies` say. Real I/O; for what a broker does that keeps its word see sim/brokers.
"""

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13
DISCONNECT = 14
MQTT5 = 5
# Reason codes of MQTT 5 with which a broker may refuse an entry or claim that nobody wants it.
NO_SUBSCRIBERS, SILENT, NOT_AUTHORIZED, QUOTA_EXCEEDED = 16, None, 135, 151
# Those with which it may refuse the unit itself or send it away.
BAD_VERSION, BAD_CLIENT_ID, BAD_PASSWORD, UNAVAILABLE = 132, 133, 134, 136
SHUTTING_DOWN, TAKEN_OVER = 139, 142
# CONNACK of MQTT 3.1.1, which knows five reasons.
CONNACK_3 = {BAD_VERSION: 1, BAD_CLIENT_ID: 2, UNAVAILABLE: 3, BAD_PASSWORD: 4, NOT_AUTHORIZED: 5}
# What a stalled broker's socket still takes for it; the kernel's least is about this.
STALLED_LEN = 4096


@dataclass(frozen=True, slots=True)
class Published:
    """One PUBLISH of the unit."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lies:
    """How the broker behaves; None means that it says nothing at all."""

    connack: int | None = 0
    suback: int | None = 1
    puback: int | None = 0
    receive_maximum: int | None = None
    # How many PUBLISHes it reads before it reads nothing any more, with the connection open.
    reads: int | None = None
    # Whether it keeps its PUBACKs back until it reads on.
    holds: bool = False
    # What is sent, as (topic, payload), after each entry; and raw bytes after the subscription.
    after_publish: Callable[[Published], Iterable[tuple[str, bytes]]] = lambda _published: ()
    after_subscribe: bytes = b""


class LyingBroker:
    """Listens from `start` to `stop`; what the unit said is in `published` and `will`."""

    def __init__(self, lies: Lies | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.lies = lies or Lies()
        self.published: queue.Queue[Published] = queue.Queue()
        self.connect_count = 0
        self.will = b""
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        if self.lies.reads is not None:
            # Before the connection, or the kernel has promised the unit more already.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_LEN)
        self._client: socket.socket | None = None
        self._reading_on = threading.Event()
        self._held = b""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="lying broker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        # Closing alone would leave the thread in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join()

    def drop(self) -> None:
        """Break the connection there is."""
        with self._lock:
            client, self._client = self._client, None
        self._reading_on.set()
        if client is not None:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def read_on(self) -> None:
        """Read again after `Lies.reads`, and send what `Lies.holds` kept back."""
        with self._lock:
            held, self._held = self._held, b""
            self._reading_on.set()
            self._put(held)

    def send(self, data: bytes) -> None:
        """Send raw bytes to the unit."""
        with self._lock:
            self._put(data)

    def _put(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            if self._client is not None:
                self._client.sendall(data)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # -- the thread

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            # A client that speaks no MQTT shows as an index outside of its packet.
            with contextlib.suppress(OSError, EOFError, IndexError):
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                self._reading_on.clear()
                with self._lock:
                    self._client, self._held = client, b""
                self.connect_count += 1
                with client.makefile("rb") as stream:
                    self._talk(stream)
            client.close()

    def _talk(self, stream: IO[bytes]) -> None:
        lies = self.lies
        version, read_count = 4, 0
        while True:
            kind, flags, body = _packet(stream)
            if kind == CONNECT:
                version, self.will = body[6], body
                if lies.connack is not None:
                    self.send(packet(CONNACK, self._connack(version, lies.connack)))
            elif kind == SUBSCRIBE:
                none = b"\x00" if version == MQTT5 else b""
                if lies.suback is not None:
                    self.send(packet(SUBACK, body[:2] + none + bytes((lies.suback,))))
                self.send(lies.after_subscribe)
            elif kind == PUBLISH:
                self._take(version, flags, body)
                read_count += 1
                if read_count == lies.reads:
                    self._reading_on.wait()
            elif kind == PINGREQ:
                self.send(packet(PINGRESP, b""))

    def _connack(self, version: int, code: int) -> bytes:
        if version != MQTT5:
            return bytes((0, CONNACK_3.get(code, 0)))
        most = self.lies.receive_maximum
        limits = b"" if most is None else b"\x21" + most.to_bytes(2, "big")
        return bytes((0, code, len(limits))) + limits

    def _take(self, version: int, flags: int, body: bytes) -> None:
        published, number = _published(version, flags, body)
        self.published.put(published)
        code = self.lies.puback
        if published.qos and code is not None:
            # MQTT 3.1.1 has no way to refuse: it acknowledges and drops.
            reason = bytes((code,)) if version == MQTT5 and code else b""
            self._acknowledge(packet(PUBACK, number + reason))
        for topic, payload in self.lies.after_publish(published):
            self.send(publish(topic, payload, version))

    def _acknowledge(self, puback: bytes) -> None:
        with self._lock:
            if self.lies.holds and not self._reading_on.is_set():
                self._held += puback
            else:
                self._put(puback)


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """One MQTT packet."""
    length, rest = bytearray(), len(body)
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (128 if rest else 0))
        if not rest:
            return bytes((kind << 4 | flags,)) + bytes(length) + body


def publish(topic: str, payload: bytes, version: int) -> bytes:
    """A PUBLISH with QoS 0."""
    name = topic.encode()
    none = b"\x00" if version == MQTT5 else b""
    return packet(PUBLISH, len(name).to_bytes(2, "big") + name + none + payload)


def goodbye(code: int) -> bytes:
    """A DISCONNECT of MQTT 5 with its reason."""
    return packet(DISCONNECT, bytes((code, 0)))


def _packet(stream: IO[bytes]) -> tuple[int, int, bytes]:
    first = _exactly(stream, 1)[0]
    length = shift = 0
    while True:
        byte = _exactly(stream, 1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first >> 4, first & 15, _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _published(version: int, flags: int, body: bytes) -> tuple[Published, bytes]:
    """The message and its packet identifier, empty for QoS 0."""
    qos, end = flags >> 1 & 3, 2 + int.from_bytes(body[:2], "big")
    topic, rest = body[2:end].decode(), body[end:]
    number, rest = (rest[:2], rest[2:]) if qos else (b"", rest)
    if version == MQTT5:
        # The units send no property longer than what one length byte says.
        rest = rest[1 + rest[0] :]
    return Published(topic, rest, qos, bool(flags & 1)), number
