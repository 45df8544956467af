"""Virtual units: each a folder that is a Raspberry Pi's root, with the real daemon. Real I/O.

    with VirtualHall(folder, {"w03": "3"}) as hall:
        place = Ssh("w03", hall.ssh)  # of provisioning.reach.place
        hall["w03"].counter.clerk.call()
        hall["w03"].switch_off()

A unit is as the installer leaves it: programs and the example's configuration, no keys. What is run
on it finds its root in HAOCHAPING_ROOT, and sim/unit/ in place of the system's own programs.
"""

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon.systemd import installer
from daemon.systemd.tree import Tree
from sim.counter import Counter
from sim.systemctl import Service

PROGRAMS = Path(__file__).parent / "unit"
TREE = Path(__file__).resolve().parents[1]
CLIENT = "ssh"
OFF = "off"
ROOT_VARIABLE = "HAOCHAPING_ROOT"
SERIAL_NUMBER, MODEL = "proc/device-tree/serial-number", "proc/device-tree/model"
# unix(7): a socket's path, less its end.
SOCKET_PATH_LEN_MAX = 107
LONGEST_BELOW = "/var/lib/haochaping/journal.db.sock"
HOST_LEN_MAX = 16
EMPTY_FOLDERS = ("boot/firmware", "home", "run", "tmp", "var/log", "var/tmp", "var/lib")
# The example's configuration in a unit that is a folder, on a machine whose kernel trusts no clock.
CHANGES = (
    ('# trust = "kernel" ', 'trust = "host" '),
    ("# port = 8787 ", "port = 0 "),
    *((f'"{place}/', '"{root}' + place + "/") for place in ("/dev/haochaping", installer.STATE)),
)


