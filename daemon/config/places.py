"""Where each key of a TOML text stands (pure): what tomllib forgets, for texts that it has read.

No parser for Python that keeps positions is at hand (tomllib, tomli and tomlkit do not), and a
text that tomllib took needs no second check: this only walks over it, and lets tomllib itself
decode the keys that are quoted.
"""

import re
import tomllib
from dataclasses import dataclass

Path = tuple[str | int, ...]
Position = tuple[int, int]

# A key of the configuration is five deep at most; what is deeper is no key of it, and a text of
# nothing but dots shall cost no memory.
DEPTH_MAX = 8

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_PART = re.compile(r"""[0-9A-Za-z_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
# The long forms first; up to two quotes may stand before the closing three. What is no text ends
# where its line, its array or its inline table goes on.
_SCALAR = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\])*"|'[^']*'|[^,\]}#\n]+''', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1, of a key and of its value; a table's are those of its header."""

    key: Position
    value: Position


def places(text: str) -> dict[Path, Place]:
    """The place of every key, by its path; an element of an array has its index, from 0."""
    return _Walk(text.replace("\r\n", "\n")).whole()


class _Walk:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._found: dict[Path, Place] = {}
        self._counts: dict[Path, int] = {}
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._line = 0

    def whole(self) -> dict[Path, Place]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            table = self._header() if self._sees("[") else self._pair(table)
            self._skip(_BLANK)
        return self._found

    def _header(self) -> Path:
        here = self._position()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        self._skip(_SPACE)
        path: Path = ()
        parts = self._key()
        for index, (part, _) in enumerate(parts):
            path = (*path, part)[: DEPTH_MAX + 1]
            self._note(path, Place(here, here))
            if path in self._counts or (is_array and index == len(parts) - 1):
                if is_array and index == len(parts) - 1:
                    self._counts[path] = self._counts.get(path, 0) + 1
                path = (*path, self._counts[path] - 1)
                self._note(path, Place(here, here))
        self._skip(_SPACE)
        self._at += 2 if is_array else 1
        return path

    def _pair(self, table: Path) -> Path:
        """Key and value, in the table given, which is given back."""
        path, parts = table, self._key()
        self._skip(_SPACE)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        value = self._position()
        for part, here in parts:
            path = (*path, part)[: DEPTH_MAX + 1]
            self._note(path, Place(here, value))
        self._value(path)
        return table

    def _value(self, path: Path) -> None:
        opening = self._text[self._at]
        if opening not in "[{":
            self._skip(_SCALAR)
            return
        self._at += 1
        self._skip(_BLANK)
        index = 0
        while not (self._sees("]") or self._sees("}")):
            if opening == "{":
                self._pair(path)
            else:
                here, inner = self._position(), (*path, index)[: DEPTH_MAX + 1]
                self._note(inner, Place(here, here))
                self._value(inner)
                index += 1
            self._skip(_BLANK)
            if self._sees(","):
                self._at += 1
                self._skip(_BLANK)
        self._at += 1

    def _key(self) -> list[tuple[str, Position]]:
        parts = []
        while True:
            here, raw = self._position(), self._skip(_PART)
            text = tomllib.loads(f"key = {raw}")["key"] if raw[:1] in "\"'" else raw
            parts.append((text, here))
            if not _DOT.match(self._text, self._at):
                return parts
            self._skip(_DOT)

    def _note(self, path: Path, place: Place) -> None:
        if len(path) <= DEPTH_MAX:
            self._found.setdefault(path, place)

    def _position(self) -> Position:
        while self._line + 1 < len(self._starts) and self._starts[self._line + 1] <= self._at:
            self._line += 1
        return self._line + 1, self._at - self._starts[self._line] + 1

    def _sees(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, "tomllib has read this text"
        self._at = match.end()
        return match.group()
