"""What came of each promise: what was tried, what is bad, what a campaign has left out. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sim.campaign.bounds import BOUNDS, Bound
from sim.campaign.promised import PROMISES, Promise
from sim.figures import Figure

# A campaign of that length claims to be whole: what falls short of its number there is a failure.
WHOLE_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Tried:
    """One thing that was tried for a promise, how often, and how often it was bad."""

    promise: str
    what: str
    tried: int
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One promise with all that was tried for it and measured of it."""

    promise: Promise
    rows: tuple[Tried, ...]
    figures: tuple[Figure, ...] = ()

    @property
    def counted(self) -> tuple[Tried, ...]:
        """The rows that make the number asked for."""
        return tuple(row for row in self.rows if row.what.startswith(self.promise.of))

    @property
    def tried(self) -> int:
        return sum(row.tried for row in self.counted)

    @property
    def bad(self) -> int:
        return sum(row.bad for row in self.rows)

    @property
    def is_untried(self) -> bool:
        """Nothing was tried of a promise that is shown by trying."""
        is_measured_only = self.promise.asked is None and bool(self._bounds())
        return not self.counted and not is_measured_only

    @property
    def is_short(self) -> bool:
        """Fewer than asked for."""
        return self.tried < (self.promise.asked or 0)

    @property
    def is_unmeasured(self) -> bool:
        """A bound has no figure."""
        return any(not any(map(bound.binds, self.figures)) for bound in self._bounds())

    @property
    def verdict(self) -> str:
        """Kept, or in a word or two why that cannot be said."""
        if self.bad:
            return "broken"
        if self.is_untried:
            return "not tried"
        if self.is_unmeasured:
            return "not measured"
        if any(is_behind(figure, self.figures) for figure in self.figures):
            return "not kept"
        if self.promise.asked is not None and self.is_short:
            # Down, so that only all of it is 100 %.
            return f"kept in {self.tried * 1000 // self.promise.asked / 10:.1f} % of the number"
        return "kept"

    def _bounds(self) -> list[Bound]:
        return [bound for bound in BOUNDS if bound.promise == self.promise.id]


def is_behind(figure: Figure, beside: Sequence[Figure]) -> bool:
    """Whether a figure misses what is promised of it."""
    return any(bound.binds(figure) and not bound.kept_by(figure, beside) for bound in BOUNDS)


def merged(rows: Iterable[Tried]) -> list[Tried]:
    """One row for each thing tried, with the sums, in order."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        tried, bad = sums.get((row.promise, row.what), (0, 0))
        sums[row.promise, row.what] = tried + row.tried, bad + row.bad
    return [Tried(*key, *counts) for key, counts in sorted(sums.items())]


def outcomes(rows: Iterable[Tried], figures: Sequence[Figure] = ()) -> list[Outcome]:
    """One for each promise there is, whether anything was tried for it or not."""
    found = merged(rows)
    return [
        Outcome(
            promise,
            tuple(row for row in found if row.promise == promise.id),
            tuple(figure for figure in figures if figure.promise == promise.id),
        )
        for promise in PROMISES.values()
    ]


def strangers(rows: Iterable[Tried]) -> list[str]:
    """Ids that are no promise."""
    return sorted({row.promise for row in rows} - set(PROMISES))


def left_out(results: Iterable[Outcome], minutes: int) -> list[str]:
    """What keeps a campaign from being one, a sentence each."""
    said = []
    for each in results:
        if each.is_untried:
            said.append(f"{each.promise.id}: nothing was tried")
        if each.is_unmeasured:
            said.append(f"{each.promise.id}: not all was measured")
        if each.is_short and not each.is_untried and minutes >= WHOLE_MINUTES:
            said.append(f"{each.promise.id}: {each.tried:,} of {each.promise.asked:,} were tried")
    return said
