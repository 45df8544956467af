"""The pad's messages: what is understood is written again as the same bytes."""

import struct
from collections.abc import Iterator

from protocol.pad import VERSION, messages
from protocol.pad.errors import ProtocolError
from protocol.pad.messages import CLASSES, GREETING_LEN, GREETINGS, decode, encode
from sim.fuzz.target import Target

LEN_MAX = 64


def seeds() -> Iterator[bytes]:
    for message in CLASSES:
        yield encode(message())
        yield bytes((message.KIND,)) + b"\xff" * (struct.calcsize(_format(message)) - 1)


def _format(message: type[messages.Message]) -> str:
    return ">B" + "".join(kind[0] for _, kind in message.FIELDS)


def check(data: bytes) -> None:
    try:
        message = decode(data)
    except ProtocolError:
        return
    assert repr(message).startswith(type(message).__name__)
    again = encode(message)
    if isinstance(message, GREETINGS) and message.version != VERSION:
        again, data = again[:GREETING_LEN], data[:GREETING_LEN]
    assert again == data, "a message that stands for other bytes"


TARGET = Target(
    promise="B4", what="messages of the pad's line", seeds=seeds, check=check, len_max=LEN_MAX
)
