"""A serial cable on a pseudo terminal, with a plug that can be pulled. Real I/O."""

import contextlib
import os
import select
import threading
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

from sim.noise import Noise

READ_LEN_MAX = 4096


class Wire:
    """Our end of a cable; the other end is opened by its path, like any serial port.

    The path is a symlink to the pseudo terminal, so a replugged cable is found under the
    same name, as udev does it. Safe to use from several threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.noise: Noise | None = None
        self.lost_len = 0
        self._lock = threading.Lock()
        self._fd: int | None = None
        self.replug()

    @property
    def plugged(self) -> bool:
        """True while the far end exists."""
        return self._fd is not None

    def replug(self) -> None:
        """A new pseudo terminal under the same path; nothing happens when it is plugged."""
        with self._lock:
            if self._fd is not None:
                return
            fd, far = os.openpty()
            tty.setraw(far)
            name = os.ttyname(far)
            os.close(far)
            os.set_blocking(fd, False)
            self._fd = fd
            aside = self.path.with_name(self.path.name + ".new")
            aside.unlink(missing_ok=True)
            aside.symlink_to(name)
            aside.replace(self.path)

    def unplug(self) -> None:
        """The far end vanishes: its reader gets a hang-up, its path is gone."""
        with self._lock:
            if self._fd is None:
                return
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = None

    def read(self) -> bytes:
        """What has arrived, never waiting; empty also when nobody is at the far end."""
        with self._lock:
            if self._fd is None:
                return b""
            # A far end that nobody holds open reads as EIO.
            with contextlib.suppress(BlockingIOError, OSError):
                return os.read(self._fd, READ_LEN_MAX)
            return b""

    def wait(self, timeout_s: float) -> None:
        """Until something can be read, `timeout_s` at most."""
        fd, until_s = self._fd, time.monotonic() + timeout_s
        if fd is None or _events(fd, timeout_s) & ~select.POLLIN:
            # Nobody at the far end shows as an event at once, which is nothing to read.
            time.sleep(max(0.0, until_s - time.monotonic()))

    def write(self, data: bytes) -> None:
        """Send, never waiting: what nobody reads is lost, as on a real port."""
        with self._lock:
            if self.noise is not None:
                data = self.noise.disturb(data)
            self.lost_len += len(data) - self._put(data)

    def write_all(self, data: bytes, patience_s: float) -> None:
        """Send all of it, as USB does: somebody who reads slowly is waited for, for so long."""
        while data:
            with self._lock:
                written = self._put(data)
                fd = self._fd
            data = data[written:]
            if data and (fd is None or not _writable(fd, patience_s)):
                self.lost_len += len(data)
                return

    def _put(self, data: bytes) -> int:
        if self._fd is None or not data:
            return 0
        # Without a reader a pseudo terminal would keep the bytes for the next one that opens it.
        if _events(self._fd, 0) & select.POLLHUP:
            return 0
        with contextlib.suppress(BlockingIOError, OSError):
            return os.write(self._fd, data)
        return 0

    def close(self) -> None:
        """Unplugged for good."""
        self.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _writable(fd: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return all(events == select.POLLOUT for _, events in poll.poll(timeout_s * 1000) or [(fd, 0)])


def _events(fd: int, timeout_s: float) -> int:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return sum(events for _, events in poll.poll(timeout_s * 1000))
