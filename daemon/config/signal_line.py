"""[signal]: what is spoken on the queue lines, and how a vendor's words are understood."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from daemon.config.table import Table, did_you_mean
from daemon.installed import DIALECTS as GROUP
from daemon.installed import Unusable, installed, names

if TYPE_CHECKING:
    from daemon.config.frame_format import FrameFormat
    from daemon.config.jsonl_format import JsonlFormat
    from daemon.config.line_format import LineFormat

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
DIALECTS = ("native", "line", "jsonl", "frame")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """`line`, `jsonl` or `frame` is there when that is the dialect; `other` makes one of a package.

    reply: the clerk's terminal is told when a prompt is closed, and nothing else.
    """

    baud: int
    dialect: str
    reply: bool
    line: "LineFormat | None" = None
    jsonl: "JsonlFormat | None" = None
    frame: "FrameFormat | None" = None
    other: Callable[[tuple[str, ...], Callable[[str], str]], Any] | None = None

    @classmethod
    def read(cls, table: Table) -> Self:
        dialect = table.text("dialect", "native")
        reply = table.value("reply", False)
        if type(reply) is not bool:
            table.wrong("reply", reply, "true or false")
            reply = False
        line, jsonl, frame = (table.table(name) for name in DIALECTS[1:])
        # A description that is not in use is looked at as well: it will be.
        line_format = _line(line) if line or dialect == "line" else None
        jsonl_format = _jsonl(jsonl) if jsonl or dialect == "jsonl" else None
        frame_format = _frame(frame) if frame or dialect == "frame" else None
        described = {"line": line, "jsonl": jsonl, "frame": frame}
        if reply and dialect in described:
            described[dialect].needs("closed", "reply = true needs what the terminal is told")
        signal = cls(
            baud=table.choice("baud", BAUDS, 9600),
            dialect=dialect,
            reply=reply,
            line=line_format if dialect == "line" else None,
            jsonl=jsonl_format if dialect == "jsonl" else None,
            frame=frame_format if dialect == "frame" else None,
            other=None if dialect in DIALECTS else _other(table, dialect),
        )
        table.done()
        return signal


# What reads a description is loaded where there is one.
def _line(table: Table) -> "LineFormat":
    from daemon.config.line_format import LineFormat

    return LineFormat.read(table)


def _jsonl(table: Table) -> "JsonlFormat":
    from daemon.config.jsonl_format import JsonlFormat

    return JsonlFormat.read(table)


def _frame(table: Table) -> "FrameFormat":
    from daemon.config.frame_format import FrameFormat

    return FrameFormat.read(table)


def _other(table: Table, dialect: str) -> Callable[..., Any] | None:
    """The dialect of an installed package, made from its own table [signal.<name>]."""
    known = (*DIALECTS, *names(GROUP))
    if dialect not in known:
        allowed = "one of " + ", ".join(known) + did_you_mean(dialect, known)
        table.wrong("dialect", dialect, allowed)
        return None
    try:
        read = installed(GROUP, dialect)
    except Unusable as error:
        table.wrong("dialect", dialect, str(error))
        return None
    maker: Callable[..., Any] = read(table.table(dialect))
    return maker
