"""How long the broker's lists of revoked certificates still hold, and when that is an alarm (pure).

A broker refuses every unit of an authority whose list has run out, or does not hold yet, so the
days before are for somebody to notice in.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf
from typing import NamedTuple

DAY_MS = 86_400_000
WHAT_TO_DO = "make it anew (`provision site list`) and apply it on the broker (`haochaping-revoke`)"
NO_UNIT = "the broker lets none of its units in"


class RevocationList(NamedTuple):
    """Whose list it is, and when it begins and ends to hold; ends None: it does not say."""

    issuer: str
    begins_utc_ms: int
    ends_utc_ms: int | None


def left_ms(lists: Iterable[RevocationList], now_utc_ms: int) -> int | None:
    """For how long all lists hold: negative when one has run out, None when none ever will."""
    ends = [each.ends_utc_ms for each in lists if each.ends_utc_ms is not None]
    return min(ends) - now_utc_ms if ends else None


def stale(lists: Iterable[RevocationList], now_utc_ms: int, limit_ms: int) -> str | None:
    """A sentence about the list that is worst off; None when all hold for longer than limit_ms."""
    found = [each for each in lists if _holds_ms(each, now_utc_ms) <= limit_ms]
    if not found:
        return None
    worst = min(found, key=lambda each: _holds_ms(each, now_utc_ms))
    more = f" (and {len(found) - 1} more are to be renewed)" if len(found) > 1 else ""
    return f"the revocation list of {_state(worst, now_utc_ms)}{more}: {WHAT_TO_DO}"


def _holds_ms(each: RevocationList, now_utc_ms: int) -> float:
    """For how long a list still holds; 0 or less when it does not."""
    if each.begins_utc_ms > now_utc_ms:
        return 0
    return inf if each.ends_utc_ms is None else each.ends_utc_ms - now_utc_ms


def _state(each: RevocationList, now_utc_ms: int) -> str:
    issuer, begins, ends = each
    if begins > now_utc_ms:
        return f"{issuer} holds from {_day(begins)} on, and until then {NO_UNIT}"
    assert ends is not None, "it would hold for ever"
    if ends <= now_utc_ms:
        return f"{issuer} ran out on {_day(ends)}, and {NO_UNIT}"
    days = (ends - now_utc_ms) // DAY_MS
    within = "1 day" if days == 1 else f"{days} days" if days else "less than a day"
    return f"{issuer} runs out on {_day(ends)}, in {within}, and from then on {NO_UNIT}"


def _day(utc_ms: int) -> str:
    return f"{datetime.fromtimestamp(utc_ms // 1000, UTC):%Y-%m-%d %H:%M} UTC"
