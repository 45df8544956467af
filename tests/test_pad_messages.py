"""Messages against the golden vectors, and against values and bytes that mean nothing."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.pad import VERSION, framing, messages
from protocol.pad.errors import BadField, BadLength, MessageError, ProtocolError, UnknownKind
from protocol.pad.messages import (
    GREETING_LEN,
    GREETINGS,
    Ack,
    Edge,
    Hello,
    SelfTest,
    Status,
    UnitHello,
    decode,
    encode,
)

ROOT = Path(__file__).parent.parent
VECTORS = json.loads((ROOT / "tests/vectors/pad.json").read_text())
SPECIFICATION = (ROOT / "protocol/pad/PROTOCOL.md").read_text()


def message_of(vector) -> messages.Message:
    fields = {
        name: bytes.fromhex(value) if isinstance(value, str) else value
        for name, value in vector["fields"].items()
    }
    return getattr(messages, vector["kind"])(**fields)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["what"])
def test_golden_vector_both_ways_then_the_same_bytes(vector):
    message = message_of(vector)
    assert encode(message).hex() == vector["body"]
    assert framing.encode(encode(message)).hex() == vector["frame"]
    assert decode(bytes.fromhex(vector["body"])) == message


def test_golden_vectors_then_each_kind_has_one_and_the_specification_shows_all():
    assert {vector["kind"] for vector in VECTORS} == {cls.__name__ for cls in messages.CLASSES}
    for vector in VECTORS:
        assert f"| {vector['what']} | `{vector['frame']}` |" in SPECIFICATION


def test_specification_then_it_names_every_field_in_the_order_of_the_code():
    for cls in messages.CLASSES:
        row = next(line for line in SPECIFICATION.splitlines() if f"| {cls.__name__} |" in line)
        places = [row.find(f"{name} ") for name, _ in cls.FIELDS[2:]]
        assert f"0x{cls.KIND:02x}" in row
        assert -1 not in places
        assert places == sorted(places)


def values_of(kind):
    code, least, greatest = kind
    if code[-1] == "s":
        return st.binary(min_size=least, max_size=greatest)
    return st.integers(least, greatest)


def values_by_name(cls):
    ours = {"version": st.just(VERSION)}
    return {name: ours.get(name, values_of(kind)) for name, kind in cls.FIELDS}


any_message = st.sampled_from(messages.CLASSES).flatmap(
    lambda cls: st.builds(cls, **values_by_name(cls))
)


@given(any_message)
def test_decode_of_encode_then_the_same_message_within_one_frame(message):
    body = encode(message)
    assert decode(body) == message
    assert len(framing.encode(body)) <= framing.FRAME_LEN_MAX


@given(st.binary(max_size=60))
def test_decode_of_any_bytes_then_a_message_or_a_protocol_error(body):
    try:
        message = decode(body)
    except ProtocolError:
        return
    is_ours = getattr(message, "version", VERSION) == VERSION
    length = len(body) if is_ours else GREETING_LEN
    assert encode(message)[:length] == body[:length]


@given(
    st.sampled_from(GREETINGS),
    st.integers(1, 2**32 - 1),
    st.integers(0, 255).filter(lambda version: version != VERSION),
    st.binary(max_size=40),
)
def test_greeting_of_another_version_then_its_version_is_heard_whatever_follows(
    cls, boot_id, version, rest
):
    seq = 5 if cls is Hello else 0
    body = struct.pack(">BIIB", cls.KIND, boot_id, seq, version) + rest
    assert decode(body) == cls(boot_id, seq, version)
    with pytest.raises(BadLength):
        decode(body[: GREETING_LEN - 1])


def test_decode_when_kind_length_or_field_is_wrong_then_says_which():
    body = encode(Edge(7, 1, 3, 5, 1, 9))
    for wrong, error in (
        (b"", BadLength),
        (b"\x7f" + body[1:], UnknownKind),
        (body[:-1], BadLength),
        (body + b"\x00", BadLength),
        (struct.pack(">BIIIBBII", 2, 7, 1, 3, 6, 1, 9, 0), BadField),
        (struct.pack(">BIIIBBII", 2, 0, 1, 3, 5, 1, 9, 0), BadField),
        (struct.pack(">BIIIBBII", 2, 7, 0, 3, 5, 1, 9, 0), BadField),
        (struct.pack(">BIIIBBB", 0x83, 7, 1, 3, 0, 101, 0), BadField),
        (struct.pack(">BIII32s", 0x87, 7, 1, 3, bytes(32)), BadField),
    ):
        with pytest.raises(error):
            decode(wrong)


@pytest.mark.parametrize(
    "message",
    [
        Edge(7, 1, 3, 0, 1, 9),
        Edge(7, 1, 3, 5, 2, 9),
        Edge(7, 1, 2**32, 5, 1, 9),
        Hello(7, 1, 1, b"short", b"firmware", 1, 1, 0),
        UnitHello(0, 1, 1),
        Ack(0, 1),
    ],
)
def test_encode_when_a_value_does_not_fit_then_bad_field_names_it(message):
    with pytest.raises(BadField, match=type(message).__name__):
        encode(message)
    assert issubclass(BadField, MessageError)


def test_messages_then_equal_by_class_and_fields_and_readable():
    assert Ack(1, 2) == Ack(1, 2)
    assert Ack(1, 2) != Ack(1, 3)
    assert Ack(1, 2) != SelfTest(1, 2)
    assert repr(Ack(seq=2, boot_id=1)) == "Ack(boot_id=1, seq=2)"
    assert Hello(7, 1) == Hello(7, 1, 0, bytes(8), bytes(8), 0, 0, 0)
    with pytest.raises(AssertionError):
        Ack(1, 2, 3)
    with pytest.raises(AssertionError):
        Ack(1, upto=2)
    assert Status.KIND < messages.FROM_UNIT <= UnitHello.KIND
