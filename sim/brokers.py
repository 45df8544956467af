"""Real MQTT brokers on a loopback port, each in a process of its own (real I/O).

    with Mosquitto() as broker:
        connect("127.0.0.1", broker.port)

Mosquitto is the broker to test with, ShippedMosquitto the one of central/mosquitto/ with its
certificates and access lists. Amqtt speaks MQTT 3.1.1 only, but comes from the package index: it
serves the demo where mosquitto cannot be installed, and takes no connection over for a name that
comes again. But for ShippedMosquitto none writes anything to disk that outlives it, so a broker
that was killed has forgotten everything. The broker of a cluster is in sim/rabbitmq.py.
"""

import asyncio
import contextlib
import getpass
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self

import central
from sim.authority import Authority
from sim.processes import free_port

START_S = 10.0  # amqtt imports for 2 s on a Raspberry Pi; mosquitto answers after 10 ms
STOP_S = 5.0
POLL_S = 0.01
HOST = "127.0.0.1"

MOSQUITTO_PLACES = os.pathsep.join(
    (os.defpath, "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
)
MOSQUITTO_CONF = """\
listener {port} {host}
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_type error
log_type warning
"""
SHIPPED = Path(central.__file__).parent / "mosquitto"


class BrokerUnavailable(Exception):
    """The broker is not installed or does not start; the text is a sentence for people."""


class BrokerProcess:
    """A broker that is started, stopped and killed by its own process id."""

    protocols: ClassVar[tuple[int, ...]] = (4,)
    start_s: ClassVar[float] = START_S
    stop_s: ClassVar[float] = STOP_S

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the broker itself; None while it does not run."""
        return None if self._process is None else self._process.pid

    @classmethod
    def available(cls) -> bool:
        """Whether this machine can run it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers; a stopped broker comes back on the same port."""
        assert self._process is None, "it runs already"
        if answers(self.port):
            raise BrokerUnavailable(f"something else answers on port {self.port}")
        with self._log() as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment(),
            )
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
                stdin.write(self._settings())
            deadline = time.monotonic() + self.start_s
            while not self._is_up():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    log.seek(0)
                    said = log.read().decode("utf-8", "replace").strip()[-500:]
                    raise BrokerUnavailable(f"{self._command()[0]} does not start: {said}")
                time.sleep(POLL_S)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without giving it a chance to do anything."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(self.stop_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _is_up(self) -> bool:
        return answers(self.port)

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _settings(self) -> bytes:
        """What it reads from its stdin."""
        return b""

    def _environment(self) -> dict[str, str] | None:
        """None: ours."""
        return None

    def _log(self) -> BinaryIO:
        return tempfile.TemporaryFile()

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


class Mosquitto(BrokerProcess):
    """Eclipse Mosquitto, MQTT 3.1.1 and 5, anonymous, without persistence."""

    protocols: ClassVar[tuple[int, ...]] = (4, 5)

    @classmethod
    def available(cls) -> bool:
        """Whether mosquitto is installed, also where only root's PATH leads."""
        return cls._binary() is not None

    @staticmethod
    def _binary() -> str | None:
        return shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_PLACES)

    def _command(self) -> list[str]:
        binary = self._binary()
        if binary is None:
            raise BrokerUnavailable("mosquitto is not installed (apt-get install mosquitto)")
        return [binary, "-c", "/dev/stdin"]

    def _settings(self) -> bytes:
        return MOSQUITTO_CONF.format(port=self.port, host=HOST).encode()


class ShippedMosquitto(Mosquitto):
    """Mosquitto as it is shipped for the halls: `port` is the units', `platform_port` the other.

    The files of central/mosquitto/ are copied into `folder` with these replacements and no other:
    the two port lines, the user, and the three folders they name.
    """

    def __init__(self, folder: Path, units: Authority, platform: Authority) -> None:
        """units, platform: who signs for whom; the broker's own certificate is the platform's."""
        super().__init__()
        self.platform_port = free_port()
        self.folder = folder
        self.log, self.crl = folder / "log", folder / "unit.crl"
        self._admin = folder / "admin.sock"
        folder.mkdir()
        for name in ("mosquitto.conf", "unit.acl", "platform.acl", "admin.acl", "revoke"):
            (folder / name).write_text(self._placed((SHIPPED / name).read_text("utf-8")), "utf-8")
        server = platform.issue("broker")
        for source, name in (
            (server.certificate, "server.pem"),
            (server.key, "server.key"),
            (units.certificate, "unit-ca.pem"),
            (units.crl, "unit.crl"),
            (platform.certificate, "platform-ca.pem"),
            (platform.crl, "platform.crl"),
        ):
            shutil.copy(source, folder / name)

    def revoke(self, new_list: Path | str, *units: str) -> subprocess.CompletedProcess[str]:
        """Run the shipped script: put a list in use, a file or its text, and end sessions."""
        if isinstance(new_list, Path):
            return self._run_revoke(str(new_list), *units)
        return self._run_revoke("-", *units, given=new_list)

    def check_lists(self, *days: str) -> subprocess.CompletedProcess[str]:
        """Run the shipped script: whether a list runs out within so many days."""
        return self._run_revoke("--check", *days)

    def _run_revoke(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = ["sh", str(self.folder / "revoke"), *arguments]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=START_S, check=False
        )

    def _placed(self, text: str) -> str:
        for shipped, here in (
            ("listener 8883\n", f"listener {self.port} {HOST}\n"),
            ("listener 8884\n", f"listener {self.platform_port} {HOST}\n"),
            ("\nuser mosquitto\n", f"\nuser {getpass.getuser()}\n"),
            ("/etc/haochaping/broker", str(self.folder)),
            ("/run/mosquitto", str(self.folder)),
            ("/var/lib/mosquitto", str(self.folder)),
        ):
            text = text.replace(shipped, here)
        return text

    def _is_up(self) -> bool:
        # It opens one listener after the other.
        return answers(self.port) and answers(self.platform_port) and self._admin.is_socket()

    def _command(self) -> list[str]:
        return [*super()._command()[:1], "-c", str(self.folder / "mosquitto.conf")]

    def _settings(self) -> bytes:
        return b""

    def _log(self) -> BinaryIO:
        return self.log.open("w+b")


class Amqtt(BrokerProcess):
    """The broker of the amqtt package, MQTT 3.1.1 only."""

    @classmethod
    def available(cls) -> bool:
        """Whether the amqtt package is installed."""
        return importlib.util.find_spec("amqtt") is not None

    def _command(self) -> list[str]:
        if not self.available():
            raise BrokerUnavailable("amqtt is not installed (pip install amqtt)")
        return [sys.executable, "-m", "sim.brokers", str(self.port)]


def answers(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _serve_amqtt(port: int) -> None:
    from amqtt.broker import Broker

    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }

    async def serve() -> None:
        broker = Broker(settings)
        await broker.start()
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()
        await broker.shutdown()

    asyncio.run(serve())


if __name__ == "__main__":
    _serve_amqtt(int(sys.argv[1]))
