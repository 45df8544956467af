"""A3 with real processes: whatever is killed, each case has its one record at the platform."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.demo.hall import Hall
from sim.siege import RULES, Saboteur, Siege

SEED = 20261123


@pytest.mark.needs("mosquitto")
@pytest.mark.promise
def test_cases_when_daemon_broker_and_centre_are_killed_then_each_has_one_record(
    tmp_path: Path, promise: Callable[..., None], scale: int
) -> None:
    count = min(10_000, 25 if scale == 1 else 45 * scale)
    with Hall(RULES, keep=tmp_path / "hall") as hall:
        siege = Siege(hall, SEED)
        with Saboteur(hall, SEED) as saboteur:
            for _ in range(count):
                siege.serve()
        verdict = siege.deliver()
        assert hall.verify()
    assert verdict.good, verdict
    assert verdict.cases_completed == verdict.ratings_received == count
    promise("A3", "cases while daemon, broker, centre are killed", count)
    for name, many in saboteur.blows.items():
        promise("A3", f"blows during these cases: {name}", many)
    shutil.rmtree(tmp_path / "hall")
