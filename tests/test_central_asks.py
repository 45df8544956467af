"""Asking for missing entries: soon, then less and less often, and at once when answered."""

from itertools import pairwise

from central.asks import COUNT_MAX, FIRST_MS, RETRY_MS, RETRY_MS_MAX, Asking, follow, sent


def opened(first: int, last: int, now_ms: int = 0) -> Asking:
    asking = follow(None, (first, last), now_ms)
    assert asking is not None
    return asking


def test_follow_when_a_hole_is_new_then_waits_for_what_was_overtaken() -> None:
    asking = opened(3, 5, 100)
    assert (asking.first, asking.last, asking.since_utc_ms) == (3, 5, 100)
    assert asking.due_utc_ms == 100 + FIRST_MS
    assert sent(asking, 400).asked_upto == 5


def test_sent_when_nobody_answers_then_asks_less_and_less_often() -> None:
    asking, sent_at_ms = opened(3, 5), []
    for _ in range(12):
        sent_at_ms.append(asking.due_utc_ms)
        asking = sent(asking, asking.due_utc_ms)
    waits = [later - earlier for earlier, later in pairwise(sent_at_ms)]
    assert waits[:3] == [RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS]
    assert waits[-1] == RETRY_MS_MAX


def test_follow_when_the_hole_is_filled_then_asks_no_more() -> None:
    assert follow(opened(3, 5), None, 1) is None


def test_follow_when_only_more_is_known_to_exist_then_the_hole_is_as_old_as_before() -> None:
    asking = follow(sent(opened(3, 5), FIRST_MS), (3, 9), 10_000)
    assert asking is not None
    assert (asking.last, asking.since_utc_ms, asking.asked_upto) == (9, 0, 5)


def test_follow_when_a_long_hole_is_answered_in_part_then_asks_for_the_next_part_at_once() -> None:
    last = 3 * COUNT_MAX
    asking = sent(opened(1, last), FIRST_MS)
    assert asking.asked_upto == COUNT_MAX
    half = follow(asking, (500, last), FIRST_MS + 10)
    assert half is not None
    assert half.due_utc_ms == FIRST_MS + 10 + RETRY_MS
    answered = follow(half, (COUNT_MAX + 1, last), FIRST_MS + 20)
    assert answered is not None
    assert (answered.due_utc_ms, answered.since_utc_ms) == (FIRST_MS + 20, FIRST_MS + 20)
    assert sent(answered, FIRST_MS + 20).asked_upto == 2 * COUNT_MAX
