"""What stands at the counter beside a unit: the pad and the queue terminal, each on its wire."""

from datetime import date
from functools import cached_property
from pathlib import Path

from sim.clerk import Clerk
from sim.finger import Finger
from sim.pads import VirtualPad
from sim.wire import Wire

DAY = date(2026, 1, 5)


class Counter:
    """One window's; its lines end in `devices`, as udev's names. Runs between start and stop.

    `clerk` talks at once when told to; `finger`, once it is started, does the pad's self-test.
    """

    def __init__(
        self, devices: Path, window: str, *, pad: str = "pad", signal: str = "signal"
    ) -> None:
        """pad, signal: the names of their lines, for a unit with several windows."""
        self._devices, self.window = devices, window
        self._pad_name, self._signal_name = pad, signal
        self.runs = False

    @cached_property
    def pad_wire(self) -> Wire:
        """The pad's cable."""
        return Wire(self._devices / self._pad_name)

    @cached_property
    def queue_wire(self) -> Wire:
        """The queue terminal's cable."""
        return Wire(self._devices / self._signal_name)

    @cached_property
    def pad(self) -> VirtualPad:
        """The pad, with our firmware."""
        return VirtualPad(self.pad_wire)

    @cached_property
    def finger(self) -> Finger:
        """Whoever tests the pad."""
        return Finger(self.pad)

    @cached_property
    def clerk(self) -> Clerk:
        """Whoever works here."""
        return Clerk(self.queue_wire.write, window=self.window, day=DAY)

    def start(self) -> None:
        """Plug both in; nothing happens when they are."""
        if self.runs:
            return
        self.runs = True
        self._devices.mkdir(parents=True, exist_ok=True)
        self.queue_wire.replug()
        self.pad_wire.replug()
        self.pad.start()

    def stop(self) -> None:
        """Take all away for good."""
        if not self.runs:
            return
        self.runs = False
        self.finger.stop()
        self.pad.stop()
        self.pad_wire.close()
        self.queue_wire.close()
