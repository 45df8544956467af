"""[signal]: what is spoken on the queue lines, and how a vendor's text is cut."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from daemon.config.table import Table, did_you_mean
from daemon.signals import SAYS

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
DIALECTS = ("native", "line")
FIELDS = (
    "say", "window", "ticket", "ticketSerial", "projectNo", "serviceNumber",
    "taskCode", "taskName", "staff", "state",
)  # fmt: skip
# What a vendor's word may mean; login and logout are `staff` with its state.
WORDS = (*SAYS, "login", "logout")
POSITION_COUNT = 64
# The second byte of a GBK character is 0x40 or more.
GBK_HALF_LEAST = "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """How a vendor's delimited text is cut: see config.example.toml."""

    encoding: str
    start: str
    end: str
    separator: str
    checksum: str
    fields: Mapping[str, int]
    words: Mapping[str, str]

    @classmethod
    def read(cls, table: Table) -> Self:
        encoding = table.choice("encoding", ("utf-8", "gbk"), "utf-8")
        line = cls(
            encoding=encoding,
            start=_mark(table, "start", "", encoding),
            end=_mark(table, "end", "\n", encoding),
            separator=table.text(
                "separator",
                ",",
                fits=partial(_encodes, encoding),
                allowed=f"a text of characters that {encoding} has",
            ),
            checksum=table.choice("checksum", ("none", "sum8"), "none"),
            fields=_fields(table.table("fields")),
            words=_words(table.table("words")),
        )
        if not line.words:
            table.wrong("words", {}, "at least one word of the vendor and what it means")
        table.done()
        return line


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    baud: int
    dialect: str
    line: LineFormat | None

    @classmethod
    def read(cls, table: Table) -> Self:
        dialect = table.choice("dialect", DIALECTS, "native")
        described = table.table("line")
        # A description that is not in use is looked at as well: it will be.
        line = LineFormat.read(described) if described or dialect == "line" else None
        signal = cls(
            baud=table.choice("baud", BAUDS, 9600),
            dialect=dialect,
            line=line if dialect == "line" else None,
        )
        table.done()
        return signal


def _mark(table: Table, key: str, default: str, encoding: str) -> str:
    """What a record begins or ends with; never what could be the half of a GBK character."""
    if encoding == "utf-8":
        return table.text(key, default)
    return table.text(
        key,
        default,
        fits=lambda text: text[:1] < GBK_HALF_LEAST and _encodes(encoding, text),
        allowed="in gbk a text that begins with a control character, a digit or one of !#$*+,-/:;",
    )


def _encodes(encoding: str, text: str) -> bool:
    try:
        return bool(text.encode(encoding))
    except UnicodeEncodeError:
        return False


def _fields(table: Table) -> dict[str, int]:
    fields = {}
    for name, position in table.items():
        if type(position) is not int or not 0 <= position < POSITION_COUNT:
            table.wrong(name, position, f"a position from 0 to {POSITION_COUNT - 1}")
        else:
            fields[name] = position
    table.needs("say", "the position of the word that says what happened, from 0")
    table.only(FIELDS)
    return fields


def _words(table: Table) -> dict[str, str]:
    words = {}
    for theirs, ours in table.items():
        if ours not in WORDS:
            table.wrong(theirs, ours, "one of " + ", ".join(WORDS) + did_you_mean(ours, WORDS))
        else:
            words[theirs] = ours
    return words
