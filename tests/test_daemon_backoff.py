"""How long a unit waits before it calls again, and what a province of such units is to a broker."""

from collections.abc import Callable

import pytest

from daemon.net.backoff import Backoff
from sim.outage import REDIAL_S, Outage

UNIT_COUNT = 10_000
# A handshake with both certificates and its CONNECT took the shipped mosquitto 1.4 ms of one core
# of a rented server.
SERVED_A_SECOND = 700
WAIT_S_MAX = 300.0
SEED = 20261129
OUTAGES_S = (0, 1, 3, 10, 30, 60, 120)
LONG_OUTAGES_S = (300, 900, 3600)
CERTAIN = 1.0


def bound(outage_s: float) -> float:
    """The most calls a second after an outage; why, and what is left to chance.

    Steps that double have grown to about the time since the outage began, up to `redial_s`; a wait
    is half a step in the mean, so a unit calls twice in a step. In the first second everybody does.
    """
    mean = min(UNIT_COUNT, 2 * UNIT_COUNT / min(max(outage_s, 1), REDIAL_S))
    # Calls fall into a second by chance: five standard deviations of it.
    return min(UNIT_COUNT, mean + 5 * mean**0.5)


def test_wait_when_the_broker_stays_away_then_doubles_up_to_what_is_configured() -> None:
    backoff = Backoff(120.0)
    waits_s = [backoff.wait_s(CERTAIN, was_welcome=False) for _ in range(9)]
    assert waits_s == [2, 4, 8, 16, 32, 64, 120, 120, 120]
    assert backoff.wait_s(0.25, was_welcome=False) == 30


def test_wait_when_the_broker_let_us_in_then_is_short_again() -> None:
    backoff = Backoff(120.0)
    for _ in range(5):
        backoff.wait_s(CERTAIN, was_welcome=False)
    assert backoff.wait_s(CERTAIN, was_welcome=True) == 1
    assert backoff.wait_s(CERTAIN, was_welcome=False) == 2


def test_wait_when_another_unit_has_our_name_then_is_the_longest_at_once() -> None:
    assert Backoff(120.0).wait_s(CERTAIN, was_welcome=True, has_rival=True) == 120


def test_wait_when_tried_for_years_then_is_still_a_number() -> None:
    backoff = Backoff(600.0)
    assert max(backoff.wait_s(CERTAIN, was_welcome=False) for _ in range(5000)) == 600


@pytest.mark.promise
@pytest.mark.parametrize(
    "outage_s",
    [*OUTAGES_S, *(pytest.param(one, marks=pytest.mark.campaign) for one in LONG_OUTAGES_S)],
)
def test_units_after_an_outage_call_no_faster_than_the_bound_and_none_waits_5_minutes(
    promise: Callable[..., None], scale: int, outage_s: int
) -> None:
    rounds = 1 if scale == 1 else 5
    late = fastest = 0
    last_s = 0.0
    for seed in range(SEED, SEED + rounds):
        seen = Outage(UNIT_COUNT, SERVED_A_SECOND, seed).ends_after(outage_s)
        assert len(seen.back_s) == UNIT_COUNT
        assert seen.calls_a_second_max <= bound(outage_s)
        fastest = max(fastest, seen.calls_a_second_max)
        last_s = max(last_s, *seen.back_s)
        late += sum(one > WAIT_S_MAX for one in seen.back_s)
    figures = f"{fastest} calls/s at most, the last after {last_s:.0f} s"
    promise("G6", f"units after {outage_s} s without: {figures}", rounds * UNIT_COUNT, late)
