"""A worker of the centre as a process, and what it says. Real I/O."""

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from central.registry import Unit, dump
from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from sim.journals import key
from sim.processes import Process

PLATFORM = key(9)
DEADLINE_S = 20.0
POLL_S = 0.002


class Centre:
    """`python -m central run --print` in a folder of its own; several may share one database."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        units: Mapping[Source, Unit] | None = None,
        store: str = 'database = "central.db"',
        platform: SigningKey = PLATFORM,
        name: str = "central",
        more: str = "",
        prints: bool = True,
        **broker: str | int | list[str],
    ) -> None:
        """store: the body of [store]; broker: more keys of [broker]; more: more TOML, first."""
        self.config = folder / f"{name}.toml"
        self.registry = folder / "registry.json"
        self._log = folder / f"{name}.log"
        keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in broker.items())
        self.config.write_text(
            f'registry = "registry.json"\n{more}\n[broker]\nport = {port}\n{keys}'
            f'[store]\n{store}\n[platform]\nkey = "platform.pem"\n'
        )
        if not (folder / "platform.pem").exists():
            platform.save(folder / "platform.pem")
        if units is not None:
            self.register(units)
        self.lines: queue.Queue[tuple[str, Any]] = queue.Queue()
        command = [sys.executable, "-m", "central", "run", "--config", str(self.config)]
        self.process = Process(
            [*command, "--print"] if prints else command,
            log=self._log,
            heard=self._heard if prints else None,
        )

    def register(self, units: Mapping[Source, Unit]) -> None:
        """Put another registry in the place of the one before."""
        new = self.registry.with_suffix(".new")
        new.write_text(dump(units))
        new.replace(self.registry)

    def start(self) -> None:
        """Run it; `next("ready")` waits until it takes entries."""
        self.process.start()

    def stop(self) -> int | None:
        """End it in order; its exit code."""
        self.process.stop()
        return self.process.exit_code

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()

    @property
    def said(self) -> list[str]:
        """The lines of its log."""
        return self._log.read_text("utf-8").splitlines() if self._log.exists() else []

    def next(self, name: str) -> Any:
        """The next line of a name; lines before it are passed over."""
        deadline_s = time.monotonic() + DEADLINE_S
        while True:
            try:
                found, value = self.lines.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {name}; it says: {self.said}") from None
            if found == name:
                return value

    def wait_for_log(self, part: str) -> None:
        """Wait until its log has a line with this in it."""
        wait_for(lambda: any(part in line for line in self.said), part)

    def _heard(self, line: str) -> None:
        ((name, value),) = json.loads(line).items()
        self.lines.put((name, value))


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The condition's first true value; asked again and again until the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        if found := condition():
            return found
        threading.Event().wait(POLL_S)
    raise AssertionError(f"{what}: not within {DEADLINE_S} s")
