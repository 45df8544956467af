"""The last entries as they may be shown at the window (pure): that one rated, never how.

An allow-list: what is not named here is not shown. Hash, signature and length of an entry differ
with the level and are no more shown than the level itself; nor is how often or when a key was
pressed, nor whether reasons were given.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daemon.case.tally import local_time

TYPE = re.compile(r"hcp\.([a-z]+)\.v[0-9]+")

# Kind: the one field whose value makes another line of it.
KINDS: Mapping[str, str | None] = {
    "service": None,
    "rating": "outcome",
    "binding": None,
    "boot": "reason",
    "stopped": None,
    "pad": "state",
    "signal": "state",
    "clock": None,
    "correction": None,
    "daily": None,
    "test": "ok",
}
# Their reason is a sentence of this daemon about a cable.
LINES = ("pad", "signal")
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is kept of one entry; `of` is the service entry it belongs to, by its id."""

    seq: int
    id: str
    kind: str
    what: str
    time: str | None = None
    window: str | None = None
    ticket: str | None = None
    of: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list; `what` is the name of its words in the locale files."""

    seq: int
    time: str | None
    kind: str
    window: str | None
    ticket: str | None
    what: str
    detail: str | None


def seen(seq: int, text: str) -> Seen:
    """What may be known of one entry, from its signed text."""
    kind, id_, data = _parts(text)
    field = KINDS.get(kind)
    value = None if field is None else data.get(field)
    return Seen(
        seq=seq,
        id=id_,
        kind=kind,
        what=kind if value is None else f"{kind}_{value}".lower(),
        time=_time(data.get("stamp")),
        window=_text(data.get("window")),
        ticket=_text(data.get("ticket")) if kind == "service" else None,
        of=_text(data.get("service")),
        detail=_line_reason(data.get("reason")) if kind in LINES else None,
    )


def rows(entries: Iterable[Seen]) -> tuple[Row, ...]:
    """The list, the newest first; a rating has the ticket of its service if that is among them."""
    known = list(entries)
    services = {each.id: each for each in known if each.kind == "service"}
    return tuple(_row(each, services.get(each.of or "")) for each in reversed(known))


def _row(each: Seen, service: Seen | None) -> Row:
    return Row(
        seq=each.seq,
        time=each.time,
        kind=each.kind,
        window=each.window or (None if service is None else service.window),
        ticket=each.ticket or (None if service is None else service.ticket),
        what=each.what,
        detail=each.detail,
    )


def _parts(text: str) -> tuple[str, str, dict[str, Any]]:
    """Kind, id and data. Whether it is sound the journal knows; here nothing may stop the list."""
    try:
        value = json.loads(text)
        kind, id_, data = TYPE.fullmatch(value["type"]), value["id"], value["data"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return UNREADABLE, "", {}
    if kind is None or kind[1] not in KINDS or type(id_) is not str or type(data) is not dict:
        return UNREADABLE, "", {}
    return kind[1], id_, data


def _time(stamp: Any) -> str | None:
    utc_ms = stamp.get("utcMs") if isinstance(stamp, dict) else None
    if type(utc_ms) is not int or not stamp.get("synced"):
        return None
    return local_time(utc_ms)


def _line_reason(reason: Any) -> str | None:
    """Without which key is held down: a citizen may be the one who holds it."""
    return None if not isinstance(reason, str) or reason.startswith("key ") else reason


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
