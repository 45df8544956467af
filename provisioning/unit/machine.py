"""The unit this runs on: where its files lie, and the programs of its system (real I/O)."""

import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from provisioning.errors import ProvisioningError

# Another root directory than /, for a unit that is only a folder.
ROOT_VARIABLE = "HAOCHAPING_ROOT"
CONFIG, STATE = "/etc/haochaping", "/var/lib/haochaping"
DAEMON_TOML = f"{CONFIG}/daemon.toml"
SIGNING_KEY, TLS_KEY, TLS_CERTIFICATE = (
    f"{STATE}/signing.pem", f"{STATE}/tls.key", f"{CONFIG}/tls.pem",
)  # fmt: skip
STEP_S = 120.0


class Machine:
    """A unit's root directory; paths inside it begin with /."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(os.environ.get(ROOT_VARIABLE, "/"))

    def at(self, path: str) -> Path:
        """Where the path lies for us."""
        return self.root / path.lstrip("/")

    def now(self) -> datetime:
        """The time, as this machine believes."""
        return datetime.now(UTC)

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

    def ask(self, *command: str) -> int:
        """How a question to the system was answered: its exit code."""
        asked: Sequence[str] = command
        try:
            return subprocess.run(asked, capture_output=True, timeout=STEP_S).returncode
        except FileNotFoundError as error:
            raise ProvisioningError(f"{command[0]}: not found") from error
