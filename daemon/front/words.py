"""The words of a language (pure): one TOML file, checked whole, every mistake said at once.

A file that is not right is not used at all: half a language on a screen helps nobody.
"""

import tomllib
from dataclasses import replace
from string import Formatter

from daemon.front.screens import (
    BESIDE_CODE,
    GLYPH,
    HEIGHT,
    LARGE,
    THIS_SERVICE,
    Letters,
    Words,
    counted,
    page,
)
from daemon.snapshot import (
    CALLED,
    COMMISSIONING,
    DISK,
    HEARD,
    IDLE,
    OUT_OF_SERVICE,
    PAD,
    PAUSED,
    PLEASE_RATE,
    REASONS,
    SELF_TEST,
    SIGNS,
    STARTING,
    THANKS,
    Screen,
)

# What a screen's lines may name, and a usual one of each: with these no line may be cut.
PLACEHOLDERS = (
    "window", "ticket", "task", "remaining", "trouble", "unit", "address", "links", "number",
)  # fmt: skip
USUAL = Screen(
    name=IDLE,
    window="12",
    ticket="A023",
    remaining_s=30,
    unit="/330102/h01/w03",
    address="192.168.10.103",
    links=(("pad", True), ("queue", False), ("broker", True)),
    number="4711",
)
WIDTH = 128
SCREENS = (
    STARTING, IDLE, CALLED, PLEASE_RATE, HEARD, THANKS, PAUSED, OUT_OF_SERVICE, SELF_TEST,
    COMMISSIONING, SIGNS,
)  # fmt: skip
TROUBLES = (DISK, *PAD.values())
LINKS = ("link_pad", "link_queue", "link_broker", "up", "down")
KEYS = (*SCREENS, BESIDE_CODE, REASONS, "resting", THIS_SERVICE, *TROUBLES, *LINKS)
ONE_LINE = ("resting", THIS_SERVICE, *TROUBLES, *LINKS)
PLAIN = (THIS_SERVICE, *TROUBLES, *LINKS)
# The longest of ours is 2 KB.
FILE_LEN_MAX = 32 * 1024
SHOWN_LEN_MAX = 60


def read(text: str) -> tuple[Words, list[str]]:
    """The words of a locale file and what is wrong with it, each as "key: what, and what to do"."""
    if len(text) > FILE_LEN_MAX:
        return {}, [f"longer than {FILE_LEN_MAX} letters: not a locale file"]
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, [f"not TOML: {error}"]
    problems = [
        f"{key}: missing; take the line over from daemon/front/locale/en.toml"
        for key in KEYS
        if key not in found
    ]
    problems += [f"{_shown(key)}: unknown; take it out" for key in found if key not in KEYS]
    for key in KEYS:
        if key in found:
            problems += [f"{key}: {what}" for what in _mistakes(key, found[key])]
    return found, problems or _too_large(found)


def last_resort() -> Words:
    """Words that need no file: the names themselves."""
    words = {key: [key.replace("_", " ")] for key in KEYS}
    words |= {CALLED: ["{ticket}", "{window}"], REASONS: ["{remaining} s"], "resting": ["{window}"]}
    words |= {SIGNS: ["{number}"]}
    return words | {name: ["rate {remaining} s", "{ticket}"] for name in (PLEASE_RATE, BESIDE_CODE)}


def _mistakes(key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(line, str) and line for line in value):
        return ['must be a list of lines, as in ["Window {window}", "^Welcome"]']
    if not value or (key in ONE_LINE and len(value) > 1):
        return [f"{len(value)} lines; it has {'one' if key in ONE_LINE else 'at least one'}"]
    return [what for line in value if (what := _mistake(key, line))]


def _mistake(key: str, line: str) -> str | None:
    allowed = "nothing" if key in PLAIN else ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    if not line.replace("\t", "").isprintable():
        return f"{_quoted(line)} holds a control character; letters only"
    try:
        parsed = list(Formatter().parse(line))
    except ValueError:
        return (
            f"{_quoted(line)} holds a brace that stands alone; between braces may stand {allowed}"
        )
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if key in PLAIN or name not in PLACEHOLDERS or spec or conversion:
            return f"{{{_shown(name)}}} is unknown; between braces may stand {allowed}"
    return None


def _quoted(text: str) -> str:
    return _cut_off(repr(text))


def _shown(text: str) -> str:
    """A hall's own text in a sentence: one line, never long."""
    return _cut_off(text if text.isprintable() else repr(text))


def _cut_off(text: str) -> str:
    return text if len(text) <= SHOWN_LEN_MAX else f"{text[: SHOWN_LEN_MAX - 1]}…"


def _too_large(words: Words) -> list[str]:
    """Lines that would be cut, and screens higher than the glass, with usual tickets."""
    problems: list[str] = []
    for name in SCREENS:
        problems += _cut(words, name, replace(USUAL, name=name))
        problems += [
            f"{name}: {_quoted(line[1:])} is too long for large letters: take the {LARGE} away"
            for line in words[name]
            if line[0] == LARGE and "{" not in line and counted(line[1:], GLYPH) * 2 > WIDTH
        ]
    for trouble in TROUBLES:
        shown = replace(USUAL, name=OUT_OF_SERVICE, trouble=trouble)
        problems += _cut(words, trouble, shown)
    problems += _cut(words, BESIDE_CODE, replace(USUAL, name=PLEASE_RATE, qr="https://"))
    return list(dict.fromkeys(problems))


def _cut(words: Words, key: str, shown: Screen) -> list[str]:
    drawn = page(shown, words, WIDTH, Letters(counted))
    problems = [
        f"{key}: {_quoted(line.text)} is cut: write it shorter"
        for line in drawn.lines
        if line.text.endswith("…")
    ]
    if any(line.y < 0 or line.y + line.height > HEIGHT for line in drawn.lines):
        problems.append(f"{key}: too many lines for one screen: leave one out")
    return problems
