"""A province's units that lost their broker and find it again, in virtual time. Pure.

Each unit waits with the back-off of the real uplink. The broker is a queue: it takes so many TLS
handshakes a second, one after the other, and spends as much on a caller who has hung up meanwhile,
for it finds that out last. The outage is the harshest one: all units notice it at once, and who
calls is refused at once, so nothing but the back-off spreads them.
"""

import heapq
import random
from collections import Counter
from dataclasses import dataclass

from daemon.net.backoff import Backoff
from daemon.net.connection import CONNECT_S

# [uplink] redial_s where nobody has set it.
REDIAL_S = 120.0


@dataclass(frozen=True, slots=True)
class Return:
    """What came after the broker was back; seconds count from there."""

    calls_a_second_max: int
    given_up: int  # calls, by a unit that was not served in time
    back_s: list[float]  # when each unit was let in


class Outage:
    """`served_a_second`: handshakes the broker takes."""

    def __init__(self, unit_count: int, served_a_second: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._units = [Backoff(REDIAL_S) for _ in range(unit_count)]
        self._handshake_s = 1 / served_a_second

    def ends_after(self, outage_s: float) -> Return:
        """All units are connected, lose the broker at 0 and have it back after `outage_s`."""
        calls = [(self._wait_s(unit, True), unit) for unit in range(len(self._units))]
        heapq.heapify(calls)
        free_s, given_up = outage_s, 0
        back_s: list[float] = []
        begun: Counter[int] = Counter()
        while calls:
            at_s, unit = heapq.heappop(calls)
            if at_s < outage_s:
                heapq.heappush(calls, (at_s + self._wait_s(unit, False), unit))
                continue
            begun[int(at_s - outage_s)] += 1
            free_s = max(free_s, at_s) + self._handshake_s
            if free_s - at_s > CONNECT_S:
                given_up += 1
                again_s = at_s + CONNECT_S + self._wait_s(unit, False)
                heapq.heappush(calls, (again_s, unit))
            else:
                back_s.append(free_s - outage_s)
        return Return(max(begun.values()), given_up, back_s)

    def _wait_s(self, unit: int, was_welcome: bool) -> float:
        return self._units[unit].wait_s(self._random.random(), was_welcome=was_welcome)
