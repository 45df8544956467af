"""What a technician sees of a line: every byte once, what it meant, and never an ID number."""

import os
import pty
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.__main__ import main
from daemon.config import load_signal
from daemon.dialects import dialect
from daemon.dialects.listening import HIDDEN, RAW_LEN_MAX, Listener, shown
from daemon.privacy import bears_id_number
from sim.terminal import EXAMPLES, capture, speaker

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {path.stem: load_signal(path)[0] for path in sorted(EXAMPLES.glob("*.toml"))}
BEARS = partial(bears_id_number, born_before=20250101)
# Of no region there is, so nobody's.
NUMBER = next(
    number for check in range(10) if BEARS(number := f"99999919491121112{check}")
)  # fmt: skip


def listener(name):
    talk = dialect(CONFIGS[name], (), lambda text: HIDDEN if BEARS(text) else text)
    return Listener(talk, BEARS)


def rows(name, *chunks):
    """The rows of a stream that comes in these pieces, with a pause after each."""
    listening = listener(name)
    found = []
    for chunk in chunks:
        found += listening.received(0, chunk)
        found += listening.paused()
    return found


def lines(found, own=()):
    return [line for row in found for line in shown(row, own, BEARS)]


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_of_an_example_hold_every_byte_once_and_every_signal(name):
    data = capture(CONFIGS[name])
    found = rows(name, data)
    assert b"".join(row.raw for row in found) == data
    says = [row.signal.say for row in found if row.signal is not None]
    assert says == [
        "staff", "called", "called", "recalled", "completed", "skipped", "called", "suspended",
        "resumed",
    ]  # fmt: skip
    assert any(row.verdict == "repeated" for row in found)
    text = "\n".join(lines(found, ("3", "04")))
    assert re.search(r"called, window 0*4 \(of this unit\)", text)
    assert re.search(r"called, window 0*9 \(not of this unit\)", text)
    assert "ticket A023" in text


def test_row_of_a_sentence_is_hex_and_text_and_meaning_side_by_side():
    shown_lines = lines(rows("sentence", "请A001到3窗口\r\n".encode("gbk")))
    assert shown_lines == [
        "C7 EB 41 30 30 31 B5 BD 33 B4 B0 BF DA 0D 0A     请A001到3窗口..     called, window 3",
        " " * 69 + "ticket A001",
    ]


def test_row_when_damaged_or_unknown_says_why():
    frame = bytearray(speaker(CONFIGS["frame"])("called", {"window": "3", "ticket": "A001"}))
    frame[-2] ^= 1
    assert "damaged: its length, its end or its sum does not fit" in lines(rows("frame", frame))[0]
    line = b"\x02HELLO|3|A1|5C\x03"
    assert any("damaged: its sum does not fit" in text for text in lines(rows("line", line)))
    (text,) = lines(rows("jsonl", b'{"a":1}\n'))
    assert text.endswith("passed over: its word is none of the known ones")
    assert lines(rows("native", b"AT\r"))[0].endswith("no record")


FORMS = {
    "alone": NUMBER.encode(),
    "in text": f"身份证{NUMBER}号".encode(),
    "in gbk": f"张三|{NUMBER}|".encode("gbk"),
    "full width": NUMBER.translate({48 + digit: 0xFF10 + digit for digit in range(10)}).encode(),
    "in longer digits": f"88{NUMBER}77 ".encode(),
    "of the old form": b"id=999999491001002;",
    "as BCD": bytes.fromhex(NUMBER),
    "as BCD, shifted": bytes.fromhex(f"0{NUMBER}0"),
    "escaped": "".join(f"\\u{ord(digit):04x}" for digit in NUMBER).encode(),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("form", FORMS)
def test_id_number_in_any_form_is_asterisks_on_the_screen(name, form):
    text = "\n".join(lines(rows(name, b"\r\n" + FORMS[form] + b"\r\n")))
    assert HIDDEN in text
    assert not re.search(r"9999991949|39 39 39|99 99 99 19|99 99 91 94|999999491001|９９９", text)


@pytest.mark.parametrize("field", ["ticketSerial", "projectNo", "staff"])
def test_id_number_in_a_field_is_hidden_beside_its_bytes(field):
    data = speaker(CONFIGS["jsonl"])("completed", {"window": "3", "ticket": "A1", field: NUMBER})
    text = "\n".join(lines(rows("jsonl", data)))
    assert f"{field} {HIDDEN}" in text
    assert "completed, window 3" in text
    assert NUMBER[6:] not in text


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(1, 12), max_size=12), name=st.sampled_from(sorted(CONFIGS)))
def test_id_number_however_it_is_cut_by_pauses_is_never_whole_on_the_screen(cuts, name):
    data, chunks = b"xx " + NUMBER.encode() + b" yy\r\n", []
    while data:
        cut = cuts.pop() if cuts else len(data)
        chunks.append(data[:cut])
        data = data[cut:]
    found = rows(name, *chunks)
    plain = b"".join(row.raw if not row.is_hidden else b"." for row in found)
    # Region and a digit of the year may show; the birthday and the order do not.
    assert NUMBER[:9].encode() not in plain
    assert NUMBER[9:].encode() not in plain


@pytest.mark.parametrize("block", [b"7", b"x", b"\x00", b"{"])
def test_listener_of_a_line_without_end_keeps_little(block):
    listening = listener("jsonl")
    for _ in listening.received(0, block * 10_000):
        assert len(listening._raw) <= RAW_LEN_MAX
    assert len(listening._raw) <= RAW_LEN_MAX


# -- the command


def start(*arguments):
    # A pipe holds back what is not flushed, wherever the tests run.
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "daemon", "listen", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment,
    )  # fmt: skip


def test_listen_on_a_port_shows_what_comes_and_ends_when_interrupted(tmp_path):
    ours, theirs = pty.openpty()
    process = start("--port", os.ttyname(theirs), "--config", EXAMPLES / "sentence.toml")
    assert b"dialect line; Ctrl-C ends it" in process.stdout.readline()
    os.write(ours, "请A001到3窗口\r\n".encode("gbk"))
    assert "请A001到3窗口..     called, window 3" in process.stdout.readline().decode()
    assert "ticket A001" in process.stdout.readline().decode()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=10)
    assert (process.returncode, error) == (0, b"")
    assert b"good 1, damaged 0" in out
    assert list(tmp_path.iterdir()) == []
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dialect", "line", "--port", "/dev/null"], "needs a description"),
        (["--dialect", "jsnl", "--port", "/dev/null"], "line 1, column 1|did you mean jsonl"),
        (["--port", "/dev/null"], "is not a serial port"),
        (["--port", "/nowhere"], "does not exist: plug the cable in"),
        ([], "no port is named"),
    ],
)
def test_listen_when_it_cannot_says_what_to_do(capsys, arguments, words):
    assert main(["listen", *arguments]) == 2
    said = capsys.readouterr()
    assert re.search(words, said.err)
    assert said.out == ""
