"""Serial ports (the only import of pyserial): what may go wrong with one, in words.

pyserial opens and configures; bytes go through the descriptor itself. Its own `write` spins for as
long as a line without a reader is full, and this thread stamps the other line, too.
"""

import errno
import os
import termios

import serial

from daemon.errors import PortLost

# A replugged adapter must serve again within 2 s, udev's own work included.
REOPEN_MS = 500
# More than a line brings between two turns of the loop; the rest waits in the kernel.
READ_LEN = 4096

_UNPLUGGED = "does not exist: plug the cable in, or mend the path in the configuration"
_BUSY = "is in use by another program: stop that one"
_NO_PORT = "is not a serial port: mend the path in the configuration"
_GONE = "went away: plug the cable in again"
_WORDS = {
    errno.ENOENT: _UNPLUGGED,
    errno.ENODEV: _UNPLUGGED,
    errno.ENXIO: _UNPLUGGED,
    errno.ENOTDIR: _UNPLUGGED,
    errno.EACCES: (
        "may not be opened by this user: add the user to the group dialout "
        "(usermod -aG dialout USER), then restart the daemon"
    ),
    # What the service manager's sandbox answers.
    errno.EPERM: (
        "is no device this service may open: add a line DeviceAllow= for its kind "
        "(systemctl edit haochaping)"
    ),
    errno.EBUSY: _BUSY,
    errno.EAGAIN: _BUSY,
    errno.ENOTTY: _NO_PORT,
    errno.EISDIR: _NO_PORT,
    errno.EINVAL: _NO_PORT,
    errno.EMFILE: "cannot be opened, too many files are open: restart the daemon",
    # A pty whose far end is closed, or an adapter that is just being pulled out.
    errno.EIO: _GONE,
}


class Port:
    """One serial port, open or not. Raises PortLost with a sentence, nothing else."""

    def __init__(self, path: str, baud: int) -> None:
        self._path, self._baud = path, baud
        self._serial: serial.Serial | None = None

    @property
    def is_open(self) -> bool:
        return self._serial is not None

    def fileno(self) -> int:
        assert self._serial is not None
        return self._serial.fileno()

    def open(self) -> None:
        assert self._serial is None, "it is open"
        try:
            self._serial = serial.Serial(self._path, self._baud, timeout=0, exclusive=True)
        except (OSError, termios.error) as error:
            raise PortLost(f"{self._path} {_words(error)}") from error

    def close(self) -> None:
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def read(self) -> bytes:
        """What has arrived, at most READ_LEN bytes; to be called when the port is readable."""
        try:
            data = os.read(self.fileno(), READ_LEN)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost() from error
        if not data:
            # Readable and empty: nobody is there any more.
            raise self._lost()
        return data

    def write(self, data: bytes) -> None:
        """Send what fits now; the link repeats what did not."""
        try:
            os.write(self.fileno(), data)
        except BlockingIOError:
            return
        except OSError as error:
            raise self._lost() from error

    def _lost(self) -> PortLost:
        self.close()
        return PortLost(f"{self._path} {_GONE}")


def _words(error: Exception) -> str:
    # pyserial keeps the number of an open error; that of the settings stands in its text only.
    code = error.errno if isinstance(error, OSError) else error.args[0] if error.args else None
    cause = error.__context__
    if code is None and isinstance(cause, termios.error):
        code = cause.args[0]
    return _WORDS.get(code or 0, f"cannot be opened ({error}): try another cable or port")
