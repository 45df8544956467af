"""One line of the bench: a figure beside its floor, and what several values come to. Pure."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

GIVEN = ("promise", "what", "unit", "ours", "floor")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; ours and floor in the same unit."""

    promise: str
    what: str
    unit: str
    ours: float
    floor: float | None

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.ours / self.floor

    def line(self) -> str:
        """For people."""
        floor = "" if self.floor is None else f"floor {self.floor:>10,.2f}"
        ratio = "" if self.ratio is None else f"ratio {self.ratio:6.2f}"
        return (
            f"{self.promise:4} {self.what:44} {self.ours:>10,.2f} {self.unit:6} {floor:17} {ratio}"
        ).rstrip()

    def json(self) -> str:
        """For programs."""
        return json.dumps({name: getattr(self, name) for name in (*GIVEN, "ratio")})

    @classmethod
    def of_json(cls, text: str) -> Self:
        """The figure that `json` has written."""
        found = json.loads(text)
        return cls(*(found[name] for name in GIVEN))


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
