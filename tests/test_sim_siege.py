"""A3 with real processes: whatever is killed, each case has its one record at the platform."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.demo.hall import Hall
from sim.hardships import burst
from sim.saboteur import EVERY, QUICK, Saboteur
from sim.siege import RULES, Siege

# Its first blows are the three that the name of the test promises; few fit into a fast run.
SEED = 20261881
# The ballast, and the journal of 10 000 cases.
DISK_MIB = 128
# Some times what one read of the queue line brings, and what may wait for the disk.
BURST = 100


@pytest.mark.needs("mosquitto")
@pytest.mark.promise
@pytest.mark.long
def test_cases_when_daemon_broker_and_centre_are_killed_then_each_has_one_record(
    tmp_path: Path, promise: Callable[..., None], scale: int
) -> None:
    count = 25 if scale == 1 else min(10_000, 84 * scale)
    ways, disk_mib = (QUICK, 0) if scale == 1 else (EVERY, DISK_MIB)
    with Hall(RULES, keep=tmp_path / "hall", disk_mib=disk_mib) as hall:
        siege = Siege(hall, SEED)
        with Saboteur(hall, SEED, ways) as saboteur:
            for _ in range(count):
                siege.serve()
        burst(hall, siege, BURST)
        verdict = siege.deliver()
        assert hall.verify()
    assert verdict.good, verdict
    assert verdict.cases_completed == verdict.ratings_received == count + BURST + 1
    promise("A3", "cases while daemon, broker, centre are killed", count)
    promise("A5b", "cases said in a burst", BURST)
    for name, many in saboteur.blows.items():
        promise("A3", f"blows during these cases: {name}", many)
    shutil.rmtree(tmp_path / "hall")
