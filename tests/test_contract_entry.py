"""One entry: its exact text, what is read from it, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.central.canonical import canonical
from protocol.central.entry import (
    GENESIS,
    KINDS,
    TEXT_LEN_MAX,
    BadEntry,
    Draft,
    Source,
    Stamp,
    digest,
    read,
    seal,
    utc_text,
)
from protocol.central.signing import SigningKey

VECTORS = json.loads(Path(__file__).with_name("vectors").joinpath("central.json").read_text())
KEY = SigningKey.from_seed(bytes.fromhex(VECTORS["key"]["seed"]))
SOURCE = Source.parse(VECTORS["source"])
EPOCH = VECTORS["epoch"]
STAMP = Stamp("b", 7, 1_790_000_000_000, True, 3)


def value(**changes: Any) -> dict[str, Any]:
    draft = Draft(1, "test", "w03", {"what": "x", "ok": True, "detail": ""}, STAMP)
    text = seal(draft, epoch=EPOCH, source=SOURCE, prevhash=GENESIS, key=KEY)
    return {**json.loads(text), **changes}


def refused(changed: dict[str, Any]) -> BadEntry:
    with pytest.raises(BadEntry) as caught:
        read(canonical(changed))
    return caught.value


def test_seal_when_given_the_golden_drafts_then_writes_the_golden_texts() -> None:
    prevhash = GENESIS
    for vector in VECTORS["entries"]:
        data = dict(vector["data"])
        made = data.pop("stamp")
        stamp = Stamp(*(made[name] for name in STAMP.to_json()))
        draft = Draft(vector["seq"], vector["kind"], vector["subject"], data, stamp)
        text = seal(draft, epoch=EPOCH, source=SOURCE, prevhash=prevhash, key=KEY)
        assert text == vector["text"]
        prevhash = digest(text)
        assert prevhash == vector["hash"]


@pytest.mark.parametrize("vector", VECTORS["entries"], ids=lambda vector: vector["kind"])
def test_read_when_given_a_golden_text_then_gives_what_was_drafted(vector: dict[str, Any]) -> None:
    entry = read(vector["text"])
    assert (entry.seq, entry.kind, entry.subject) == (
        vector["seq"],
        vector["kind"],
        vector["subject"],
    )
    assert entry.id == f"{EPOCH}-{vector['seq']}"
    assert (entry.source, entry.epoch, entry.kid) == (SOURCE, EPOCH, VECTORS["key"]["kid"])
    assert entry.data == vector["data"]
    assert entry.stamp.to_json() == vector["data"]["stamp"]
    assert entry.hash == vector["hash"]
    assert entry.is_signed_by(KEY.public)
    assert read(vector["text"].encode()) == entry


@given(
    st.integers(1, 2**53 - 1),
    st.sampled_from(KINDS),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128),
    st.dictionaries(st.text(max_size=8).filter("stamp".__ne__), st.integers(-9, 9), max_size=4),
    st.builds(Stamp, st.just("b"), st.integers(0, 2**40), st.none(), st.just(False), st.none())
    | st.builds(
        Stamp, st.just("b"), st.integers(0, 9), st.integers(0, 2**42), st.booleans(), st.just(1)
    ),
)
def test_read_when_given_anything_sealed_then_gives_it_back(
    seq: int, kind: str, subject: str, data: dict[str, Any], stamp: Stamp
) -> None:
    draft = Draft(seq, kind, subject, data, stamp)
    entry = read(seal(draft, epoch=EPOCH, source=SOURCE, prevhash=GENESIS, key=KEY))
    assert (entry.seq, entry.kind, entry.subject, entry.stamp) == (seq, kind, subject, stamp)
    assert entry.data == {**data, "stamp": stamp.to_json()}
    assert entry.is_signed_by(KEY.public)
    assert ("time" in entry.value) == stamp.synced


def test_signed_when_data_looks_like_the_signature_then_only_the_member_is_left_out() -> None:
    decoy = value()["signature"]
    draft = Draft(1, "test", f',"signature":"{decoy}"', {"a": {"s": "", "signature": decoy}}, STAMP)
    entry = read(seal(draft, epoch=EPOCH, source=SOURCE, prevhash=GENESIS, key=KEY))
    unsigned = {name: item for name, item in entry.value.items() if name != "signature"}
    assert entry.signed == canonical(unsigned)


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "1.1"},
        {"id": f"{EPOCH}-2"},
        {"id": f"{EPOCH}-01"},
        {"source": "/330102/h01"},
        {"source": "/330102/h01/w#"},
        {"source": "/330102/h01/w03\n"},
        {"type": "hcp.other.v1"},
        {"type": "hcp.test.v2"},
        {"type": "hcp.daily.v1"},
        {"subject": ""},
        {"subject": "x" * 129},
        {"subject": 5},
        {"time": "2026-09-21T14:13:20Z"},
        {"time": "2026-09-21T14:13:20.001Z"},
        {"time": None},
        {"datacontenttype": "text/plain"},
        {"dataschema": "urn:hcp:schema:daily:v1"},
        {"sequence": "1"},
        {"sequence": 1},
        {"sequence": "0" * 20},
        {"sequence": "²" * 20},
        {"epoch": "0A1b2c3d4e5f6071"},
        {"prevhash": "0" * 63},
        {"kid": "x" * 16},
        {"alg": "none"},
        {"signature": ""},
        {"signature": "A" * 85 + "B"},
        {"data": []},
        {"data": {}},
        {"data": {"stamp": None}},
        {"extra": ""},
    ],
    ids=str,
)
def test_read_when_a_member_does_not_keep_its_form_then_is_no_entry(change: dict[str, Any]) -> None:
    assert refused(value(**change)).name == "bad_entry"


@pytest.mark.parametrize("name", sorted(value()))
def test_read_when_a_member_is_missing_then_is_no_entry(name: str) -> None:
    changed = value()
    del changed[name]
    assert refused(changed).name == "bad_entry"


@pytest.mark.parametrize(
    "change",
    [
        {"bootId": ""},
        {"bootId": 5},
        {"boottimeMs": -1},
        {"boottimeMs": True},
        {"boottimeMs": 2**47},
        {"boottimeMs": 1.5},
        {"utcMs": None},
        {"utcMs": "0"},
        {"synced": 1},
        {"synced": False},
        {"errorMs": None},
        {"more": 1},
    ],
    ids=str,
)
def test_read_when_the_stamp_does_not_keep_its_form_then_is_no_entry(
    change: dict[str, Any],
) -> None:
    data = value()["data"]
    changed = value(data={**data, "stamp": {**data["stamp"], **change}})
    assert refused(changed).name == "bad_entry"


@pytest.mark.parametrize(
    "loosen",
    [
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace(":", ": ", 1),
        lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
        lambda text: text.replace("w03", "w\\u0030\\u0033"),
        lambda text: text.replace('"boottimeMs":7', '"boottimeMs":7.0'),
        lambda text: text.replace('"boottimeMs":7', '"boottimeMs":7e0'),
    ],
)
def test_read_when_the_text_is_written_in_another_way_then_is_not_canonical(loosen: Any) -> None:
    text = canonical(value()).decode()
    assert loosen(text) != text
    with pytest.raises(BadEntry) as caught:
        read(loosen(text))
    assert caught.value.name == "not_canonical"


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "5", "{}", b"\xff\xfe", "x" * (TEXT_LEN_MAX + 1), '{"a":"\\ud800"}'],
    ids=lambda text: repr(text[:20]),
)
def test_read_when_it_is_something_else_then_is_no_entry(text: str | bytes) -> None:
    with pytest.raises(BadEntry):
        read(text)


@given(st.binary(max_size=200))
def test_read_when_given_any_bytes_then_raises_nothing_else(junk: bytes) -> None:
    with pytest.raises(BadEntry):
        read(junk)


def test_source_when_written_and_parsed_then_is_the_same() -> None:
    source = Source("330102", "h-1", "w_3.a")
    assert Source.parse(str(source)) == source


def test_utc_text_when_given_milliseconds_then_keeps_all_three_digits() -> None:
    assert utc_text(0) == "1970-01-01T00:00:00.000Z"
    assert utc_text(1_790_000_000_007) == "2026-09-21T14:13:20.007Z"


def test_import_when_it_is_the_unit_then_loads_nothing_it_does_not_need() -> None:
    names = ("canonical", "entry", "receipts", "signing", "topics")
    heavy = ("jsonschema_rs", "cryptography", "asyncio")
    code = "import sys\n" + "".join(f"import protocol.central.{name}\n" for name in names)
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
