"""`python -m sim replay FILE`: a trace through the core again, every effect compared.

A trace of a unit is closed for whoever holds the key; one of the simulator is in clear.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from daemon import VERSION as RELEASE
from daemon.core import Core
from daemon.traces.trace_file import Missing, read
from daemon.traces.transcript import (
    VERSION,
    Heard,
    RecordedDialect,
    Start,
    Step,
    effect_line,
    read_start,
    read_step,
)
from protocol.central.canonical import ContractError
from protocol.central.envelope import Opener

NAME = "replay"
HELP = "a trace through the core again: is every effect the same?"

SHOWN_LEN_MAX = 160


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--key", type=Path, metavar="PEM", help="the private key that a unit's trace is closed for"
    )
    parser.add_argument("--show", action="store_true", help="print every line of it, too")


def run(asked: argparse.Namespace) -> int:
    try:
        opener = None if asked.key is None else Opener.load(asked.key)
        with asked.file.open("rb") as file:
            lines = list(read(file.read(), opener))
    except OSError as error:
        print(f"{asked.file}: {error.strerror}")
        return 1
    except ContractError as error:
        print(f"{asked.file}: {error}")
        return 1
    if asked.show:
        for line in lines:
            print(line if isinstance(line, str) else f"-- {line.words}")
    verdict = replay(lines)
    print(f"{asked.file}: {verdict.sentence}")
    return 0 if verdict.is_equal else 1


@dataclass(slots=True)
class Verdict:
    """How far the replay came, and what stopped it, if anything did."""

    event_count: int = 0
    effect_count: int = 0
    trouble: str | None = None
    # What is said although it does not make the replay another one.
    notes: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        return self.trouble is None

    @property
    def sentence(self) -> str:
        counts = f"{self.event_count} events, {self.effect_count} effects"
        return "; ".join([f"{counts}, {self.trouble or 'equal'}", *dict.fromkeys(self.notes)])


class _Stop(Exception):
    """The replay cannot go on; the text says why."""


def replay(lines: Iterable[str | Missing], make: Callable[..., Core] = Core) -> Verdict:
    """Make the core of the first line, give it every event, and compare what it wants done."""
    verdict = Verdict()
    try:
        _replay(_steps(lines, verdict), verdict, make)
    except _Stop as error:
        verdict.trouble = str(error)
    return verdict


@dataclass(slots=True)
class _Told:
    """One event line and the effect lines below it, as they stand in the trace."""

    number: int
    value: dict[str, Any]
    effects: list[str] = field(default_factory=list)
    raised: str | None = None


def _steps(lines: Iterable[str | Missing], verdict: Verdict) -> Iterator[_Told]:
    """The lines gathered by event; what is missing at the very end ends the trace, no more."""
    told: _Told | None = None
    gap: str | None = None
    for number, line in enumerate(lines, 1):
        if gap is not None:
            raise _Stop(f"equal up to line {number - 1}, where {gap}")
        if isinstance(line, Missing):
            gap = line.words
            continue
        value = _parsed(number, line)
        if "effect" in value or "raised" in value:
            if told is None or "event" not in told.value:
                raise _Stop(f"line {number}: an effect of nothing")
            told.raised = value.get("raised")
            if "effect" in value:
                told.effects.append(line)
            continue
        if "dropped" in value:
            gap = f"{value['dropped']} steps were dropped: the disk was slower than the window"
            continue
        if told is not None:
            yield told
        told = _Told(number, value)
    if gap is None and told is not None:
        yield told
    elif gap is not None:
        # Of the last event some effects may be missing, so it is not judged.
        verdict.notes.append(gap)


def _parsed(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _Stop(f"line {number} is no line of a trace")
    return value


def _replay(steps: Iterator[_Told], verdict: Verdict, make: Callable[..., Core]) -> None:
    core: Core | None = None
    following: list[Heard] = []
    for told in steps:
        if "start" in told.value:
            core = _core(_started(told, verdict), following, make)
            continue
        if core is None:
            break
        try:
            step = read_step(told.value)
        except (ValueError, KeyError) as error:
            raise _Stop(f"line {told.number}: {error}") from error
        following[:] = step.heard
        _compare(told, _stepped(core, step), verdict)
    if core is None:
        raise _Stop("not compared: it does not begin with a start of the daemon")


def _started(told: _Told, verdict: Verdict) -> Start:
    if told.value.get("trace") != VERSION:
        raise _Stop(f"line {told.number}: a trace of another version than {VERSION}")
    try:
        start = read_start(told.value)
    except (ValueError, KeyError) as error:
        raise _Stop(f"line {told.number}: this release cannot start so: {error}") from error
    ran = start.setup.identity.versions.get("daemon", RELEASE)
    if ran != RELEASE:
        verdict.notes.append(f"the trace is of release {ran}, this is {RELEASE}")
    return start


def _core(start: Start, following: list[Heard], make: Callable[..., Core]) -> Core:
    dialects = [RecordedDialect(following) for _ in start.setup.lines]
    return make(start.now_ms, start.setup, dialects, start.restored)


def _stepped(core: Core, step: Step) -> tuple[list[str], str | None]:
    """The effect lines of one step, or what it raised."""
    try:
        return [effect_line(effect) for effect in core.step(step.now_ms, step.event)], None
    except Exception as error:  # noqa: BLE001 (the trace may be of a bug, which is to show here)
        return [], repr(error)


def _compare(told: _Told, found: tuple[list[str], str | None], verdict: Verdict) -> None:
    effects, raised = found
    verdict.event_count += 1
    if raised != told.raised:
        raise _Stop(
            f"line {told.number}: {told.value['event']} ended {_ended(told.raised)} in the trace, "
            f"{_ended(raised)} in the replay"
        )
    if raised is not None:
        verdict.notes.append(f"it ended {_ended(raised)}, and so did the replay")
    for number, (then, now) in enumerate(zip_longest(told.effects, effects), told.number + 1):
        if then != now:
            raise _Stop(f"line {number}: {told.value['event']} made {_difference(then, now)}")
        verdict.effect_count += 1


def _ended(raised: str | None) -> str:
    return "well" if raised is None else f"with {raised}"


def _difference(then: str | None, now: str | None) -> str:
    """Where two effects part, in words."""
    if then is None or now is None:
        return f"{_effect(then)} in the trace, {_effect(now)} in the replay"
    path, one, other = _parting(json.loads(then), json.loads(now))
    if path == ["effect"]:
        return f"{_effect(then)} in the trace, {_effect(now)} in the replay"
    where = ".".join(path[1:])
    return (
        f"{_effect(then)} with another {where}: {_short(one)} in the trace, "
        f"{_short(other)} in the replay"
    )


def _effect(line: str | None) -> str:
    return "nothing" if line is None else str(json.loads(line)["effect"])


def _parting(one: Any, other: Any) -> tuple[list[str], Any, Any]:
    """The first place where two values differ, and what stands there."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        names: Iterable[Any] = one
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        names = range(len(one))
    elif isinstance(one, str) and isinstance(other, str) and one[:1] == other[:1] == "{":
        # A state row or an entry.
        return _parting(json.loads(one), json.loads(other))
    else:
        return [], one, other
    for name in names:
        if one[name] != other[name]:
            path, *both = _parting(one[name], other[name])
            return [str(name), *path], *both
    return [], one, other


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_LEN_MAX else text[: SHOWN_LEN_MAX - 1] + "…"
