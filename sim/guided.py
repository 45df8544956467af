"""A technician's laptop in front of a virtual hall: the guide's commands are typed as they stand.

Only what differs between a hall and this machine is put in their place: the broker's address, and
in the site folder how units, broker and platform are reached. Real I/O.
"""

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sim.board import VirtualBoard
from sim.guide import File, Step, steps
from sim.laptop import converse, tell
from sim.platforms import Platform
from sim.technician import Technician
from sim.units import TREE, VirtualHall, VirtualUnit
from sim.wire import Wire

AREA_BROKER = "broker.example"
PROVISION = '#!/bin/sh\nexec {python} -P -m provisioning "$@"\n'
FOUNDED = "provision site init "
# What a technician does with his hands before he types: another machine, a fresh card.
HANDS = {
    "provision unit replace ": VirtualUnit.replace,
    "provision unit restore ": VirtualUnit.wipe,
}
FLASH, TEST = "provision pad flash ", "provision window test "


class GuidedHall:
    """The hall of a guide's list of windows, its units as the installer leaves them."""

    def __init__(self, folder: Path, text: str) -> None:
        """folder: new or empty; text: the guide."""
        self.folder = folder
        self._ways = contextlib.ExitStack()
        self._cwd = folder / "laptop"
        (self._cwd / "bin").mkdir(parents=True)
        program = self._cwd / "bin/provision"
        program.write_text(PROVISION.format(python=sys.executable))
        program.chmod(0o755)
        # As a unit's card names it, where the list says nothing of it (provision image).
        units = {f"h01-{unit}.local": window for unit, window in _listed(text).items()}
        self.hall = VirtualHall(folder / "hall", units)
        self.platform = Platform(folder / "platform")
        for name, file in (("broker-ca.pem", self.platform.authority),
                           ("platform.pub.pem", self.platform.key)):  # fmt: skip
            (self._cwd / name).write_bytes(file.read_bytes())

    def put(self, name: str, content: str) -> None:
        """Write one of the guide's files; no unit here has a display."""
        (self._cwd / name).write_text(content.replace("sh1106", "none"), "utf-8")

    def run(self, step: Step) -> tuple[int, str]:
        """Type a command, do what it asks for; its exit code, and all it said."""
        words = step.command.split()
        if words[0] == "cd":
            self._cwd = self._cwd / words[1]
            return 0, ""
        for begin, do in HANDS.items():
            if step.command.startswith(begin):
                unit = self.unit(words[3])
                do(unit)
                unit.switch_on()
        command = step.command.replace(AREA_BROKER, f"127.0.0.1:{self.platform.port}")
        if command.startswith(FLASH):
            with Wire(self.folder / "board") as wire, VirtualBoard(wire).running():
                return self._type(f"{command} --port {wire.path}")
        if step.at:
            command = shlex.join([*self.hall.ssh, self.unit(step.at).host, command])
        if command.startswith(TEST):
            return self._type(command, self.unit(words[3]))
        code, said = self._type(command)
        if command.startswith(FOUNDED) and code == 0:
            tell(self._cwd / words[3], self.hall, self.platform)
        return code, said

    def _type(self, command: str, at: VirtualUnit | None = None) -> tuple[int, str]:
        """at: the unit at whose counter the command's questions are answered."""
        sees_nothing: Mapping[str, int] = {}
        clerk = (lambda: None) if at is None else at.counter.clerk.call
        technician = Technician(lambda: sees_nothing, clerk)
        if at is not None:
            at.counter.finger.start()
        with subprocess.Popen(
            ["sh", "-c", command], cwd=self._cwd, env=self._env(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as typed:  # fmt: skip
            out, said = converse(typed, technician)
        if at is not None:
            at.counter.finger.stop()
        return typed.returncode, said + out

    def unit(self, name: str) -> VirtualUnit:
        """The unit of that name."""
        return self.hall[f"h01-{name}.local"]

    def _env(self) -> dict[str, str]:
        home = self.folder / "laptop"
        return {
            "PATH": f"{home}/bin:{os.defpath}",
            "HOME": str(home),
            "PYTHONPATH": str(TREE),
            "LANG": "C.UTF-8",
        }

    def __enter__(self) -> Self:
        self._ways.enter_context(self.platform)
        self._ways.enter_context(self.hall)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ways.close()


def _listed(text: str) -> dict[str, str]:
    """Each unit of the guide's list with the number of its first window."""
    (content,) = (step.content for step in steps(text) if isinstance(step, File))
    rows = [row.split(",") for row in content.splitlines()[1:]]
    return {unit: window for unit, window, *_ in reversed(rows)}
