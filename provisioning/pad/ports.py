"""Serial ports of this machine: which are boards, and who has one (the only pyserial here)."""

import errno
import fcntl
import os
import select
import termios
from pathlib import Path
from types import TracebackType
from typing import Self

import serial
from serial.tools import list_ports

from provisioning.pad.errors import BoardLost, PortUnusable

RASPBERRY_PI_VID = 0x2E8A  # github.com/raspberrypi/usb-pid
BAUD = 115200
READ_LEN_MAX = 4096

_NO_PORT = "name a serial port, or plug the board in and leave --port away"
_HINTS = {
    errno.EACCES: "join the group dialout (sudo usermod -aG dialout $USER) and log in again",
    errno.EPERM: "run it as root, or join the group dialout",
    errno.ENOENT: "plug the cable in, or name another port",
    errno.ENXIO: "plug the cable in again",
    errno.EIO: "plug the cable in again",
}
# The names of programs that take ports, and what to do about each.
_HOLDERS = {
    "ModemManager": "wait half a minute, or stop it: sudo systemctl stop ModemManager",
    "haochaping": "stop it meanwhile: sudo systemctl stop haochaping",
    "mpremote": "leave it: Ctrl-X",
}


def boards() -> dict[str, str | None]:
    """The ports of what Raspberry Pi's maker number is on, each with its USB serial number."""
    return {
        port.device: port.serial_number
        for port in list_ports.comports()
        if port.vid == RASPBERRY_PI_VID
    }


def check(path: str) -> None:
    """Raise PortUnusable, with the reason, unless the port can be ours."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _held(path) from error
        raise _unusable(path, error) from error
    try:
        # As pyserial's `exclusive` does it, which our daemon uses.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        termios.tcgetattr(fd)
    except BlockingIOError as error:
        raise _held(path) from error
    except (OSError, termios.error) as error:
        raise PortUnusable(f"{path} is not a serial port", _NO_PORT) from error
    finally:
        os.close(fd)


class Line:
    """A port, for who only listens and asks. Raises PortUnusable and BoardLost."""

    def __init__(self, path: str) -> None:
        check(path)
        self._path = path
        try:
            self._serial = serial.Serial(path, BAUD, timeout=0, exclusive=True)
        except (OSError, termios.error) as error:
            raise PortUnusable(f"{path} cannot be opened: {error}", _NO_PORT) from error

    def read(self, timeout_s: float) -> bytes:
        """What comes, at the latest after the time; empty when nothing came."""
        try:
            ready, _, _ = select.select([self._serial.fileno()], [], [], timeout_s)
            data = os.read(self._serial.fileno(), READ_LEN_MAX) if ready else b""
        except OSError as error:
            raise self._lost() from error
        if ready and not data:
            raise self._lost()
        return data

    def write(self, data: bytes) -> None:
        try:
            os.write(self._serial.fileno(), data)
        except BlockingIOError:
            return
        except OSError as error:
            raise self._lost() from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._serial.close()

    def _lost(self) -> BoardLost:
        return BoardLost(f"{self._path} went away", "plug the cable in, and run it again")


def _unusable(path: str, error: OSError) -> PortUnusable:
    hint = _HINTS.get(error.errno or 0, _NO_PORT)
    return PortUnusable(f"{path} cannot be opened: {error.strerror}", hint)


def _held(path: str) -> PortUnusable:
    name = _holder(path)
    hint = _HOLDERS.get(name, "stop that one; on a unit: sudo systemctl stop haochaping")
    return PortUnusable(f"{path} is in use by {name or 'another program'}", hint)


def _holder(path: str) -> str:
    """The program that has the port open; empty where the system does not say."""
    device = os.path.realpath(path)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.name == str(os.getpid()):
                continue
            if any(os.path.realpath(fd) == device for fd in (process / "fd").iterdir()):
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                is_ours = b"-m" in arguments and b"daemon" in arguments
                return "haochaping" if is_ours else (process / "comm").read_text().strip()
        except OSError:
            continue
    return ""
