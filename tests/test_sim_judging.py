"""The morning's own judge, and the figures beside it, on planted faults."""

from typing import Any

import pytest

from sim.demo.judging import Answer, Expectation, judge, percentile

RATED = Answer("rated", 1, 5)
TIMEOUT = Answer("timeout")


def expected(number: int, *allowed: Answer) -> Expectation:
    return Expectation((f"BJ{number}", 1), frozenset(allowed))


def rating(number: int, answer: Answer, *, is_default: bool = False) -> dict[str, Any]:
    return {
        "projectNo": f"BJ{number}",
        "serviceNumber": 1,
        "outcome": answer.outcome,
        "key": answer.key,
        "satisfaction": answer.satisfaction,
        "isDefault": is_default,
    }


MORNING = [expected(1, RATED), expected(2, TIMEOUT), expected(3, RATED)]
RECORDS = [rating(1, RATED), rating(2, TIMEOUT), rating(3, RATED)]


def test_judge_when_all_is_as_done_then_good() -> None:
    verdict = judge(MORNING, RECORDS)
    assert verdict.good
    assert (verdict.cases_completed, verdict.ratings_received, verdict.ratings_matching) == (
        3,
        3,
        3,
    )
    assert verdict.outcomes == {"rated": 2, "timeout": 1}


def test_judge_when_a_record_is_missing_then_names_it_lost() -> None:
    verdict = judge(MORNING, RECORDS[:2])
    assert verdict.lost == [("BJ3", 1)]
    assert not verdict.good


def test_judge_when_a_record_is_there_twice_then_names_it_doubled() -> None:
    verdict = judge(MORNING, [*RECORDS, RECORDS[0]])
    assert verdict.doubled == [("BJ1", 1)]
    assert not verdict.good


@pytest.mark.parametrize(
    "other", [Answer("rated", 2, 4), Answer("rated", 1, 4), Answer("rated", 2, 5), TIMEOUT]
)
def test_judge_when_a_record_says_something_else_then_names_it_changed(other: Answer) -> None:
    verdict = judge(MORNING, [rating(1, other), *RECORDS[1:]])
    assert verdict.changed == [("BJ1", 1)]
    assert not verdict.good


def test_judge_when_a_rating_appears_for_no_press_then_names_it_changed() -> None:
    assert judge(MORNING, [RECORDS[0], rating(2, RATED), RECORDS[2]]).changed == [("BJ2", 1)]


def test_judge_when_a_default_is_made_then_names_it_changed() -> None:
    verdict = judge(MORNING, [rating(1, RATED, is_default=True), *RECORDS[1:]])
    assert verdict.changed == [("BJ1", 1)]


def test_judge_when_a_record_belongs_to_no_case_then_names_it_invented() -> None:
    verdict = judge(MORNING, [*RECORDS, rating(9, RATED)])
    assert verdict.invented == [("BJ9", 1)]
    assert not verdict.good


@pytest.mark.parametrize(
    ("values", "percent", "rank"),
    [([], 50, None), ([7.0], 99, 7.0), ([3.0, 1.0, 2.0], 50, 2.0), ([*range(1, 101)], 99, 99)],
)
def test_percentile_when_asked_then_is_the_nearest_rank(
    values: list[float], percent: float, rank: float | None
) -> None:
    assert percentile(values, percent) == rank
