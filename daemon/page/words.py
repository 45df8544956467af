"""The page's words: one locale file for each language, and which of them a browser wants.

A broken file costs words, never the page: what cannot be read is said by its name.
"""

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

# Technicians read Chinese; who does not says so.
LANGUAGES = ("zh", "en")
LOCALE = Path(__file__).parent / "locale"


class Words:
    """The words of one language."""

    def __init__(self, language: str, folder: Path = LOCALE) -> None:
        self.language = language
        self._lines = _read(folder / f"{language}.toml")

    def say(self, table: str, name: str, **values: object) -> str:
        """A line with its values filled in."""
        line = self._line(table, name)
        if line is None:
            return " ".join([name.replace("_", " "), *map(str, values.values())])
        try:
            return line.format_map(values)
        except (LookupError, ValueError, AttributeError, TypeError):
            return line

    def name(self, table: str, name: str) -> str:
        """The line as it stands, or the name in words when the file does not know it."""
        return self._line(table, name) or name.replace("_", " ")

    def advice(self, name: str) -> str:
        """What to do next; empty when there is nothing to do."""
        return self._line("advice", name) or ""

    def _line(self, table: str, name: str) -> str | None:
        lines = self._lines.get(table)
        line = lines.get(name) if isinstance(lines, dict) else None
        return line if isinstance(line, str) else None


def wanted(asked: str | None, accepted: str | None) -> str:
    """The language asked for by a link, else the first a browser accepts that we have."""
    if asked in LANGUAGES:
        return asked
    ranges = [_range(part) for part in (accepted or "").split(",")]
    for _, language in sorted(ranges, key=lambda each: -each[0]):
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        log.error("%s: cannot be read (%s): install the daemon again", file, error)
        return {}


def _range(part: str) -> tuple[float, str]:
    """Weight and primary language of one range of Accept-Language (RFC 9110 12.5.4)."""
    tag, _, weight = part.partition(";")
    name, _, value = weight.strip().partition("=")
    try:
        quality = float(value) if name == "q" else 1.0
    except ValueError:
        quality = 0.0
    return quality, tag.strip().partition("-")[0].lower()
