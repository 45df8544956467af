"""The last entries for whoever looks: read once for all, and only what is new."""

import threading
from collections import deque
from collections.abc import Callable

from daemon.errors import StoreFailed
from daemon.events import Sealed
from daemon.page.entries import Row, Seen, rows, seen
from daemon.snapshot import JournalView

ROW_COUNT = 50
# Before the oldest row: a rating's service stands a few entries before it, other windows' between.
BEFORE_COUNT = 14
# What a support bundle holds; a morning of two windows.
BUNDLE_COUNT = 400
# Entries read at once: a commit waits for no more than a third of a millisecond's work.
PAGE_LEN = 64


class Latest:
    """Rows from the journal. At most one read is under way, so a flood of browsers costs one."""

    def __init__(self, read: Callable[[int, int], tuple[Sealed, ...]]) -> None:
        self._read = read
        self._reading = threading.Lock()
        self._epoch, self._last_seq = "", 0
        self._seen: deque[Seen] = deque(maxlen=ROW_COUNT + BEFORE_COUNT)
        self._rows: tuple[Row, ...] = ()

    def rows(self, journal: JournalView) -> tuple[Row, ...]:
        """The last entries, newest first; those read before while others wait for the disk."""
        if (journal.epoch, journal.last_seq) != (self._epoch, self._last_seq):
            self._renew(journal)
        return self._rows

    def many(self, journal: JournalView) -> tuple[Row, ...]:
        """Several hundred, for a bundle. Raises StoreFailed."""
        with self._reading:
            first = max(1, journal.last_seq - BUNDLE_COUNT + 1)
            return rows(self._pages(first, journal.last_seq))

    def _renew(self, journal: JournalView) -> None:
        if not self._reading.acquire(blocking=False):
            return
        try:
            if journal.epoch != self._epoch:
                self._seen.clear()
                self._last_seq = 0
            first = max(self._last_seq, journal.last_seq - ROW_COUNT - BEFORE_COUNT) + 1
            self._seen.extend(self._pages(first, journal.last_seq))
            self._epoch, self._last_seq = journal.epoch, journal.last_seq
            self._rows = rows(self._seen)[:ROW_COUNT]
        except StoreFailed:
            # The snapshot says so in words; the rows read before stay.
            return
        finally:
            self._reading.release()

    def _pages(self, first: int, last: int) -> list[Seen]:
        found: list[Seen] = []
        while first <= last and (page := self._read(first, min(PAGE_LEN, last - first + 1))):
            found += [seen(entry.seq, entry.text) for entry in page]
            first = page[-1].seq + 1
        return found
