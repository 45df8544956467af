"""How often a password may be tried (pure): each failure doubles the wait, by address and for all.

An attempt that comes too early is not looked at, so guessing is slow and a flood costs nothing.
"""

# The first wait after a failure, and the longest.
WAIT_S = 1.0
WAIT_S_MAX = 300.0
# Addresses remembered; whoever has more of them still meets the pause between any two attempts.
PEER_COUNT_MAX = 64
# Between two attempts, whoever makes them: a list of a billion passwords takes 30 years.
PAUSE_S = 1.0


class Attempts:
    def __init__(self) -> None:
        # Failures and when the next attempt is looked at, by address; the oldest first.
        self._failed: dict[str, tuple[int, float]] = {}
        self._next_s = float("-inf")

    def wait_s(self, now_s: float, peer: str) -> float:
        """How long this address has to wait before its next attempt; 0 when it may try now."""
        _, until_s = self._failed.get(peer, (0, now_s))
        return max(0.0, until_s - now_s, self._next_s - now_s)

    def begin(self, now_s: float) -> None:
        """An attempt is looked at now."""
        self._next_s = now_s + PAUSE_S

    @property
    def peer_count(self) -> int:
        """Addresses remembered."""
        return len(self._failed)

    def failed(self, now_s: float, peer: str) -> None:
        count, _ = self._failed.pop(peer, (0, 0.0))
        wait_s = min(WAIT_S_MAX, WAIT_S * 2.0**count)
        self._failed[peer] = (min(count + 1, 16), now_s + wait_s)
        if len(self._failed) > PEER_COUNT_MAX:
            del self._failed[next(iter(self._failed))]

    def passed(self, peer: str) -> None:
        self._failed.pop(peer, None)
