"""How fast the centre is: real workers behind a real broker on a real PostgreSQL. Real I/O.

The floor is the same rows put into the same database in batches as large, by nobody who looks at
them: what ours costs beyond that is the price of verifying each one.
"""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from central.broker import BATCH_COUNT_MAX
from central.config import StoreConfig
from central.registry import Unit
from central.store import ENTRY_COLUMNS
from central.tables import open_database
from protocol.central.entry import Entry, read
from sim.brokers import Mosquitto
from sim.centres import Centre
from sim.figures import Figure, percentiles
from sim.journals import Writer, key
from sim.load import Load, sources
from sim.postgres import Postgres

UNIT_COUNT = 100
ENTRY_COUNT = 15_000
RATE = 200.0  # entries a second, the load of a city's thousand windows at its peak
RATED_COUNT = 2_000
WARM_COUNT = 1_000  # not measured: tables, plans and imports


def figures() -> Iterator[Figure]:
    """G4: entries a second by one worker and by two, and how soon the receipt comes."""
    entries = written(WARM_COUNT + ENTRY_COUNT + RATED_COUNT)
    floor = _floor(entries)
    with _centre(1) as (port, workers):
        rate, latencies_ms = _through(port, entries)
        yield Figure("G4", "entries/s into PostgreSQL, one worker", "/s", rate, floor)
        for label, ours in zip(("p50", "p99"), percentiles(latencies_ms), strict=True):
            yield Figure("G4", f"PUBLISH to receipt at {RATE:.0f}/s, {label}", "ms", ours, None)
        yield Figure("G4", "worker's resident memory", "MiB", _rss_mib(workers[0]), None)
    with _centre(2) as (port, _):
        rate, _ = _through(port, entries)
        yield Figure("G4", "entries/s into PostgreSQL, two workers", "/s", rate, floor)


def written(count: int) -> list[Entry]:
    """So many entries, unit by unit in turn."""
    writers = [
        Writer(source, key(index + 1), index) for index, source in enumerate(sources(UNIT_COUNT))
    ]
    return [
        read(writer.write_any()) for writer in itertools.islice(itertools.cycle(writers), count)
    ]


def _through(port: int, entries: list[Entry]) -> tuple[float, list[float]]:
    """Entries a second as fast as they go, then the latencies at RATE."""
    at_once = WARM_COUNT + ENTRY_COUNT
    with Load(port, entries[:at_once]) as load:
        load.send(until=WARM_COUNT)
        took_s = load.send()
    with Load(port, entries[at_once:]) as rated:
        rated.send(RATE)
    return ENTRY_COUNT / took_s, rated.delivery.latencies_ms


@contextlib.contextmanager
def _centre(count: int) -> Iterator[tuple[int, list[Centre]]]:
    units = {
        source: Unit.of(key(index + 1).public) for index, source in enumerate(sources(UNIT_COUNT))
    }
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(Postgres())
        broker = stack.enter_context(Mosquitto())
        store = f'url = "{server.url}"'
        workers = [
            Centre(
                folder,
                broker.port,
                units=units,
                store=store,
                name=f"worker-{number}",
                prints=False,
                share="bench",
            )
            for number in range(count)
        ]
        for worker in workers:
            worker.start()
            stack.callback(worker.stop)
        for worker in workers:
            worker.wait_for_log("broker up")
        yield broker.port, workers


def _floor(entries: list[Entry]) -> float:
    """Rows a second into the same table, committed in batches."""
    with Postgres() as server:
        database = open_database(StoreConfig(database=Path(), url=server.url))
        rows = [
            (str(entry.source), entry.epoch, entry.seq, entry.kind, entry.hash, entry.prevhash, 0,
             None, None, None, None, entry.text)
            for entry in entries
        ]  # fmt: skip
        started_s = time.perf_counter()
        for at in range(0, len(rows), BATCH_COUNT_MAX):
            with database.transaction():
                database.insert("entries", ENTRY_COLUMNS, rows[at : at + BATCH_COUNT_MAX])
        took_s = time.perf_counter() - started_s
        database.close()
    return len(rows) / took_s


def _rss_mib(worker: Centre) -> float:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    kib = next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]
    return int(kib) / 1024