class VirtualUnit:
    """One unit. `counter` is what stands at its window, plugged in while the unit is on."""

    def __init__(self, premises: Path, host: str, window: str) -> None:
        """premises: where its folder is made, beside the client that reaches it."""
        self.host, self.root = host, premises / host
        self.counter = Counter(self.root / "dev/haochaping", window)
        self._client = premises / CLIENT
        self.root.mkdir()
        self._build()
        self._write_card()

    @property
    def is_on(self) -> bool:
        """Whether it can be reached."""
        return not (self.root / OFF).exists()

    @property
    def serial(self) -> str:
        """Of the machine, which another card does not change."""
        return (self.root / SERIAL_NUMBER).read_text().rstrip("\0")

    @property
    def log(self) -> str:
        """What its service said on this card."""
        log = self.root / "var/log/haochaping.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def at(self, path: str) -> Path:
        """Where a path of the unit lies for us."""
        return self.root / path.lstrip("/")

    def run(self, *command: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """What became of a command, reached as from the office."""
        line = [str(self._client), "--", self.host, shlex.join(command)]
        return subprocess.run(line, input=given, capture_output=True, check=False)

    def kill(self) -> None:
        """kill -9 whatever runs on it."""
        _kill(self.root)

    def switch_off(self) -> None:
        """Pull its plug: whatever runs is gone, and nobody reaches it."""
        (self.root / OFF).touch()
        self.kill()
        # It lies in memory on a unit.
        shutil.rmtree(self.root / "run")
        (self.root / "run").mkdir()

    def switch_on(self) -> None:
        """Give it power: it starts its service if that is enabled."""
        (self.root / OFF).unlink(missing_ok=True)
        if self.counter.runs:
            self.counter.pad.restart()
        if self.run("systemctl", "is-enabled", "haochaping").returncode == 0:
            self.run("systemctl", "start", "haochaping")

    def wipe(self) -> None:
        """Put a fresh card into the same machine, which is off then."""
        self.switch_off()
        for folder in self.root.iterdir():
            if folder.is_dir() and folder.name not in ("dev", "proc"):
                shutil.rmtree(folder)
        self._write_card()

    def replace(self) -> None:
        """Put another machine in its place, with a fresh card and off."""
        self.wipe()
        self._build()

    def _build(self) -> None:
        (self.root / SERIAL_NUMBER).parent.mkdir(parents=True, exist_ok=True)
        (self.root / SERIAL_NUMBER).write_text(f"{secrets.token_hex(8)}\0")
        (self.root / MODEL).write_text("Raspberry Pi 4 Model B Rev 1.4\0")

    def _write_card(self) -> None:
        for name in EMPTY_FOLDERS:
            self.at(name).mkdir(parents=True)
        text = (Path(installer.__file__).parents[1] / "config.example.toml").read_text("utf-8")
        for old, new in (*installer.PLACES, *CHANGES):
            assert old in text, old
            text = text.replace(old, new.replace("{root}", str(self.root)))
        tree = Tree(self.root, lambda _: None)
        tree.put("/etc/hostname", f"{self.host}\n".encode())
        tree.put(installer.CONFIG, text.encode(), 0o640)
        tree.link(installer.ENABLED, f"{installer.UNITS}/{installer.SERVICE}")
        self.at(installer.CONFIG).parent.chmod(0o750)
        self.at(installer.STATE).mkdir(mode=0o700)


class VirtualHall:
    """The units of a hall in one folder. All that runs on them ends with it."""

    def __init__(self, folder: Path, windows: Mapping[str, str] | None = None) -> None:
        """windows: the number of each host's window; more come by `add`. folder: new or empty."""
        folder.mkdir(parents=True, exist_ok=True)
        self._ways = contextlib.ExitStack()
        self.premises = self._ways.enter_context(_short(folder.resolve()))
        _install(self.premises)
        self.units: dict[str, VirtualUnit] = {}
        for host, window in (windows or {}).items():
            self.add(host, window)

    @property
    def ssh(self) -> tuple[str, ...]:
        """The client that reaches the units, as `ssh` of a site says it."""
        return (str(self.premises / CLIENT),)

    def __getitem__(self, host: str) -> VirtualUnit:
        return self.units[host]

    def add(self, host: str, window: str) -> VirtualUnit:
        """Another unit, as the installer leaves it; its counter is yours to start."""
        assert 0 < len(host) <= HOST_LEN_MAX, host
        unit = self.units[host] = VirtualUnit(self.premises, host, window)
        return unit

    def start(self) -> None:
        """Plug in every pad and queue terminal."""
        for unit in self.units.values():
            unit.counter.start()

    def stop(self) -> None:
        """Clear the hall."""
        for unit in self.units.values():
            unit.counter.stop()
        _kill(self.premises)
        self._ways.close()

    def kill_commands(self) -> None:
        """kill -9 whatever was begun on any unit, but its service: as when a connection breaks."""
        services = {service.pid for unit in self.units.values() if (service := Service(unit.root))}
        _kill_once(self.premises, services)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """The folder, by a link if a unit in it could not have its sockets by their paths."""
    if len(f"{folder}/{'x' * HOST_LEN_MAX}{LONGEST_BELOW}".encode()) <= SOCKET_PATH_LEN_MAX:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="hcp-") as place:
        link = Path(place, "hall")
        link.symlink_to(folder)
        yield link


def _install(premises: Path) -> None:
    """The client beside the units, and their programs in a folder of their own."""
    programs = premises / "bin"
    programs.mkdir()
    for source in PROGRAMS.iterdir():
        text = source.read_text("utf-8")
        text = text.replace("@PYTHON@", sys.executable).replace("@TREE@", str(TREE))
        place = premises / CLIENT if source.name == CLIENT else programs / source.name
        place.write_text(text)
        place.chmod(0o755)


def _kill(root: Path) -> None:
    """kill -9 every process whose unit's root is this or below this; until there is none."""
    while _kill_once(root, ()):
        pass


def _kill_once(root: Path, spared: Container[int | None]) -> bool:
    """kill -9 every process there that is not spared; whether there was one."""
    found = [pid for pid in _pids() if _is_below(pid, root) and pid not in spared]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def _pids() -> list[int]:
    ours = str(os.getpid())
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and name != ours]


def _is_below(pid: int, root: Path) -> bool:
    # One that has ended has no environment any more, and one of somebody else's may not be read.
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return any(
            (word + b"/").startswith(os.fsencode(f"{ROOT_VARIABLE}={root}/")) for word in words
        )
    return False
