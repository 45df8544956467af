"""[signal.frame]: how a vendor's byte frames are built, position by position.

A position counts from the frame's first byte, from 0; a negative one from behind its last byte, so
that -1 is the last. A range goes `from` a position `to`, and without, another; without `to` it goes
to the end.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from daemon.config.table import Table
from daemon.config.vocabulary import FIELDS, words

# Longer than any frame seen in the field; a length byte alone says at most 255.
FRAME_LEN_MAX = 512
LONGEST = 256
HEADER_LEN_MAX = 16
PART_COUNT_MAX = 8
FORMS = ("uint", "bcd", "ascii", "gbk", "utf-8", "hex")
Order = Literal["big", "little"]
# What the answer to the terminal is made of besides bytes.
WINDOW, SUM8 = "{window}", "{sum8}"

_HEX = re.compile(r"[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    start: int
    stop: int = 0

    def of(self, frame: bytes) -> bytes:
        """The bytes of the range; `stop` is 0 or counts from the end."""
        return frame[self.start : len(frame) + self.stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Where the frame says how long it is; `again` is where it says so once more."""

    at: int
    size: int
    order: Order
    again: int | None
    counts: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum8:
    at: int
    over: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes of a field: `size` of them, or up to `stop`. `digits`: a number gets zeros before."""

    at: int
    size: int
    stop: int | None
    form: str
    order: Order
    digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFormat:
    """How frames are told from noise and what stands where; None in the header is any byte."""

    header: tuple[int | None, ...]
    end: bytes
    longest: int
    length: Length | None
    sum8: Sum8 | None
    fields: Mapping[str, tuple[Part, ...]]
    words: Mapping[str, str]
    closed: tuple[int | str, ...] = field(default=())

    @classmethod
    def read(cls, table: Table) -> Self:
        length, sum8 = table.table("length"), table.table("sum8")
        vendors = table.table("words")
        described = cls(
            header=_header(table),
            end=bytes(_bytes(table, "end", "", 4)),
            longest=table.integer("longest", 4, FRAME_LEN_MAX, LONGEST),
            length=_length(length) if length else None,
            sum8=_sum8(sum8) if sum8 else None,
            fields=_fields(table.table("fields")),
            words=words(vendors),
            closed=_closed(table),
        )
        if described.length is None:
            why = "without [signal.frame.length] a frame is told from noise by it alone"
            table.needs("end", f"the bytes a frame ends with: {why}")
            table.needs("sum8", f"where the sum is and over what: {why}")
        elif described.sum8 is None:
            table.needs("end", "without [signal.frame.sum8] only length and end tell a frame")
        if WINDOW in described.closed and len(described.fields.get("window", ())) != 1:
            table.wrong(
                "closed", WINDOW, "fields.window in one part says how the number is written"
            )
        if SUM8 in described.closed and described.sum8 is None:
            table.wrong("closed", SUM8, "[signal.frame.sum8] says over what")
        if not vendors:
            table.wrong("words", {}, "at least one word of the vendor and what it means")
        table.done()
        return described


def _header(table: Table) -> tuple[int | None, ...]:
    allowed = (
        f'1 to {HEADER_LEN_MAX} bytes in hex, the first not ??, as "FF 68 ?? ?? 68" (?? is any)'
    )
    text = table.text("header", fits=_is_header, allowed=allowed)
    return tuple(None if byte == "??" else int(byte, 16) for byte in text.split())


def _is_header(text: str) -> bool:
    marks = text.split()
    is_known = all(mark == "??" or _HEX.fullmatch(mark) for mark in marks)
    return is_known and 1 <= len(marks) <= HEADER_LEN_MAX and marks[0] != "??"


def _bytes(table: Table, key: str, default: str, most: int) -> list[int]:
    text = table.text(
        key,
        default,
        fits=lambda text: 1 <= len(text.split()) <= most and all(map(_HEX.fullmatch, text.split())),
        allowed=f'1 to {most} bytes in hex, as "16"',
    )
    return [int(byte, 16) for byte in text.split()]


def _closed(table: Table) -> tuple[int | str, ...]:
    marks = (WINDOW, SUM8)
    text = table.text(
        "closed",
        "",
        fits=lambda text: (
            len(text.split()) <= LONGEST
            and all(mark in marks or _HEX.fullmatch(mark) for mark in text.split())
        ),
        allowed=f"bytes in hex, {WINDOW} and {SUM8}, with blanks between",
    )
    return tuple(mark if mark in marks else int(mark, 16) for mark in text.split())


def _range(table: Table) -> Range:
    return Range(
        start=table.integer("from", 0, FRAME_LEN_MAX, 0),
        stop=table.integer("to", -FRAME_LEN_MAX, 0, 0),
    )


def _length(table: Table) -> Length:
    again = table.integer("again", 0, FRAME_LEN_MAX, 0) if "again" in table else None
    length = Length(
        at=_position(table, 0),
        size=table.integer("size", 1, 2, 1),
        order=_order(table),
        again=again,
        counts=_range(table),
    )
    table.done()
    return length


def _sum8(table: Table) -> Sum8:
    sum8 = Sum8(at=_position(table, -FRAME_LEN_MAX), over=_range(table))
    table.done()
    return sum8


def _order(table: Table) -> Order:
    return "little" if table.choice("order", ("big", "little"), "big") == "little" else "big"


def _position(table: Table, least: int) -> int:
    table.needs("at", f"its position, from {least} to {FRAME_LEN_MAX}")
    return table.integer("at", least, FRAME_LEN_MAX, 0)


def _fields(table: Table) -> dict[str, tuple[Part, ...]]:
    fields = {}
    for name, value in table.items():
        if isinstance(value, list):
            fields[name] = tuple(map(_part, table.tables(name, PART_COUNT_MAX)))
        else:
            fields[name] = (_part(table.table(name)),)
    table.needs("say", 'where the byte is that says what happened, as {at = 6, as = "hex"}')
    table.only(FIELDS)
    return fields


def _part(table: Table) -> Part:
    is_open = "to" in table
    if is_open and "len" in table:
        table.wrong("len", "len", "either `len` or `to`: both say where the field ends")
    part = Part(
        at=_position(table, -FRAME_LEN_MAX),
        size=table.integer("len", 1, FRAME_LEN_MAX, 1),
        stop=table.integer("to", -FRAME_LEN_MAX, 0, 0) if is_open else None,
        form=table.choice("as", FORMS, "ascii"),
        order=_order(table),
        digits=table.integer("digits", 0, 16, 0),
    )
    table.done()
    return part
