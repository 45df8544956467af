"""The messages of the pad's line and their bytes (pure; CPython and MicroPython).

Each class names its fields once, with their types; the same table packs, unpacks and checks.
What the fields mean is said in PROTOCOL.md.
"""

import struct

from protocol.pad.errors import BadField, BadLength, UnknownKind

IDLE, PLEASE_RATE, HEARD, THANKS, PAUSED, NO_LINK, FAULT, SELF_TEST = range(8)
KEY_COUNT = 5
FROM_UNIT = 0x80  # this bit of the kind tells the direction, so that an echo is never believed
U16_MAX = 0xFFFF
U32_MAX = 0xFFFFFFFF

# Types of fields: struct code, least and greatest value (of bytes: length).
U8 = ("B", 0, 0xFF)
U16 = ("H", 0, U16_MAX)
U32 = ("I", 0, U32_MAX)
ID = ("I", 1, U32_MAX)
ZERO = ("I", 0, 0)
COMMAND = ("I", 0, U32_MAX // 2)  # half the range, so that the unit can always count on
BYTES8 = ("8s", 8, 8)
FACE = ("B", IDLE, SELF_TEST)
KEY = ("B", 1, KEY_COUNT)
KEYS = ("B", 0, (1 << KEY_COUNT) - 1)
FLAG = ("B", 0, 1)


class Message:
    """One message; equal when class and all fields are."""

    KIND = 0
    FIELDS: tuple[tuple[str, tuple[str, int, int]], ...] = (("boot_id", ID), ("seq", ID))

    def __init__(self, boot_id: int, seq: int) -> None:
        self.boot_id = boot_id
        self.seq = seq

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={value!r}" for name, value in sorted(self.__dict__.items())])
        return f"{type(self).__name__}({fields})"


class Hello(Message):
    """Pad: who I am. `seq` is the lowest edge not yet acked, or the next one."""

    KIND = 0x01
    FIELDS = Message.FIELDS + (
        ("version", U8), ("uid", BYTES8), ("firmware", BYTES8), ("reset_cause", U8),
    )  # fmt: skip

    def __init__(
        self, boot_id: int, seq: int, version: int, uid: bytes, firmware: bytes, reset_cause: int
    ) -> None:
        super().__init__(boot_id, seq)
        self.version = version
        self.uid = uid
        self.firmware = firmware
        self.reset_cause = reset_cause


class Edge(Message):
    """Pad: one key went down or up. `seq` counts the edges of this pad boot from 1."""

    KIND = 0x02
    FIELDS = Message.FIELDS + (("prompt_id", U32), ("key", KEY), ("down", FLAG), ("age_ms", U32))

    def __init__(
        self, boot_id: int, seq: int, prompt_id: int, key: int, down: int, age_ms: int
    ) -> None:
        super().__init__(boot_id, seq)
        self.prompt_id = prompt_id
        self.key = key
        self.down = down
        self.age_ms = age_ms


class Status(Message):
    """Pad: how I am, each second and after each command. `seq` as in Hello."""

    KIND = 0x03
    FIELDS = Message.FIELDS + (
        ("command", COMMAND), ("prompt_id", U32), ("face", FACE), ("queued", U8), ("stuck", KEYS),
        ("uptime_s", U32), ("dropped", U16), ("chords", U16), ("bad_frames", U16),
    )  # fmt: skip

    def __init__(
        self, boot_id: int, seq: int, command: int, prompt_id: int, face: int, queued: int,
        stuck: int, uptime_s: int, dropped: int, chords: int, bad_frames: int,
    ) -> None:  # fmt: skip
        super().__init__(boot_id, seq)
        self.command = command
        self.prompt_id = prompt_id
        self.face = face
        self.queued = queued
        self.stuck = stuck
        self.uptime_s = uptime_s
        self.dropped = dropped
        self.chords = chords
        self.bad_frames = bad_frames


class UnitHello(Message):
    """Unit: who are you? `boot_id` may be 0, not known yet; `seq` is 0."""

    KIND = 0x81
    FIELDS = (("boot_id", U32), ("seq", ZERO), ("version", U8))

    def __init__(self, boot_id: int, seq: int, version: int) -> None:
        super().__init__(boot_id, seq)
        self.version = version


class Open(Message):
    """Unit: ask for a rating now. `seq` is the command number."""

    KIND = 0x82
    FIELDS = Message.FIELDS + (("prompt_id", ID), ("timeout_ms", U32))

    def __init__(self, boot_id: int, seq: int, prompt_id: int, timeout_ms: int) -> None:
        super().__init__(boot_id, seq)
        self.prompt_id = prompt_id
        self.timeout_ms = timeout_ms


class Close(Message):
    """Unit: no rating is asked for any more, show this face. `seq` is the command number."""

    KIND = 0x83
    FIELDS = Message.FIELDS + (("prompt_id", U32), ("face", FACE))

    def __init__(self, boot_id: int, seq: int, prompt_id: int, face: int) -> None:
        super().__init__(boot_id, seq)
        self.prompt_id = prompt_id
        self.face = face


class Ack(Message):
    """Unit: all edges up to `seq` are committed."""

    KIND = 0x84
    FIELDS = (("boot_id", ID), ("seq", U32))


class SelfTest(Message):
    """Unit: show every lamp and sound. `seq` is the command number."""

    KIND = 0x85


CLASSES: tuple[type[Message], ...] = (
    Hello, Edge, Status, UnitHello, Open, Close, Ack, SelfTest,
)  # fmt: skip
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
    if len(body) != struct.calcsize(_FORMATS[cls.KIND]):
        raise BadLength(f"{cls.__name__} of {len(body)} bytes")
    message = cls(*struct.unpack(_FORMATS[cls.KIND], body)[1:])
    _check(message)
    return message
