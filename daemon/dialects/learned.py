"""What was learned of a capture (pure): a description, and how much of it is sure.

A description is TOML that can be pasted. What nobody can know from bytes alone, above all which
word means what, stands there as a comment with a question mark.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.config.jsonl_format import VEHICLE_OFFICE

# Fewer are an accident.
RECORDS_LEAST = 3
# What repeats in this share of the records is a rule; the others are torn, or noise.
MOST = 0.8
# A column with more different values is no word of a vocabulary.
WORD_COUNT_MAX = 24
WORD_LEN_MAX = 24

# What vendors call things, beside the vehicle offices' words.
ALIASES = {
    "CALL": "called",
    "CALLED": "called",
    "REPEAT": "recalled",
    "PASS": "skipped",
    "EVALUATE": "completed",
    "PAUSE": "suspended",
    "RESUME": "resumed",
    "FINISH": "served",
    "PROMPT": "prompt",
    "叫号": "called",
    "重呼": "recalled",
    "过号": "skipped",
    "流转": "transferred",
    "挂起": "transferred",
    "提请评价": "completed",
    "评价": "completed",
    "暂停": "suspended",
    "恢复": "resumed",
    "完成": "served",
    "登录": "login",
    "退出": "logout",
}
KNOWN = VEHICLE_OFFICE | ALIASES

_BARE = re.compile(r"[0-9A-Za-z_-]+")
_TICKET = re.compile(r"[A-Z]{1,2}[0-9]{2,5}")
_SERIAL = re.compile(r"(?:20)?[0-9]{6}-?[0-9A-Za-z]+-?[0-9A-Za-z]*")
_SMALL = re.compile(r"[0-9]{1,3}")
_STAFF = re.compile(r"[0-9]{4,6}")
_CASE = re.compile(r"[A-Z]{1,4}[0-9]{8,}")


@dataclass(slots=True)
class Lesson:
    """A description; `coverage` is the share of the capture's bytes that it explains."""

    dialect: str
    coverage: float
    record_count: int
    toml: list[str] = field(default_factory=list)
    sure: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)


def quoted(text: str) -> str:
    """A text as TOML."""
    whole = text.encode("utf-8", "replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(text: str) -> str:
    return text if _BARE.fullmatch(text) else quoted(text)


def meaning(word: str) -> str | None:
    """What a vendor's word means, if it is one of the usual ones."""
    return KNOWN.get(word.strip().upper())


def vocabulary(values: list[str]) -> Counter[str]:
    """The words among the values, if most of them are words that come again and again."""
    words = Counter(
        value
        for value in values
        if 0 < len(value) <= WORD_LEN_MAX and value.isprintable() and not _TICKET.fullmatch(value)
    )
    is_one = len(words) <= WORD_COUNT_MAX and words.total() >= MOST * len(values)
    return words if is_one else Counter()


def words_table(counts: Mapping[str, int], lesson: Lesson) -> list[str]:
    """The table of words, most frequent first; an unknown one is a question."""
    lines = []
    for word, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        ours = meaning(word)
        if ours is not None:
            lines.append(f"{key(word)} = {quoted(ours)}")
        else:
            lines.append(f'# {key(word)} = "?"    # {count} times: what does it mean?')
    if any(line.startswith("#") for line in lines):
        lesson.asks.append(
            "what each word marked with ? means: press each button of the terminal once under "
            "`python -m daemon listen` and see which word comes"
        )
    return lines


def fields_of(columns: Mapping[str, list[str]], say: str) -> dict[str, str]:
    """Which column is which of our fields, by the shape of its values: field -> column.

    A guess, and only of what can be told: two numbers of the same shape are told apart by their
    order, window first.
    """
    shapes = (
        ("ticket", _TICKET, MOST),
        ("projectNo", _CASE, MOST),
        ("ticketSerial", _SERIAL, MOST),
        ("window", _SMALL, MOST),
        ("serviceNumber", _SMALL, MOST),
        ("staff", _STAFF, MOST),
    )
    found: dict[str, str] = {}
    for name, shape, least in shapes:
        for column, values in columns.items():
            filled = [value for value in values if value]
            fits = sum(shape.fullmatch(value) is not None for value in filled)
            is_free = column != say and column not in found.values()
            if is_free and filled and fits >= least * len(filled):
                found[name] = column
                break
    for column, values in columns.items():
        chinese = [value for value in values if any("\u4e00" <= char <= "\u9fff" for char in value)]
        # One item is handled many times; a name of a citizen is not.
        is_item = chinese and all(len(value) >= 4 for value in chinese)
        if is_item and column != say and column not in found.values():
            found.setdefault("taskName", column)
    return found


def said(columns: dict[str, list[str]]) -> str | None:
    """The column that says what happened: most words that are known, or else a few words only."""
    rated = []
    for index, (name, values) in enumerate(columns.items()):
        words = vocabulary(values)
        if not words:
            continue
        known = sum(count for word, count in words.items() if meaning(word)) / len(values)
        # Chinese that is no known word may be names.
        is_number = all(word.isdecimal() or not word.isascii() for word in words)
        rated.append((known, not is_number, len(words) > 1, -index, name))
    best = max(rated, default=None)
    return None if best is None or not (best[0] or best[1]) else best[-1]


def encoding_of(data: bytes) -> str:
    """utf-8 or gbk: in which of them more of the capture is text."""
    lost = {name: data.decode(name, "replace").count("\ufffd") for name in ("utf-8", "gbk")}
    return "utf-8" if lost["utf-8"] <= lost["gbk"] else "gbk"
