"""Both ends of the pad's line: whatever the far end says, each edge comes once and in order."""

import struct
from collections.abc import Iterator

from protocol.pad import messages
from protocol.pad.errors import ProtocolError
from protocol.pad.framing import FRAME_LEN_MAX, Decoder
from protocol.pad.framing import encode as frame
from protocol.pad.line import QUEUE_LEN_MAX
from protocol.pad.link import PadEnd, UnitEnd
from protocol.pad.messages import CLASSES, Message
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target

# As many as the unit remembers beside none: no pad comes back with a boot before these.
BOOT_IDS = (7, 8, 0xFFFFFFFF)
BOOT_ID = BOOT_IDS[0]
# A unit says greeting, ack, command and a piece of firmware at once; a pad greeting, its queue,
# status and progress.
FRAMES_MAX = QUEUE_LEN_MAX + 3
ORDERS = ("hear", "noise", "wait", "press", "commit", "open", "close", "test", "cross")


def seeds() -> Iterator[bytes]:
    greeting = b"\x00\x00" + struct.pack(">II", BOOT_ID, 1)
    status = b"\x00\x02" + struct.pack(">III", BOOT_ID, 1, 0)
    yield b"\x08" + greeting + b"\x08" + status + b"\x08\x05\x00\x01\x10\x08\x03\x01\x01\x08\x08"
    yield b"\x03\x01\x01\x03\x01\x00\x08\x08\x04\x02\x08\x08\x06\x01\x02\x07"
    yield b"\x01\x10AT+GCAP\r\n\x03\x00\x01\x02\x00\x02\xff\xff\x08\x07\x08"
    for index in range(len(CLASSES)):
        yield bytes((0, index)) + struct.pack(">II", BOOT_ID, 1) + b"\x01" * 40 + b"\x08\x08"


def check(data: bytes) -> None:
    line, tape = _Line(), Tape(data)
    while tape:
        line.obey(tape.choice(ORDERS), tape)
        assert sum(map(len, line.delivered.values())) == line.delivered_count
        for numbers in line.delivered.values():
            assert numbers == sorted(set(numbers)), "an edge came twice or late"


class _Line:
    """A pad and a unit, and a stranger who can say anything to both."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.pad = PadEnd(messages.Hello(BOOT_ID, 1))
        self.unit = UnitEnd(0, 0)
        self.delivered: dict[int, list[int]] = {}
        self.delivered_count = 0

    def obey(self, order: str, tape: Tape) -> None:
        if order == "hear":
            message = _message(tape)
            self._said(b"" if message is None else frame(messages.encode(message)))
        elif order == "noise":
            self._said(tape.text())
        elif order == "wait":
            self.now_ms += tape.number(2)
        elif order == "press":
            held_ms = 4 * tape.byte()
            self.pad.edge(self.now_ms, tape.byte(), 1 + tape.byte() % 5, tape.byte() % 2, held_ms)
        elif order == "commit":
            # Before a pad was heard there is nothing that could have been stored.
            if self.unit.boot_id:
                self.unit.committed(self.unit.boot_id, self.unit.delivered_seq)
        elif order == "open":
            self.unit.open(self.now_ms, 1 + tape.byte(), tape.number(2))
        elif order == "close":
            self.unit.close(self.now_ms, tape.byte(), tape.byte() % 8)
        elif order == "test":
            self.unit.self_test(self.now_ms)
        else:
            to_unit, to_pad = self.pad.poll(self.now_ms), self.unit.poll(self.now_ms)
            _check_frames(to_unit)
            _check_frames(to_pad)
            self._heard(to_unit)
            self.pad.received(self.now_ms, to_pad)

    def _said(self, data: bytes) -> None:
        self._heard(data)
        self.pad.received(self.now_ms, data)

    def _heard(self, data: bytes) -> None:
        for message in self.unit.received(self.now_ms, data):
            if isinstance(message, messages.Edge):
                self.delivered.setdefault(message.boot_id, []).append(message.seq)
                self.delivered_count += 1


def _message(tape: Tape) -> Message | None:
    """Any message there can be, its fields from the tape."""
    cls = tape.choice(CLASSES)
    form = ">B" + "".join(kind[0] for _, kind in cls.FIELDS)
    raw = bytes((cls.KIND,)) + tape.take(struct.calcsize(form) - 1)
    try:
        message = messages.decode(raw.ljust(struct.calcsize(form), b"\0"))
    except ProtocolError:
        return None
    if message.boot_id not in BOOT_IDS:
        message.boot_id = BOOT_IDS[message.boot_id % len(BOOT_IDS)]
    return message


def _check_frames(said: bytes) -> None:
    """What an end says are whole frames that can be understood, and not many."""
    decoder = Decoder()
    bodies = [body for body in map(decoder.push, said) if body is not None]
    assert len(bodies) <= FRAMES_MAX, "too much said at once"
    assert len(said) <= FRAMES_MAX * FRAME_LEN_MAX
    assert not decoder.bad_count
    for body in bodies:
        messages.decode(body)


TARGET = Target(promise="B4", what="both ends of the pad's line", seeds=seeds, check=check)
