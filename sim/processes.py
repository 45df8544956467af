"""Other programs run as children: started, killed, stopped at the latest when we end. Real I/O."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

STOP_S = 5.0
LINE_LEN_MAX = 1 << 20


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def module(name: str, *arguments: str) -> list[str]:
    """The command line of one of our own programs, on this interpreter."""
    return [sys.executable, "-u", "-m", name, *arguments]


class Process:
    """One child program. Its stderr is appended to `log`; each line of its stdout goes to `heard`.

    It has a session of its own, so that Ctrl-C reaches it only through `stop`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        heard: Callable[[str], None] | None = None,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._argv, self._log, self._heard = list(argv), log, heard
        self._directory = directory
        self._environment = {**os.environ, **(environment or {})}
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._child.pid if self._child is not None and self.running else None

    @property
    def running(self) -> bool:
        """True from start until it has ended, whatever ended it."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Of the last run; negative is the signal that ended it; None before it has ended."""
        return None if self._child is None else self._child.poll()

    def start(self) -> None:
        """Run it; nothing happens when it runs already."""
        if self.running:
            return
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._argv,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._heard else log,
                stderr=log,
                start_new_session=True,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        if self._heard:
            self._reader = threading.Thread(target=self._listen, args=(self._child,), daemon=True)
            self._reader.start()

    def kill(self) -> None:
        """kill -9: it gets no chance to say or save anything, as in a power cut."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end; kill it when it does not within STOP_S."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Freeze it: its files and connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on when it is frozen."""
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(what)

    def _end(self, how: signal.Signals) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.send_signal(how)
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(STOP_S)
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(STOP_S)
        if child.stdout is not None:
            with contextlib.suppress(OSError, ValueError):
                child.stdout.close()

    def _listen(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        assert self._heard is not None
        with contextlib.suppress(ValueError):  # closed under us by stop
            while line := child.stdout.readline(LINE_LEN_MAX):
                self._heard(line.rstrip("\n"))


def end_on_signals() -> None:
    """Turn the signals that would end us without clean-up into an orderly exit."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    # A shell starts background jobs with Ctrl-C ignored; whoever sends it to us means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
