"""[signal.line]: how a vendor's text is cut, by a separator or by whole sentences."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from daemon.config.table import Table
from daemon.config.vocabulary import CLOSED_LEN_MAX, ENCODINGS, FIELDS, encodes, words

POSITION_COUNT = 64
# The second byte of a GBK character is 0x40 or more.
GBK_HALF_LEAST = "@"
# A field inside of a sentence: "请{ticket}到{window}窗口".
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """How a vendor's text is cut: see config.example.toml. Sentences, if any, replace fields."""

    encoding: str
    start: str
    end: str
    separator: str
    checksum: str
    fields: Mapping[str, int]
    words: Mapping[str, str]
    sentences: Mapping[str, str] = field(default_factory=dict)
    closed: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        encoding = table.choice("encoding", ENCODINGS, "utf-8")
        sentences, vendors = table.table("sentences"), table.table("words")
        line = cls(
            encoding=encoding,
            start=_mark(table, "start", "", encoding),
            end=_mark(table, "end", "\n", encoding),
            separator=table.text(
                "separator",
                ",",
                fits=partial(encodes, encoding),
                allowed=f"a text of characters that {encoding} has",
            ),
            checksum=table.choice("checksum", ("none", "sum8"), "none"),
            fields=_fields(table.table("fields"), is_needed=not sentences),
            words=words(vendors),
            sentences=_sentences(sentences, encoding),
            closed=table.text(
                "closed",
                "",
                fits=lambda text: encodes(encoding, text) and len(text) <= CLOSED_LEN_MAX,
                allowed=f"at most {CLOSED_LEN_MAX} characters that {encoding} has",
            ),
        )
        if not vendors and not sentences:
            table.wrong("words", {}, "at least one word of the vendor and what it means")
        table.done()
        return line


def _mark(table: Table, key: str, default: str, encoding: str) -> str:
    """What a record begins or ends with; never what could be the half of a GBK character."""
    if encoding == "utf-8":
        return table.text(key, default)
    return table.text(
        key,
        default,
        fits=lambda text: text[:1] < GBK_HALF_LEAST and encodes(encoding, text),
        allowed="in gbk a text that begins with a control character, a digit or one of !#$*+,-/:;",
    )


def _fields(table: Table, *, is_needed: bool) -> dict[str, int]:
    fields = {}
    for name, position in table.items():
        if type(position) is not int or not 0 <= position < POSITION_COUNT:
            table.wrong(name, position, f"a position from 0 to {POSITION_COUNT - 1}")
        else:
            fields[name] = position
    if is_needed:
        table.needs("say", "the position of the word that says what happened, from 0")
    table.only(FIELDS)
    return fields


def _sentences(table: Table, encoding: str) -> dict[str, str]:
    known = words(table)
    for sentence, _ in table.items():
        names = PLACEHOLDER.findall(sentence)
        bare = PLACEHOLDER.sub("", sentence)
        allowed = "a sentence with each field once, in braces: " + ", ".join(FIELDS[1:])
        is_whole = "{" not in bare and "}" not in bare and encodes(encoding, bare)
        # Two fields side by side could be cut anywhere.
        is_cut = "}{" not in sentence
        if not (is_whole and is_cut and len(set(names)) == len(names)) or set(names) - {
            *FIELDS[1:]
        }:
            table.wrong(sentence, sentence, allowed)
    return known
