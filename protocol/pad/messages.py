"""The messages of the pad's line and their bytes (pure; CPython and MicroPython).

Each class is one table of fields; the same table makes, packs, unpacks and checks the message.
What the fields mean is said in PROTOCOL.md.
"""

import struct

from protocol.pad import VERSION
from protocol.pad.errors import BadField, BadLength, UnknownKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IDLE, PLEASE_RATE, HEARD, THANKS, PAUSED, NO_LINK, FAULT, SELF_TEST = range(8)
ASKING = (PLEASE_RATE, HEARD)  # the faces with which a citizen may press
KEY_COUNT = 5
# Why the pad started: the RP2040's own two numbers, and what the firmware says of itself.
POWER_ON, FIRMWARE_ERROR, WATCHDOG, NEW_FIRMWARE = 1, 2, 3, 4
# How it stands with new firmware.
NOT_OFFERED, GOING_ON, TAKEN, BUSY, DAMAGED, NO_ROOM = range(6)
FULL = 100  # brightness and volume are per cent
FROM_UNIT = 0x80  # this bit of the kind tells the direction, so that an echo is never believed
U16_MAX = 0xFFFF
U32_MAX = 0xFFFFFFFF

# Types of fields: struct code, least and greatest value (of bytes: length).
U8 = ("B", 0, 0xFF)
U16 = ("H", 0, U16_MAX)
U32 = ("I", 0, U32_MAX)
ID = ("I", 1, U32_MAX)
ZERO = ("I", 0, 0)
COMMAND_MAX = U32_MAX // 2  # half the range, so that the unit can always count on
COMMAND = ("I", 0, COMMAND_MAX)
BYTES8 = ("8s", 8, 8)
PIECE = ("32s", 32, 32)
FACE = ("B", IDLE, SELF_TEST)
KEY = ("B", 1, KEY_COUNT)
KEYS = ("B", 0, (1 << KEY_COUNT) - 1)
FLAG = ("B", 0, 1)
PERCENT = ("B", 0, FULL)
STATE = ("B", NOT_OFFERED, NO_ROOM)

BOOT = ("boot_id", ID)
HEAD = (BOOT, ("seq", ID))
LOOK = (("brightness", PERCENT), ("volume", PERCENT))


class Message:
    """One message; equal when class and all fields are. Values in the order of FIELDS, or by name.

    What is not given is the least its type allows.
    """

    KIND = 0
    FIELDS: "tuple[tuple[str, tuple[str, int, int]], ...]" = HEAD

    def __init__(self, *values: object, **named: object) -> None:
        for index, (name, (code, least, _)) in enumerate(self.FIELDS):
            nothing = bytes(least) if code[-1] == "s" else least
            value = values[index] if index < len(values) else named.pop(name, nothing)
            setattr(self, name, value)
        assert len(values) <= len(self.FIELDS), type(self)
        assert not named, named

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={value!r}" for name, value in sorted(self.__dict__.items())])
        return f"{type(self).__name__}({fields})"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


class Hello(Message):
    """Pad: who I am. `seq` is the lowest edge not yet acked, or the next one."""

    KIND = 0x01
    FIELDS = HEAD + (
        ("version", U8), ("uid", BYTES8), ("firmware", BYTES8), ("release", U16),
        ("reset_cause", U8), ("resets", U8),
    )  # fmt: skip


class Edge(Message):
    """Pad: one key went down or up. `seq` counts the edges of this pad boot from 1."""

    KIND = 0x02
    FIELDS = HEAD + (
        ("prompt_id", U32), ("key", KEY), ("down", FLAG), ("age_ms", U32), ("held_ms", U32),
    )  # fmt: skip


