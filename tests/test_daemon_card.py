"""A card that fails under a whole window: unit, broker and the real centre as processes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.demo.hall import Hall
from sim.demo.morning import RULES, Morning

WAIT_S = 60.0


@pytest.mark.needs("mosquitto")
@pytest.mark.promise
@pytest.mark.campaign
def test_ratings_on_a_damaged_card_reach_the_centre_after_all(
    promise: Callable[..., None],
) -> None:
    """Rated while the network is away, so nowhere else; then a bit flips and the unit restarts."""
    with Hall(RULES) as hall:
        morning = Morning(hall)
        morning.each_level_once()
        morning.deliver()
        hall.switch("network", False)
        morning.each_level_once()
        hall.switch("power", False)
        database = hall.directory / "journal.db"
        _flip(database.with_name("journal.db-wal"))
        hall.switch("power", True)
        assert hall.wait(hall.is_serving, WAIT_S)
        hall.switch("network", True)
        assert hall.wait(lambda: len(hall.arrivals.all("rating")) == 10, WAIT_S)
        # A window as before, in a new epoch.
        morning.each_level_once()
        assert hall.wait(lambda: len(hall.arrivals.all("rating")) == 15, WAIT_S)
        boots = [arrival.data for arrival in hall.arrivals.all("boot")]
        assert [boot["reason"] for boot in boots] == ["new_epoch", "quarantine"]
        assert boots[1]["salvage"]["salvaged"] > 10
        assert hall.wait(lambda: _counter(hall, "remains") == 0, 2 * WAIT_S)
        assert _counter(hall, "quarantined") == 1
        assert not database.with_name("journal.db.damaged").exists()
        promise("C2", "unit on a damaged card: ratings at the centre", 15)


def _counter(hall: Hall, name: str) -> int | None:
    status = hall.status()
    return None if status is None else status["journal"]["counters"].get(name)


def _flip(path: Path) -> None:
    """One bit in the middle of the log: SQLite would drop every commit from there on."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
