"""What a sloppy terminal says of citizens, in any dialect; and how to find it again. Pure.

The numbers are made from parts that nobody has: the region 999999 does not exist, nor do a mobile
number of zeros and a plate of zeros. The names are nobody's either.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from daemon.config.signal_line import Signal as SignalConfig
from sim.terminal import said_in_a_line, said_in_json, speaker

REGION = "999999"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
NAMES = ("欧阳某甲", "司马某乙", "買買提·某丙", "Zhang Mouding")
MOBILES = ("13800000000", "15900000001", "+8618600000002", "139-0000-0003")
PLATES = ("京A00000", "粤B·D00001", "沪C0000学", "云AD00002")
# Not the citizen's, so it must arrive.
TICKET, ITEM = "Z999", "居民身份证换领"
WINDOW = "3"
NAMED = ("ticket", "ticketSerial", "projectNo")
OTHER = "citizen"


@dataclass(frozen=True, slots=True)
class Needle:
    """A piece of a citizen's data, and the fields of ours from which it must not come."""

    text: str
    fields: tuple[str, ...]


def id_number(order: int, birthday: str = "19491001") -> str:
    """An ID number of 18 characters with its check character."""
    digits = f"{REGION}{birthday}{order:03}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True))
    return digits + "10X98765432"[total % 11]


def needles() -> list[Needle]:
    """All of them. An item's name that holds a citizen's is the one thing nobody can tell."""
    everywhere = (*NAMED, "taskCode", "taskName", "staff", OTHER)
    found = [Needle(id_number(order), everywhere) for order in range(12)]
    found += [Needle(f"{REGION}491001{order:03}", everywhere) for order in range(3)]
    # No key has a character beyond ASCII, nor a space.
    found += [Needle(name, (*NAMED, OTHER)) for name in NAMES]
    found += [Needle(plate, (*NAMED, "taskName", OTHER)) for plate in PLATES]
    found += [Needle(mobile, ("taskName", OTHER)) for mobile in MOBILES]
    return found


def said(config: SignalConfig) -> Iterator[bytes]:
    """Pieces of a morning's dirt on a line of this description, torn and merged; a clean case."""
    yield _frame(config, {"ticket": "Z001"}, "called")
    number = 0
    for needle in needles():
        for text in _spellings(needle.text):
            # What is printed on the same line, by a neighbour's till or a forgotten debug output.
            yield _encoded(text, "gbk") + b"\r\n" + _encoded(text, "utf-8") + b"\r\n"
            for field in needle.fields:
                number += 1
                ticket = f"Z{number % 900:03}"
                fields = {
                    "ticket": ticket,
                    "ticketSerial": f"1-{ticket}",
                    "projectNo": f"P{number}",
                }
                whole = _frame(config, {**fields, field: text}, "completed")
                yield (whole[: len(whole) // 2], whole + whole, whole[1:], whole)[number % 4]
                yield whole
    yield _frame(config, {"ticket": TICKET}, "called")
    yield _frame(config, {"ticket": TICKET, "projectNo": "P-CLEAN", "taskName": ITEM}, "completed")


def found(haystack: bytes, text: str) -> bool:
    """Whether the text stands there: in either encoding, escaped as JSON does, in hex or base64."""
    return any(form in haystack for form in forms(text))


@cache
def forms(text: str) -> frozenset[bytes]:
    """All the bytes as which it may be written."""
    plain = {_encoded(spelling, name) for spelling in _spellings(text) for name in ENCODINGS}
    plain |= {spelling.encode("utf-16-le") for spelling in _spellings(text)}
    escaped = {json.dumps(spelling)[1:-1].encode() for spelling in _spellings(text)}
    escaped |= {ascii(spelling)[1:-1].encode() for spelling in _spellings(text)}
    escaped |= {each.upper().replace(b"\\U", b"\\u") for each in escaped}
    hexed = {form for raw in plain for form in (raw.hex().encode(), raw.hex().upper().encode())}
    in_base64 = {each for raw in plain for each in _in_base64(raw)}
    return frozenset(plain | escaped | hexed | in_base64)


ENCODINGS = ("gbk", "utf-8")


def _spellings(text: str) -> set[str]:
    """As it is, in small letters, and in the full-width digits of a Chinese keyboard."""
    wide = text.translate({48 + digit: 0xFF10 + digit for digit in range(10)})
    return {text, text.lower(), wide}


def _encoded(text: str, name: str) -> bytes:
    return text.encode(name, "replace")


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """What is the same in base64 wherever in the text it begins."""
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + raw)
        # The first characters mix with what stands before, the last ones with what follows.
        yield whole[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]


def _frame(config: SignalConfig, fields: dict[str, str], say: str) -> bytes:
    """As this terminal would say it; what has no place of its own goes into one nobody reads."""
    values = {"window": WINDOW, "staff": "0312", "ticketSerial": f"1-{fields['ticket']}", **fields}
    try:
        if config.line is not None and not config.line.sentences:
            last = max(config.line.fields.values()) + 1
            wider = replace(config.line, fields={**config.line.fields, OTHER: last})
            return said_in_a_line(wider, say, values)
        if config.jsonl is not None:
            more = {name: f"data.more.{name}" for name in values}
            wider_json = replace(config.jsonl, fields={**more, **config.jsonl.fields})
            return said_in_json(wider_json, say, values)
        return speaker(config)(say, values)
    except (ValueError, LookupError, OverflowError):
        # This line has no way to say it: then a terminal that tries says it in plain text.
        return " ".join(values.values()).encode()
