"""The hall in a box: one window, its pad, its terminal, the network, the broker and the centre."""

import atexit
import hashlib
import http.client
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sim.brokers import Amqtt, Mosquitto
from sim.clerk import Clerk
from sim.demo import premises
from sim.demo.arrivals import Arrival, Arrivals
from sim.demo.plug import Plug
from sim.noise import Noise
from sim.pads import VirtualPad
from sim.processes import Process, free_port, module
from sim.relay import Relay
from sim.small_disk import SmallDisk
from sim.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0  # a Raspberry Pi imports all of it in 6 s
ASK_S = 1.0
LOOK_S = 0.005
NOISE_SEED = 20
SWITCHES = ("pad", "queue", "power", "network", "broker")


class HallError(Exception):
    """A part of the demo does not do what it must; the text says which and where its log is."""


class Hall:
    """Everything between the citizen's finger and the platform, on loopback, in one directory."""

    def __init__(
        self,
        rules: premises.Rules,
        *,
        keep: Path | None = None,
        stored: Callable[[Arrival], None] | None = None,
        disk_mib: int = 0,
    ) -> None:
        """disk_mib: the journal lies on a disk of its own, which others can fill."""
        self.rules = rules
        self._stack = ExitStack()
        self._lock = threading.RLock()
        self.directory = self._directory(keep)
        self.broker: Mosquitto | Amqtt = Mosquitto() if Mosquitto.available() else Amqtt()
        self._broker_runs = False
        self.relay = Relay(self.broker.port)
        self._page_port = free_port()
        ports = premises.Ports(
            broker=self.broker.port, unit_to_broker=self.relay.port, page=self._page_port
        )
        self.disk = self._disk(disk_mib)
        journal = "journal.db" if self.disk is None else "disk/journal.db"
        protocol = max(self.broker.protocols)
        self.site = premises.prepare(self.directory, rules, ports, protocol, journal)
        self.arrivals = Arrivals(stored)
        self.pad_wire = Wire(self.directory / "pad")
        self.queue_wire = Wire(self.directory / "signal")
        self.plug = Plug(self.pad_wire)
        today = datetime.now(UTC).astimezone().date()
        self.clerk = Clerk(self.queue_wire.write, window=premises.WINDOW, day=today)
        self.unit = self._process("daemon", "--config", str(self.site.unit_config), disk=self.disk)
        self.centre = self._process(
            "central", "run", "--config", str(self.site.centre_config), "--print",
            heard=self.arrivals.heard,
        )  # fmt: skip

    # -- starting and ending

    def start(self) -> None:
        """Start every part in the order in which they need each other, and wait for each."""
        atexit.register(self.stop)
        for close in (self.pad_wire.close, self.queue_wire.close):
            self._stack.callback(close)
        self._set_broker(True)
        self._stack.callback(self._set_broker, False)
        self.relay.start()
        self._stack.callback(self.relay.stop)
        self.centre.start()
        self._stack.callback(self.centre.stop)
        if not self.arrivals.wait(lambda: self.arrivals.ready, START_S):
            raise HallError(f"the centre does not start: see {self.directory}/central.log")
        self.plug.start()
        self._stack.callback(self.plug.stop)
        self.unit.start()
        self._stack.callback(self.unit.stop)
        if not self.wait(self.is_serving, START_S):
            raise HallError(f"the unit does not start: see {self.directory}/daemon.log")

    def stop(self) -> None:
        """Stop every part, the last one started first; twice is harmless."""
        with self._lock:
            self._stack.close()
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pad(self) -> VirtualPad:
        """The server's own pad; without a wire while a page runs one."""
        return self.plug.own

    # -- the switches

    def switch(self, name: str, on: bool) -> None:
        """Pull or put back one of SWITCHES; nothing happens when it stands so already."""
        assert name in SWITCHES, name
        with self._lock:
            if self.switches()[name] != on:
                getattr(self, f"_set_{name}")(on)

    def switches(self) -> dict[str, bool]:
        """How each switch stands; True is as it should be."""
        return {
            "pad": self.pad_wire.plugged,
            "queue": self.queue_wire.noise is None,
            "power": self.unit.running,
            "network": not self.relay.is_cut,
            "broker": self._broker_runs,
        }

    def _set_pad(self, on: bool) -> None:
        if on:
            self.pad_wire.replug()
        else:
            self.pad_wire.unplug()

    def _set_queue(self, on: bool) -> None:
        self.queue_wire.noise = None if on else Noise(NOISE_SEED)

    def _set_power(self, on: bool) -> None:
        if on:
            self.unit.start()
        else:
            self.unit.kill()

    def _set_network(self, on: bool) -> None:
        if on:
            self.relay.mend()
        else:
            self.relay.cut()

    def _set_broker(self, on: bool) -> None:
        if on:
            self.broker.start()
        else:
            # Without a goodbye, and with everything it knew: nothing may depend on its memory.
            self.broker.kill()
        self._broker_runs = on

    # -- looking

    @property
    def centre_config(self) -> Path:
        """The centre's own."""
        return self.site.centre_config

    def is_serving(self) -> bool:
        """True while the unit answers and hears both of its lines."""
        status = self.status()
        if status is None:
            return False
        pad_is_right = status["windows"][0]["pad"]["state"] == "up" or not self.pad_wire.plugged
        return pad_is_right and status["signals"][0]["state"] == "open"

    def status(self) -> dict[str, Any] | None:
        """The unit's /status.json; None while it does not answer."""
        body = self.ask("/status.json")
        return None if body is None else json.loads(body)

    def picture(self) -> bytes | None:
        """The unit's /oled.png; None while it does not answer."""
        return self.ask("/oled.png")

    def ask(self, path: str) -> bytes | None:
        """What the unit's page says there; None while it does not answer."""
        connection = http.client.HTTPConnection(premises.HOST, self._page_port, timeout=ASK_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return body if answer.status == http.HTTPStatus.OK else None

    def wait(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        """Look every few ms until `is_true`; whether it became so in time."""
        until_s = time.monotonic() + timeout_s
        while not is_true():
            if time.monotonic() > until_s:
                return False
            time.sleep(LOOK_S)
        return True

    def verify(self) -> bool:
        """Whether `python -m central verify` says that chain and signatures hold."""
        done = subprocess.run(
            module("central", "verify", "--config", str(self.site.centre_config)),
            capture_output=True, text=True, env=_environment(), timeout=START_S, check=False,
        )  # fmt: skip
        (self.directory / "verify.json").write_text(done.stdout)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise HallError(f"central verify says: {done.stderr.strip()[-500:]}") from None
        return bool(report["chain_verified"]) and done.returncode == 0

    def _directory(self, keep: Path | None) -> Path:
        if keep is None:
            temporary = tempfile.TemporaryDirectory(
                prefix="haochaping-", ignore_cleanup_errors=True
            )
            return Path(self._stack.enter_context(temporary))
        if keep.exists() and any(keep.iterdir()):
            raise HallError(f"{keep} is not empty: the demo keeps its files in a new directory")
        keep.mkdir(parents=True, exist_ok=True)
        return keep.resolve()

    def _disk(self, size_mib: int) -> SmallDisk | None:
        if not size_mib:
            return None
        return self._stack.enter_context(SmallDisk(self.directory / "disk", size_mib))

    def _process(
        self,
        name: str,
        *arguments: str,
        heard: Callable[[str], None] | None = None,
        disk: SmallDisk | None = None,
    ) -> Process:
        log, argv = self.directory / f"{name}.log", module(name, *arguments)
        if disk is not None:
            argv = disk.inside(argv)
        return Process(argv, log=log, heard=heard, environment=_environment())


def _environment() -> dict[str, str]:
    """Our own packages are found wherever the demo is started from."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def fingerprint(picture: bytes) -> str:
    """A short name for a picture, another one for another picture."""
    return hashlib.sha256(picture).hexdigest()[:12]
