"""The pad's frames: only what was sent is believed, and the next good frame always is."""

from collections.abc import Iterator

from protocol.pad.framing import FRAME_LEN_MAX, Decoder, encode
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target

# The queue line's own: there COBS has blocks of 254.
LONG_LEN_MAX = 512
BODY_LEN_MAX = FRAME_LEN_MAX - 8
LEN_MAX = 1024


def seeds() -> Iterator[bytes]:
    yield b"\x05AT+GCAP\r\n"
    yield bytes((0x80, 1, 7, 0x81, 12)) + b"hello, world" + b"\x03\x00\x01\x00"
    yield bytes((0x82, 5, 1, 2, 3, 4, 5, 0x04, 0x00, 0x02, 0xFF, 0x00))
    yield bytes(range(256))


def check(data: bytes) -> None:
    stream, sent = _stream(data)
    short, long = Decoder(), Decoder(LONG_LEN_MAX)
    closed, believed, chunk = 0, [], bytearray()
    for byte in stream:
        body = short.push(byte)
        long.push(byte)
        if body is not None:
            believed.append(body)
            assert encode(body)[1:-1] == chunk, "a body other than the bytes say"
        closed += not byte and bool(chunk)
        chunk = chunk + bytes((byte,)) if byte else bytearray()
    assert short.good_count == len(believed)
    assert short.good_count + short.bad_count == closed, "a frame that is not counted"
    assert all(body in believed for body in sent), "a good frame that was not believed"
    for decoder, body in ((short, b"next"), (long, b"\x01" * 300)):
        found = [decoder.push(byte) for byte in encode(body, LONG_LEN_MAX)]
        assert found[-1] == body, "the next good frame was not believed"


def _stream(data: bytes) -> tuple[bytes, list[bytes]]:
    """Bytes as they come, and the bodies of whole frames that are among them."""
    tape, stream, sent = Tape(data), b"", []
    while tape:
        order = tape.byte()
        if order < 0x80:
            stream += tape.take(order)
            continue
        body = tape.take(1 + tape.byte() % BODY_LEN_MAX)
        if body:
            sent.append(body)
            stream += encode(body)
    return stream, sent


TARGET = Target(
    promise="B4", what="frames of the pad's line", seeds=seeds, check=check, len_max=LEN_MAX
)
