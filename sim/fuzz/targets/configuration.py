"""The unit's configuration: any text is one, or each mistake is a sentence that names its place."""

import re
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from daemon import config
from daemon.config.places import DEPTH_MAX, places
from daemon.errors import ConfigError
from sim import memory
from sim.fuzz.target import Target

EXAMPLE = Path(config.__file__).parents[1] / "config.example.toml"
# A key or a table that the example only shows.
SHOWN = re.compile(r"^# (\[+[\w.]+\]+|\w+ = )", re.MULTILINE)
COMMENT = re.compile(r"[ \t]*#.*$", re.MULTILINE)
TABLES = re.compile(r"\n(?=\[[a-z]+\]|\[\[window)")
# How sentences begin that are about the whole file.
OF_THE_FILE = ("cannot be read", "longer than", "not UTF-8", "not TOML")
PLACED = re.compile(r"line (\d+), column (\d+): (.*)")
NAMED = re.compile(r"\S.*: .*")
# Of a sentence: a key and a value as they are quoted, and what is allowed there.
SENTENCE_LEN_MAX = 700
LEN_MAX = 2048

Place = tuple[str | int, ...]


def seeds() -> Iterator[bytes]:
    example = EXAMPLE.read_text("utf-8")
    yield _dense(example)
    for table in TABLES.split(SHOWN.sub(r"\1", example)):
        yield _dense(table)[:LEN_MAX]
    yield b"unit" + b".a" * 900 + b" = 0x" + b"f" * 100
    yield b'a.b."c d".e = [{x = 1, \'y\' = [1, 2]}]\n[[t.u]]\n[t.u.v]\nz = """\n"quoted"""\n'


def _dense(text: str) -> bytes:
    """The keys alone."""
    return re.sub(r"\n+", "\n", COMMENT.sub("", text)).encode()


def check(data: bytes) -> None:
    problems = _problems(data)
    for problem in problems:
        _check_sentence(problem, data.count(b"\n") + 1)
    if not any(problem.startswith(OF_THE_FILE) for problem in problems):
        text = data.decode()
        found = places(text)
        for path in _paths(tomllib.loads(text)):
            assert path in found, f"no place for {path}"


def _problems(data: bytes) -> list[str]:
    with tempfile.NamedTemporaryFile(dir=memory.folder()) as file:
        file.write(data)
        file.flush()
        try:
            assert config.load(Path(file.name)).windows
        except ConfigError as error:
            return error.problems
    return []


def _check_sentence(problem: str, line_count: int) -> None:
    assert problem.isprintable(), "no line"
    assert len(problem) <= SENTENCE_LEN_MAX, "too long"
    if problem.startswith(OF_THE_FILE):
        return
    placed = PLACED.fullmatch(problem)
    if placed is not None:
        assert 1 <= int(placed[1]) <= line_count, "a line that is not there"
        problem = placed[3]
    assert NAMED.fullmatch(problem), "a sentence that names no key"


def _paths(value: Any, path: Place = ()) -> Iterator[Place]:
    """The path of everything there is, as deep as places are sought."""
    if path:
        yield path
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items if len(path) < DEPTH_MAX else ():
        yield from _paths(inner, (*path, key))


TARGET = Target(promise="H4", what="configurations", seeds=seeds, check=check, len_max=LEN_MAX)
