"""Prepared entries sent to a broker as fast as it takes them, or at a rate. Real I/O.

MQTT 3.1.1 by hand, packets made beforehand: what sends and listens here must cost so little that
the figures are those of the broker and of the centre behind it.
"""

import json
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from protocol.central import topics
from protocol.central.entry import Entry, Source

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90
QOS_1 = 0x02
WINDOW_LEN = 512  # unacknowledged; more than any broker wants at once
RECEIVE_LEN = 1 << 16
ANSWER_S = 10.0
POLL_S = 0.05
PATIENCE_S = 60.0


@dataclass(slots=True)
class Delivery:
    """When each entry was sent and when a receipt covered it, in seconds of one clock."""

    sent_s: dict[tuple[str, int], float] = field(default_factory=dict)
    covered_s: dict[tuple[str, int], float] = field(default_factory=dict)

    @property
    def latencies_ms(self) -> list[float]:
        """From the PUBLISH to the receipt."""
        return [(at - self.sent_s[key]) * 1000 for key, at in self.covered_s.items()]


class Load:
    """One connection that sends entries of many units and hears all receipts."""

    def __init__(self, port: int, entries: Sequence[Entry]) -> None:
        self.delivery = Delivery()
        self._count = len(entries)
        self._keys = [(str(entry.source), entry.seq) for entry in entries]
        self._packets = [_publish(entry, index % 65535 + 1) for index, entry in enumerate(entries)]
        self._upto: dict[str, int] = {}
        self._sent = self._unacknowledged = 0
        self._received = b""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask(_connect(), CONNACK)
        self._ask(_subscribe(f"{topics.ROOT}/+/+/+/down/{topics.RECEIPT}"), SUBACK)

    def send(
        self,
        rate: float | None = None,
        *,
        until: int | None = None,
        for_receipts: bool = True,
        resend_s: float | None = None,
    ) -> float:
        """Send the first `until` entries, all of them by default; how many seconds it took.

        rate: entries a second; None: as the broker takes them. for_receipts: wait until a receipt
        covers each; else only until the broker has them. resend_s: after so long without a receipt
        what has none is sent again. Raises TimeoutError when nothing happens for PATIENCE_S.
        """
        last = self._count if until is None else until
        started_s = moved_s = time.monotonic()
        first = self._sent
        while not self._is_done(last, for_receipts):
            now_s = time.monotonic()
            due = last if rate is None else min(last, first + int((now_s - started_s) * rate))
            while self._sent < due and self._unacknowledged < WINDOW_LEN:
                self._publish(self._sent)
                self._sent += 1
            next_s = POLL_S if rate is None else (self._sent - first + 1) / rate - now_s + started_s
            if self._hear(min(POLL_S, max(0.0, next_s))):
                moved_s = time.monotonic()
            elif resend_s is not None and time.monotonic() - moved_s > resend_s:
                moved_s = time.monotonic()
                self._send_again()
            elif time.monotonic() - moved_s > PATIENCE_S:
                covered = len(self.delivery.covered_s)
                raise TimeoutError(f"{covered} of {last} entries have a receipt")
        return time.monotonic() - started_s

    def _is_done(self, last: int, for_receipts: bool) -> bool:
        if for_receipts:
            return len(self.delivery.covered_s) >= last
        return self._sent >= last and self._unacknowledged == 0

    def _publish(self, index: int) -> None:
        self._socket.sendall(self._packets[index])
        self.delivery.sent_s[self._keys[index]] = time.monotonic()
        self._unacknowledged += 1

    def _send_again(self) -> None:
        for index in range(self._sent):
            if self._keys[index] not in self.delivery.covered_s:
                if self._unacknowledged >= WINDOW_LEN:
                    return
                self._publish(index)

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _hear(self, timeout_s: float) -> bool:
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return False
        data = self._socket.recv(RECEIVE_LEN)
        if not data:
            raise ConnectionError("the broker left")
        self._received += data
        for kind, body in self._packets_in():
            if kind & 0xF0 == PUBACK:
                self._unacknowledged -= 1
            elif kind & 0xF0 == PUBLISH:
                (length,) = struct.unpack_from("!H", body)
                self._cover(json.loads(body[2 + length :]))
        return True

    def _cover(self, receipt: dict[str, object]) -> None:
        source, upto = str(receipt["source"]), int(str(receipt["upto"]))
        now_s = time.monotonic()
        for seq in range(self._upto.get(source, 0) + 1, upto + 1):
            if (source, seq) in self.delivery.sent_s:
                self.delivery.covered_s[source, seq] = now_s
        self._upto[source] = max(upto, self._upto.get(source, 0))

    def _packets_in(self) -> Iterator[tuple[int, bytes]]:
        at = 0
        while (found := _split(self._received, at)) is not None:
            body_at, end = found
            yield self._received[at], self._received[body_at:end]
            at = end
        self._received = self._received[at:]

    def _ask(self, packet: bytes, answer: int) -> None:
        self._socket.sendall(packet)
        self._socket.settimeout(ANSWER_S)
        got = self._socket.recv(1)
        if got != bytes([answer]):
            raise ConnectionError("the broker does not answer")
        self._socket.recv(self._socket.recv(1)[0])
        self._socket.settimeout(None)


def sources(count: int) -> list[Source]:
    """So many units, spread over halls."""
    return [Source("330102", f"h{index // 50:03}", f"w{index % 50:02}") for index in range(count)]


def _publish(entry: Entry, number: int) -> bytes:
    topic = _text(topics.up(entry.source, entry.kind))
    return _packet(PUBLISH | QOS_1, topic + struct.pack("!H", number) + entry.text.encode())


def _connect() -> bytes:
    clean_session, keepalive_s = 0x02, 0
    body = _text("MQTT") + bytes((4, clean_session)) + struct.pack("!H", keepalive_s)
    return _packet(CONNECT, body + _text("load"))


def _subscribe(wanted: str) -> bytes:
    return _packet(SUBSCRIBE, struct.pack("!H", 1) + _text(wanted) + b"\x00")


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text)) + text.encode()


def _packet(kind: int, body: bytes) -> bytes:
    left, length = len(body), bytearray()
    while True:
        left, digit = left >> 7, left & 0x7F
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes((kind, *length)) + body


def _split(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends; None while it is not all there."""
    length = shift = 0
    for position in range(at + 1, min(at + 5, len(data))):
        length |= (data[position] & 0x7F) << shift
        shift += 7
        if not data[position] & 0x80:
            end = position + 1 + length
            return (position + 1, end) if end <= len(data) else None
    return None
