"""Where a unit's commands run: on this very machine, or over OpenSSH's client (real I/O)."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from provisioning.errors import ProvisioningError

ANSWER_S = 60.0
# ssh(1): it exits with 255 when it is ssh itself that failed.
SSH_FAILED = 255
# One connection for the many short commands of a session, and no question that nobody would see.
SSH_OPTIONS = (
    "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5",
    "-o", "ControlMaster=auto", "-o", "ControlPersist=60",
    "-o", "ControlPath=~/.ssh/haochaping-%C",
)  # fmt: skip
# Put a file in place in one step: whoever reads it meanwhile has the old one or the new one.
PUT = 'umask 077; cat >"$1.new" && sync "$1.new" && mv "$1.new" "$1"'


class Unreachable(ProvisioningError):
    """Nobody could be asked to run the command."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command that ran has left."""

    code: int
    out: bytes
    err: bytes

    @property
    def sentence(self) -> str:
        """The last thing it complained of."""
        lines = self.err.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with {self.code} and said nothing"


class Place(Protocol):
    """A machine that runs commands as root."""

    name: str

    def run(
        self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = ANSWER_S
    ) -> Done:
        """Run the command with `given` as its input. Raises Unreachable."""


class Here:
    """This machine; whoever is not root goes through sudo."""

    name = "this machine"

    def run(
        self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = ANSWER_S
    ) -> Done:
        return _run(self.name, [*_as_root(), *command], given, timeout_s)


class Ssh:
    """Another machine. `client`: ssh, or what takes the same arguments in its place."""

    def __init__(self, host: str, client: Sequence[str] = ("ssh",), user: str = "") -> None:
        self.name = host
        self._client, self._user = tuple(client), user

    def run(
        self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = ANSWER_S
    ) -> Done:
        words = list(command) if self._user == "root" else ["sudo", "-n", *command]
        login = ["-l", self._user] if self._user else []
        line = [*self._client, *SSH_OPTIONS, *login, "--", self.name, shlex.join(words)]
        done = _run(self.name, line, given, timeout_s)
        if done.code == SSH_FAILED:
            raise Unreachable(
                f"{self.name}: {done.sentence}",
                f"try it by hand: {shlex.join([*self._client, *login, self.name])}",
            )
        return done


def put(place: Place, path: str, content: bytes) -> None:
    """Write a file of a place, for root's eyes only. Raises ProvisioningError."""
    done = place.run(["sh", "-c", PUT, "sh", path], given=content, timeout_s=10 * ANSWER_S)
    if done.code:
        raise ProvisioningError(f"{place.name}: {path} cannot be written: {done.sentence}")


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def _run(name: str, command: list[str], given: bytes, timeout_s: float) -> Done:
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=timeout_s)
    except FileNotFoundError as error:
        raise Unreachable(
            f"{name}: {command[0]} is not installed here", f"install {command[0]}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{name}: no answer within {timeout_s:.0f} s") from error
    return Done(done.returncode, done.stdout, done.stderr)
