"""How long the uplink waits before it calls the broker again (pure).

Full jitter: each wait is random up to a step that doubles, so that a hall's units do not return in
one wave, nor a province's.
"""

LEAST_S = 1.0
# Beyond any step that [uplink] redial_s allows.
DOUBLINGS_MAX = 16


class Backoff:
    """Told how each connection ended."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._attempt = 0

    def wait_s(self, chance: float, *, was_welcome: bool, has_rival: bool = False) -> float:
        """How long to wait now; chance: drawn from 0 to 1 for each wait."""
        self._attempt = 0 if was_welcome else self._attempt + 1
        step_s = LEAST_S * 2 ** min(self._attempt, DOUBLINGS_MAX)
        # Two that take the name from each other would do so each second.
        return chance * (self._most_s if has_rival else min(self._most_s, step_s))
