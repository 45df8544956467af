"""Evidence as it is handed over: a text for people, and JSON with all it was computed from (pure).

Nothing is said here that the evidence does not hold.
"""

import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from central.columns import HALL, plain
from central.evidence import Chain, Evidence, Interval, Item
from protocol.central.entry import utc_text
from protocol.central.signing import VerifyKey

GUIDE = "docs/evidence.md"
LINE_LEN = 100
DAY_LEN = len("2026-09-21")
TITLES = {
    "service": "Service completed",
    "rating": "Rating",
    "binding": "Case number given later",
    "correction": "Mis-press reported",
}


def to_json(evidence: Evidence, place: str, platform_keys: list[VerifyKey]) -> dict[str, Any]:
    """Everything, with the exact texts, so that anyone can compute it again."""
    return {
        "case": evidence.case,
        "from": place,
        "good": evidence.is_good,
        "verdict": evidence.verdict,
        "entries": [_item(item) for item in evidence.items],
        "chains": [_chain(chain) for chain in evidence.chains],
        "problems": [found._asdict() for found in evidence.problems],
        "notes": evidence.notes,
        "clocks": [entry.text for entry in evidence.clocks],
        "keys": [
            {"source": key.source, "kid": key.kid, "public": key.public, "revoked": key.revoked}
            for key in evidence.keys
        ],
        "platformKeys": [{"kid": key.kid, "public": key.to_text()} for key in platform_keys],
    }


def to_text(evidence: Evidence, place: str) -> Iterator[str]:
    """What a court or an auditor is given, line by line."""
    yield f"Evidence for case {plain(evidence.case)}, from {place}"
    yield ""
    yield from _wrapped(f"VERDICT  {evidence.verdict}", "         ")
    for number, item in enumerate(evidence.items, 1):
        yield ""
        yield from _item_lines(number, item)
    for chain in evidence.chains:
        yield ""
        yield f"Journal of {chain.source}, epoch {chain.epoch}"
        yield from _wrapped(f"   {_unbroken(chain)}", "   ")
        yield from _wrapped(f"   {_covered(chain)}", "   ")
    yield ""
    yield f"What is wrong: {'nothing' if evidence.is_good else len(evidence.problems)}"
    for name, where, sentence in evidence.problems:
        yield from _wrapped(f"   {name}: {where}: {plain(sentence)}", "      ")
    yield from evidence.notes
    yield ""
    yield f"{GUIDE} says how to compute all of this again without this program."


def _item_lines(number: int, item: Item) -> Iterator[str]:
    entry = item.entry
    came = item.received_utc_ms
    yield from _wrapped(f"{number}. {TITLES.get(entry.kind, entry.kind)}: {item.says}", "   ")
    yield f"   entry      {entry.id} of {entry.source}"
    for name, interval in item.times.items():
        yield f"   {name:<10} {_between(interval)}"
    yield f"   received   {'not known' if came is None else f'no later than {utc_text(came)}'}"
    yield f"   signature  {item.signature}; key {entry.kid}"
    yield f"   before it  {entry.prevhash}"
    yield f"   its hash   {entry.hash}"


def _between(interval: Interval | None) -> str:
    if interval is None:
        return "not known: the unit's clock was not set during that boot"
    utc, hall = [utc_text(each) for each in interval], [_local(each) for each in interval]
    return f"{_span(*utc)}; in the hall {_span(*hall)}"


def _span(earliest: str, latest: str) -> str:
    """From when to when, without saying the same day twice."""
    same = earliest[:DAY_LEN] == latest[:DAY_LEN]
    return f"{earliest} to {latest[DAY_LEN + 1 :] if same else latest}"


def _local(utc_ms: int) -> str:
    """Hall time with milliseconds."""
    seconds, ms = divmod(utc_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, HALL):%Y-%m-%d %H:%M:%S}.{ms:03}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, LINE_LEN, subsequent_indent=indent, break_long_words=False)


def _unbroken(chain: Chain) -> str:
    if not chain.upto:
        return "Not even its first entry holds."
    return (
        f"Entries 1 to {chain.upto} unbroken: each signed by the unit, each naming the hash of "
        f"the one before; the last hashes to {chain.hash}."
    )


def _covered(chain: Chain) -> str:
    receipt = chain.receipt
    if receipt is None:
        return "No receipt of the platform: that nothing was cut off its end is not proved."
    which = f"entry {receipt.upto}"
    if receipt.epoch != chain.epoch:
        which += f" of epoch {receipt.epoch}, which follows this one"
    return f"Receipt for {which}, signed by platform key {receipt.kid}, {receipt.time}: hash equal."


def _item(item: Item) -> dict[str, Any]:
    entry, came = item.entry, item.received_utc_ms
    return {
        "id": entry.id,
        "kind": entry.kind,
        "source": str(entry.source),
        "epoch": entry.epoch,
        "seq": entry.seq,
        "prevhash": entry.prevhash,
        "hash": entry.hash,
        "kid": entry.kid,
        "signature": item.signature,
        "received": None if came is None else utc_text(came),
        "times": {
            name: None if interval is None else [utc_text(each) for each in interval]
            for name, interval in item.times.items()
        },
        "says": item.says,
        "text": entry.text,
    }


def _chain(chain: Chain) -> dict[str, Any]:
    return {
        "source": str(chain.source),
        "epoch": chain.epoch,
        "unbrokenUpto": chain.upto,
        "hash": chain.hash,
        "receipt": chain.receipt_text,
        "says": [_unbroken(chain), _covered(chain)],
    }
