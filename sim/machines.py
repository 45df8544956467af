"""A unit as `provision` finds it, without its system: a folder, and a plug that is pulled.

    machine = CutMachine(root, cut_at=7)  # PowerCut before the seventh thing done to it

What is done to it is counted: a file put, a program run, a question asked. openssl is real;
the service manager and the daemon's own check are played here, and remembered.
"""

from collections.abc import Callable
from datetime import datetime
from os import stat_result
from pathlib import Path
from typing import TypeVar

from provisioning.errors import ProvisioningError
from provisioning.unit.machine import CONFIG, DAEMON_TOML, SERIAL, STATE, Machine, utc_now

T = TypeVar("T")
REAL = ("openssl",)


class PowerCut(BaseException):
    """Nobody catches it: the plug was pulled."""


class CutMachine(Machine):
    """`cut_at`: which action is not done any more."""

    def __init__(
        self,
        root: Path,
        *,
        cut_at: int = 0,
        is_synced: bool = True,
        refuses: str = "",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(root, now)
        self._cut_at = cut_at
        self._is_synced, self._refuses = is_synced, refuses
        self.done_count = 0
        self.asked: list[tuple[str, ...]] = []

    def is_synced(self) -> bool:
        return self._is_synced

    def put(self, path: str, content: bytes, mode: int, *, is_daemons: bool = False) -> None:
        self._act(lambda: Machine.put(self, path, content, mode, is_daemons=is_daemons))

    def put_as(self, path: str, content: bytes, before: stat_result) -> None:
        self._act(lambda: Machine.put_as(self, path, content, before))

    def run(self, *command: str, given: bytes = b"") -> bytes:
        return self._act(lambda: self._run(command, given))

    def ask(self, *command: str) -> int:
        return self._act(lambda: self._ask(command))

    def _run(self, command: tuple[str, ...], given: bytes) -> bytes:
        if command[0] in REAL:
            return Machine.run(self, *command, given=given)
        self.asked.append(command)
        if self._refuses and command == ("haochaping", "--check"):
            raise ProvisioningError(self._refuses)
        return b""

    def _ask(self, command: tuple[str, ...]) -> int:
        self.asked.append(command)
        return 0

    def _act(self, do: Callable[[], T]) -> T:
        self.done_count += 1
        if self.done_count == self._cut_at:
            raise PowerCut
        return do()


def make(root: Path, config: str, serial: str = "10000000abcdef01") -> Path:
    """A unit's root as the installer leaves it; `config` is the text of its daemon.toml."""
    for folder in (CONFIG, STATE, str(Path(SERIAL).parent)):
        (root / folder.lstrip("/")).mkdir(parents=True)
    (root / DAEMON_TOML.lstrip("/")).write_text(config, "utf-8")
    (root / SERIAL.lstrip("/")).write_text(f"{serial}\0", "ascii")
    return root
