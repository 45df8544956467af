"""A hall that was cut off for days and comes back: how fast it catches up. Real I/O.

The unit's backlog is written by daemon.disk.journal itself before the process starts: the same
seals, the same commits. All of it then goes the whole way, to the real centre on the same machine.
"""

import time
from collections.abc import Iterator

from daemon.disk.journal import Journal
from protocol.central.entry import Draft, Stamp
from protocol.central.signing import SigningKey
from sim.demo import premises
from sim.demo.hall import Hall
from sim.demo.morning import Morning
from sim.figures import Figure

ENTRY_COUNT = 20_000
COMMIT_LEN = 500
PATIENCE_S = 120.0
PAUSE_S = 1.0  # between five cases and the next five; a real window has one a minute


def figures(data: dict[str, object]) -> Iterator[Figure]:
    """G2: seconds until the platform has everything, and what is rated meanwhile."""
    rules = premises.Rules(correction_s=0.0, not_public_hold_s=0.0)
    with Hall(rules) as hall:
        morning = Morning(hall)
        hall.unit.stop()
        _fill(hall, data)
        hall.unit.start()
        if not hall.wait(lambda: bool(hall.arrivals.all("rating")), PATIENCE_S):
            raise RuntimeError("the backlog does not arrive")
        started_s = time.monotonic()
        while not hall.wait(lambda: len(hall.arrivals.all("rating")) >= ENTRY_COUNT, PAUSE_S):
            morning.each_level_once(calm=True)
        took_s = time.monotonic() - started_s
        morning.deliver()
        late_s = [
            found.arrived_s - press.acked_s
            for service, press in morning.calm
            if (found := hall.arrivals.rating_of(service.project_no, service.service_number))
            and press.acked_s is not None
        ]
    yield Figure("G2", "backlog of 20 000 at the platform", "s", took_s, None)
    yield Figure("G2", "rated meanwhile, at the platform, slowest", "ms", max(late_s) * 1000, None)


def _fill(hall: Hall, data: dict[str, object]) -> None:
    stamp = Stamp("backlog", 1, None, False, None)
    key = SigningKey.load(hall.directory / "signing.pem")
    with Journal(hall.directory / "journal.db", premises.SOURCE, key) as journal:
        first = journal.restored.last_seq + 1
        for at in range(first, first + ENTRY_COUNT, COMMIT_LEN):
            seqs = range(at, at + COMMIT_LEN)
            journal.commit(tuple(Draft(seq, "rating", "backlog", data, stamp) for seq in seqs), {})
