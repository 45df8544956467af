"""The unit this runs on: where its files lie, and the programs of its system (real I/O)."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from provisioning import files
from provisioning.errors import ProvisioningError

# Another root directory than /, for a unit that is only a folder.
ROOT_VARIABLE = "HAOCHAPING_ROOT"
CONFIG, STATE = "/etc/haochaping", "/var/lib/haochaping"
DAEMON_TOML = f"{CONFIG}/daemon.toml"
BROKER_AUTHORITY, PLATFORM_KEY = f"{CONFIG}/broker-ca.pem", f"{CONFIG}/platform.pub.pem"
JOURNAL, SIGNING_KEY = f"{STATE}/journal.db", f"{STATE}/signing.pem"
# Key and certificate in one file: one rename exchanges both.
TLS = f"{STATE}/tls.pem"
# What is under way, and which enrolment holds.
# Journals of keys that count no more.
FORMER = f"{STATE}/former"
PENDING, ENROLLED = f"{STATE}/enrolment", f"{STATE}/enrolled.json"
SERIAL = "/proc/device-tree/serial-number"
SERVICE = "haochaping"
STEP_S = 120.0


def utc_now() -> datetime:
    """The time, as this machine believes."""
    return datetime.now(UTC)


class Machine:
    """A unit's root directory, in which paths begin with /; `now` is its clock."""

    def __init__(self, root: Path | None = None, now: Callable[[], datetime] = utc_now) -> None:
        self.root = root or Path(os.environ.get(ROOT_VARIABLE, "/"))
        self.now = now

    def at(self, path: str) -> Path:
        """Where the path lies for us."""
        return self.root / path.lstrip("/")

    def run(self, *command: str, given: bytes = b"") -> bytes:
        """What a program of the system printed; ProvisioningError when it failed or is missing."""
        try:
            done = subprocess.run(command, input=given, capture_output=True, timeout=STEP_S)
        except FileNotFoundError as error:
            raise ProvisioningError(
                f"{command[0]}: not found", f"apt install what brings {command[0]}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ProvisioningError(f"{' '.join(command)}: not done in {STEP_S:.0f} s") from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise ProvisioningError(f"{' '.join(command)} failed: {said}")
        return done.stdout

    def serial(self) -> str:
        """The machine's serial number; empty where it has none."""
        try:
            return self.at(SERIAL).read_bytes().rstrip(b"\0\n").decode("ascii", "replace")
        except OSError:
            return ""

    def is_synced(self) -> bool:
        """Whether the clock follows a time server."""
        try:
            said = self.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
        except ProvisioningError:
            return False
        return said.strip() == b"yes"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait for whoever else changes this unit: one whose office is gone may still be at it."""
        descriptor = files.lock(self.at(STATE), waits=True)
        assert descriptor is not None
        try:
            yield
        finally:
            os.close(descriptor)

    def put(self, path: str, content: bytes, mode: int, *, is_daemons: bool = False) -> None:
        """Put a file in place; `is_daemons`: for the user of the daemon alone."""
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        home = file.parent.stat()
        owner = (home.st_uid, home.st_gid) if is_daemons and os.geteuid() == 0 else None
        files.put(file, content, mode, owner)

    def put_as(self, path: str, content: bytes, before: os.stat_result) -> None:
        """Put a file in place with the owner and mode of the one before it."""
        owner = (before.st_uid, before.st_gid) if os.geteuid() == 0 else None
        files.put(self.at(path), content, before.st_mode & 0o777, owner)

    def read(self, path: str) -> bytes | None:
        """The content of a file; None if there is none."""
        try:
            return self.at(path).read_bytes()
        except FileNotFoundError:
            return None

    def ask(self, *command: str) -> int:
        """How a question to the system was answered: its exit code."""
        asked: Sequence[str] = command
        try:
            return subprocess.run(asked, capture_output=True, timeout=STEP_S).returncode
        except FileNotFoundError as error:
            raise ProvisioningError(f"{command[0]}: not found") from error
