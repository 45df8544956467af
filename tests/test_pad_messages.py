"""Messages against the golden vectors, and against values and bytes that mean nothing."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.pad import framing, messages
from protocol.pad.errors import BadField, BadLength, MessageError, ProtocolError, UnknownKind
from protocol.pad.messages import Ack, Edge, Hello, SelfTest, Status, UnitHello, decode, encode

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
    if code == "8s":
        return st.binary(min_size=least, max_size=greatest)
    return st.integers(least, greatest)


any_message = st.sampled_from(messages.CLASSES).flatmap(
    lambda cls: st.builds(cls, **{name: values_of(kind) for name, kind in cls.FIELDS})
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
    assert encode(message) == body


def test_decode_when_kind_length_or_field_is_wrong_then_says_which():
    body = encode(Edge(7, 1, 3, 5, 1, 9))
    for wrong, error in (
        (b"", BadLength),
        (b"\x7f" + body[1:], UnknownKind),
        (body[:-1], BadLength),
        (body + b"\x00", BadLength),
        (struct.pack(">BIIIBBI", 2, 7, 1, 3, 6, 1, 9), BadField),
        (struct.pack(">BIIIBBI", 2, 0, 1, 3, 5, 1, 9), BadField),
        (struct.pack(">BIIIBBI", 2, 7, 0, 3, 5, 1, 9), BadField),
    ):
        with pytest.raises(error):
            decode(wrong)


@pytest.mark.parametrize(
    "message",
    [
        Edge(7, 1, 3, 0, 1, 9),
        Edge(7, 1, 3, 5, 2, 9),
        Edge(7, 1, 2**32, 5, 1, 9),
        Hello(7, 1, 1, b"short", b"firmware", 1),
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
    assert Status.KIND < messages.FROM_UNIT <= UnitHello.KIND
