"""Whether another unit uses this one's name at the broker (pure).

A broker keeps one connection for a name and closes the older one (MQTT 5, 3.1.4-3). Two units with
one name, as two cards copied from one are, therefore take it from each other without end. MQTT 5
has a reason code for it, which mosquitto sends from 2.0.15 on (its issue 2607); Debian 12 has
2.0.11, and MQTT 3.1.1 has none: there the connection is only closed, again and again.
"""

from collections import deque

# A technician's tool that calls under the unit's name takes over once.
TAKEOVERS_LEAST = 2
TAKEOVERS_WITHIN_S = 1800.0
# Without a reason a bad link looks alike, but it does not let the unit in so often.
CUTS_LEAST = 5
CUTS_WITHIN_S = 60.0
# The other unit is back within a second, and is let in within another.
SHORT_S = 2.0
NAMED = (
    "another unit uses this one's name, they take the connection from each other: look for a "
    "cloned card, or for the same [unit] in another unit's configuration"
)
SUSPECTED = (
    "the broker lets this unit in and closes the connection again and again: if another unit uses "
    "this one's name, look for a cloned card; if not, look at the network"
)


class Rivals:
    """Told how each connection ended; says so once it is sure, until it has been quiet."""

    def __init__(self) -> None:
        self._takeovers: deque[float] = deque(maxlen=TAKEOVERS_LEAST)
        self._cuts: deque[float] = deque(maxlen=CUTS_LEAST)
        self._sentence = ""
        self._until_s = 0.0

    def taken_over(self, now_s: float) -> None:
        """The broker gave our connection to another client of our name."""
        self._ended(now_s, self._takeovers, TAKEOVERS_WITHIN_S, NAMED)

    def cut(self, now_s: float, lived_s: float) -> None:
        """The broker closed a connection without a reason, `lived_s` after it let us in."""
        if lived_s <= SHORT_S or self.sentence(now_s) is not None:
            self._ended(now_s, self._cuts, CUTS_WITHIN_S, SUSPECTED)

    def sentence(self, now_s: float) -> str | None:
        """What a technician is to know; None as long as all is well."""
        return self._sentence if now_s < self._until_s else None

    def _ended(self, now_s: float, times: deque[float], within_s: float, sentence: str) -> None:
        times.append(now_s)
        full = len(times) == times.maxlen and now_s - times[0] <= within_s
        if full:
            self._sentence = sentence
        # Once it is named the unit calls seldom, and one more is enough to go on.
        if full or now_s < self._until_s:
            self._until_s = now_s + TAKEOVERS_WITHIN_S
