"""The state's rows as they lie in the database (pure): each carries its own proof.

An entry proves itself by its hash. A state row has a sum over its name, its value and the number of
the commit that wrote it; the row `head` lists which number each of the others must have. So a
changed, a missing and an outdated row are told from a sound one, and what is sound can be carried
over when the file around it is not.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, NamedTuple, Self

from protocol.central.canonical import INT_MAX
from protocol.central.entry import GENESIS

# Rows of the journal itself; all others are the core's.
HEAD, MARKS, SALVAGE, REMAINS = "head", "marks", "salvage", "remains"
OWN = {HEAD, MARKS, SALVAGE, REMAINS}
# A row of 1 to 4 KB is made so long that SQLite keeps all but its first 489 bytes on a page of its
# own (fileformat2, 1.6). What changes with every commit then shares one page, and pages are what a
# commit costs: a rated case wrote 52 KiB without it.
LONG_LEN_LEAST, LONG_LEN = 1024, 4200
INSERT = (
    "insert into state (name, value, number, sum) values (?, ?, ?, ?) on conflict (name) do update "
    "set value = excluded.value, number = excluded.number, sum = excluded.sum"
)
_TYPES = {"seq": int, "hash": str, "pruned": int, "rows": dict}
# What the row `salvage` tells of the epoch before (daemon/disk/rescue.py).
_PREVIOUS = {"epoch": str, "seq": int, "hash": str}
_SALVAGED = {
    "file": str, "why": str, "salvaged": int, "first": int, "missing": list, "state": str,
}  # fmt: skip


class Row(NamedTuple):
    """A row: its value is JSON, `number` the commit that wrote it."""

    name: str
    value: str
    number: int
    sum: str

    @classmethod
    def of(cls, name: str, value: str, number: int) -> Self:
        length = len(str(value).encode())
        if LONG_LEN_LEAST < length < LONG_LEN:
            value += " " * (LONG_LEN - length)
        return cls(name, value, number, _sum(name, value, number))

    @property
    def is_sound(self) -> bool:
        """Whether it is as it was written, and JSON."""
        if not (type(self.name) is type(self.value) is str and type(self.number) is int):
            return False
        return self.sum == _sum(self.name, self.value, self.number) and _is_json(self.value)


@dataclass(frozen=True, slots=True)
class StateHead:
    """Where the journal stands after commit `number`; entries up to `pruned` are gone."""

    number: int = 0
    seq: int = 0
    hash: str = GENESIS
    pruned: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, row: Row) -> Self | None:
        """The head out of its row; None when it is none."""
        if not row.is_sound:
            return None
        value = json.loads(row.value)
        if not _has(value, _TYPES) or value["pruned"] > value["seq"]:
            return None
        return cls(number=row.number, **value)

    def row(self) -> Row:
        value = {"seq": self.seq, "hash": self.hash, "pruned": self.pruned, "rows": self.rows}
        return Row.of(HEAD, json.dumps(value, separators=(",", ":")), self.number)

    def after(self, names: Iterable[str], **changes: Any) -> "StateHead":
        """The head after the next commit, which writes these rows."""
        number = self.number + 1
        rows = {**self.rows, **dict.fromkeys(names, number)}
        return replace(self, number=number, rows=rows, **changes)


def trouble(rows: Iterable[Row]) -> str | None:
    """What is wrong with the state as a whole; None when every row is the newest and sound."""
    by_name = {row.name: row for row in rows}
    for row in by_name.values():
        if not row.is_sound or not _is_readable(row):
            return f"the state {row.name!r} is damaged"
    head = StateHead.read(by_name.pop(HEAD)) if HEAD in by_name else None
    if head is None:
        return "where the journal stands is not there"
    if {name: row.number for name, row in by_name.items()} != dict(head.rows):
        return "a row of the state is missing or outdated"
    return None


def _is_readable(row: Row) -> bool:
    """Whether a row of the journal's own holds what the journal reads; anybody can make a sum."""
    if row.name == MARKS:
        marks = json.loads(row.value)
        return isinstance(marks, list) and all(map(_is_pair, marks))
    if row.name == SALVAGE:
        told = json.loads(row.value)
        return _has(told, {"previous": object, "salvage": dict}) and (
            (told["previous"] is None or _has(told["previous"], _PREVIOUS))
            and _has(told["salvage"], _SALVAGED)
            and all(map(_is_pair, told["salvage"]["missing"]))
        )
    return True


def _has(value: Any, shape: Mapping[str, type]) -> bool:
    """Whether it is an object of exactly these members, its numbers counts."""
    return (
        isinstance(value, dict)
        and value.keys() == shape.keys()
        and all(isinstance(value[name], kind) for name, kind in shape.items())
        and all(_is_count(value[name]) for name, kind in shape.items() if kind is int)
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= INT_MAX


def _sum(name: str, value: str, number: int) -> str:
    return sha256(f"{name}\0{number}\0{value}".encode()).hexdigest()[:16]


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True
