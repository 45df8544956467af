"""Receipts: only the platform's own word about this very journal counts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.central.canonical import canonical
from protocol.central.entry import Source
from protocol.central.receipts import BadReceipt, Receipt, make, read
from protocol.central.schema import receipt_problems
from protocol.central.signing import SigningKey, to_base64url

VECTORS = json.loads(Path(__file__).with_name("vectors").joinpath("central.json").read_text())
KEY = SigningKey.from_seed(bytes.fromhex(VECTORS["platform"]["seed"]))
KEYS = {KEY.kid: KEY.public}
SOURCE = Source.parse(VECTORS["source"])
RECEIPT = Receipt(
    SOURCE,
    VECTORS["epoch"],
    4,
    VECTORS["entries"][-1]["hash"],
    "2026-09-21T14:13:21.500Z",
    KEY.kid,
)


def signed(**changes: Any) -> bytes:
    """A receipt with changes, signed by the platform all the same."""
    value = {**json.loads(VECTORS["receipt"]), **changes}
    value.pop("sig")
    return canonical({**value, "sig": to_base64url(KEY.sign(canonical(value)))})


def test_make_when_given_the_golden_values_then_writes_the_golden_text() -> None:
    fields = RECEIPT
    text = make(KEY, fields.source, fields.epoch, fields.upto, fields.hash, fields.time)
    assert text == VECTORS["receipt"]
    assert receipt_problems(json.loads(text)) == []


def test_read_when_given_the_golden_text_then_gives_the_receipt() -> None:
    assert read(VECTORS["receipt"], KEYS) == RECEIPT
    assert read(VECTORS["receipt"].encode(), KEYS, SOURCE) == RECEIPT


@pytest.mark.parametrize("name", ["source", "epoch", "upto", "hash", "time", "kid", "sig"])
def test_read_when_a_member_was_changed_then_refuses(name: str) -> None:
    value = json.loads(VECTORS["receipt"])
    old = value[name]
    value[name] = old + 1 if name == "upto" else old[:-2] + ("0Z" if old[-2:] != "0Z" else "1Z")
    if name in ("epoch", "hash", "kid"):
        value[name] = ("0" if old[0] != "0" else "1") + old[1:]
    with pytest.raises(BadReceipt):
        read(canonical(value), KEYS)


def test_read_when_forged_with_another_key_then_refuses() -> None:
    forger = SigningKey.from_seed(bytes(32))
    text = make(forger, SOURCE, RECEIPT.epoch, 99, RECEIPT.hash, RECEIPT.time)
    with pytest.raises(BadReceipt, match="not the platform's"):
        read(text, KEYS)
    posing = {**json.loads(text), "kid": KEY.kid}
    with pytest.raises(BadReceipt, match="signature"):
        read(canonical(posing), KEYS)


def test_read_when_meant_for_another_unit_then_refuses() -> None:
    with pytest.raises(BadReceipt, match="meant for"):
        read(VECTORS["receipt"], KEYS, Source("330102", "h01", "w04"))


@pytest.mark.parametrize(
    "changes",
    [
        {"upto": 0},
        {"upto": True},
        {"upto": "4"},
        {"upto": 4.5},
        {"epoch": "x"},
        {"epoch": None},
        {"hash": ""},
        {"time": "now"},
        {"source": "w03"},
        {"more": ""},
    ],
    ids=str,
)
def test_read_when_the_platform_signed_nonsense_then_refuses(changes: dict[str, Any]) -> None:
    with pytest.raises(BadReceipt):
        read(signed(**changes), KEYS)


@given(st.binary(max_size=100))
def test_read_when_given_any_bytes_then_raises_nothing_else(junk: bytes) -> None:
    with pytest.raises(BadReceipt):
        read(junk, KEYS)


def test_read_when_a_text_in_it_cannot_be_written_then_refuses() -> None:
    with pytest.raises(BadReceipt):
        read(VECTORS["receipt"].replace("/330102/", "/\\ud83d/"), KEYS)


def test_read_when_it_is_too_long_then_refuses() -> None:
    with pytest.raises(BadReceipt, match="longer"):
        read(VECTORS["receipt"] + " " * 1024, KEYS)


def test_confirms_when_replayed_to_another_journal_then_does_not() -> None:
    receipt = read(VECTORS["receipt"], KEYS)
    assert receipt.confirms(RECEIPT.epoch, RECEIPT.hash)
    assert not receipt.confirms("f" * 16, RECEIPT.hash)
    assert not receipt.confirms(RECEIPT.epoch, VECTORS["entries"][0]["hash"])
    assert not receipt.confirms(RECEIPT.epoch, None)
