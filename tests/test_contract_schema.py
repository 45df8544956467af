"""The schemas: every kind's examples keep them, nothing more is let in, nothing personal fits."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from protocol.central import schema, topics
from protocol.central.entry import KINDS, Source, read
from sim.journals import Writer, journal, key

SOURCE = Source("330102", "h01", "w03")
# A receipt's example is made and signed in sim/examples.py: there is none without a key.
UNSIGNED = tuple(name for name in schema.MESSAGES if name != "receipt")
EXAMPLES = [
    (name, index)
    for name in (*KINDS, *UNSIGNED)
    for index in range(len(schema.load(name)["examples"]))
]
# In the words of the provinces' messages and of everyday code; none may name a member of ours.
PERSONAL = re.compile(
    r"applicant|citizen|user(name)?$|realname|idcard|idno|certificate|cert(no|key)|passport|"
    r"phone|mobile|tel$|email|address|birth|gender|sex|face|voice|photo|image|plate|wechat|openid|"
    r"writingevaluation|comment",
    re.IGNORECASE,
)


def example(kind: str, index: int = 0) -> dict[str, Any]:
    value: dict[str, Any] = deepcopy(schema.load(kind)["examples"][index])
    return value


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from objects(item)


def problems(name: str, value: Any) -> list[str]:
    """What is wrong with a kind's data or a whole message."""
    check = schema.data_problems if name in KINDS else schema.message_problems
    return check(name, value)


def member_names(value: Any) -> set[str]:
    """All names a schema describes."""
    return {name for part in objects(value) for name in part.get("properties", {})}


@pytest.mark.parametrize(("kind", "index"), EXAMPLES)
def test_example_when_checked_then_keeps_its_schema(kind: str, index: int) -> None:
    assert problems(kind, example(kind, index)) == []


@pytest.mark.parametrize("kind", [*KINDS, *UNSIGNED])
def test_data_when_a_member_is_added_anywhere_then_is_refused(kind: str) -> None:
    for number, _ in enumerate(objects(example(kind))):
        changed = example(kind)
        target = list(objects(changed))[number]
        target["applicantName"] = "x"
        open_map = target in (changed.get("counters"), changed.get("versions"))
        assert problems(kind, changed) != [] or open_map


@pytest.mark.parametrize("kind", [*KINDS, *UNSIGNED])
def test_data_when_a_member_is_missing_then_is_refused(kind: str) -> None:
    for name in example(kind):
        changed = example(kind)
        del changed[name]
        assert problems(kind, changed) != []


@pytest.mark.parametrize("kind", [*KINDS, *UNSIGNED])
def test_data_when_a_member_has_another_type_then_is_refused(kind: str) -> None:
    for name in example(kind):
        changed = example(kind) | {name: [["neither of any type we use"]]}
        assert any(name in sentence for sentence in problems(kind, changed))


@pytest.mark.parametrize("name", ["common", *schema.NAMES])
def test_schema_when_searched_then_has_no_place_for_personal_data(name: str) -> None:
    assert [word for word in member_names(schema.load(name)) if PERSONAL.search(word)] == []


@pytest.mark.parametrize("name", schema.NAMES)
def test_schema_when_it_describes_an_object_then_closes_it(name: str) -> None:
    for part in objects(schema.load(name)):
        if "properties" in part and part.get("type") == "object" and name != "entry":
            assert part.get("additionalProperties") is not None


@pytest.mark.parametrize(
    "change",
    [
        {"satisfaction": 6},
        {"satisfaction": 0},
        {"satisfaction": None},
        {"key": None},
        {"pressedAt": None},
        {"presses": 0},
        {"outcome": "default"},
        {"isDefault": True},
        {"reasons": ["617"]},
        {"reasons": ["517", "517"]},
        {"outcome": "timeout"},
        {"service": "0a1b2c3d4e5f6071-0"},
    ],
    ids=str,
)
def test_rating_when_its_parts_contradict_each_other_then_is_refused(
    change: dict[str, Any],
) -> None:
    assert schema.data_problems("rating", example("rating") | change) != []


def test_rating_when_not_rated_but_with_a_level_then_is_refused() -> None:
    assert schema.data_problems("rating", example("rating", 1) | {"satisfaction": 5}) != []


@pytest.mark.parametrize("word", ["level_5", "Level", "satisfaction", "unsatisfied"])
def test_health_when_a_counter_is_named_like_a_level_then_is_refused(word: str) -> None:
    counted = example("health") | {"counters": {"day": {word: 1}}}
    assert problems("health", counted) != []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("health", {"head": {"epoch": "0a1b2c3d4e5f6071", "seq": 0, "hash": "0" * 64}}),
        ("health", {"head": None}),
        ("health", {"delivered": -1}),
        ("health", {"counters": {"pad": {"good": -1}}}),
        ("health", {"counters": {"pad": 1}}),
        ("health", {"counters": {f"g{number}": {} for number in range(17)}}),
        ("state", {"state": "asleep"}),
        ("ask", {"from": 0}),
        ("ask", {"upto": 2**53}),
        ("ask", {"epoch": "x"}),
        ("alarm", {"name": "tired"}),
        ("alarm", {"state": "ajar"}),
        ("alarm", {"source": "330102"}),
        ("alarm", {"source": topics.NOWHERE}),
        ("alarm", {"count": 0}),
        ("alarm", {"since": "2026-11-22 01:02:03"}),
        ("alarm", {"sentence": ""}),
    ],
    ids=str,
)
def test_message_when_a_value_is_out_of_range_then_is_refused(
    name: str, change: dict[str, Any]
) -> None:
    assert problems(name, example(name) | change) != []


@pytest.mark.parametrize("name", topics.ALARMS)
def test_alarm_when_its_name_is_in_the_contract_then_keeps_the_schema(name: str) -> None:
    assert problems("alarm", example("alarm") | {"name": name}) == []


def test_problems_when_given_whole_entries_then_checks_envelope_and_data() -> None:
    for text in journal(Writer(SOURCE, key(1), 1), 30):
        value = read(text).value
        assert schema.problems(value) == []
        assert schema.problems({**value, "extra": 1}) != []
        assert schema.problems({**value, "data": {}}) != []
        assert schema.problems({**value, "kid": "short"}) != []
    assert schema.problems("nothing") != []


def test_problems_when_a_value_is_dirty_then_the_sentence_does_not_repeat_it() -> None:
    dirty = "330102199001011234" * 5
    sentences = schema.data_problems(
        "rating", example("rating") | {"window": dirty, "staff": [dirty]}
    )
    assert len(sentences) == 2
    assert dirty not in json.dumps(sentences)


def test_problems_when_a_name_is_dirty_then_the_sentence_stays_one_short_line() -> None:
    (sentence,) = schema.data_problems("test", example("test") | {"a\nWARNING b" * 50: 1})
    assert sentence.isprintable()
    assert len(sentence) <= schema.SENTENCE_LEN_MAX


def test_problems_when_a_value_is_nested_without_end_then_says_so() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    (sentence,) = schema.data_problems("test", example("test") | {"detail": deep})
    assert sentence == "data: nested too deeply, or no text"
