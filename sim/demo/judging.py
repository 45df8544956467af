"""Does the platform hold what the fingers did? Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Case = tuple[str | None, int | None]  # projectNo, serviceNumber


@dataclass(frozen=True, slots=True)
class Answer:
    """How a prompt ended: the outcome, and key and level when a key was pressed."""

    outcome: str
    key: int | None = None
    satisfaction: int | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What was done for one completed case, and so the only right records of it."""

    case: Case
    allowed: frozenset[Answer]


@dataclass(slots=True)
class Verdict:
    """Where the records differ from what was done; empty lists are a good morning."""

    cases_completed: int
    ratings_received: int
    ratings_matching: int = 0
    lost: list[Case] = field(default_factory=list)
    doubled: list[Case] = field(default_factory=list)
    changed: list[Case] = field(default_factory=list)
    invented: list[Case] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Exactly one record per case, each equal to what was done, and no other record."""
        wrong = (self.lost, self.doubled, self.changed, self.invented)
        return not any(wrong) and self.ratings_matching == self.cases_completed


def judge(expected: Sequence[Expectation], ratings: Iterable[Mapping[str, Any]]) -> Verdict:
    """Compare what was done with the data of the rating entries at the platform."""
    held: dict[Case, list[Mapping[str, Any]]] = {}
    for rating in ratings:
        held.setdefault((rating["projectNo"], rating["serviceNumber"]), []).append(rating)
    verdict = Verdict(len(expected), sum(map(len, held.values())))
    outcomes = Counter(each["outcome"] for records in held.values() for each in records)
    verdict.outcomes = dict(sorted(outcomes.items()))
    for expectation in expected:
        records = held.pop(expectation.case, [])
        if not records:
            verdict.lost.append(expectation.case)
        elif len(records) > 1:
            verdict.doubled.append(expectation.case)
        elif _answer(records[0]) not in expectation.allowed or records[0]["isDefault"]:
            verdict.changed.append(expectation.case)
        else:
            verdict.ratings_matching += 1
    verdict.invented = sorted(held, key=str)
    return verdict


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of all do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def _answer(rating: Mapping[str, Any]) -> Answer:
    return Answer(rating["outcome"], rating["key"], rating["satisfaction"])
