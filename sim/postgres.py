"""A PostgreSQL server of its own on a loopback port, in a folder that goes with it (real I/O).

    with Postgres() as server:
        psycopg.connect(server.url)

It keeps its settings as shipped, fsync too: what is committed here is committed. Its folder is on
disk, or with `in_memory` there, if there is room: what is killed loses nothing in memory, and each
database is 7 MB in a thousand files that a disk has to sync. The server does not run as root; for
root it runs as the user its Debian package made.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from sim import memory
from sim.processes import free_port

START_S = 30.0
# In order means that a last checkpoint is on disk.
STOP_S = 60.0
POLL_S = 0.02
USER = "postgres"
PLACES = "/usr/lib/postgresql"
# Logs of a gigabyte, and a hundred databases.
ROOM_LEN = 4 << 30
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    # In its own folder, and gone with it: what is killed leaves nothing in the machine's memory.
    "dynamic_shared_memory_type": "mmap",
}


class PostgresUnavailable(Exception):
    """The server is not installed or does not start; the text is a sentence for people."""


class Postgres:
    """A server that is started, stopped and killed by its own process id."""

    def __init__(self, *, in_memory: bool = False) -> None:
        self.port = free_port()
        self._parent = memory.folder(ROOM_LEN) if in_memory else None
        self.settings = dict(SETTINGS)  # as in postgresql.conf; for the next start
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def available(cls) -> bool:
        """Whether this machine can run it."""
        return _binaries() is not None

    @property
    def url(self) -> str:
        """What libpq connects to."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers; a stopped server comes back with its data."""
        assert self._process is None, "it runs already"
        if self._folder is None:
            self._folder = self._made()
        until_s = time.monotonic() + START_S
        # After a kill the children of before hold the data for some milliseconds more.
        while not self._started(until_s):
            if time.monotonic() > until_s:
                raise PostgresUnavailable(f"PostgreSQL does not start: {self._said()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End it in order; clients are sent away."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it and its sessions without giving them a chance to do anything."""
        sessions = [] if self._process is None else _children(self._process.pid)
        self._end(signal.SIGKILL)
        # Each is a group of its own, and would answer until it notices that the server is gone.
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def create_database(self, name: str) -> str:
        """Make an empty database; its url."""
        command = ["createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name]
        subprocess.run([f"{_needed()}/{command[0]}", *command[1:]], check=True)
        return self.url.removesuffix("postgres") + name

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _made(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="haochaping-postgres-", dir=self._parent))
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        made = subprocess.run(
            [
                *_as_user(), f"{_needed()}/initdb", "--no-sync", "--no-instructions", "-U", USER,
                "-A", "trust", "-E", "UTF8", "--locale=C", "-D", str(folder / "data"),
            ],
            capture_output=True,
            cwd="/",
        )  # fmt: skip
        if made.returncode:
            said = made.stderr.decode("utf-8", "replace").strip()[-300:]
            raise PostgresUnavailable(f"initdb does not work: {said}")
        return folder

    def _started(self, until_s: float) -> bool:
        assert self._folder is not None
        settings = [f"-c{name}={value}" for name, value in self.settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_user(), f"{_needed()}/postgres", "-D", str(self._folder / "data"),
                 "-p", str(self.port), *settings],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            )  # fmt: skip
        ready = [f"{_needed()}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while self._process.poll() is None and time.monotonic() < until_s:
            if _answers(self.port) and subprocess.run(ready, check=False).returncode == 0:
                return True
            time.sleep(POLL_S)
        self.kill()
        return False

    def _said(self) -> str:
        assert self._folder is not None
        return (self._folder / "log").read_text("utf-8", "replace").strip()[-300:]

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _binaries() -> str | None:
    found = sorted(Path(PLACES).glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    return str(found[-1].parent) if found else on_path and str(Path(on_path).parent)


def _needed() -> str:
    found = _binaries()
    if found is None:
        raise PostgresUnavailable("PostgreSQL is not installed (apt-get install postgresql)")
    return found


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
