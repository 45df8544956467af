"""A board at MicroPython's prompt, over its cable (the only import of mpremote; real I/O).

Everything is asked through the raw REPL. A file is written aside, read back by a hash that the
board computes, and only then renamed: what has its name is whole.
"""

import contextlib
import io
import json
import os
import struct
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from provisioning.pad import ports
from provisioning.pad.contents import PART
from provisioning.pad.errors import BoardLost, BoardSilent, BoardUnfit, VerifyFailed
from provisioning.pad.plan import MakeFolder, Put, Remove, Step

VERSION_MIN = (1, 24, 0)
CHIP = "with RP2040"
ENTER_S = 2.5  # a soft reset takes a tenth of it
ENTER_READ_S, READ_S = 0.1, 2.0  # between two bytes of an answer
ANSWER_S = 60.0  # for the whole of it: a board full of somebody's files is looked at
CHUNK_LEN = 1024  # in one command: as text four times that, in a heap of 192 KB
ERROR_LEN_MAX = 80  # of what a board may say in our sentence

# What the answers are asked with; the names stay until the next reset.
_TOOLS = """
import binascii, hashlib, json, os
def _sha(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            data = file.read(512)
            if not data:
                return binascii.hexlify(sha.digest()).decode()
            sha.update(data)
def _look(folder):
    for entry in os.ilistdir(folder or "/"):
        path = folder + "/" + entry[0]
        is_folder = entry[1] & 0x4000
        print(json.dumps([path, "" if is_folder else _sha(path)]))
        if is_folder:
            _look(path)
"""
_WHO = """
import json, sys
told = sys.implementation
print(json.dumps([told.name, list(told.version)[:3], getattr(told, "_machine", "")]))
"""
_UID = "import binascii, machine\nprint(binascii.hexlify(machine.unique_id()).decode())"
# The wait lets the prompt's answer through before the port goes away.
_RESTART = "import machine, time\ntime.sleep_ms(50)\nmachine.reset()"

_IMAGE = "put the RPI_PICO image on it: plug it in with BOOTSEL held, and give the file with --uf2"


@dataclass(frozen=True, slots=True)
class Who:
    """What a board says of itself."""

    uid: str
    version: tuple[int, ...]
    machine: str

    @property
    def micropython(self) -> str:
        return ".".join(map(str, self.version))


class _Transport(SerialTransport):  # type: ignore[misc]  # it has no types
    """mpremote's, which listens for ever to whoever never stops talking."""

    def read_until(
        self,
        min_num_bytes: int,  # noqa: ARG002  # not used there either
        ending: bytes,
        timeout: float | None = 10,
        data_consumer: Callable[[bytes], object] | None = None,
        timeout_overall: float | None = None,
    ) -> bytes:
        heard_s = now_s = time.monotonic()
        until_s = now_s + (timeout_overall or ANSWER_S)
        data = b""
        while not data.endswith(ending) and now_s < until_s:
            byte: bytes = self.serial.read(1)
            now_s = time.monotonic()
            if byte:
                heard_s = now_s
                data = byte if data_consumer else data + byte
                if data_consumer:
                    data_consumer(byte)
            elif timeout is not None and now_s >= heard_s + timeout:
                break
        return data