class Status(Message):
    """Pad: how I am, each second and after each command. `seq` as in Hello."""

    KIND = 0x03
    FIELDS = HEAD + (
        ("command", COMMAND), ("prompt_id", U32), ("face", FACE), ("queued", U8), ("stuck", KEYS),
        ("uptime_s", U32), ("dropped", U16), ("chords", U16), ("bad_frames", U16),
        ("tests", U8), ("tested", KEYS),
    )  # fmt: skip


class Progress(Message):
    """Pad: the answer to each Offer and Piece; `offset` is the next byte wanted. `seq` as above."""

    KIND = 0x04
    FIELDS = HEAD + (("digest", BYTES8), ("offset", U32), ("state", STATE))


class UnitHello(Message):
    """Unit: who are you? `boot_id` may be 0, not known yet; `seq` is 0."""

    KIND = 0x81
    FIELDS = (("boot_id", U32), ("seq", ZERO), ("version", U8))


class Open(Message):
    """Unit: ask for a rating now. `seq` is the command number."""

    KIND = 0x82
    FIELDS = HEAD + (("prompt_id", ID), ("timeout_ms", U32)) + LOOK


class Close(Message):
    """Unit: no rating is asked for any more, show this face. `seq` is the command number."""

    KIND = 0x83
    FIELDS = HEAD + (("prompt_id", U32), ("face", FACE)) + LOOK


class Ack(Message):
    """Unit: all edges up to `seq` are committed."""

    KIND = 0x84
    FIELDS = (BOOT, ("seq", U32))


class SelfTest(Message):
    """Unit: try every lamp, sound and key. `seq` is the command number."""

    KIND = 0x85


class Offer(Message):
    """Unit: there is new firmware; `digest` names it. `seq` is 0."""

    KIND = 0x86
    FIELDS = (BOOT, ("seq", ZERO), ("digest", BYTES8), ("manifest_len", U16), ("length", U32))


class Piece(Message):
    """Unit: the bytes of the firmware offered from `offset` on; the last ones filled up."""

    KIND = 0x87
    FIELDS = (BOOT, ("seq", ZERO), ("offset", U32), ("data", PIECE))


CLASSES: "tuple[type[Message], ...]" = (
    Hello, Edge, Status, Progress, UnitHello, Open, Close, Ack, SelfTest, Offer, Piece,
)  # fmt: skip
# Of any version: kind, boot_id, seq, version. What follows is for its own version to read.
GREETINGS, GREETING_LEN = (Hello, UnitHello), 10
_BY_KIND = {cls.KIND: cls for cls in CLASSES}
_FORMATS = {cls.KIND: ">B" + "".join([kind[0] for _, kind in cls.FIELDS]) for cls in CLASSES}


def _check(message: Message) -> None:
    """Raise BadField for the first field outside its range."""
    for name, (_, least, greatest) in message.FIELDS:
        value = getattr(message, name)
        if not least <= (value if isinstance(value, int) else len(value)) <= greatest:
            raise BadField(f"{type(message).__name__}.{name} = {value!r}")


def encode(message: Message) -> bytes:
    """The frame body of `message`; BadField if a value does not fit (MicroPython would cut it)."""
    _check(message)
    values = [getattr(message, name) for name, _ in message.FIELDS]
    return struct.pack(_FORMATS[message.KIND], message.KIND, *values)


def decode(body: bytes) -> Message:
    """The message in one frame body; BadLength, UnknownKind or BadField, nothing else."""
    if not body:
        raise BadLength("no kind")
    cls = _BY_KIND.get(body[0])
    if cls is None:
        raise UnknownKind(f"kind 0x{body[0]:02x}")
    form = _FORMATS[cls.KIND]
    if cls in GREETINGS and len(body) >= GREETING_LEN and body[GREETING_LEN - 1] != VERSION:
        form, body = ">BIIB", body[:GREETING_LEN]
    if len(body) != struct.calcsize(form):
        raise BadLength(f"{cls.__name__} of {len(body)} bytes")
    message = cls(*struct.unpack(form, body)[1:])
    _check(message)
    return message
