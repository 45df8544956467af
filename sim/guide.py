"""The technician's guide as a script: what it tells to type, and what it says is answered (pure).

A block fenced as `console` is followed literally: a line that begins with `$ ` is typed on the
office's laptop, one that begins with `w03$ ` on that unit; the lines below it are what is said when
all is well, with `…` for what is another text each time. A block fenced as `csv NAME` is a file of
that name. Every other block is only read.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FENCE = re.compile(r"```(.*)")
TYPED = re.compile(r"([a-z0-9-]*)\$ (.+)")
ANYTHING = "…"


@dataclass(frozen=True, slots=True)
class File:
    """A file to have: `line` is that of its block."""

    line: int
    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Step:
    """A command to type. at: a unit's name, empty for the laptop; said: the lines that come."""

    line: int
    at: str
    command: str
    said: tuple[str, ...]


class Unlike(AssertionError):
    """What was said is not what the guide says."""


def steps(text: str) -> list[File | Step]:
    """What a guide tells to do, in its order."""
    found: list[File | Step] = []
    for line, kind, inside in _blocks(text):
        word, _, name = kind.partition(" ")
        if word == "csv" and name:
            found.append(File(line, name, "".join(f"{each}\n" for each in inside)))
        elif word == "console":
            found += _typed(line, inside)
    return found


def follow(
    text: str, put: Callable[[str, str], None], run: Callable[[Step], tuple[int, str]]
) -> int:
    """Do what the guide tells; how many commands it was. Raises Unlike at the first that differs.

    put: a file by its name. run: a command's exit code, and what it said on both its outputs.
    """
    count = 0
    for step in steps(text):
        if isinstance(step, File):
            put(step.name, step.content)
            continue
        code, said = run(step)
        where = f"line {step.line}: {step.command}"
        if code:
            raise Unlike(f"{where}: ended with {code}:\n{said}")
        if not fits(step.said, said):
            wanted = "\n".join(step.said)
            raise Unlike(f"{where}: said\n{said}\ninstead of\n{wanted}")
        count += 1
    return count


def fits(wanted: tuple[str, ...], said: str) -> bool:
    """Whether what was said has the wanted lines, in their order; others may stand between."""
    lines = iter(line.strip() for line in said.splitlines())
    return all(any(_is_like(one.strip(), line) for line in lines) for one in wanted)


def _is_like(wanted: str, line: str) -> bool:
    # The width of a table's columns is that of what stands in it.
    parts = [re.escape(part) for part in re.sub(r"\s+", " ", wanted).split(ANYTHING)]
    return re.fullmatch(".*".join(parts), re.sub(r"\s+", " ", line)) is not None


def _blocks(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Line, info string and content of each fenced block."""
    kind, inside, first = None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence is None:
            inside.append(line)
        elif kind is None:
            kind, inside, first = fence[1].strip(), [], number
        else:
            yield first, kind, inside
            kind = None
    assert kind is None, f"line {first}: this block has no end"


def _typed(first: int, inside: list[str]) -> Iterator[Step]:
    typed: list[tuple[int, re.Match[str], list[str]]] = []
    for number, line in enumerate(inside, first + 1):
        match = TYPED.fullmatch(line)
        if match is not None:
            typed.append((number, match, []))
        elif line:
            assert typed, f"line {number}: nothing was typed that would say this"
            typed[-1][2].append(line)
    for number, match, said in typed:
        yield Step(number, match[1], match[2], tuple(said))
