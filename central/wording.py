"""What an entry says, in a sentence for people who never saw one (pure)."""

from collections.abc import Callable
from typing import Any

from central.columns import plain
from protocol.central import codes
from protocol.central.entry import Entry
from protocol.central.schema import data_problems

Data = dict[str, Any]
NOT_RATED = {
    "timeout": "nobody pressed while the lamp was on",
    "superseded": "the next call or case came first",
    "cancelled": "the terminal took the question back",
    "pad_lost": "the pad could not be reached",
    "interrupted": "the unit was off",
}


def says(entry: Entry) -> str:
    """The entry's own words."""
    wrong = data_problems(entry.kind, entry.data)
    if wrong:
        return plain(f"its data do not keep their schema: {'; '.join(wrong)}")
    writer = _WRITERS.get(entry.kind)
    return plain(writer(entry.data) if writer else f"a {entry.kind} entry")


def level(satisfaction: int) -> str:
    """A level with its name: 5 非常满意."""
    (name,) = [each.label for each in codes.levels() if each.satisfaction == satisfaction]
    return f"{satisfaction} {name}"


def _service(data: Data) -> str:
    item = _named("item", data["taskCode"]) + (f" {data['taskName']}" if data["taskName"] else "")
    parts = (
        f"a service was completed at window {data['window']} and a rating asked for",
        _named("ticket", data["ticket"]),
        f"serial {data['ticketSerial']}",
        _named("case", data["projectNo"]) or "no case named yet",
        _named("service", data["serviceNumber"]),
        item.strip(),
        _named("staff", data["staff"]),
    )
    return "; ".join(part for part in parts if part)


def _rating(data: Data) -> str:
    if data["outcome"] != "rated":
        return f"not rated: {data['outcome']}, {NOT_RATED[data['outcome']]}"
    after = data["msFromPrompt"]
    parts = (
        f"rated {level(data['satisfaction'])}",
        f"key {data['key']} from the left (key table {data['keyTable']})",
        "" if after is None else f"{after / 1000:.3f} s after the question",
        f"pressed {data['presses']} times, the last one counts" if data["presses"] > 1 else "",
        f"reasons: {', '.join(map(_reason, data['reasons']))}" if data["reasons"] else "no reason",
        "may be published" if data["public"] else "not to be published, as the citizen asked",
    )
    return "; ".join(part for part in parts if part)


def _binding(data: Data) -> str:
    parts = (
        f"the service {data['service']} (ticket serial {data['ticketSerial']})"
        f" belongs to case {data['projectNo']}",
        _named("service", data["serviceNumber"]),
    )
    return "; ".join(part for part in parts if part)


def _correction(data: Data) -> str:
    return (
        f"the rating {data['rating']} was reported as a mis-press at the duty desk"
        f" (staff {data['actor']}): {data['reason']}; the rating itself stays"
    )


def _reason(code: str) -> str:
    norm = codes.norm(code)
    return f"{code} {norm.name}" if norm else f"{code} (of an earlier list)"


def _named(name: str, value: object) -> str:
    return "" if value is None else f"{name} {value}"


_WRITERS: dict[str, Callable[[Data], str]] = {
    "service": _service,
    "rating": _rating,
    "binding": _binding,
    "correction": _correction,
}
