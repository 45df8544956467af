"""What is promised of speed and size, and whether a figure of the bench keeps it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sim.figures import Figure


@dataclass(frozen=True, slots=True)
class Bound:
    """The figures of a promise whose `what` begins so, at most or at least `limit`.

    `of` says what is bounded: the figure, its ratio to the floor, or to the figure named so.
    """

    promise: str
    what: str
    way: Literal["at most", "at least"]
    limit: float
    of: str = "figure"

    def binds(self, figure: Figure) -> bool:
        return figure.promise == self.promise and figure.what.startswith(self.what)

    def kept_by(self, figure: Figure, beside: Sequence[Figure]) -> bool:
        """Whether it is kept; False too when there is nothing to compare with."""
        value = self._value(figure, beside)
        if value is None:
            return False
        return value <= self.limit if self.way == "at most" else value >= self.limit

    def words(self, figure: Figure) -> str:
        """For people: at most 1.5 x floor."""
        if self.of == "figure":
            return f"{self.way} {self.limit:,g} {figure.unit}"
        of = "floor" if self.of == "ratio" else self.of
        return f"{self.way} {self.limit:g} x {of}"

    def _value(self, figure: Figure, beside: Sequence[Figure]) -> float | None:
        if self.of == "figure":
            return figure.ours
        if self.of == "ratio":
            return figure.ratio
        return next((figure.ours / other.ours for other in beside if other.what == self.of), None)


# The numbers are the promises' own. RSS is compared in MiB, as the system counts it.
BOUNDS = (
    Bound("C2", "start on it with its end damaged", "at most", 5),
    Bound("C4", "written for one rated case", "at most", 48),
    Bound("C4", "start on a journal of 1 000 000", "at most", 5000),
    Bound("G1", "press on disk and acked, p50", "at most", 1.5, "ratio"),
    Bound("G1", "press on disk and acked, p99", "at most", 2, "ratio"),
    Bound("G2", "backlog of 20 000 at the platform", "at most", 8),
    Bound("G2", "rated meanwhile, at the platform", "at most", 2000),
    Bound("G3", "start until the pad is heard", "at most", 0.8),
    Bound("G3", "resident memory", "at most", 40),
    Bound("G3", "idle, of one core", "at most", 0.5),
    Bound("G3", "idle, wake-ups a second", "at most", 8),
    Bound("G4", "entries/s into PostgreSQL, one worker", "at least", 2500),
    # No number is promised: on two cores anything above one worker's is a second one that adds.
    Bound("G4", "entries/s into PostgreSQL, two workers", "at least", 1.0,
          "entries/s into PostgreSQL, one worker"),
    Bound("G5", "simulated window-hours a minute", "at least", 1000),
)  # fmt: skip


def bound_of(figure: Figure) -> Bound | None:
    """What the figure is held to; None when nothing is promised of it."""
    return next((bound for bound in BOUNDS if bound.binds(figure)), None)
