"""The daemon's own last log lines, for a support bundle; bounded, and gone with the process."""

import logging
import time
from collections import deque
from collections.abc import Callable

LINE_COUNT_MAX = 300
LINE_LEN_MAX = 300


class LogLines(logging.Handler):
    """Keeps what is logged at INFO and above: changes of state, without a level or a key."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        super().__init__(logging.INFO)
        self._now_s = now_s
        self._lines: deque[str] = deque(maxlen=LINE_COUNT_MAX)

    def emit(self, record: logging.LogRecord) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._now_s()))
        text = f"{at} {record.levelname} {record.name} {record.getMessage()}"
        self._lines.append(text.replace("\n", " ")[:LINE_LEN_MAX])

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)
