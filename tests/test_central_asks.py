"""Asking for missing entries: soon, then less and less often, and at once when answered."""

from itertools import pairwise

from central.asks import COUNT_MAX, FIRST_MS, RETRY_MS, RETRY_MS_MAX, Ask, Asks
from protocol.central.entry import Source

SOURCE = Source("330102", "h01", "w03")
EPOCH = "0a1b2c3d4e5f6071"


def test_due_when_a_hole_is_new_then_waits_for_what_was_overtaken() -> None:
    asks = Asks()
    asks.note(0, SOURCE, EPOCH, (3, 5))
    assert asks.due(FIRST_MS - 1) == []
    assert asks.wake_at_ms() == FIRST_MS
    assert asks.due(FIRST_MS) == [Ask(SOURCE, EPOCH, 3, 5)]


def test_due_when_nobody_answers_then_asks_less_and_less_often() -> None:
    asks = Asks()
    asks.note(0, SOURCE, EPOCH, (3, 5))
    asked_at_ms = []
    for _ in range(12):
        now_ms = asks.wake_at_ms()
        assert now_ms is not None
        assert asks.due(now_ms) == [Ask(SOURCE, EPOCH, 3, 5)]
        asked_at_ms.append(now_ms)
    waits = [later - earlier for earlier, later in pairwise(asked_at_ms)]
    assert waits[:3] == [RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS]
    assert waits[-1] == RETRY_MS_MAX


def test_due_when_the_hole_is_filled_then_asks_no_more() -> None:
    asks = Asks()
    asks.note(0, SOURCE, EPOCH, (3, 5))
    asks.note(1, SOURCE, EPOCH, None)
    assert asks.wake_at_ms() is None
    assert asks.due(10**9) == []


def test_due_when_a_long_hole_is_answered_in_part_then_asks_for_the_next_part_at_once() -> None:
    asks = Asks()
    last = 3 * COUNT_MAX
    asks.note(0, SOURCE, EPOCH, (1, last))
    assert asks.due(FIRST_MS) == [Ask(SOURCE, EPOCH, 1, COUNT_MAX)]
    asks.note(FIRST_MS + 10, SOURCE, EPOCH, (500, last))
    assert asks.due(FIRST_MS + 10) == []
    asks.note(FIRST_MS + 20, SOURCE, EPOCH, (COUNT_MAX + 1, last))
    assert asks.due(FIRST_MS + 20) == [Ask(SOURCE, EPOCH, COUNT_MAX + 1, 2 * COUNT_MAX)]


def test_due_when_an_answer_stops_half_way_then_asks_for_the_rest() -> None:
    asks = Asks()
    asks.note(0, SOURCE, EPOCH, (1, 10))
    asks.due(FIRST_MS)
    asks.note(1000, SOURCE, EPOCH, (6, 10))
    assert asks.wake_at_ms() == 1000 + RETRY_MS
    assert asks.due(1000 + RETRY_MS) == [Ask(SOURCE, EPOCH, 6, 10)]
