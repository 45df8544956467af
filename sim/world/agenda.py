"""Virtual time: what is to happen when, in one order for each seed (pure)."""

import heapq
from collections.abc import Callable, Iterator

from sim.world.broken import Broken

Script = Iterator[int]
# A burst of a thousand entries is published at once.
AT_ONCE_MAX = 20_000


class Agenda:
    """`now_ms` is true time since the hall's beginning; what is due at once happens as it came."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, for_ms: int, call: Callable[[], None]) -> None:
        """Have it called when so much time has passed."""
        self._count += 1
        heapq.heappush(self._due, (self.now_ms + max(0, for_ms), self._count, call))

    def follow(self, script: Script) -> None:
        """Go on with a person's script, which says how long it waits each time."""
        wait_ms = next(script, None)
        if wait_ms is not None:
            self.after(wait_ms, lambda: self.follow(script))

    def run(self, until_ms: int) -> None:
        """Let happen whatever is due until then."""
        count = 0
        while self._due and self._due[0][0] <= until_ms:
            before_ms = self.now_ms
            self.now_ms, _, call = heapq.heappop(self._due)
            count = count + 1 if self.now_ms == before_ms else 0
            if count > AT_ONCE_MAX:
                raise Broken(f"time stands still: {count} things in one millisecond")
            call()
        self.now_ms = until_ms
