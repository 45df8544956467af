"""What stands on the OLED (pure): a screen and the words of a language make a page of text.

Every level gets the same screens; there is nothing here that could differ.

A line of a locale file may begin with a mark:

    =   a white bar at the top; a tab in it sends the rest to the right edge
    ^   twice as large, if it fits
    ~   small, and may go on in a second row
    _   small

A line that names something unknown now ({ticket} of nobody) is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import TypeVar

from daemon.snapshot import PLEASE_RATE, REASONS, Screen

HEIGHT = 64
# Bitmap glyphs: a Chinese character is as wide as high, a Latin one about half of that.
GLYPH, SMALL_GLYPH = 16, 12
# The code stands on a white square as high as the screen, at the right.
CODE_WIDTH = HEIGHT
# Beside it there are 64 columns on a small display: other words, in small letters.
NARROW_MAX = 96
# From this width on two columns of full letters hold a label of seven characters each.
WIDE = 256
BESIDE_CODE = "please_rate_beside_code"
BAR, LARGE, LONG, SMALL = "=", "^", "~", "_"
# The item's name when the terminal did not say one.
THIS_SERVICE = "this_service"
# Before the circled numbers stand the alphabets and their signs, of half the width; after them what
# Chinese is written with (Unicode's blocks). Counted only where no font is at hand.
FIRST_WIDE = "①"
# White above and below the letters of a bar, so that no stroke runs into the black.
BAR_EDGE = 1
# A key's number stands on a white box as wide as this, its label beside it.
KEY_WIDTH, KEY_GAP = 9, 3

Words = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Letters:
    """The bitmap fonts there are: two heights, and the width of a text in one of them."""

    measure: Callable[[str, int], int]
    glyph: int = GLYPH
    small: int = SMALL_GLYPH


@dataclass(frozen=True, slots=True)
class TextLine:
    """One row of text; x and y of its upper left corner. `dark`: on a white box."""

    text: str
    width: int
    glyph: int
    x: int = 0
    y: int = 0
    scale: int = 1
    dark: bool = False

    @property
    def height(self) -> int:
        return self.glyph * self.scale


@dataclass(frozen=True, slots=True)
class Box:
    """A white rectangle under dark text."""

    x: int
    y: int
    width: int
    height: int


Part = TypeVar("Part", Box, TextLine)


@dataclass(frozen=True, slots=True)
class Page:
    """A whole screen: boxes, the lines over them, the text of the code at the right."""

    width: int
    boxes: tuple[Box, ...]
    lines: tuple[TextLine, ...]
    code: str | None = None

    def moved(self, dx: int, dy: int) -> "Page":
        """All of it, moved as far as nothing leaves the screen."""
        room = self.width - (CODE_WIDTH if self.code else 0)
        parts: list[Box | TextLine] = [*self.boxes, *self.lines]
        up = min((part.y for part in parts), default=0)
        down = HEIGHT - max((part.y + part.height for part in parts), default=HEIGHT)
        dy = max(-up, min(dy, down))
        boxes = tuple(_moved(box, dx, dy, room) for box in self.boxes)
        return replace(
            self, boxes=boxes, lines=tuple(_moved(line, dx, dy, room) for line in self.lines)
        )


def _moved(part: Part, dx: int, dy: int, room: int) -> Part:
    x = max(0, min(part.x + dx, room - part.width))
    return replace(part, x=x, y=part.y + dy)


# -- widths


def columns(text: str) -> int:
    """Half-width columns the text takes."""
    return sum(2 if char >= FIRST_WIDE else 1 for char in text)


def counted(text: str, glyph: int) -> int:
    """The width of a text where no font is at hand."""
    return columns(text) * glyph // 2


# -- pages


def page(screen: Screen, words: Words, width: int, letters: Letters) -> Page:
    """The page of a screen: a bar at the top, the others centred and evenly spread below."""
    if screen.name == REASONS:
        return _reasons(screen, words, width, letters)
    code = screen.qr if screen.name == PLEASE_RATE else None
    room = width - CODE_WIDTH if code else width
    known = _known(screen, words)
    setter = _Setter(room, letters)
    for template in words[BESIDE_CODE if room <= NARROW_MAX else screen.name]:
        setter.add(template, known)
    return Page(width, tuple(setter.boxes), setter.placed(), code)


def resting(screen: Screen, words: Words, width: int, letters: Letters, step: int) -> Page:
    """A small mark that stands somewhere else at each step: the unit is well, nobody is here."""
    (template,) = words["resting"]
    text = _filled(template, _known(screen, words)) or "·"
    line = _line(text, letters.small, width, letters)
    # Steps without a common divisor with the room go through all of it.
    x, y = step * 37 % (width - line.width + 1), step * 23 % (HEIGHT - line.height + 1)
    return Page(width, (), (replace(line, x=x, y=y),))


def _known(screen: Screen, words: Words) -> dict[str, object]:
    links = [
        words[f"link_{name}"][0] + words["up" if up else "down"][0] for name, up in screen.links
    ]
    return {
        "window": screen.window or None,
        "ticket": screen.ticket,
        "task": screen.task_name or words[THIS_SERVICE][0],
        "remaining": screen.remaining_s,
        "trouble": None if screen.trouble is None else words[screen.trouble][0],
        "unit": screen.unit,
        "address": screen.address,
        "links": " ".join(links) or None,
        "number": screen.number,
    }


def _filled(template: str, known: Mapping[str, object]) -> str:
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    return "" if any(known[name] is None for name in names) else template.format_map(known)


def shorten(text: str, width: int, measure: Callable[[str], int]) -> str:
    """The text, cut to a width with an ellipsis when it is longer.

    A number is cut at its beginning: numbers of one day differ at their end.
    """
    if measure(text) <= width:
        return text
    kept = text
    if text.isascii() and " " not in text and any(char.isdigit() for char in text):
        while kept and measure("…" + kept) > width:
            kept = kept[1:]
        return "…" + kept
    while kept and measure(kept.rstrip() + "…") > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def split(text: str, width: int, measure: Callable[[str], int]) -> tuple[str, str]:
    """The part of the text that fits a width, and the rest."""
    length = len(text)
    while length > 1 and measure(text[:length]) > width:
        length -= 1
    # A Latin word is kept whole when that leaves at least half a row.
    space = text.rfind(" ", 0, length + 1)
    if length < len(text) and text[length - 1 : length + 1].isascii() and space > length // 2:
        length = space
    return text[:length], text[length:].lstrip()


def _line(text: str, glyph: int, width: int, letters: Letters) -> TextLine:
    """The text in one row of that height, shortened if it must be."""
    text = shorten(text, width, lambda part: letters.measure(part, glyph))
    return TextLine(text, letters.measure(text, glyph), glyph)


class _Setter:
    """Sets one line after the other into a room as wide as `width`."""

    def __init__(self, width: int, letters: Letters) -> None:
        self._width, self._letters = width, letters
        self.boxes: list[Box] = []
        self._bars: list[TextLine] = []
        self._rows: list[TextLine] = []

    def add(self, template: str, known: Mapping[str, object]) -> None:
        mark = template[0] if template[0] in (BAR, LARGE, LONG, SMALL) else ""
        text = template[len(mark) :]
        if mark == BAR:
            parts = [_filled(part, known) for part in text.split("\t")]
            self._bar([part for part in parts if part])
        elif filled := _filled(text, known):
            self._rows += self._set(mark, filled)

    def placed(self) -> tuple[TextLine, ...]:
        """The bar's lines, and the rows spread below it."""
        top = self.boxes[-1].height if self.boxes else 0
        gap = (HEIGHT - top - sum(row.height for row in self._rows)) // (len(self._rows) + 1)
        placed, y = [], top + gap
        for row in self._rows:
            placed.append(replace(row, x=(self._width - row.width) // 2, y=y))
            y += row.height + gap
        return (*self._bars, *placed)

    def _bar(self, parts: list[str]) -> None:
        if not parts:
            return
        glyph = self._height_of("".join(parts), len(parts) * self._letters.small // 2)
        self.boxes.append(Box(0, 0, self._width, glyph + 2 * BAR_EDGE))
        if len(parts) == 1:
            line = _line(parts[0], glyph, self._width, self._letters)
            x = (self._width - line.width) // 2
            self._bars.append(replace(line, x=x, y=BAR_EDGE, dark=True))
            return
        # At least a quarter of a letter stays free at either edge and between the two.
        edge = glyph // 4
        right = _line(parts[1], glyph, self._width // 2, self._letters)
        right = replace(right, x=self._width - right.width - edge, y=BAR_EDGE, dark=True)
        left = _line(parts[0], glyph, right.x - 2 * edge, self._letters)
        self._bars += [replace(left, x=edge, y=BAR_EDGE, dark=True), right]

    def _set(self, mark: str, text: str) -> list[TextLine]:
        letters, width = self._letters, self._width
        if mark == LARGE and letters.measure(text, letters.glyph) * 2 <= width:
            measured = letters.measure(text, letters.glyph) * 2
            return [TextLine(text, measured, letters.glyph, scale=2)]
        if mark == LONG:
            first, rest = split(text, width, lambda part: letters.measure(part, letters.small))
            return [_line(row, letters.small, width, letters) for row in (first, rest) if row]
        glyph = letters.small if mark == SMALL else self._height_of(text, 0)
        return [_line(text, glyph, width, letters)]

    def _height_of(self, text: str, margin: int) -> int:
        """Full height, or small when only that fits."""
        fits = self._letters.measure(text, self._letters.glyph) + margin <= self._width
        return self._letters.glyph if fits else self._letters.small


def _reasons(screen: Screen, words: Words, width: int, letters: Letters) -> Page:
    """Five labels with their keys: one below the other, or in two columns where that is wider."""
    glyph = letters.glyph if width >= WIDE else letters.small
    count = len(screen.reasons)
    per_column = count if glyph * count <= HEIGHT else -(-count // 2)
    room = width if per_column == count else width // 2
    pitch = HEIGHT // max(1, per_column)
    top = (HEIGHT - pitch * per_column + pitch - glyph) // 2
    boxes: list[Box] = []
    lines: list[TextLine] = []
    for index, label in enumerate(screen.reasons):
        x, y = index // per_column * room, top + index % per_column * pitch
        number = _line(str(index + 1), glyph, KEY_WIDTH, letters)
        boxes.append(Box(x, y, KEY_WIDTH, glyph - 1))
        lines.append(replace(number, x=x + (KEY_WIDTH - number.width + 1) // 2, y=y, dark=True))
        x += KEY_WIDTH + KEY_GAP
        lines.append(replace(_line(label, glyph, room - KEY_WIDTH - KEY_GAP, letters), x=x, y=y))
    note = _note(lines, screen, words, width, letters)
    if note is not None:
        lines.append(note)
        boxes.append(Box(note.x - 3, note.y - 1, note.width + 4, note.height + 2))
    return Page(width, tuple(boxes), tuple(lines))


def _note(
    labels: list[TextLine], screen: Screen, words: Words, width: int, letters: Letters
) -> TextLine | None:
    """The longest of the words of `reasons` that has room at the bottom right."""
    for template in words[REASONS]:
        line = _line(_filled(template, _known(screen, words)), letters.small, width, letters)
        x, y = width - line.width - 2, HEIGHT - line.height - 2
        taken = [one.x + one.width for one in labels if one.y + one.height > y - 1]
        if line.text and x >= max(taken, default=0) + 2 * KEY_GAP:
            return replace(line, x=x, y=y, dark=True)
    return None
