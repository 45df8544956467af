"""The trace on disk: whole lines back for one key, nothing for others, holes said in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.traces.trace_file import ENVELOPE_LEN, HEAD, TEXT_LEN, Envelopes, Missing, read
from protocol.central.envelope import EnvelopeError, Opener

SUPPORT = Opener.generate()
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1)


def written(lines, *, flush_each=0):
    envelopes, out = Envelopes(SUPPORT.public), HEAD
    for number, line in enumerate(lines, 1):
        out += envelopes.add(line)
        if flush_each and number % flush_each == 0:
            out += envelopes.rest()
    return out + envelopes.rest()


def blocks(raw):
    return [raw[at : at + ENVELOPE_LEN] for at in range(len(HEAD), len(raw), ENVELOPE_LEN)]


@settings(max_examples=30)
@given(st.lists(TEXTS, max_size=8), st.integers(0, 3), st.integers(0, 2))
def test_lines_of_any_length_and_flushed_at_any_time_come_back(lines, flush_each, longer):
    lines = [line + "x" * (TEXT_LEN * longer) for line in lines]
    assert list(read(written(lines, flush_each=flush_each), SUPPORT)) == lines


def test_length_of_the_file_tells_how_much_and_not_what():
    short, long = written(["a"]), written(["a" * (TEXT_LEN - 1)])
    assert len(short) == len(long) == len(HEAD) + ENVELOPE_LEN


def test_text_when_searched_for_in_the_file_is_not_there():
    assert b"satisfaction" not in written(['{"satisfaction":1}'])


def test_block_when_missing_is_said_and_the_lines_after_it_are_whole():
    lines = [f"line {number} " + "x" * 1000 for number in range(20)]
    kept = blocks(written(lines))
    found = list(read(HEAD + b"".join(kept[:1] + kept[2:]), SUPPORT))
    (missing,) = [line for line in found if isinstance(line, Missing)]
    assert missing.words == "block 1 is missing, block 2 follows"
    whole = [line for line in found if not isinstance(line, Missing)]
    assert set(whole) < set(lines)
    assert whole[-1] == lines[-1]


def test_block_when_damaged_is_said_and_the_lines_after_it_are_whole():
    lines = ["x" * 10_000, "y" * 10_000, "z"]
    raw = bytearray(written(lines))
    raw[len(HEAD) + ENVELOPE_LEN + 100] ^= 1
    assert list(read(bytes(raw), SUPPORT)) == [Missing("block 1 is damaged"), *lines[1:]]


@settings(max_examples=20)
@given(st.integers(1, ENVELOPE_LEN - 1))
def test_file_when_cut_anywhere_says_so(cut_len):
    *whole, end = read(written(["x" * TEXT_LEN, "y"])[:-cut_len], SUPPORT)
    assert whole == []
    assert end == Missing("the file ends within block 1: it was cut there")


def test_file_when_killed_between_two_blocks_of_a_line_says_so():
    raw = written(["first", "x" * TEXT_LEN * 2])
    *whole, end = read(raw[: len(HEAD) + ENVELOPE_LEN], SUPPORT)
    assert whole == ["first"]
    assert "the process was killed" in end.words


@pytest.mark.parametrize(
    ("raw", "opener", "words"),
    [
        (b"", SUPPORT, "no trace"),
        (b"SQLite format 3", SUPPORT, "no trace"),
        (written(["x"]), None, "--key"),
        (written(["x"]), Opener.generate(), "another key"),
    ],
)
def test_file_that_cannot_be_read_is_a_sentence(raw, opener, words):
    with pytest.raises(EnvelopeError, match=words):
        list(read(raw, opener))


def test_lines_in_clear_are_read_as_they_stand():
    assert list(read(b'{"a":1}\n{"b":2}\n', None)) == ['{"a":1}', '{"b":2}']
