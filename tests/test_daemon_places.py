"""Where each key of a configuration stands: the same keys as tomllib's, at their very letters."""

import json
import re
import tomllib
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config import places as module
from daemon.config.places import DEPTH_MAX, Place, places
from daemon.config.table import Problems, Table

EXAMPLE = resources.files("daemon").joinpath("config.example.toml").read_text("utf-8")
KEYS = st.one_of(
    st.sampled_from(["a", "b", "c", "d-1", "3"]),
    st.text(st.sampled_from("a.'\"\\ #[]=é中😀\t"), max_size=4),
)
# Texts that look like everything else.
DECOYS = st.sampled_from(
    [
        '"a = 1"', "'# [a]'", '"""\na = 1\n[a]\n"""', "'''\nb = {'''", '"""x"""""', "''''x'''''",
        '"\\"]}"', "1979-05-27 07:32:00", "-1.5e3", "true", "[]", "{}", "[[], [1, 2], {a = 3}]",
        '"""\\"""a = 1"""', "[ # ]\n 1, # a = 1\n\n 2,\n]",
    ]
)  # fmt: skip


def paths(value, path=()):
    """Every path of a value that tomllib read, with what is there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*path, key), item
        if isinstance(item, dict | list):
            yield from paths(item, (*path, key))


@st.composite
def keys(draw):
    key = draw(KEYS)
    if re.fullmatch(r"[0-9A-Za-z_-]+", key) and draw(st.booleans()):
        return key, key
    if "'" not in key and draw(st.booleans()):
        return key, f"'{key}'"
    return key, json.dumps(key, ensure_ascii=draw(st.booleans()))


@st.composite
def documents(draw):
    """A text of keys, headers, dotted keys and inline tables; one that tomllib refuses is none."""
    lines = []
    for _ in range(draw(st.integers(0, 8))):
        raw = draw(st.sampled_from([".", " . ", "\t."])).join(
            raw for _, raw in draw(st.lists(keys(), min_size=1, max_size=3))
        )
        form = draw(
            st.sampled_from(["{0} = {1}", "{0}={1}", "[{0}]", "[[ {0} ]]", "{0}={{x.{0}={1}}}"])
        )
        lines.append("  " * draw(st.integers(0, 1)) + form.format(raw, draw(DECOYS)))
        lines += draw(st.sampled_from([[], [""], ["# [a]"], ['  # a = """']]))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


def at(text, position):
    line, column = position
    return text.replace("\r\n", "\n").split("\n", line - 1)[-1][column - 1 :]


@settings(max_examples=60)
@given(documents())
def test_places_of_any_text_are_of_the_keys_that_tomllib_reads(text):
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = places(text)
    wanted = dict(paths(value))
    assert found.keys() == {path for path in wanted if len(path) <= DEPTH_MAX}
    for path, place in found.items():
        here = at(text, place.key)
        if isinstance(path[-1], str) and not here.startswith("["):
            raw = module._PART.match(here).group()
            assert next(iter(tomllib.loads(f"{raw} = 1"))) == path[-1]
        item = wanted[path]
        if not isinstance(item, dict | list):
            # The value begins where it is said, and ends somewhere on the way.
            rest = at(text, place.value)
            ends = range(1, len(rest) + 1)
            assert any(read(rest[:end]) == item for end in ends)


def read(text):
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return None


def test_places_of_the_example_are_at_their_lines():
    found = places(EXAMPLE)
    lines = EXAMPLE.splitlines()
    for path, place in found.items():
        assert lines[place.key[0] - 1][place.key[1] - 1 :].startswith((str(path[-1]), "["))
    assert found["window", 0, "number"].value[1] == len("number = ") + 1


def test_places_of_tables_and_arrays_are_those_of_headers_and_elements():
    text = '[a.b]\nc = [1,\n 2]\n[[w]]\nx = 1\n[[w]]\n x.y = {z = "中", q = 3}\n[w.v]\n'
    found = places(text)
    assert found["a",] == found["a", "b"] == Place((1, 1), (1, 1))
    assert found["a", "b", "c", 1] == Place((3, 2), (3, 2))
    assert found["w", 0, "x"] == Place((5, 1), (5, 5))
    assert found["w", 1] == Place((6, 1), (6, 1))
    assert found["w", 1, "x", "y", "q"] == Place((7, 18), (7, 22))
    assert found["w", 1, "v"] == Place((8, 1), (8, 1))


@pytest.mark.parametrize("text", ["a" + ".a" * 15_000 + " = 1", "[a" + ".a" * 15_000 + "]"])
def test_places_when_a_key_has_no_end_stop_at_their_depth(text):
    assert len(places(text)) == DEPTH_MAX


def test_problems_are_said_in_the_order_of_the_file_with_their_places():
    text = "[b]\n  wrong = 5\nodd = 1\n[a]\n"
    problems = Problems(text)
    top = Table.top(tomllib.loads(text), problems)
    top.table("a").needs("key", "a text")
    top.table("c").needs("key", "a text")
    top.table("b").wrong("wrong", 5, "less")
    top.table("b").only(["wrong"])
    assert problems.sentences() == [
        "line 2, column 11: b.wrong: 5 is not allowed; less",
        "line 3, column 1: b.odd: unknown; known: wrong",
        "line 4, column 1: a.key: missing; a text",
        "c.key: missing; a text",
    ]
