"""The technician's laptop in front of a virtual hall: `provision` as people type it. Real I/O.

with VirtualHall(folder / "hall", {"w03": "3"}) as hall, Platform(folder / "platform") as centre:
    laptop = Laptop(folder / "laptop", hall, centre)
    laptop.found()
    laptop.run("unit", "enrol", "--all")
"""

import json
import os
import random
import select
import subprocess
import sys
from pathlib import Path

from sim.platforms import Platform
from sim.technician import Technician
from sim.units import TREE, VirtualHall

COMMAND_S = 600.0
# After so long without a word, an unended line is a question.
SILENCE_S = 0.15


class Failed(AssertionError):
    """A command did not end as it should; the text is what it said."""


class Laptop:
    """Its site folder is `site`; nothing of this machine's own configuration is used."""

    def __init__(self, folder: Path, hall: VirtualHall, platform: Platform) -> None:
        """folder: is made."""
        folder.mkdir(parents=True)
        self.folder, self.site = folder, folder / "site"
        self._hall, self._platform = hall, platform
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "HAOCHAPING_SITE": str(self.site),
            "PYTHONPATH": str(TREE),
            "LANG": "C.UTF-8",
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "provisioning", *words],
            cwd=self.folder,
            env=self._env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str, given: str = "", code: int = 0) -> str:
        """What the command said on standard output. Raises Failed for another exit code."""
        command = self.start(*words)
        out, err = command.communicate(given, timeout=COMMAND_S)
        if command.returncode != code:
            raise Failed(f"provision {' '.join(words)}: {command.returncode}\n{out}{err}")
        return out

    def answer(self, technician: Technician, *words: str) -> str:
        """What the command said on standard output, its questions answered as they come."""
        with self.start(*words) as command:
            out, said = converse(command, technician)
        if command.returncode:
            raise Failed(f"provision {' '.join(words)}: {command.returncode}\n{out}{said}")
        return out

    def run_through_kills(self, chance: random.Random, longest_s: float, *words: str) -> int:
        """Kill the command and all that it started on units, at some moment, until it is done.

        Each time it may go on for longer. Returns how often it was killed.
        """
        kill_count = 0
        while True:
            command = self.start(*words)
            try:
                out, err = command.communicate("", chance.uniform(0, longest_s))
            except subprocess.TimeoutExpired:
                command.kill()
                command.communicate()
                if chance.random() < 0.5:
                    self._hall.kill_commands()
                kill_count += 1
                longest_s *= 1.2
                continue
            if command.returncode:
                raise Failed(f"provision {' '.join(words)}: {command.returncode}\n{out}{err}")
            return kill_count

    def found(self) -> None:
        """Make the hall's site, and tell it how its units, broker and platform are reached."""
        self.run(*self.founding())
        self.connect()

    def connect(self) -> None:
        """Tell the site how its units, broker and platform are reached."""
        tell(self.site, self._hall, self._platform)

    def founding(self) -> tuple[str, ...]:
        """The command that makes the hall's site, with all of its windows in a list."""
        rows = (f"{host},{unit.counter.window},{host}\n" for host, unit in self._hall.units.items())
        windows = self.folder / "windows.csv"
        windows.write_text("unit,window,host\n" + "".join(rows), "utf-8")
        return (
            "site", "init", str(self.site), "--area", "330102", "--hall", "h01",
            "--broker", f"127.0.0.1:{self._platform.port}",
            "--broker-ca", str(self._platform.authority),
            "--platform-key", str(self._platform.key), "--windows", str(windows),
        )  # fmt: skip


def tell(site: Path, hall: VirtualHall, platform: Platform) -> None:
    """Write into site.toml what a technician writes there once for a hall, and trust it."""
    path = site / "site.toml"
    text = path.read_text("utf-8")
    for table, key, value in (
        ("broker", "apply", platform.takes_list),
        ("platform", "apply", platform.takes_registry),
        ("ssh", "client", list(hall.ssh)),
    ):
        head = f"[{table}]\n"
        assert head in text, table
        text = text.replace(head, f"{head}{key} = {json.dumps(value)}\n")
    path.write_text(text, "utf-8")
    platform.trust(site / "authority/ca.pem", site / "publish/unit.crl")


def converse(command: "subprocess.Popen[str]", technician: Technician) -> tuple[str, str]:
    """What a command said on both its outputs until it ended, its questions answered."""
    assert command.stdin is not None
    assert command.stdout is not None
    assert command.stderr is not None
    said, descriptor = b"", command.stderr.fileno()
    while True:
        if select.select([descriptor], [], [], SILENCE_S)[0]:
            data = os.read(descriptor, 4096)
            if not data:
                return command.stdout.read(), said.decode()
            said += data
        elif question := said.rpartition(b"\n")[2].decode().strip():
            # A line that is not ended, with nothing after it.
            command.stdin.write(f"{technician.answer(question)}\n")
            command.stdin.flush()
            said += b"\n"
