"""The trace: the thread that writes what the core was told and did, for support's eyes alone.

Nobody at the window can read it: it is closed for a public key whose other half is elsewhere. It
costs the loop an append; what this thread cannot keep up with is dropped and counted. A trouble
with its file ends the trace and nothing else.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

from daemon.config.tracing import Trace
from daemon.errors import DaemonError
from daemon.traces.trace_file import HEAD, Envelopes
from daemon.traces.transcript import Dropped, Record, lines
from daemon.worker import Worker
from protocol.central.envelope import Addressee
from protocol.central.pem import KeyUnreadable

log = logging.getLogger(__name__)

# Runs before this one that are kept: the daemon restarts after a crash, maybe more than once.
KEPT = 3
# A minute of a backlog being drained, at 60 steps a second.
QUEUE_LEN_MAX = 4096
# What waits for this thread is taken at once when it is so much, and after TURN_S anyway.
QUEUE_LEN_MANY = 256
TURN_S = 1.0
# What a kill may cost; one envelope in this time is what an idle window writes.
FLUSH_S = 5.0
FAILING = "give [trace] file another place, or take it out; a restart tries it again"
FULL = "the trace ends here; raise [trace] size_mb, and restart the daemon for a new one"


def addressee(path: Path) -> Addressee:
    """Whoever may read the trace. Raises DaemonError, a sentence with what to do."""
    try:
        return Addressee.load(path)
    except KeyUnreadable as error:
        raise DaemonError(
            f"{error}; [trace] key is the public key of who reads traces, made on their machine: "
            "openssl genpkey -algorithm x25519 -out support.pem && "
            "openssl pkey -in support.pem -pubout -out support.pub"
        ) from error


class Tracing(Worker):
    """Give it `record`s from one thread; each start of the daemon begins a new file."""

    def __init__(
        self, file: Path, reader: Addressee, file_len_max: int, died: Callable[[str], None]
    ) -> None:
        super().__init__("trace", died)
        self._path, self._len_max = file, file_len_max
        self._envelopes = Envelopes(reader)
        self._records: deque[Record] = deque()
        self._dropped_count = 0
        self._wake = threading.Event()
        self._stopping = False
        self._is_over = False
        self._written_len = 0
        self._file: int | None = None

    @classmethod
    def of(cls, config: Trace, died: Callable[[str], None]) -> Self | None:
        """The configured one; None when none is wanted. Raises DaemonError."""
        if config.file is None or config.key is None:
            return None
        return cls(config.file, addressee(config.key), config.file_len_max, died)

    # -- from the loop's thread

    def record(self, what: Record) -> None:
        """Take it if there is room; never waits."""
        if self._is_over:
            return
        if len(self._records) >= QUEUE_LEN_MAX:
            self._dropped_count += 1
            return
        if self._dropped_count:
            self._records.append(Dropped(self._dropped_count))
            self._dropped_count = 0
        self._records.append(what)
        if len(self._records) == QUEUE_LEN_MANY:
            self._wake.set()

    def stop(self, deadline_s: float) -> None:
        """Write what is waiting, if that can be done in time."""
        if self.is_alive():
            self._stopping = True
            self._wake.set()
            self.join(deadline_s)

    # -- the thread

    def work(self) -> None:
        try:
            self._begin()
            flush_at_s = time.monotonic() + FLUSH_S
            while not (self._stopping or self._is_over):
                self._wake.wait(TURN_S)
                self._wake.clear()
                self._write_records()
                if time.monotonic() >= flush_at_s:
                    flush_at_s = time.monotonic() + FLUSH_S
                    self._write(self._envelopes.rest())
            if self._dropped_count:
                self._records.append(Dropped(self._dropped_count))
            self._write_records()
            self._write(self._envelopes.rest())
        except OSError as error:
            log.warning(
                "trace state=failing trouble=%r", f"{self._path}: {error.strerror}: {FAILING}"
            )
        finally:
            self._is_over = True
            self._records.clear()
            if self._file is not None:
                os.close(self._file)

    def _begin(self) -> None:
        """A new file; those of the runs before it move on by one."""
        names = [self._path, *(_numbered(self._path, number) for number in range(1, KEPT + 1))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        log.info("trace state=on file=%s", self._path)
        self._write(HEAD)

    def _write_records(self) -> None:
        while self._records and not self._is_over:
            record = self._records.popleft()
            for line in lines(record):
                self._write(self._envelopes.add(line))
            # Whoever waits for the interpreter gets it between two lines, not 5 ms later.
            time.sleep(0)

    def _write(self, data: bytes) -> None:
        if self._is_over or self._file is None:
            return
        if self._written_len + len(data) > self._len_max:
            self._is_over = True
            log.warning("trace state=full trouble=%r", f"{self._path}: {FULL}")
            return
        while data:
            written_len = os.write(self._file, data)
            self._written_len += written_len
            data = data[written_len:]


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
