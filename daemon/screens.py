"""What stands on the OLED (pure): a screen and the words of a language make lines of text.

Every level gets the same screens; there is nothing here that could differ.

A line of a locale file may begin with a mark:

    =   a white bar at the top; a tab in it sends the rest to the right edge
    ^   twice as large, if it fits
    ~   may go on in a second row

A line that names something unknown now ({ticket} of nobody) is left out.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter

from daemon.snapshot import Screen

WIDTH, HEIGHT = 128, 64
# Bitmap glyphs: a Chinese character is as wide as high, a Latin one half of that.
GLYPH = 16
COLUMNS = WIDTH // (GLYPH // 2)
BAR, LARGE, LONG = "=", "^", "~"
# The item's name when the terminal did not say one.
THIS_SERVICE = "this_service"

Words = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class TextLine:
    """One row of text; x and y of its upper left corner. `bar`: dark on a white row."""

    text: str
    x: int
    y: int
    scale: int = 1
    bar: bool = False

    @property
    def width(self) -> int:
        return columns(self.text) * self.scale * GLYPH // 2

    @property
    def height(self) -> int:
        return GLYPH * self.scale


def columns(text: str) -> int:
    """Half-width columns the text takes, never less than the glyphs of Unifont do."""
    return sum(2 if _is_wide(char) else 1 for char in text)


def _is_wide(char: str) -> bool:
    width = unicodedata.east_asian_width(char)
    # Circled numbers are as wide as a Chinese character, though Unicode leaves that open.
    return width in "WF" or (width == "A" and unicodedata.category(char) in ("No", "So"))


def shorten(text: str, columns_max: int) -> str:
    """The text, cut to a width with an ellipsis when it is longer."""
    if columns(text) <= columns_max:
        return text
    return split(text, columns_max - 1)[0].rstrip() + "…"


def split(text: str, columns_max: int) -> tuple[str, str]:
    """The part of the text that fits a width, and the rest."""
    length = len(text)
    while columns(text[:length]) > columns_max:
        length -= 1
    return text[:length], text[length:].lstrip()


def lines(screen: Screen, words: Words) -> tuple[TextLine, ...]:
    """The lines of a screen: a bar at the top, the others centred and evenly spread below."""
    known = {
        "window": screen.window,
        "ticket": screen.ticket,
        "task": screen.task_name or words[THIS_SERVICE][0],
        "remaining": screen.remaining_s,
        "unit": screen.unit,
        "address": screen.address,
        "trouble": None if screen.trouble is None else words[screen.trouble][0],
    }
    bars: list[TextLine] = []
    rows: list[TextLine] = []
    for template in words[screen.name]:
        mark = template[0] if template[0] in (BAR, LARGE, LONG) else ""
        text = template[len(mark) :]
        if mark == BAR:
            parts = [_filled(part, known) for part in text.split("\t")]
            bars += _bar([part for part in parts if part])
        else:
            rows += _rows(mark, _filled(text, known))
    return (*bars, *_spread(rows, GLYPH if bars else 0))


def _filled(template: str, known: Mapping[str, object]) -> str:
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    return "" if any(known[name] is None for name in names) else template.format_map(known)


def _bar(parts: list[str]) -> list[TextLine]:
    if len(parts) == 1:
        text = shorten(parts[0], COLUMNS)
        return [TextLine(text, (WIDTH - columns(text) * GLYPH // 2) // 2, 0, bar=True)]
    right = TextLine(parts[1], WIDTH - (columns(parts[1]) + 1) * GLYPH // 2, 0, bar=True)
    # One column stays free at either edge and between the two.
    left = shorten(parts[0], right.x // (GLYPH // 2) - 2)
    return [TextLine(left, GLYPH // 2, 0, bar=True), right]


def _rows(mark: str, text: str) -> list[TextLine]:
    if not text:
        return []
    if mark == LARGE and columns(text) * 2 <= COLUMNS:
        return [TextLine(text, 0, 0, scale=2)]
    first, rest = split(text, COLUMNS) if mark == LONG else (shorten(text, COLUMNS), "")
    return [TextLine(row, 0, 0) for row in (first, shorten(rest, COLUMNS)) if row]


def _spread(rows: list[TextLine], top: int) -> list[TextLine]:
    gap = (HEIGHT - top - sum(row.height for row in rows)) // (len(rows) + 1)
    placed, y = [], top + gap
    for row in rows:
        placed.append(replace(row, x=(WIDTH - row.width) // 2, y=y))
        y += row.height + gap
    return placed
