"""Dialect `jsonl` (pure): one JSON object a line, with the vendor's names for fields and events.

JSON has no checksum: a torn object is known by its braces, a changed letter in it is not. Objects
that lost the line's end between them are told apart.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from daemon.config.jsonl_format import JsonlFormat
from daemon.config.vocabulary import filled
from daemon.dialects.gate import Counts, Gate
from daemon.dialects.records import Cutter
from daemon.wire.signals import Signal

# An object that carries all of a case's data beside the fields we take.
LINE_LEN_MAX = 2048
# Beginnings that are tried in a damaged line: more than there are objects and their levels.
BEGINNINGS_MAX = 16

_DECODER = json.JSONDecoder()


class Jsonl:
    def __init__(
        self, config: JsonlFormat, windows: tuple[str, ...], conceal: Callable[[str], str]
    ) -> None:
        self._config = config
        self._names = {ours: theirs.split(".") for ours, theirs in config.fields.items()}
        self._cutter = Cutter(b"\n", LINE_LEN_MAX)
        self._gate = Gate(windows, conceal)

    @property
    def counts(self) -> Counts:
        return self._gate.counts

    def closed(self, window: str) -> bytes:
        said = filled(self._config.closed, window, self._config.encoding)
        return said + b"\n" if said else b""

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals: list[Signal] = []
        for byte in data:
            cut = self._cutter.push(byte)
            if cut is not None:
                signals += self._read(now_ms, *cut)
        return signals

    def _read(self, now_ms: int, line: bytes, is_torn: bool) -> list[Signal]:
        text = line.decode(self._config.encoding, "replace")
        at, records = _objects(text)
        signals: list[Signal] = []
        if is_torn or not records or "{" in text[:at]:
            self._gate.damaged("it is no whole JSON object")
        for record in records:
            signals += self._admit(now_ms, record)
        return signals

    def _admit(self, now_ms: int, record: Mapping[str, object]) -> list[Signal]:
        values = {ours: _text(_value(record, names)) for ours, names in self._names.items()}
        if any(isinstance(value, str) and "\ufffd" in value for value in values.values()):
            return self._gate.damaged(f"it is no text in {self._config.encoding}")
        return self._gate.translate(now_ms, self._config.words, values)


def _objects(text: str) -> tuple[int, list[dict[str, object]]]:
    """The objects that fill the line from some beginning to its end, and that beginning."""
    for at in islice(_beginnings(text), BEGINNINGS_MAX):
        try:
            return at, list(_sequence(text, at))
        except (ValueError, RecursionError):
            continue
    return len(text), []


def _beginnings(text: str) -> Iterator[int]:
    at = text.find("{")
    while at >= 0:
        yield at
        at = text.find("{", at + 1)


def _sequence(text: str, at: int) -> Iterator[dict[str, object]]:
    """One object after another up to the end. Raises ValueError when anything else is there."""
    end = len(text.rstrip())
    while at < end:
        record, at = _DECODER.raw_decode(text, at)
        if not isinstance(record, dict):
            raise ValueError("no object")
        yield record
        while at < end and text[at] in " \t\r,":
            at += 1


def _value(record: Mapping[str, object], names: list[str]) -> object:
    """The value below a dotted name; a name with a dot in it is found as well."""
    whole = record.get(".".join(names))
    if whole is not None or len(names) == 1:
        return whole
    value: object = record
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: object) -> object:
    """A number as the text it was: vendors write a ticket or a staff number as either."""
    return str(value) if type(value) is int and abs(value) < 10**18 else value
