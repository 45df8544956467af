"""A hall in a morning: two hundred windows from a list, against units that run the real daemon."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.laptop import Laptop
from sim.platforms import Platform
from sim.units import VirtualHall

COUNT = 200
LIMIT_S = 300


@pytest.mark.needs("mosquitto_pub")
@pytest.mark.campaign
@pytest.mark.promise
def test_two_hundred_windows_from_a_list_then_all_are_trusted_within_five_minutes(
    tmp_path: Path, promise: Callable[..., None]
) -> None:
    windows = {f"w{number:03}": str(number) for number in range(1, COUNT + 1)}
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
    promise("H4", f"windows enrolled from a list, in {took_s:.0f} s", COUNT)
    assert took_s < LIMIT_S
