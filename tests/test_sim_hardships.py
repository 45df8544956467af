"""A5b with real processes: what separates agents that lose from agents that do not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sim import hardships
from sim.demo.hall import Hall
from sim.siege import RULES, Siege

SEED = 20261129
Played = Callable[[Callable[[Hall, Siege], None], str], None]

pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.promise]


@pytest.fixture
def played(tmp_path: Path, promise: Callable[..., None]) -> Played:
    """Plays one hardship in a hall and reports what the platform holds after it."""

    def play(hardship: Callable[[Hall, Siege], None], what: str) -> None:
        with Hall(RULES, keep=tmp_path / "hall") as hall:
            siege = Siege(hall, SEED)
            siege.serve()
            hardship(hall, siege)
            siege.serve()
            verdict = siege.deliver()
            assert hall.verify()
        wrong = (verdict.lost, verdict.doubled, verdict.changed, verdict.invented)
        bad = sum(map(len, wrong))
        promise("A5b", f"cases, {what}", verdict.cases_completed, bad)
        assert verdict.good, verdict
        shutil.rmtree(tmp_path / "hall")

    return play


@pytest.mark.campaign
def test_cases_over_a_link_that_swallows_4_times_12_s_then_each_has_one_record(
    played: Played,
) -> None:
    played(
        lambda hall, siege: hardships.swallowed_link(hall, siege, SEED),
        "link swallowed 4 x 12 s without a word",
    )


@pytest.mark.campaign
def test_cases_before_the_broker_came_and_then_a_kill_then_each_has_one_record(
    played: Played, scale: int
) -> None:
    count = min(500, 50 * scale)
    played(
        lambda hall, siege: hardships.killed_before_the_broker_came(hall, siege, count),
        "started without a broker, then killed",
    )


@pytest.mark.campaign
def test_cases_when_killed_while_the_pad_sends_then_each_has_one_record(
    played: Played, scale: int
) -> None:
    count = min(500, 10 * scale)
    played(
        lambda hall, siege: hardships.killed_while_the_pad_sends(hall, siege, SEED, count),
        "killed in each while the pad sends",
    )


@pytest.mark.campaign
def test_cases_in_a_burst_of_1000_then_each_has_one_record(played: Played) -> None:
    played(lambda hall, siege: hardships.burst(hall, siege, 1000), "a burst of 1 000")
