"""A thread that owns one thing that may block; when it dies, the process ends."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Worker(threading.Thread):
    """Runs `work` until it returns. An exception out of it is our bug: `died` is told."""

    def __init__(self, name: str, died: Callable[[str], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._died = died

    def work(self) -> None:
        raise NotImplementedError

    def run(self) -> None:
        try:
            self.work()
        except Exception:
            log.exception("worker %s died", self.name)
            self._died(self.name)
