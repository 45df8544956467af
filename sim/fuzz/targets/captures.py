"""A queue line that a technician listens to: any bytes are shown in lines, and no ID number."""

from collections.abc import Iterator
from functools import cache, partial

from daemon.config import load_signal
from daemon.config.signal_line import Signal as SignalConfig
from daemon.dialects import dialect
from daemon.dialects.listening import BYTES_A_LINE, Listener, shown
from daemon.privacy import bears_id_number
from sim.fuzz.spoken import BORN_BEFORE, CONCEAL
from sim.fuzz.target import Target
from sim.terminal import EXAMPLES

NAMES = ("colon", "frame", "jsonl", "line", "native", "sentence")
SEED_LEN = 240
LEN_MAX = 1024
# The hex of a line, its text in columns, and a sentence.
SHOWN_LEN_MAX = 4 * BYTES_A_LINE + 200


def seeds() -> Iterator[bytes]:
    for index, name in enumerate(NAMES):
        yield bytes((index,)) + (EXAMPLES / f"{name}.capture").read_bytes()[:SEED_LEN]
    yield bytes((3,)) + b"\x02CALLOUT|3|A023|33010219900101123X|07\x03" * 3


@cache
def _config(name: str) -> SignalConfig:
    return load_signal(EXAMPLES / f"{name}.toml")[0]


def check(data: bytes) -> None:
    name, capture = NAMES[data[0] % len(NAMES)] if data else NAMES[0], data[1:]
    bears = partial(bears_id_number, born_before=BORN_BEFORE)
    listener = Listener(dialect(_config(name), (), CONCEAL), bears)
    rows = [*listener.received(0, capture), *listener.paused()]
    raw = b"".join(row.raw for row in rows)
    assert capture.startswith(raw), "bytes that never came"
    for row in rows:
        for line in shown(row, (), bears):
            assert line.isprintable(), "a line that is none"
            assert len(line) <= SHOWN_LEN_MAX
            assert not bears(line), "an ID number on the screen"


TARGET = Target(
    promise="E3", what="captures of a queue line", seeds=seeds, check=check, len_max=LEN_MAX
)
