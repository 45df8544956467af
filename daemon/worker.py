"""A thread that owns one thing that may block; when it dies, the process ends.

It hangs when it is at one job for longer than such a job can take. The mark below is all it does
about that: who looks is awake anyway.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Worker(threading.Thread):
    """Runs `work` until it returns. An exception out of it is our bug: `died` is told."""

    # Longer than any job of this worker that still comes to an end.
    job_s_max = math.inf

    def __init__(self, name: str, died: Callable[[str], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._died = died
        self._overdue_at_s = math.inf

    def work(self) -> None:
        raise NotImplementedError

    @contextmanager
    def job(self) -> Iterator[None]:
        """Everything between two waits for something to do."""
        self._overdue_at_s = time.monotonic() + self.job_s_max
        try:
            yield
        finally:
            self._overdue_at_s = math.inf

    def hangs(self, now_s: float) -> bool:
        """Whether one job has taken too long; `now_s` is monotonic."""
        return now_s > self._overdue_at_s

    def run(self) -> None:
        try:
            self.work()
        except Exception:
            log.exception("worker %s died", self.name)
            self._died(self.name)
