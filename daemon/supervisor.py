"""What the service manager is told: that the unit serves, lives, reloads its configuration or ends.

systemd's protocol (sd_notify(3)): datagrams of NAME=value lines to the socket in the environment.
A process that is to be watched says WATCHDOG=1 in time, or is restarted. This one says so only from
the loop, and only while no worker hangs that a rating cannot be recorded and delivered without.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence

from daemon.snapshot import Snapshot
from daemon.state_log import links
from daemon.worker import Worker

log = logging.getLogger(__name__)

# sd_watchdog_enabled(3): twice within the time, so that one turn may be late.
FEEDS_IN_TIME = 2
# What `systemctl status` shows of it on one line of a wide terminal.
STATUS_LEN_MAX = 400


class Supervisor:
    """Without a service manager everything here does nothing but say which worker hangs."""

    def __init__(
        self, vital: Sequence[Worker] = (), environ: Mapping[str, str] = os.environ
    ) -> None:
        self._vital = vital
        self._hanging: list[str] = []
        self._status = ""
        self._every_s = _every_s(environ)
        self._feed_at_s = 0.0
        # A leading @ stands for the zero byte of an abstract name (sd_notify(3)).
        self._address = environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)

    def ready(self) -> None:
        """The loop serves, after a start or a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is read again; `ready` ends it."""
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        # Without its time newer managers refuse it (systemd.service(5), notify-reload).
        self._send("RELOADING=1", f"MONOTONIC_USEC={usec}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def say(self, status: str) -> None:
        """What `systemctl status` shows; said when it changes."""
        if status != self._status and self._send(f"STATUS={status[:STATUS_LEN_MAX]}"):
            self._status = status

    def feed(self) -> None:
        """Say that the unit lives, when that is due and true; to be called on every turn."""
        now_s = time.monotonic()
        hanging = [worker.name for worker in self._vital if worker.hangs(now_s)]
        for name in hanging:
            if name not in self._hanging:
                log.error("worker %s hangs: the watchdog is not fed until it comes back", name)
        for name in self._hanging:
            if name not in hanging:
                log.warning("worker %s is back", name)
        self._hanging = hanging
        if self._every_s is None or hanging or now_s < self._feed_at_s:
            return
        if self._send("WATCHDOG=1"):
            self._feed_at_s = now_s + self._every_s

    def _send(self, *lines: str) -> bool:
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                # One that does not read must not stop the loop; it is told again.
                manager.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            log.debug("the service manager was not told %s: %s", lines, error)
            return False
        return True


def _every_s(environ: Mapping[str, str]) -> float | None:
    """How often the watchdog is to be fed; None if this process has none."""
    usec = environ.get("WATCHDOG_USEC", "")
    if not usec.isdecimal() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 1e6 / FEEDS_IN_TIME


def in_words(shown: Snapshot) -> str:
    """How each part does, on one line; no counter, so that it changes seldom."""
    parts = [f"{name} {view.trouble or view.state}" for name, view in links(shown)]
    return "; ".join([*parts, f"journal {shown.journal.trouble or 'sound'}"])
