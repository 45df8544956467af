"""A hall's own words for its screens: any text is taken, or its mistakes are sentences."""

from collections.abc import Iterator
from pathlib import Path

from daemon.front import words
from sim.fuzz.target import Target

LOCALE = Path(words.__file__).with_name("locale")
SENTENCE_LEN_MAX = 400


def seeds() -> Iterator[bytes]:
    for name in ("zh", "en"):
        yield (LOCALE / f"{name}.toml").read_bytes()
    yield b'idle = ["{window:x}", "^{ticket!r}", "}", "{a\\tb}"]\nheard = [1]\n"\\n" = 1\n'


def check(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    _, problems = words.read(text)
    for problem in problems:
        assert problem.isprintable(), "no line"
        assert len(problem) <= SENTENCE_LEN_MAX, "no sentence"


TARGET = Target(promise="H2", what="a hall's own words", seeds=seeds, check=check)
