"""Lines for a tired operator: aligned columns, hall time, nothing a terminal obeys (pure)."""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

HALL = timezone(timedelta(hours=8))  # all of China keeps one time
GAP = "  "
NOTHING = "-"
_WIDE = ("W", "F")


def aligned(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A table: columns of numbers to the right, the others to the left; None is a dash."""
    rows = [list(row) for row in rows]
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]
    numeric = [
        all(row[column] is None or type(row[column]) is int for row in rows)
        for column in range(len(head))
    ]
    for row in cells:
        places = zip(row, widths, numeric, strict=True)
        yield GAP.join(_padded(*place) for place in places).rstrip()
    if not rows:
        yield "(none)"


def document(value: Any) -> str:
    """A value as JSON for people and programs."""
    return json.dumps(value, ensure_ascii=False, indent=1)


def plain(text: str) -> str:
    """A text of others in one line, without anything a terminal would obey."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def hall_time(utc_ms: int | None) -> str | None:
    """A moment as clocks in the hall show it: yyyy-MM-dd HH:mm:ss."""
    if utc_ms is None:
        return None
    return f"{datetime.fromtimestamp(utc_ms // 1000, HALL):%Y-%m-%d %H:%M:%S}"


def _cell(value: object) -> str:
    return NOTHING if value is None else plain(str(value))


def _padded(text: str, width: int, right: bool) -> str:
    room = " " * (width - _width(text))
    return room + text if right else text + room


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(each) in _WIDE) for each in text)
