"""Queue lines as the examples describe them: any bytes, in any split, say the same."""

from collections.abc import Iterator
from functools import cache

from daemon.config import load_signal
from daemon.config.signal_line import Signal as SignalConfig
from daemon.dialects import Dialect, dialect
from sim.fuzz.spoken import CONCEAL, WINDOWS, heard
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target
from sim.terminal import EXAMPLES

NAMES = ("colon", "frame", "jsonl", "line", "native", "sentence")
# More than the longest record.
LEN_MAX = 2600
# A few records of each: with whole captures an engine tries a tenth as many inputs.
SEED_LEN = 240


def seeds() -> Iterator[bytes]:
    for index, name in enumerate(NAMES):
        capture = (EXAMPLES / f"{name}.capture").read_bytes()
        for at in range(0, len(capture), SEED_LEN):
            yield bytes((index,)) + capture[at : at + SEED_LEN]
    yield bytes((NAMES.index("jsonl"),)) + b'{"window": ' + b"[" * 40 + b"]" * 40 + b"}\n"


@cache
def _config(name: str) -> SignalConfig:
    return load_signal(EXAMPLES / f"{name}.toml")[0]


def _made(name: str) -> Dialect:
    return dialect(_config(name), WINDOWS, CONCEAL)


def check(data: bytes) -> None:
    tape = Tape(data)
    name = tape.choice(NAMES)
    whole = data[1:]
    once, split = _made(name), _made(name)
    assert heard(once, [whole]) == heard(split, tape.splits()), "another split says something else"
    assert once.counts == split.counts


TARGET = Target(promise="B4", what="queue lines", seeds=seeds, check=check, len_max=LEN_MAX)
