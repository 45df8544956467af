"""A virtual unit and its platform as a window that is rated at (sim/siege.py). Real I/O."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon import control
from daemon.errors import NotAnswering
from sim.clerk import Clerk
from sim.pads import VirtualPad
from sim.platforms import Platform
from sim.units import VirtualUnit
from sim.wire import Wire

JOURNAL = "/var/lib/haochaping/journal.db"
LOOK_S = 0.01


class BesiegedUnit:
    """`unit` is enrolled at `platform`."""

    def __init__(self, unit: VirtualUnit, platform: Platform) -> None:
        self._unit, self._platform = unit, platform

    @property
    def clerk(self) -> Clerk:
        return self._unit.counter.clerk

    @property
    def pad(self) -> VirtualPad:
        return self._unit.counter.pad

    @property
    def queue_wire(self) -> Wire:
        return self._unit.counter.queue_wire

    @property
    def centre_config(self) -> Path:
        return self._platform.centre.config

    def status(self) -> dict[str, Any] | None:
        """What its daemon shows; None while it does not answer."""
        try:
            shown = next(control.ask(self._unit.at(JOURNAL), {"ask": "status"}), None)
        except NotAnswering:
            return None
        return shown if shown is not None and "uplink" in shown else None

    def is_serving(self) -> bool:
        """True while the unit answers and hears both of its lines."""
        shown = self.status()
        return (
            shown is not None
            and shown["windows"][0]["pad"]["state"] == "up"
            and shown["signals"][0]["state"] == "open"
        )

    def wait(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        """Look every few ms until `is_true`; whether it became so in time."""
        until_s = time.monotonic() + timeout_s
        while not is_true():
            if time.monotonic() > until_s:
                return False
            time.sleep(LOOK_S)
        return True
