"""Who strikes at a running hall, one part after the other, and puts each back. Real I/O."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from protocol.pad.line import LINK_LOST_MS
from sim.demo.hall import Hall

CALM_S = (0.05, 1.2)  # between two blows
DOWN_S = (0.0, 0.6)  # how long what was struck stays down
# A daemon that is frozen shorter, or longer, than pad and unit wait for each other.
LINK_LOST_S = LINK_LOST_MS / 1000
SHORT_S, LONG_S = (0.2, LINK_LOST_S - 0.5), (LINK_LOST_S + 0.5, LINK_LOST_S + 2.0)
PATIENCE_S = 60.0

Blows = Mapping[str, Callable[["Saboteur", Hall], None]]


class Saboteur:
    """In the order of its seed; `blows` counts them."""

    def __init__(self, hall: Hall, seed: int, ways: Blows) -> None:
        self._hall, self._random, self._ways = hall, random.Random(seed), ways
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, "saboteur")
        self.blows: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._working = self._thread.submit(self._work)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.shutdown()
        if error is None:
            self._working.result()

    def pause(self, between_s: tuple[float, float] = DOWN_S) -> None:
        """What was struck stays down; not longer than the siege."""
        self._stopping.wait(self._random.uniform(*between_s))

    def _work(self) -> None:
        left: list[str] = []
        while not self._stopping.wait(self._random.uniform(*CALM_S)):
            # Each once before any comes again.
            left = left or self._random.sample(sorted(self._ways), len(self._ways))
            name = left.pop()
            self._ways[name](self, self._hall)
            self.blows[name] += 1


def _kill_daemon(saboteur: Saboteur, hall: Hall) -> None:
    hall.switch("power", False)
    saboteur.pause()
    hall.switch("power", True)
    _await_service(hall)


def _kill_broker(saboteur: Saboteur, hall: Hall) -> None:
    hall.switch("broker", False)
    saboteur.pause()
    hall.switch("broker", True)


def _kill_centre(saboteur: Saboteur, hall: Hall) -> None:
    hall.centre.kill()
    saboteur.pause()
    hall.centre.start()


def _tear_connections(_saboteur: Saboteur, hall: Hall) -> None:
    hall.relay.reset()


def _cut_network(saboteur: Saboteur, hall: Hall) -> None:
    hall.switch("network", False)
    saboteur.pause()
    hall.switch("network", True)


def _freeze_broker(saboteur: Saboteur, hall: Hall) -> None:
    hall.broker.pause()
    saboteur.pause()
    hall.broker.resume()


def _freeze_centre(saboteur: Saboteur, hall: Hall) -> None:
    hall.centre.pause()
    saboteur.pause()
    hall.centre.resume()


def _freeze_daemon(saboteur: Saboteur, hall: Hall) -> None:
    hall.unit.pause()
    saboteur.pause(SHORT_S)
    hall.unit.resume()


def _freeze_daemon_long(saboteur: Saboteur, hall: Hall) -> None:
    hall.unit.pause()
    saboteur.pause(LONG_S)
    hall.unit.resume()


def _unplug_pad(saboteur: Saboteur, hall: Hall) -> None:
    hall.switch("pad", False)
    saboteur.pause()
    hall.switch("pad", True)


def _unplug_queue_line(saboteur: Saboteur, hall: Hall) -> None:
    hall.queue_wire.unplug()
    saboteur.pause()
    hall.queue_wire.replug()


def _fill_disk(saboteur: Saboteur, hall: Hall) -> None:
    assert hall.disk is not None
    for _ in range(3):
        # What the unit had kept for this moment is taken from it, too.
        hall.disk.fill()
        saboteur.pause()
    hall.disk.free()


def _kill_daemon_on_full_disk(saboteur: Saboteur, hall: Hall) -> None:
    assert hall.disk is not None
    hall.disk.fill()
    saboteur.pause()
    hall.switch("power", False)
    hall.disk.fill()
    hall.switch("power", True)
    saboteur.pause(SHORT_S)
    hall.disk.free()
    # It has no reason to live on without a journal; then the service manager starts it again.
    hall.wait(lambda: hall.is_serving() or not hall.unit.running, PATIENCE_S)
    hall.switch("power", True)
    _await_service(hall)


def _await_service(hall: Hall) -> None:
    # Killed again before it serves it would not be the unit that is tried but the patience.
    hall.wait(hall.is_serving, PATIENCE_S)


# Of less than a second each.
QUICK: Blows = {
    "daemon killed": _kill_daemon,
    "broker killed": _kill_broker,
    "centre killed": _kill_centre,
    "connections torn": _tear_connections,
    "network cut": _cut_network,
    "broker frozen": _freeze_broker,
    "centre frozen": _freeze_centre,
}
# For a hall whose unit has a disk of its own.
EVERY: Blows = {
    **QUICK,
    "daemon frozen": _freeze_daemon,
    "daemon frozen longer than the pad waits": _freeze_daemon_long,
    "pad unplugged": _unplug_pad,
    "queue line unplugged": _unplug_queue_line,
    "disk filled": _fill_disk,
    "daemon killed on a full disk": _kill_daemon_on_full_disk,
}
