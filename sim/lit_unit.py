"""The daemon with an OLED on doubled wires: `python -m sim.lit_unit --config FILE`.

Everything but the wires is the real thing, luma's drivers too. Says "lit" on standard output when
the first picture is whole on the glass. With --failing the wires do what bad ones do, in turn.
"""

import argparse
import errno
import os
import sys
import threading
from itertools import cycle
from pathlib import Path

from daemon import config
from daemon.__main__ import main as serve
from sim.glass import Wires

# A module that does not answer, a driver that hangs for two seconds, a bus that is gone (H2).
STALL_S = 2.0
FAULTS = (errno.EREMOTEIO, "stall", errno.ENODEV)
# Between two faults the wires are sound for so many touches: setting up and a few pictures.
SOUND_TOUCHES = 10


class FailingWires(Wires):
    """Wires with every fault in turn; each is told on standard output."""

    def __init__(self) -> None:
        super().__init__()
        self._faults = cycle(
            touch for fault in FAULTS for touch in (fault, *[None] * SOUND_TOUCHES)
        )

    def touch(self) -> None:
        fault = next(self._faults)
        if fault is not None:
            print(f"fault {fault}", flush=True)
        if isinstance(fault, int):
            raise OSError(fault, os.strerror(fault))
        if fault == "stall":
            threading.Event().wait(STALL_S)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sim.lit_unit")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--failing", action="store_true")
    asked = parser.parse_args(arguments)
    wires = FailingWires() if asked.failing else Wires()
    panel = config.load(asked.config).panel
    glass = wires.put(panel.display, panel.bus, panel.address)
    sys.modules.update(wires.libraries())
    if not asked.failing:
        glass.watched = _say_once
    return serve(["--config", str(asked.config)])


_said = threading.Event()


def _say_once() -> None:
    if not _said.is_set():
        _said.set()
        print("lit", flush=True)


if __name__ == "__main__":
    sys.exit(main())
