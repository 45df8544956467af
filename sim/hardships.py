"""What separates an agent that loses from one that does not: four hardships of a running hall.

Each is played against the real daemon, broker and centre, and says how many cases it made. Peers
that were tried this way lost 260 to 838 of 2 160 over a link that swallows, 500 of 500 when they
were killed before the broker came, 450 to 505 of 1 667 when they were killed while the pad went on,
and up to 140 of a burst of 1 000. Real I/O.
"""

import random
import threading
from datetime import date

from sim.clerk import Clerk
from sim.demo import premises
from sim.demo.hall import Hall
from sim.demo.judging import Answer, Expectation
from sim.saboteur import Blows, Saboteur
from sim.siege import Siege

SWALLOWED_S = 12.0
SWALLOWINGS = 4
# From before a press to after its rating is on its way: a case takes 30 ms.
KILL_S_MAX = 0.05
# What one write of a terminal's driver waits for a unit that is busy.
PATIENCE_S = 30.0
BURST_DAY = date(2026, 1, 5)


def swallowed_link(
    hall: Hall, siege: Siege, seed: int, *, times: int = SWALLOWINGS, each_s: float = SWALLOWED_S
) -> None:
    """Cases go on while the way to the broker takes everything and carries nothing."""

    def swallow(saboteur: Saboteur, hall: Hall) -> None:
        hall.relay.swallow()
        saboteur.pause((each_s, each_s))
        hall.relay.mend()

    ways: Blows = {"swallowed": swallow}
    with Saboteur(hall, seed, ways) as saboteur:
        while saboteur.blows["swallowed"] < times:
            siege.serve()


def killed_before_the_broker_came(hall: Hall, siege: Siege, count: int) -> None:
    """The unit starts without a broker, serves, and is killed before there is one."""
    hall.switch("power", False)
    hall.switch("broker", False)
    hall.switch("power", True)
    for _ in range(count):
        siege.serve()
    hall.switch("power", False)
    hall.switch("broker", True)
    hall.switch("power", True)


def killed_while_the_pad_sends(hall: Hall, siege: Siege, seed: int, count: int) -> None:
    """In each case the daemon is killed somewhere between the finger and the rating's way."""
    moments = random.Random(seed)
    for _ in range(count):
        service = siege.ask()
        strike = threading.Timer(moments.uniform(0, KILL_S_MAX), _restart, (hall,))
        strike.start()
        siege.press(service)
        strike.join()


def burst(hall: Hall, siege: Siege, count: int) -> None:
    """A terminal says `count` cases without taking breath, each the end of the one before."""
    said: list[bytes] = []
    # Of another day, so that no case of the siege is among them.
    clerk = Clerk(said.append, window=premises.WINDOW, day=BURST_DAY, copies=1)
    clerk.call()
    for _ in range(count):
        service = clerk.complete()
        case = (service.project_no, service.service_number)
        siege.expected.append(Expectation(case, frozenset({Answer("superseded")})))
    hall.queue_wire.write_all(b"".join(said), PATIENCE_S)
    siege.serve()


def _restart(hall: Hall) -> None:
    hall.switch("power", False)
    hall.switch("power", True)
