"""systemctl for the one service of a virtual unit, with no manager behind it. Real I/O.

    python -I -S systemctl.py ROOT VERB [--now] [--quiet] [UNIT]

The service writes its own pid file before it becomes the daemon, under a lock that it holds until
then. So whatever is killed here, and whenever, the next command knows what runs. Two things differ
from a unit's: a service that died stays dead, and no watchdog is kept. The standard library alone,
and no package of ours: it starts in 30 ms.
"""

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from pathlib import Path

SERVICE = "haochaping"
NAMES = (SERVICE, f"{SERVICE}.service")
# TimeoutStartSec and TimeoutStopSec of daemon/systemd/haochaping.service.
START_S, STOP_S = 600.0, 30.0
# What it holds while it starts or ends the service; one digit, which is what sh can close.
LOCK_FD = 9
# Who it is: its number alone may be another's by now. Whoever dies here has a file or no lock.
BECOME = 'read -r stat </proc/$$/stat && echo "$stat" >"$1" && shift && exec "$@" 9>&-'
NOT_ACTIVE, NO_SUCH_UNIT = 3, 5


class Service:
    """The daemon of the unit whose root directory this is."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._run = root / "run/haochaping"
        self._pid_file, self._ready_file = self._run / "pid", self._run / "ready"
        self._enabled = root / f"etc/systemd/system/multi-user.target.wants/{SERVICE}.service"

    @property
    def is_enabled(self) -> bool:
        """Whether it starts when the machine does."""
        return self._enabled.is_symlink()

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            said = self._pid_file.read_text()
            pid = int(said.split()[0])
            if _born(Path(f"/proc/{pid}/stat").read_text()) == _born(said) != "":
                return pid
        return None

    @property
    def state(self) -> str:
        """In systemd's words."""
        if self.pid is not None:
            return "active" if self._ready_file.exists() else "activating"
        return "failed" if self._pid_file.exists() else "inactive"

    def start(self) -> bool:
        """Start it and wait until it serves; False when it did not come so far."""
        if self.state == "active":
            return True
        # They take as long to import as everything else here, and the other verbs need neither.
        import socket
        import subprocess

        # Somebody was killed who waited for it, and nobody hears any more when it is ready.
        self.stop()
        log = self._root / f"var/log/{SERVICE}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, log.open("ab") as said:
            # An abstract name needs no room in the file system, and ends with us.
            name = f"haochaping-{os.getpid()}-{time.monotonic_ns()}"
            notified.bind(f"\0{name}")
            child = subprocess.Popen(
                ["sh", "-c", BECOME, "sh", str(self._pid_file), SERVICE, "run"],
                cwd=self._run,
                env={**os.environ, "NOTIFY_SOCKET": f"@{name}", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=(LOCK_FD,),
                start_new_session=True,
                umask=0o077,
            )
            if _serves(notified.fileno(), child.pid):
                self._ready_file.touch()
                return True
            child.kill()
            child.wait()
            return False

    def stop(self) -> None:
        """End it and wait until it has; kill it when it takes too long."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                ended = os.pidfd_open(pid)
                # Between the two looks the number may have passed on to somebody else.
                if self.pid == pid:
                    _end(ended)
        self._ready_file.unlink(missing_ok=True)
        self._pid_file.unlink(missing_ok=True)

    def reload(self) -> bool:
        """Tell it to read its configuration again; False when it does not run."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGHUP)
        return pid is not None

    def enable(self, *, is_on: bool) -> None:
        """Whether it shall start when the machine does."""
        self._enabled.unlink(missing_ok=True)
        if is_on:
            self._enabled.parent.mkdir(parents=True, exist_ok=True)
            self._enabled.symlink_to(f"/etc/systemd/system/{SERVICE}.service")

    def alone(self) -> None:
        """Wait until nobody else starts or stops it, for as long as this process lives."""
        self._run.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.dup2(lock, LOCK_FD, inheritable=False)


def _born(stat: str) -> str:
    """When a process of proc(5)'s line was started; empty for one that is only remembered."""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _serves(notified: int, pid: int) -> bool:
    """Whether the service says that it is ready before it ends."""
    ended, until_s = os.pidfd_open(pid), time.monotonic() + START_S
    try:
        while (left_s := until_s - time.monotonic()) > 0:
            ready, _, _ = select.select([notified, ended], [], [], left_s)
            if notified in ready and b"READY=1" in os.read(notified, 4096).splitlines():
                return True
            if ended in ready:
                return False
        return False
    finally:
        os.close(ended)


def _end(pidfd: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal.pidfd_send_signal(pidfd, number)
        if select.select([pidfd], [], [], STOP_S)[0]:
            return


def main(root: Path, words: list[str]) -> int:
    """Carry a command out; the exit code."""
    options = {word for word in words if word.startswith("-")}
    verb, *names = [word for word in words if word not in options] or ["list-units"]
    service, is_quiet = Service(root), bool(options & {"-q", "--quiet"})
    if verb in ("daemon-reload", "reset-failed"):
        return 0
    if any(name not in NAMES for name in names):
        print(f"Failed to {verb} {names[0]}: Unit {names[0]} not found.", file=sys.stderr)
        return NO_SUCH_UNIT
    if verb == "is-active":
        if not is_quiet:
            print(service.state)
        return 0 if service.state == "active" else NOT_ACTIVE
    if verb == "is-enabled":
        if not is_quiet:
            print("enabled" if service.is_enabled else "disabled")
        return 0 if service.is_enabled else 1
    service.alone()
    return _changed(service, verb, is_now="--now" in options)


def _changed(service: Service, verb: str, *, is_now: bool) -> int:
    runs, is_good = service.pid is not None, True
    if verb in ("enable", "disable"):
        service.enable(is_on=verb == "enable")
        verb = {"enable": "start", "disable": "stop"}[verb] if is_now else "nothing"
    elif verb in ("reload-or-restart", "try-restart"):
        verb = {(True, "reload-or-restart"): "reload", (False, "try-restart"): "nothing"}.get(
            (runs, verb), "restart"
        )
    if verb == "nothing":
        return 0
    if verb not in ("start", "stop", "restart", "reload"):
        print(f"Unknown command verb {verb}.", file=sys.stderr)
        return 1
    if verb in ("stop", "restart"):
        service.stop()
    if verb in ("start", "restart"):
        is_good = service.start()
    if verb == "reload" and not service.reload():
        print(f"{SERVICE}.service is not active, cannot reload.", file=sys.stderr)
        return 1
    if not is_good:
        print(
            f"Job for {SERVICE}.service failed because the control process exited with error code."
            f'\nSee "journalctl -xeu {SERVICE}.service" for details.',
            file=sys.stderr,
        )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
