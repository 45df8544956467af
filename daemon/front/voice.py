"""The voice: one file at a time is played by a child process; a newer word ends the older one.

A player that is missing or fails costs a sentence in the log, and the window nothing.
"""

import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from daemon.config.voice import Voice as VoiceConfig
from daemon.errors import DaemonError
from daemon.worker import Worker
from protocol.pad.messages import PLEASE_RATE, THANKS

log = logging.getLogger(__name__)


class Voice(Worker):
    def __init__(self, config: VoiceConfig, died: Callable[[str], None]) -> None:
        super().__init__("voice", died)
        self._player, self._longest_s = config.player, config.longest_ms / 1000
        self._files = _files(config)
        self._changed = threading.Condition()
        self._wanted: Path | None = None
        self._speaker = ""
        self._is_news = False
        self._process: subprocess.Popen[bytes] | None = None
        self._trouble: str | None = None

    def say(self, window: str, face: int | None) -> None:
        """Say what belongs to a window's new face, if anything does, and nothing else any more.

        A face without words ends only what the same window says.
        """
        path = None if face is None else self._files.get(face)
        with self._changed:
            if path is None and window != self._speaker:
                return
            self._wanted, self._speaker = path, window
            self._is_news = True
            self._hush()
            self._changed.notify()

    def work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_news)
                path, self._is_news = self._wanted, False
            if path is not None:
                self._say(self._play(path))

    def _play(self, path: Path) -> str | None:
        """Play one file to its end, its limit or the next word; what went wrong, in words."""
        try:
            # A file that is not there is the player's trouble, not the device's.
            path.open("rb").close()
            process = subprocess.Popen(
                [*self._player, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return f"{error.filename}: {error.strerror}: look at [voice], or --check"
        with self._changed:
            self._process = process
            if self._is_news:
                self._hush()
        try:
            code = process.wait(self._longest_s)
        except subprocess.TimeoutExpired:
            _end(process)
            code = process.wait()
        with self._changed:
            self._process = None
        if code in (0, -signal.SIGKILL):  # played, or ended by us
            return None
        return f"{self._player[0]} ended with {code}: try `{' '.join(self._player)} {path}` by hand"

    def _hush(self) -> None:
        if self._process is not None:
            _end(self._process)

    def _say(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is None:
            log.info("voice state=sound")
        else:
            log.warning("voice state=failing trouble=%r", trouble)


def check(config: VoiceConfig) -> None:
    """Raise DaemonError for the first file or program that is not there."""
    files = _files(config)
    for path in files.values():
        if not path.is_file() or not os.access(path, os.R_OK):
            raise DaemonError(
                f"{path}: named in [voice] and cannot be read: put it there, or take it out"
            )
    if files and shutil.which(config.player[0]) is None:
        raise DaemonError(
            f"{config.player[0]}: the [voice] player is not installed: apt install alsa-utils "
            "has aplay"
        )


def _files(config: VoiceConfig) -> dict[int, Path]:
    named = {PLEASE_RATE: config.please_rate, THANKS: config.thanks}
    return {face: path for face, path in named.items() if path is not None}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the player and whatever it started; its session is its own."""
    with suppress(ProcessLookupError):
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
