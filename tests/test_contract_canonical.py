"""Canonical JSON: the fast way and RFC 8785 give one text, and nothing loose is read."""

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from protocol.central.canonical import (
    INT_MAX,
    BadJson,
    NotCanonical,
    canonical,
    parse,
    parse_canonical,
)

VECTORS = json.loads(Path(__file__).with_name("vectors").joinpath("central.json").read_text())

# Whole floats from 2**53 on are written like the integers that are refused.
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-INT_MAX, INT_MAX)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@pytest.mark.parametrize("vector", VECTORS["canonical"], ids=lambda vector: vector["why"])
def test_canonical_when_given_a_golden_text_then_gives_the_golden_form(
    vector: dict[str, str],
) -> None:
    assert canonical(parse(vector["text"])).decode() == vector["canonical"]


@given(values)
def test_canonical_when_given_any_value_then_is_what_rfc8785_says(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(values)
def test_canonical_when_parsed_and_written_again_then_stays_the_same(value: Any) -> None:
    text = canonical(value)
    assert canonical(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        "NaN",
        "[Infinity]",
        "",
        "{",
        "1 2",
        b"\xff",
        b'"\xed\xa0\x80"',
        '"\ud800"',
        '"\\ud83d"',
        '{"a":[{"\\uDE00":1}]}',
        "[" * 100_000,
        "1" * 5_000,
    ],
    ids=str,
)
def test_parse_when_the_text_is_loose_then_refuses_it(text: str | bytes) -> None:
    with pytest.raises(BadJson):
        parse(text)


def test_parse_when_both_halves_of_a_character_are_named_then_reads_it() -> None:
    assert parse('["\\ud83d\\ude00","\\\\ud83d"]') == ["\U0001f600", "\\ud83d"]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**53),
        float("nan"),
        float("inf"),
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        {"a", "b"},
        nested(100_000),
        [0.5, nested(100_000)],
    ],
    ids=lambda value: repr(type(value)),
)
def test_canonical_when_there_is_no_such_form_then_says_so(value: Any) -> None:
    with pytest.raises(BadJson):
        canonical(value)


def slowly(text: str | bytes) -> Any:
    """What parse_canonical means, without its short way."""
    try:
        value = parse(text)
        written = canonical(value)
    except BadJson:
        return BadJson
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return value if written == raw else NotCanonical


def read(text: str | bytes) -> Any:
    try:
        return parse_canonical(text)
    except (BadJson, NotCanonical) as error:
        return type(error)


@given(values, st.data())
def test_parse_canonical_when_a_text_was_disturbed_then_says_what_the_long_way_says(
    value: Any, data: st.DataObject
) -> None:
    text = canonical(value).decode()
    assert read(text) == read(text.encode()) == value
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(
        st.sampled_from(["", " ", "0", "-0", "1e5", "0.5", "\\u00e9", '"a":1,', "9" * 17])
    )
    left_out = data.draw(st.integers(0, 2))
    disturbed = text[:at] + put + text[at + left_out :]
    assert read(disturbed) == slowly(disturbed)
    assert read(disturbed.encode()) == slowly(disturbed.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}', '{"b":1,"a":2}', "-0", "1e-07", "1E5", "9007199254740993", "[1, 2]",
        '{"\\u00e9":1}',
        '{"\u00e9":1}', '{"\U0001f600":1,"\ufb33":2}', '{"\ufb33":2,"\U0001f600":1}',
        '"\ud800"', '"\\ud800"', b"\xff", "NaN", "", "[" * 100_000, '["' + "9" * 20 + '"]',
    ],
    ids=lambda text: ascii(text)[:24],
)  # fmt: skip
def test_parse_canonical_when_the_text_is_special_then_says_what_the_long_way_says(
    text: str | bytes,
) -> None:
    assert read(text) == slowly(text)
