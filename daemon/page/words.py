"""The page's words: one locale file for each language, and which of them a browser wants."""

import tomllib
from collections.abc import Mapping
from importlib import resources

# Technicians read Chinese; who does not says so.
LANGUAGES = ("zh", "en")


class Words:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        text = resources.files("daemon.page").joinpath(f"locale/{language}.toml").read_text("utf-8")
        self.language = language
        self._lines: Mapping[str, Mapping[str, str]] = tomllib.loads(text)

    def say(self, table: str, name: str, **values: object) -> str:
        """A line with its values filled in."""
        return self._lines[table][name].format_map(values)

    def name(self, table: str, name: str) -> str:
        """The line, or the name itself in words when the file does not know it yet."""
        return self._lines[table].get(name, name.replace("_", " "))

    def advice(self, name: str) -> str:
        """What to do next; empty when there is nothing to do."""
        return self._lines["advice"].get(name, "")


def wanted(asked: str | None, accepted: str | None) -> str:
    """The language asked for by a link, else the first a browser accepts that we have."""
    if asked in LANGUAGES:
        return asked
    ranges = [_range(part) for part in (accepted or "").split(",")]
    for _, language in sorted(ranges, key=lambda each: -each[0]):
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def _range(part: str) -> tuple[float, str]:
    """Weight and primary language of one range of Accept-Language (RFC 9110 12.5.4)."""
    tag, _, weight = part.partition(";")
    name, _, value = weight.strip().partition("=")
    try:
        quality = float(value) if name == "q" else 1.0
    except ValueError:
        quality = 0.0
    return quality, tag.strip().partition("-")[0].lower()
