"""A description that was learned reads its capture as the one that made it did."""

import os
import pty
import random
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.__main__ import main
from daemon.config.frame_format import FrameFormat, Length, Part, Range, Sum8
from daemon.config.line_format import LineFormat
from daemon.config.signal_line import Signal
from daemon.config.table import Problems, Table
from daemon.dialects import dialect
from daemon.dialects.learned import KNOWN
from daemon.dialects.learning import learn
from sim.terminal import EXAMPLES, NOISE, speaker

ROOT = Path(__file__).resolve().parents[1]
NAMES = [path.stem for path in sorted(EXAMPLES.glob("*.toml"))]
SAYS = ("called", "recalled", "skipped", "completed", "suspended")
# The words of a terminal, as vendors say them.
WORDS = {"CALLOUT": "called", "RECALL": "recalled", "SKIP": "skipped", "EVALUATION": "completed",
         "SUSPEND": "suspended", "LOGIN": "login"}  # fmt: skip


def read(text, **tables):
    """The signal table of a proposal, with what the technician fills in."""
    values = tomllib.loads(text)["signal"]
    for name, filled in tables.items():
        values[values["dialect"]][name] = filled
    problems = Problems(text)
    config = Signal.read(Table.top({"signal": values}, problems).table("signal"))
    assert problems.sentences() == []
    return config


def signals(config, data):
    return dialect(config, (), str).received(0, data)


@pytest.mark.parametrize("name", NAMES)
def test_learned_description_of_an_example_reads_it_to_the_same_signals(name):
    data = (EXAMPLES / f"{name}.capture").read_bytes()
    text = (EXAMPLES / f"{name}.toml").read_text("utf-8")
    made = read(text)
    filled = {}
    if made.frame is not None:
        # Which byte means what is what a technician has to say.
        described = tomllib.loads(text)["signal"]["frame"]
        filled = {table: described[table] for table in ("fields", "words")}
    learned = read(learn(data), **filled)
    assert learned.dialect == made.dialect
    assert signals(learned, data) == signals(made, data)


def test_proposal_says_what_is_sure_and_what_is_asked():
    text = learn((EXAMPLES / "frame.capture").read_bytes())
    assert "# Sure: a frame begins with FF 68 ?? ?? 68 and ends with 16." in text
    assert "# Sure: its length is at 2 and leaves 7 bytes out." in text
    assert '# 41 = "?"    # 8 times: what does it mean?' in text
    assert "# Please find out what each word marked with ? means" in text
    assert tomllib.loads(text)["signal"]["frame"]["sum8"] == {"at": -2, "from": 5, "to": -2}


def morning(config, rng, count=24):
    """What a terminal says at a few windows, everything three times, with noise between."""
    say, heard = speaker(config), bytearray()
    for index in range(count):
        ticket = f"{rng.choice('ABC')}{rng.randrange(1, 1000):03}"
        window = str(rng.choice((1, 2, 3, 5, 8, 12)))
        whole = say(SAYS[index % len(SAYS)], {"window": window, "ticket": ticket})
        noise = rng.choice(NOISE) if rng.random() < 0.2 else b""
        torn = whole[: rng.randrange(len(whole))] if rng.random() < 0.15 else b""
        heard += noise + torn + whole * 3
    return bytes(heard)


def any_line(rng):
    """A description of delimited text as a vendor might have made it."""
    places = rng.sample(range(5), 3)
    described = LineFormat(
        encoding=rng.choice(("utf-8", "gbk")),
        start=rng.choice(("", "\x02", "$", "*")),
        end=rng.choice(("\n", "\r\n", "\x03", "\r")),
        separator=rng.choice(("|", ",", ";", "\t", "^")),
        checksum=rng.choice(("none", "sum8")),
        fields=dict(zip(("say", "window", "ticket"), places, strict=True)),
        words=WORDS,
    )
    return Signal(baud=9600, dialect="line", reply=False, line=described)


def any_frame(rng):
    """A description of byte frames as a vendor might have made it."""
    head = rng.choice(([0x3A], [0xFF, 0x68], [0xAA, 0x55], [0x7E], [0xEB, 0x90]))
    end = rng.choice((b"\x16", b"\x0a", b"\x0d\x0a", b"\xee"))
    has_length = rng.random() < 0.6
    at = len(head) if has_length else None
    header_len = len(head) + has_length
    tail = -1 - len(end)
    part = {"stop": None, "order": "big", "digits": 0}
    described = FrameFormat(
        header=tuple(head),
        end=end,
        longest=64,
        length=Length(
            at=at, size=1, order="big", again=None,
            counts=Range(start=rng.choice((0, header_len)), stop=rng.choice((0, tail))),
        ) if has_length else None,
        sum8=Sum8(at=tail, over=Range(start=rng.choice((0, 1)), stop=tail)),
        fields={
            "window": (Part(at=header_len, size=1, form="uint", **part),),
            "say": (Part(at=header_len + 1, size=1, form="hex", **part),),
            "ticket": (Part(at=header_len + 2, size=4, form="ascii", **part),),
        },
        words={f"{0x41 + index:02X}": ours for index, ours in enumerate(SAYS)},
    )  # fmt: skip
    return Signal(baud=9600, dialect="frame", reply=False, frame=described)