class Board:
    """A board for a pad, at its prompt. Raises ProvisioningError of errors.py, nothing else."""

    def __init__(self, path: str, patience_s: float = ENTER_S) -> None:
        """Interrupts what runs there. BoardSilent when it does not come to its prompt in time."""
        ports.check(path)
        self._path = path
        # mpremote reads a pseudo terminal in another way, which it knows by its real name.
        device = os.path.realpath(path)
        with self._asking():
            self._transport = _Transport(device, ports.BAUD, timeout=ENTER_READ_S)
        try:
            self._enter(patience_s)
            self._transport.serial.timeout = READ_S
            self.who = self._identify()
            self._run(_TOOLS)
        except BaseException:
            self.close()
            raise

    def look(self) -> dict[str, str]:
        """Each file with its SHA-256 in hex, each folder with nothing, as provisioning.pad.plan."""
        lines = self._run("_look('')").splitlines()
        found: dict[str, str] = dict(json.loads(line) for line in lines)
        return found

    def read(self, path: str) -> bytes:
        """The content of a file."""
        with self._asking():
            return bytes(self._transport.fs_readfile(path, chunk_size=CHUNK_LEN))

    def do(self, step: Step, on_bytes: Callable[[int], None] = lambda _: None) -> None:
        """Carry out one step; of a Put, `on_bytes` gets how many bytes are written so far."""
        match step:
            case Put():
                self._put(step.path, step.content, on_bytes)
            case Remove():
                self._run(f"os.{'rmdir' if step.is_folder else 'remove'}({step.path!r})")
            case MakeFolder():
                self._run(f"os.mkdir({step.path!r})")

    def restart(self) -> None:
        """Let it start as with power; the port goes away and comes again."""
        # It may be gone before it has answered.
        with contextlib.suppress(BoardLost), self._asking():
            self._transport.exec_raw_no_follow(_RESTART)
        self.close()

    def close(self) -> None:
        """Let the port go."""
        with contextlib.suppress(OSError, termios.error):
            self._transport.close()
        # What closes it sets its lines first, which a port that is gone refuses.
        with contextlib.suppress(OSError, termios.error):
            self._transport.serial.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _enter(self, patience_s: float) -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints what it did not expect
                self._transport.enter_raw_repl(timeout_overall=patience_s)
        except TransportError as error:
            raise BoardSilent(f"{self._path}: nobody answers at MicroPython's prompt") from error
        except (OSError, termios.error) as error:
            raise self._lost() from error

    def _identify(self) -> Who:
        name, version, machine = json.loads(self._run(_WHO))
        if name != "micropython":
            raise BoardUnfit(f"{self._path}: {_shown(name)} is on the board", _IMAGE)
        if CHIP not in machine:
            raise BoardUnfit(
                f"{self._path}: this is {_shown(machine)}, and a pad is an RP2040",
                "name the port of another board with --port",
            )
        if tuple(version) < VERSION_MIN:
            told, least = (".".join(map(str, one)) for one in (version, VERSION_MIN))
            raise BoardUnfit(
                f"{self._path}: its MicroPython is {told}, and the pad needs {least} or newer",
                _IMAGE,
            )
        return Who(self._run(_UID).strip(), tuple(version), machine)

    def _put(self, path: str, content: bytes, on_bytes: Callable[[int], None]) -> None:
        part = path + PART
        with self._asking():
            self._transport.fs_writefile(
                part, content, CHUNK_LEN, lambda written, _total: on_bytes(written)
            )
        if self._run(f"print(_sha({part!r}))").strip() != sha256(content).hexdigest():
            raise VerifyFailed(
                f"{self._path}: {path} was not read back as it was written",
                "run it again with another cable; if it comes again, exchange the board",
            )
        self._run(f"os.rename({part!r}, {path!r})")

    def _run(self, script: str) -> str:
        with self._asking():
            said: bytes = self._transport.exec(script)
        return said.decode("utf-8", "replace")

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn what mpremote, pyserial and the system raise into a sentence."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except TransportExecError as error:
            said = (error.error_output.strip().splitlines() or ["nothing"])[-1]
            raise VerifyFailed(
                f"{self._path}: the board's flash cannot be used: {_shown(said)}",
                "run it again; if it comes again, load flash_nuke.uf2 and MicroPython anew",
            ) from error
        except (TransportError, OSError, struct.error, termios.error) as error:
            raise self._lost() from error

    def _lost(self) -> BoardLost:
        return BoardLost(
            f"{self._path}: the board went away or stopped answering",
            "plug it in again, and run the same command again: it goes on where it was",
        )


def _shown(text: Any) -> str:
    """A board's own words, in ours."""
    return "".join(char for char in str(text) if char.isprintable())[:ERROR_LEN_MAX]
