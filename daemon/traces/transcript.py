"""The transcript of a run (pure): one line of JSON for its start, each event and each effect.

    {"trace": 1, "start": {...}}
    {"at": 1000000, "event": "SignalReceived", "with": {"data": ""}, "heard": [...]}
    {"effect": "Commit", "with": {...}}

Between two event lines stand the effects of the first. What a line holds follows from the dataclass
of that name, so a new event or effect needs nothing here. Of the queue line stands what the dialect
made of it and never what came, because that may name people.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from daemon.dialects import Dialect
from daemon.dialects.gate import Counts
from daemon.effects import Effect
from daemon.events import Event, Restored, SignalReceived
from daemon.setup import Setup
from daemon.wire.signals import Signal

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """All that a core is made of, but for its dialects."""

    now_ms: int
    setup: Setup
    restored: Restored


@dataclass(frozen=True, slots=True)
class Heard:
    """What a dialect made of some bytes, or what it has to answer, and its counts after that."""

    counts: Counts
    signals: tuple[Signal, ...] = ()
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of `step`: what went in and came out; `raised` when our own bug did."""

    now_ms: int
    event: Event
    heard: tuple[Heard, ...]
    effects: tuple[Effect, ...]
    raised: str | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many steps are missing here: the disk was slower than the window."""

    count: int


Record = Start | Step | Dropped


def lines(record: Record) -> Iterator[str]:
    """The lines of a record, without their ends."""
    if isinstance(record, Start):
        yield _text({"trace": VERSION, "start": plain(record)})
    elif isinstance(record, Dropped):
        yield _text({"dropped": record.count})
    else:
        event = record.event
        if isinstance(event, SignalReceived):
            event = replace(event, data=b"")
        heard = {"heard": plain(record.heard)} if record.heard else {}
        yield _text({"at": record.now_ms, **_named("event", event), **heard})
        yield from (effect_line(effect) for effect in record.effects)
        if record.raised is not None:
            yield _text({"raised": record.raised})


def effect_line(effect: Effect) -> str:
    """The line of one effect."""
    return _text(_named("effect", effect))


# -- objects and plain JSON


def plain(value: Any) -> Any:
    """What JSON can hold of a dataclass and what is in it; bytes become hex."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return {name: plain(getattr(value, name)) for name in _names(value.__class__)}


def made(kind: Any, value: Any) -> Any:
    """The object of a type that `plain` made this of. Raises ValueError for anything else."""
    try:
        return _made(kind, value)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{value!r:.60} is no {getattr(kind, '__name__', kind)}") from error


def _made(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        left = [one for one in inner if one is not NoneType]
        return None if value is None else _made(left[0], value)
    if origin is tuple and inner[-1] is not ...:
        return tuple(_made(one, part) for one, part in zip(inner, value, strict=True))
    if origin in (tuple, list):
        return origin(_made(inner[0], one) for one in value)
    if origin is not None:
        return {_made(inner[0], name): _made(inner[1], one) for name, one in value.items()}
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is int:
        return int(value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _made(hints[name], one) for name, one in value.items()})
    return value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _named(role: str, value: Any) -> dict[str, Any]:
    return {role: type(value).__name__, "with": plain(value)}


def _text(value: dict[str, Any]) -> str:
    # In the order of the object, which is also that of the state rows made of it.
    return json.dumps(value, separators=(",", ":"))


# -- lines read again

EVENTS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Event)}


def read_start(value: dict[str, Any]) -> Start:
    """The start of a first line. Raises ValueError."""
    start: Start = made(Start, value["start"])
    return start


def read_step(value: dict[str, Any]) -> Step:
    """The step of an event line, its effects still to come. Raises ValueError."""
    kind = EVENTS.get(value["event"])
    if kind is None:
        raise ValueError(f"this release knows no event {value['event']!r:.60}")
    heard = made(tuple[Heard, ...], value.get("heard", []))
    return Step(made(int, value["at"]), made(kind, value["with"]), heard, ())


class RecordedDialect:
    """Says again what a dialect said then; `following` is of all dialects of a core, in order."""

    def __init__(self, following: list[Heard]) -> None:
        self.counts = Counts()
        self._following = following

    def received(self, now_ms: int, data: bytes) -> list[Signal]:  # noqa: ARG002
        return list(self._next().signals)

    def closed(self, window: str) -> bytes:  # noqa: ARG002
        return self._next().answer

    def _next(self) -> Heard:
        heard = self._following.pop(0)
        self.counts = heard.counts
        return heard


class RecordingDialect:
    """A dialect that also notes what it said."""

    def __init__(self, dialect: Dialect, heard: list[Heard]) -> None:
        self._dialect, self._heard = dialect, heard

    @property
    def counts(self) -> Counts:
        return self._dialect.counts

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals = self._dialect.received(now_ms, data)
        self._heard.append(Heard(replace(self._dialect.counts), signals=tuple(signals)))
        return signals

    def closed(self, window: str) -> bytes:
        answer = self._dialect.closed(window)
        self._heard.append(Heard(replace(self._dialect.counts), answer=answer))
        return answer