def test_learned_line_of_any_vendor_reads_the_same(scale):
    for seed in range(10 * scale):
        rng = random.Random(seed)
        made = any_line(rng)
        data = morning(made, rng)
        text = learn(data)
        assert text is not None, (seed, made)
        learned = read(text)
        assert learned.dialect == "line", (seed, made, text)
        assert signals(learned, data) == signals(made, data), (seed, made, text)


def test_learned_frame_of_any_vendor_reads_the_same(scale):
    for seed in range(3 * scale):
        rng = random.Random(seed)
        made = any_frame(rng)
        data = morning(made, rng)
        text = learn(data)
        assert text is not None, (seed, made)
        learned = read(text, fields={"say": {"at": 0}}, words=made.frame.words)
        assert learned.dialect == "frame", (seed, made, text)
        learned = replace(learned, frame=replace(learned.frame, fields=made.frame.fields))
        assert signals(learned, data) == signals(made, data), (seed, made, text)


def test_learned_frame_when_a_master_polls_all_day_is_found_among_the_polls():
    rng = random.Random(5)
    made = any_frame(rng)
    # What this terminal is asked between its calls: a frame of the same kind, always the same.
    poll = speaker(made)("suspended", {"window": "99", "ticket": ""})
    calls = morning(made, rng, count=8)
    data = poll * 600 + calls + poll * 600
    learned = read(learn(data), fields={"say": {"at": 0}}, words=made.frame.words)
    learned = replace(learned, frame=replace(learned.frame, fields=made.frame.fields))
    assert signals(learned, data) == signals(made, data)


@settings(max_examples=30)
@given(st.binary(max_size=300))
def test_any_bytes_teach_nothing_or_a_text_that_is_toml(data):
    text = learn(data * 4)
    assert text is None or "signal" in tomllib.loads(text)


def test_nobody_is_named_in_a_proposal():
    number = "999999194911211120"
    said = "".join(
        f"CALLOUT,{index % 3},A00{index},张三丰,{number},13000000000\n" for index in range(9)
    )
    text = learn(said.encode() * 3)
    assert 'CALLOUT = "called"' in text
    assert not any(secret in text for secret in ("张", number, "13000000000", "A001"))
    sentences = "".join(f"请张三丰到{window}窗口\r\n" for window in (3, 3, 3)) * 3
    assert "张" not in learn(sentences.encode("gbk"))
    names = "".join(f"张三丰,{window},A00{window}\n" for window in (3, 4, 5)) * 3
    assert "张" not in learn(names.encode("gbk"))


def test_name_that_no_encoding_has_is_no_harm():
    text = learn(b'{"event": "CALLOUT", "\\ud800": "x"}\n' * 5)
    assert 'say = "event"' in text
    assert text.encode()


def test_words_that_are_known_mean_something_of_ours():
    assert set(KNOWN.values()) <= {
        "called", "recalled", "skipped", "transferred", "suspended", "resumed", "served",
        "completed", "prompt", "bound", "staff", "login", "logout",
    }  # fmt: skip


# -- the command


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "daemon", "learn", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip


def test_learn_from_a_port_prints_what_it_would_from_a_file(tmp_path):
    data = (EXAMPLES / "sentence.capture").read_bytes()
    ours, theirs = pty.openpty()
    process = start("--port", os.ttyname(theirs), "--seconds", "0.5")
    assert b"press each button" in process.stderr.readline()
    os.write(ours, data)
    out, error = process.communicate(timeout=10)
    assert (process.returncode, error) == (0, b"")
    assert out.decode() == learn(data)
    os.close(ours)
    os.close(theirs)


def test_learn_when_nothing_is_recognised_says_what_to_do(tmp_path, capsys):
    path = tmp_path / "capture"
    path.write_bytes(bytes(range(256)))
    for where, words in (
        (path, "nothing was recognised in 256 bytes: try another --baud"),
        (tmp_path / "nowhere", "cannot be read (No such file or directory): mend the path"),
    ):
        assert main(["learn", "--capture", str(where)]) == 2
        said = capsys.readouterr()
        assert words in said.err
        assert said.out == ""
