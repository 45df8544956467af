"""Any description of a queue line, and any bytes on it: refused in words, or it works."""

import tomllib
from collections.abc import Iterator

from daemon.config.signal_line import Signal as SignalConfig
from daemon.config.table import Problems, Table
from daemon.dialects import dialect
from sim.fuzz.spoken import CONCEAL, WINDOWS, heard
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target
from sim.terminal import EXAMPLES

NAMES = ("colon", "frame", "jsonl", "line", "sentence")
# The description ends with a zero, which no TOML text has; what follows is said on the line.
END = b"\0"
SAID_LEN = 160


def seeds() -> Iterator[bytes]:
    for name in NAMES:
        lines = (EXAMPLES / f"{name}.toml").read_bytes().splitlines(keepends=True)
        text = b"".join(line for line in lines if not line.startswith(b"#"))
        said = (EXAMPLES / f"{name}.capture").read_bytes()
        yield text + END + said[:SAID_LEN]
        yield text.replace(b"gbk", b"utf-8") + END + said[-SAID_LEN:]


def check(data: bytes) -> None:
    description, _, said = data.partition(END)
    config = _described(description)
    if config is None:
        return
    once, split = (dialect(config, WINDOWS, CONCEAL) for _ in range(2))
    assert heard(once, [said]) == heard(split, Tape(said).splits()), "another split"
    for window in WINDOWS:
        assert isinstance(once.closed(window), bytes)


def _described(description: bytes) -> SignalConfig | None:
    try:
        text = description.decode()
        values = tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
    problems = Problems(text)
    config = SignalConfig.read(Table.top(values, problems).table("signal"))
    sentences = problems.sentences()
    assert all(sentence.isprintable() for sentence in sentences), "no sentence"
    return None if sentences else config


TARGET = Target(promise="B4", what="descriptions of queue lines", seeds=seeds, check=check)
