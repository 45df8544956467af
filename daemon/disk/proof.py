"""What proves an entry, without a parser (pure): entries are walked by the million.

An entry's text is canonical: its members are sorted and a quote inside a text is escaped, so the
last place that reads like one of the members behind `data` is that member.
"""

from hashlib import sha256
from typing import NamedTuple

_PREVHASH, _SEQUENCE, _EPOCH = '"prevhash":"', '"sequence":"', '"epoch":"'
_HASH_LEN, _SEQUENCE_LEN, _EPOCH_LEN = 64, 20, 16


class Stored(NamedTuple):
    """An entry as the database holds it."""

    seq: int
    kind: str
    hash: str
    body: str


def flaw(row: Stored, prevhash: str | None) -> str | None:
    """What is wrong with a stored entry; `prevhash`: the hash of the one before, if it is known."""
    if type(row.body) is not str or type(row.hash) is not str:
        return "it holds no text"
    if sha256(row.body.encode()).hexdigest() != row.hash:
        return "it is not the text that was written"
    if not row.body.endswith(f'"type":"hcp.{row.kind}.v1"}}'):
        return "it does not stand under its kind"
    if sequence(row.body) != row.seq:
        return "it does not stand where it was written"
    if prevhash is not None and prevhash_of(row.body) != prevhash:
        return "it does not continue the one before"
    return None


def prevhash_of(body: str) -> str:
    """The hash of the entry before, as the text says."""
    return _member(body, _PREVHASH, _HASH_LEN)


def epoch_of(body: str) -> str:
    """The epoch, as the text says."""
    return _member(body, _EPOCH, _EPOCH_LEN)


def sequence(body: str) -> int:
    """The number, as the text says; 0 when it says none."""
    digits = _member(body, _SEQUENCE, _SEQUENCE_LEN)
    return int(digits) if digits.isdecimal() else 0


def _member(body: str, name: str, length: int) -> str:
    at = body.rfind(name) + len(name)
    return body[at : at + length]
