"""[signal.jsonl]: how the vendor names fields and events in lines of JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from daemon.config.table import Table
from daemon.config.vocabulary import CLOSED_LEN_MAX, ENCODINGS, FIELDS, encodes, words

NAME_LEN_MAX = 64
NAMES = {name: name for name in FIELDS} | {"say": "event"}
# The vehicle offices' vocabulary (domain.md 5). EVALUATION is the moment the citizen may press;
# COMPLETE only ends the ticket's business and asks for nothing.
VEHICLE_OFFICE = {
    "CALLOUT": "called",
    "RECALL": "recalled",
    "SKIP": "skipped",
    "TRANSFER": "transferred",
    "HANGUP": "transferred",
    "EVALUATION": "completed",
    "SUSPEND": "suspended",
    "RECOVER": "resumed",
    "COMPLETE": "served",
    "LOGIN": "login",
    "LOGOUT": "logout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlFormat:
    """How objects are read: our field -> the vendor's name, a dot for each level below."""

    encoding: str
    fields: Mapping[str, str]
    words: Mapping[str, str]
    closed: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        encoding = table.choice("encoding", ENCODINGS, "utf-8")
        described = cls(
            encoding=encoding,
            fields=NAMES | _names(table.table("fields")),
            words=words(table.table("words")) or VEHICLE_OFFICE,
            closed=table.text(
                "closed",
                "",
                fits=lambda text: encodes(encoding, text) and _is_object(text),
                allowed='one JSON object, as \'{"event": "CLOSED", "window": "{window}"}\'',
            ),
        )
        table.done()
        return described


def _names(table: Table) -> dict[str, str]:
    names = {}
    for ours, theirs in table.items():
        if not isinstance(theirs, str) or not 1 <= len(theirs) <= NAME_LEN_MAX:
            table.wrong(ours, theirs, f"a name of 1 to {NAME_LEN_MAX} characters")
        else:
            names[ours] = theirs
    table.only(FIELDS)
    return names


def _is_object(text: str) -> bool:
    try:
        return len(text) <= CLOSED_LEN_MAX and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
