"""A newcomer's run: from an empty folder to three windows, killed at any moment, to the end.

Enrolled, flashed and accepted; one replaced, one revoked. The real daemon, broker and centre.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from central.registry import Registry
from protocol.central.entry import Source
from sim.board import OUTER_KEYS, VirtualBoard
from sim.centres import wait_for
from sim.laptop import Laptop
from sim.micropython import Vm
from sim.platforms import Platform
from sim.technician import Technician
from sim.units import VirtualHall
from sim.wire import Wire

SEED = 20261129
WINDOWS = {"w03": "3", "w04": "4", "w05": "5"}
COMMAND_S = 1.0  # the first kill comes within this; each that is lived through gives more time


@pytest.mark.needs("node")
@pytest.mark.needs("mosquitto_pub")
@pytest.mark.campaign
@pytest.mark.promise
def test_newcomer_killed_at_any_moment_then_three_windows_serve_and_two_change(
    tmp_path: Path, promise: Callable[..., None], scale: int
) -> None:
    kill_count = run_count = 0
    for run in range(max(1, min(12, scale // 10))):
        folder = tmp_path / str(run)
        with (
            VirtualHall(folder / "hall", WINDOWS) as hall,
            Platform(folder / "platform") as platform,
        ):
            newcomer = Newcomer(Laptop(folder / "laptop", hall, platform), hall, SEED + run)
            newcomer.set_up(platform)
            newcomer.flash(folder)
            newcomer.accept()
            newcomer.change()
            newcomer.check()
            kill_count += newcomer.kill_count
        run_count += 1
    promise("H4", f"runs of a newcomer, killed {kill_count} times", run_count)
    assert kill_count > 0


class Newcomer:
    """Types each command until it is done, whatever ends it before."""

    def __init__(self, laptop: Laptop, hall: VirtualHall, seed: int) -> None:
        self._laptop, self._hall, self._chance = laptop, hall, random.Random(seed)
        self.kill_count = 0

    def set_up(self, platform: Platform) -> None:
        self._type(*self._laptop.founding())
        self._laptop.connect()
        assert platform.runs
        self._type("unit", "enrol", "--all")

    def flash(self, folder: Path) -> None:
        """Each pad on the laptop's cable; whoever begins again holds its outer keys."""
        with Vm() as vm:
            for index, name in enumerate(WINDOWS):
                with Wire(folder / f"tty-{name}") as wire:
                    board = VirtualBoard(wire, vm=vm, uid=f"board{index:03}".encode())
                    with board.running():
                        self._flash(name, wire, board)

    def _flash(self, name: str, wire: Wire, board: VirtualBoard) -> None:
        command = ("pad", "flash", name, "--port", str(wire.path))
        # Pulled in the middle, and put in again with both outer keys held.
        board.cut_after(self._chance.randrange(500, 40_000))
        self._laptop.run(*command, code=2)
        board.keys = OUTER_KEYS
        board.plug()
        while board.runs_firmware:
            wire.wait(0.001)
        board.keys = 0
        self._laptop.run(*command)
        self.kill_count += 1

    def accept(self) -> None:
        for name in WINDOWS:
            self._accept(name)

    def _accept(self, name: str) -> None:
        counter = self._hall[name].counter
        wait_for(lambda: self._is_connected(name), f"{name} at the broker")
        counter.finger.start()
        technician = Technician(dict, counter.clerk.call)
        said = json.loads(self._laptop.answer(technician, "window", "test", name, "--json"))
        counter.finger.stop()
        assert said["ok"], said
        assert said["entry"]["after_ms"] is not None
        assert Path(said["sheet"]).exists()

    def _is_connected(self, name: str) -> bool:
        """As its lamps and `hall status` say it; a session that was ended comes again."""
        done = self._hall[name].run("haochaping", "status")
        return done.returncode == 0 and json.loads(done.stdout)["uplink"]["state"] == "up"

    def change(self) -> None:
        """Another machine for one, and one is stolen."""
        self._hall["w04"].replace()
        self._hall["w04"].switch_on()
        self._type("unit", "replace", "w04")
        self._accept("w04")
        self._type("unit", "revoke", "w05")

    def check(self) -> None:
        """What the platform and the hall's own list say at the end."""
        path = self._laptop.site / "publish/registry/330102-h01.json"
        registry = Registry.parse(path.read_text("utf-8"))
        keys = {}
        for name in WINDOWS:
            unit = registry.get(Source("330102", "h01", name))
            assert unit is not None
            keys[name] = len(unit.current)
        assert keys == {"w03": 1, "w04": 1, "w05": 0}
        rows = json.loads(self._laptop.run("hall", "status", "--json"))["units"]
        assert [(row["unit"], row["need"]) for row in rows] == [("w03", ""), ("w04", "")]
        # Nobody lets the stolen one in, and it goes on recording.
        told = json.loads(self._hall["w05"].run("haochaping", "status").stdout)
        assert told["uplink"]["state"] != "up"

    def _type(self, *words: str) -> None:
        self.kill_count += self._laptop.run_through_kills(self._chance, COMMAND_S, *words)
