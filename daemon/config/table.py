"""One table of a TOML file, read key by key: collects what is wrong and what nobody asked for.

Each getter takes what is allowed and gives something of the right type even when the value is
wrong, so that one reading finds every mistake. A problem is a line: dotted key, value, allowed.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from daemon.config.places import Path as KeyPath
from daemon.config.places import Position, places

# What is quoted of a wrong value or of an unknown key.
QUOTE_LEN_MAX = 60
A_PATH = "a path, relative to the configuration file"

Choice = TypeVar("Choice", str, int)


class Problems:
    """What is wrong with a TOML text; its places are sought only once something is."""

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._found: list[tuple[KeyPath, bool, str]] = []

    def add(self, path: KeyPath, sentence: str, *, of_key: bool = False) -> None:
        """Note a mistake at the value of a key, or at the key itself."""
        self._found.append((path, of_key, sentence))

    def sentences(self) -> list[str]:
        """Every mistake in the order of the file, each with its line and column if it has any."""
        found = places(self._text) if self._found and self._text else {}
        shown: list[tuple[bool, Position, str]] = []
        for path, of_key, sentence in self._found:
            place = found.get(path)
            if place is None:
                shown.append((True, (0, 0), sentence))
                continue
            line, column = at = place.key if of_key else place.value
            shown.append((False, at, f"line {line}, column {column}: {sentence}"))
        return [sentence for *_, sentence in sorted(shown, key=lambda each: each[:2])]


class Table:
    def __init__(
        self, name: str, path: KeyPath, values: Mapping[str, Any], problems: Problems
    ) -> None:
        self._name, self._path, self._values, self._problems = name, path, values, problems
        self._asked: set[str] = set()

    @classmethod
    def top(cls, values: Mapping[str, Any], problems: Problems) -> Self:
        """The file itself."""
        return cls("", (), values, problems)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __contains__(self, key: str) -> bool:
        """Whether the key is there; asks for it no more than that."""
        return key in self._values

    # -- values

    def text(
        self,
        key: str,
        default: str | None = None,
        *,
        fits: Callable[[str], object] = bool,
        allowed: str = "a text",
    ) -> str:
        """The text if it fits; an optional key's default always does."""
        value = self.value(key, default, allowed)
        if value is None or value == default:
            return value or ""
        if not isinstance(value, str) or not fits(value):
            self.wrong(key, value, allowed)
            return ""
        return value

    def path(self, key: str, base: Path) -> Path:
        return base / self.text(key, fits=is_path, allowed=A_PATH)

    def path_or_none(self, key: str, base: Path) -> Path | None:
        text = self.text(key, "", fits=is_path, allowed=A_PATH)
        return base / text if text else None

    def choice(self, key: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
        allowed = "one of " + ", ".join(map(str, choices))
        value = self.value(key, default, allowed)
        if type(value) is not type(default) or value not in choices:
            self.wrong(key, value, allowed + did_you_mean(value, choices))
            return default
        return next(choice for choice in choices if choice == value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.value(key, default)
        if type(value) is bool:
            return value
        self.wrong(key, value, "true or false")
        return default

    def integer(self, key: str, least: int, most: int, default: int) -> int:
        value = self.value(key, default)
        if type(value) is int and least <= value <= most:
            return value
        self.wrong(key, value, f"a whole number from {least} to {most}")
        return default

    def milliseconds(self, key: str, least_s: float, most_s: float, default_s: float) -> int:
        """A number of seconds, in ms."""
        value = self.value(key, default_s)
        # Not a number (nan) is outside of every range.
        if type(value) in (int, float) and least_s <= value <= most_s:
            return round(float(value) * 1000)
        self.wrong(key, value, f"seconds from {least_s:g} to {most_s:g}")
        return 0

    def table(self, key: str) -> "Table":
        values = self.value(key, {})
        if not isinstance(values, dict):
            self.wrong(key, values, f"a table [{self._dotted(key)}]")
            values = {}
        return Table(self._dotted(key), (*self._path, key), values, self._problems)

    def tables(self, key: str, most: int) -> list["Table"]:
        """The tables [[key]], 1 to `most` of them; problems name them by their number, from 1."""
        found = self.value(key, [])
        allowed = f"1 to {most} tables [[{self._dotted(key)}]]"
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            self.wrong(key, found, allowed)
            found = []
        elif not 1 <= len(found) <= most:
            self._problems.add(
                (*self._path, key), f"{self._dotted(key)}: {len(found)} of them; {allowed}"
            )
        return [
            Table(
                f"{self._dotted(key)}[{index + 1}]",
                (*self._path, key, index),
                values,
                self._problems,
            )
            for index, values in enumerate(found[:most])
        ]

    def items(self) -> list[tuple[str, Any]]:
        """Every key there is, for a table whose keys are the technician's own."""
        self._asked.update(self._values)
        return list(self._values.items())

    def value(self, key: str, default: Any, allowed: str = "") -> Any:
        """The value as it stands; without a default its absence is a problem."""
        self._asked.add(key)
        if key in self._values:
            return self._values[key]
        if default is None:
            self.needs(key, allowed)
        return default

    # -- problems

    def wrong(self, key: str, said: object, allowed: str) -> None:
        self._problems.add(
            (*self._path, key), f"{self._dotted(key)}: {_quoted(said)} is not allowed; {allowed}"
        )

    def needs(self, key: str, allowed: str) -> None:
        if key not in self._values:
            # A key that is not there has no place; its table has one, when it is there.
            self._problems.add(self._path, f"{self._dotted(key)}: missing; {allowed}", of_key=True)

    def only(self, known: Collection[str]) -> None:
        """Report every key outside `known`, with the nearest known name."""
        for key in self._values:
            if key not in known:
                hint = did_you_mean(key, known) or "; known: " + ", ".join(sorted(known))
                self._problems.add(
                    (*self._path, key), f"{self._dotted(key)}: unknown{hint}", of_key=True
                )

    def done(self) -> None:
        """Report every key nobody asked for."""
        self.only(self._asked)

    def _dotted(self, key: str) -> str:
        plain = key if key.isprintable() and len(key) <= QUOTE_LEN_MAX else _quoted(key)
        return f"{self._name}.{plain}" if self._name else plain


def did_you_mean(value: object, known: Collection[str] | Collection[int]) -> str:
    """The nearest of the known names as a question in brackets, or nothing."""
    # Here, because it is only wanted where there is a mistake.
    import difflib

    near = difflib.get_close_matches(_quoted(value).strip("'"), map(str, known), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def is_path(text: str) -> bool:
    return bool(text) and text.isprintable()


def _quoted(value: object) -> str:
    """A value as it is shown in a message: one line, never long."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):
        # A number larger than Python prints, or tables in tables without end.
        shown = f"this {type(value).__name__}"
    return shown if len(shown) <= QUOTE_LEN_MAX else shown[: QUOTE_LEN_MAX - 1] + "…"
