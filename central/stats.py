"""Counts of services and ratings by unit, hall or area: by level, never by key, never by staff."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from central.archive import Archive
from protocol.central import codes
from protocol.central.entry import Source

LEVELS = tuple(level.satisfaction for level in codes.levels())
NEGATIVE = tuple(level.satisfaction for level in codes.levels() if level.negative)
NOT_RATED = ("timeout", "superseded", "cancelled", "pad_lost", "interrupted")
UNCLEAR = "unclear"  # the entry's data do not keep their schema
PLACES = ("unit", "hall", "area")
TOTAL = "all"
HEAD = (
    "place", "services", *(str(level) for level in LEVELS), *NOT_RATED, UNCLEAR, "corrected",
    "negative",
)  # fmt: skip


@dataclass(slots=True)
class Counts:
    """What was counted at one place."""

    services: int = 0
    corrected: int = 0
    by_level: Counter[int] = field(default_factory=Counter)
    not_rated: Counter[str] = field(default_factory=Counter)

    @property
    def negative_share(self) -> float | None:
        """Which part of the ratings is negative; None when nobody rated."""
        rated = self.by_level.total()
        return sum(self.by_level[level] for level in NEGATIVE) / rated if rated else None

    def to_json(self) -> dict[str, Any]:
        """The counts by name."""
        share = self.negative_share
        return {
            "services": self.services,
            "rated": {str(level): self.by_level[level] for level in LEVELS},
            "notRated": {name: self.not_rated[name] for name in (*NOT_RATED, UNCLEAR)},
            "corrected": self.corrected,
            "negativeShare": None if share is None else round(share, 6),
        }

    def cells(self) -> list[object]:
        """The same as one line of a table."""
        share = self.negative_share
        return [
            self.services,
            *(self.by_level[level] for level in LEVELS),
            *(self.not_rated[name] for name in (*NOT_RATED, UNCLEAR)),
            self.corrected,
            None if share is None else f"{100 * share:.2f} %",
        ]


def count(archive: Archive, by: str) -> dict[str, Counts]:
    """The counts of each place, and of all of them under TOTAL, which is the last."""
    places: dict[str, Counts] = {}
    total = Counts()
    for source, kind, outcome, level, number in archive.counts():
        for counts in (places.setdefault(_place(source, by), Counts()), total):
            _add(counts, kind, outcome, level, number)
    for source, number in archive.corrected():
        for counts in (places.setdefault(_place(source, by), Counts()), total):
            counts.corrected += number
    return {**dict(sorted(places.items())), TOTAL: total}


def _add(counts: Counts, kind: str, outcome: str | None, level: int | None, number: int) -> None:
    if kind == "service":
        counts.services += number
    elif outcome == "rated" and level is not None:
        counts.by_level[level] += number
    else:
        known = outcome is not None and outcome in NOT_RATED
        counts.not_rated[outcome if known and outcome else UNCLEAR] += number


def _place(source: str, by: str) -> str:
    whole = Source.parse(source)
    return {"unit": source, "hall": f"/{whole.area}/{whole.hall}", "area": f"/{whole.area}"}[by]
