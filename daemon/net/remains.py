"""What is left of epochs before (pure): salvaged entries that the platform has not receipted.

The outbox is one epoch's; these few come from a file that was set aside, and nobody waits for them
at a window. They go out page by page beside everything else, over and over, until the platform's
receipts of their epochs cover them. What stands above a hole that nobody can fill is never covered:
it is sent again ever more rarely, and the platform's alarm about the hole says why.
"""

from daemon.effects import FetchRemains, Publish, Settle
from daemon.events import Asked, Remain

# 64 entries a second beside the window's own, so that ten thousand take three minutes.
PAGE_LEN = 32
PAGE_MS = 500
# Time for the receipts of all that was sent; then once more, in twice that time, at last daily.
AGAIN_MS = 10_000
AGAIN_MS_MAX = 86_400_000
# Receipts of this many epochs are looked at in a step; a unit has one or two of them.
EPOCHS_MAX = 8


class Remains:
    def __init__(self, count: int) -> None:
        self.count = count
        self._up = self._fetching = False
        self._after = 0
        self._due_ms = 0
        self._again_ms = AGAIN_MS
        self._ask: Asked | None = None
        self._wanted: list[Publish] = []
        self._receipts: dict[str, tuple[int, str]] = {}

    # -- what happened

    def broker_up(self, now_ms: int) -> None:
        self._up, self._after, self._due_ms = True, 0, now_ms

    def broker_down(self) -> None:
        self._up, self._ask = False, None

    def asked(self, now_ms: int, ask: Asked) -> None:
        """The platform wants entries of another epoch: what is left of them is sent at once."""
        if self._ask is None and ask.first <= ask.last:
            self._ask, self._after, self._due_ms = ask, 0, now_ms

    def receipt(self, epoch: str, upto: int, hash_: str) -> None:
        if self.count and len(self._receipts) < EPOCHS_MAX:
            self._receipts[epoch] = (upto, hash_)

    def fetched(self, now_ms: int, found: tuple[Remain, ...]) -> None:
        self._fetching = False
        self._wanted += [Publish(one.sealed) for one in found]
        if found:
            self._after, self._due_ms = found[-1].place, now_ms + PAGE_MS
            return
        self._after = 0
        if self._ask is not None:
            self._ask, self._due_ms = None, now_ms + PAGE_MS
            return
        self._due_ms = now_ms + self._again_ms
        self._again_ms = min(2 * self._again_ms, AGAIN_MS_MAX)

    def settled(self, left: int) -> None:
        if left < self.count:
            self._again_ms = AGAIN_MS
        self.count = left

    # -- what to do

    def poll(self, now_ms: int, day: int | None) -> list[Publish | FetchRemains | Settle]:
        wanted: list[Publish | FetchRemains | Settle] = [*self._wanted]
        self._wanted.clear()
        wanted += [Settle(epoch, *told, day or 0) for epoch, told in self._receipts.items()]
        self._receipts.clear()
        due_ms = self.wake_at_ms()
        if due_ms is not None and now_ms >= due_ms:
            self._fetching = True
            wanted.append(FetchRemains(self._after, PAGE_LEN, self._ask))
        return wanted

    def wake_at_ms(self) -> int | None:
        is_idle = self._fetching or not self._up or not (self.count or self._ask)
        return None if is_idle else self._due_ms
