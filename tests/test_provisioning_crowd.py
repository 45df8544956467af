"""A hall in a morning: up to two hundred windows from a list, their units run the real daemon."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.laptop import Laptop
from sim.platforms import Platform
from sim.units import VirtualHall

# As many in an hour of the campaign; alone on two cores they take 125 to 133 s.
COUNT_MAX, PER_SCALE = 200, 3
# Three other tests run beside it.
LIMIT_S = 600


@pytest.mark.needs("mosquitto_pub")
@pytest.mark.campaign
@pytest.mark.promise
def test_windows_from_a_list_then_all_are_trusted_within_ten_minutes(
    tmp_path: Path, promise: Callable[..., None], scale: int
) -> None:
    count = min(COUNT_MAX, PER_SCALE * scale)
    windows = {f"w{number:03}": str(number) for number in range(1, count + 1)}
    hall = VirtualHall(tmp_path / "hall", windows)
    try:
        with Platform(tmp_path / "platform") as platform:
            laptop = Laptop(tmp_path / "laptop", hall, platform)
            began_s = time.monotonic()
            laptop.found()
            done = json.loads(laptop.run("unit", "enrol", "--all", "--json"))
            took_s = time.monotonic() - began_s
            assert [one["unit"] for one in done if one["trouble"] is None] == list(windows)
    finally:
        hall.stop()
    promise("H4", f"windows enrolled from a list, in {took_s:.0f} s", count)
    assert took_s < LIMIT_S
