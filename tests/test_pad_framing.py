"""Frames against two independent libraries, and against every kind of damage."""

import random

import crcmod.predefined
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from protocol.pad.errors import BadLength
from protocol.pad.framing import FRAME_LEN_MAX, Decoder, encode

CRC = crcmod.predefined.mkCrcFun("crc-32")
BODY_LEN_MAX = FRAME_LEN_MAX - 3 - 4  # delimiters, one COBS code, CRC
LONG = 512
bodies = st.binary(min_size=1, max_size=BODY_LEN_MAX)


def by_libraries(body: bytes) -> bytes:
    return b"\x00" + cobs.encode(body + CRC(body).to_bytes(4, "big")) + b"\x00"


def pushed(decoder: Decoder, data: bytes) -> list[bytes]:
    return [body for body in map(decoder.push, data) if body is not None]


@given(bodies)
def test_encode_of_any_body_then_what_cobs_and_crcmod_say(body):
    assert encode(body) == by_libraries(body)


@given(st.integers(0, 2), st.integers(-3, 3), st.binary(max_size=20))
def test_encode_near_full_blocks_then_what_cobs_and_crcmod_say(blocks, off, end):
    body = b"\x01" * max(1, 254 * blocks + off) + end
    frame = by_libraries(body)
    assert encode(body, len(frame)) == frame
    assert pushed(Decoder(len(frame)), frame) == [body]


def test_encode_when_a_block_is_just_full_then_what_cobs_and_crcmod_say():
    for length in range(244, 256):
        for body in (bytes([7]) * length, bytes([7]) * length + b"\x00\x07"):
            assert encode(body, LONG) == by_libraries(body)
            assert pushed(Decoder(LONG), by_libraries(body)) == [body]


def test_encode_when_empty_or_too_long_then_bad_length():
    for body in (b"", b"\x01" * (BODY_LEN_MAX + 1)):
        with pytest.raises(BadLength):
            encode(body)
    assert len(encode(b"\x01" * BODY_LEN_MAX)) == FRAME_LEN_MAX


@given(st.lists(bodies, max_size=6), st.data())
def test_decoder_at_any_split_and_after_any_noise_then_the_same_bodies(sent, data):
    stream = b"".join(map(encode, sent))
    cut = data.draw(st.integers(0, len(stream)))
    decoder = Decoder()
    assert pushed(decoder, stream[:cut]) + pushed(decoder, stream[cut:]) == sent
    noise = data.draw(st.binary(max_size=200))
    noisy = pushed(Decoder(), noise + stream)
    assert noisy[len(noisy) - len(sent) :] == sent


def test_decoder_when_bytes_are_wrong_then_counts_the_reason():
    decoder = Decoder()
    frame = encode(b"\x01\x02\x03")
    assert pushed(decoder, b"\x00\x00\x00") == []
    assert decoder.bad_count == 0
    assert pushed(decoder, b"\x03\x01\x00") == []
    assert (decoder.bad_stuffing_count, decoder.bad_count) == (1, 1)
    assert pushed(decoder, b"\x01" * FRAME_LEN_MAX + b"\x00" + b"\x05abcd\x00") == []
    assert (decoder.bad_length_count, decoder.bad_count) == (2, 3)
    assert pushed(decoder, frame[:3] + b"\x01" + frame[4:]) == []
    assert (decoder.bad_checksum_count, decoder.bad_count) == (1, 4)
    assert pushed(decoder, frame) == [b"\x01\x02\x03"]
    assert decoder.good_count == 1


def test_decoder_when_a_megabyte_has_no_delimiter_then_its_memory_stays_and_the_next_is_believed():
    decoder = Decoder()
    for _ in range(1 << 20):
        decoder.push(0x41)
    assert len(decoder._buffer) == FRAME_LEN_MAX - 2
    assert pushed(decoder, encode(b"next")) == [b"next"]
    assert (decoder.bad_length_count, decoder.bad_count) == (1, 1)


# Of each kind of damage. One in fifty spares a whole frame and does not count: ten million are left
# in an hour of the campaign.
FRAMES = 17_100


def flip(rng: random.Random, frame: bytearray, other: bytes) -> None:
    for _ in range(rng.randint(1, 4)):
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)


def burst(rng: random.Random, frame: bytearray, other: bytes) -> None:
    at, length = rng.randrange(len(frame)), rng.randint(1, 8)
    frame[at : at + length] = rng.randbytes(length)


def insert(rng: random.Random, frame: bytearray, other: bytes) -> None:
    at = rng.randrange(1, len(frame))
    frame[at:at] = rng.randbytes(rng.randint(1, 5))


def delete(rng: random.Random, frame: bytearray, other: bytes) -> None:
    at = rng.randrange(1, len(frame) - 1)
    del frame[at : at + rng.randint(1, 5)]


def splice(rng: random.Random, frame: bytearray, other: bytes) -> None:
    frame[rng.randrange(1, len(frame)) :] = other[rng.randrange(1, len(other)) :]


@pytest.mark.promise
@pytest.mark.parametrize("damage", [flip, burst, insert, delete, splice])
def test_decoder_of_damaged_frames_then_none_is_believed_and_the_next_good_one_is(
    damage, promise, scale
):
    rng = random.Random(damage.__name__)
    decoder = Decoder()
    believed_count = tried = 0
    for _ in range(FRAMES * scale):
        body, other, good = (rng.randbytes(rng.randint(9, 30)) for _ in range(3))
        damaged = bytearray(encode(body))
        damage(rng, damaged, encode(other))
        if any(encode(whole)[1:] in damaged for whole in (body, other)):
            continue  # the damage spared a whole frame, which may be believed
        believed = pushed(decoder, bytes(damaged) + encode(good))
        assert believed[-1:] == [good]
        believed_count += len(believed) - 1
        tried += 1
    promise(
        "B1", f"damaged frames ({damage.__name__}), each before a good one", tried, believed_count
    )
