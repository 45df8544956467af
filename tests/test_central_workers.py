"""Several workers on one database, and the database in trouble: nothing lost, nothing twice."""

import os
import resource
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from central.archive import Archive
from central.config import StoreConfig
from central.registry import Unit
from central.tables import open_database
from protocol.central.chain import verify
from protocol.central.entry import Entry, Source, read
from protocol.central.schema import message_problems
from sim.authority import Authority
from sim.brokers import Mosquitto
from sim.centres import Centre, wait_for
from sim.journals import Writer, key
from sim.load import Load, sources
from sim.postgres import Postgres
from sim.processes import free_port

pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.needs("postgres")]

UNIT_COUNT = 20
CHUNK_LEN = 2_000
RSS_MIB_MAX = 120
GROWTH_MIB_MAX = 5  # the allocator's slack; a leak of 10 bytes an entry is 10 MB in a million
SOURCES = sources(UNIT_COUNT)
KEYS = {source: key(index + 1) for index, source in enumerate(SOURCES)}
UNITS = {source: Unit.of(KEYS[source].public) for source in SOURCES}


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as mosquitto:
        yield mosquitto


@pytest.fixture
def url(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    return postgres.create_database(f"workers_{os.getpid()}_{abs(hash(request.node.name))}")


@pytest.fixture
def workers(tmp_path: Path, broker: Mosquitto, url: str) -> Iterator[list[Centre]]:
    """Two workers that share the entries between them."""
    store = f'url = "{url}"'
    two = [
        Centre(tmp_path, broker.port, units=UNITS, store=store, name=name, share="centre")
        for name in ("one", "two")
    ]
    for worker in two:
        worker.start()
        worker.next("ready")
    yield two
    for worker in two:
        worker.stop()


def writers() -> list[Writer]:
    return [Writer(source, KEYS[source], seed) for seed, source in enumerate(SOURCES)]


def written(units: list[Writer], count: int) -> list[Entry]:
    """So many entries of each unit, as they would come from a hall."""
    return [read(unit.write_any()) for _ in range(count) for unit in units]


def stored(url: str) -> list[str]:
    with closing(open_database(StoreConfig(database=Path(), url=url), read_only=True)) as database:
        return [row.text for row in Archive(database).rows()]


def alarms(url: str) -> list[Any]:
    with closing(open_database(StoreConfig(database=Path(), url=url), read_only=True)) as database:
        return database.rows("SELECT source, name FROM alarms")


def assert_each_once(texts: list[str], entries: list[Entry]) -> None:
    assert sorted(texts) == sorted(entry.text for entry in entries)
    for source in SOURCES:
        own = [text for text in texts if read(text).source == source]
        keys = {KEYS[source].kid: KEYS[source].public}
        assert verify(own, keys, source).problems == ()


@pytest.mark.promise
def test_workers_when_two_share_the_entries_then_each_is_stored_once_and_receipted(
    broker: Mosquitto, workers: list[Centre], url: str, promise: Any, scale: int
) -> None:
    units = writers()
    entries = written(units, 25 * min(20, scale))
    with Load(broker.port, entries) as load:
        load.send()
    assert_each_once(stored(url), entries)
    assert alarms(url) == []
    for worker in workers:
        assert worker.next("stored")  # both had their part
    promise("A3", "entries shared by two workers on PostgreSQL", len(entries))


@pytest.mark.promise
def test_workers_when_one_is_killed_then_the_other_goes_on_and_nothing_is_lost(
    broker: Mosquitto, workers: list[Centre], url: str, promise: Any, scale: int
) -> None:
    units = writers()
    entries = written(units, 25 * min(20, scale))
    one, two = workers
    with Load(broker.port, entries) as load:
        load.send(until=len(entries) // 4)
        one.kill()
        # What the killed one had and did not store has no receipt: its units send it again.
        load.send(resend_s=0.5)
    assert two.process.running
    assert_each_once(stored(url), entries)
    promise("A3", "entries to two workers, one killed", len(entries))


@pytest.mark.promise
def test_workers_when_postgresql_goes_away_then_they_wait_and_nothing_is_lost(
    broker: Mosquitto,
    workers: list[Centre],
    url: str,
    postgres: Postgres,
    promise: Any,
    scale: int,
) -> None:
    entries = written(writers(), 20 * min(20, scale))
    with Load(broker.port, entries) as load:
        load.send(until=len(entries) // 4)
        postgres.kill()
        load.send(until=len(entries) // 2, for_receipts=False)
        for worker in workers:
            worker.wait_for_log("nothing is acknowledged until it is back")
        postgres.start()
        load.send()
    for worker in workers:
        assert worker.process.running
        sentences = [line for line in worker.said if "nothing is acknowledged" in line]
        assert 1 <= len(sentences) <= 3
    assert_each_once(stored(url), entries)
    promise("A3", "entries while PostgreSQL is killed and comes back", len(entries))


def test_centre_when_the_disk_is_full_then_waits_and_goes_on_when_there_is_room(
    tmp_path: Path, broker: Mosquitto
) -> None:
    entries = written(writers(), 30)
    centre = Centre(tmp_path, broker.port, units=UNITS)
    centre.start()
    centre.next("ready")
    with Load(broker.port, entries) as load:
        load.send(until=200)
        assert centre.process.pid is not None
        whole = resource.prlimit(centre.process.pid, resource.RLIMIT_FSIZE)
        size = (tmp_path / "central.db-wal").stat().st_size
        resource.prlimit(centre.process.pid, resource.RLIMIT_FSIZE, (size, whole[1]))
        load.send(until=400, for_receipts=False)
        centre.wait_for_log("nothing is acknowledged until it is back")
        resource.prlimit(centre.process.pid, resource.RLIMIT_FSIZE, whole)
        load.send()
    assert centre.stop() == 0
    database = open_database(StoreConfig(database=tmp_path / "central.db", url=None))
    assert_each_once([row.text for row in Archive(database).rows()], entries)
    database.close()


@pytest.mark.promise
@pytest.mark.long
def test_worker_when_it_has_taken_entries_for_long_then_its_memory_is_what_it_was(
    tmp_path: Path, broker: Mosquitto, url: str, promise: Any, scale: int
) -> None:
    chunk_count = 3 if scale == 1 else min(500, 2 * scale)
    store = f'url = "{url}"'
    centre = Centre(tmp_path, broker.port, units=UNITS, store=store, prints=False)
    centre.start()
    centre.wait_for_log("broker up")
    units, sizes = writers(), []
    for _ in range(chunk_count):
        with Load(broker.port, written(units, CHUNK_LEN // UNIT_COUNT)) as load:
            load.send()
        sizes.append(resident_mib(centre))
    assert centre.stop() == 0
    growth = sizes[-1] - sizes[len(sizes) // 5]
    what = f"entries through a worker of {sizes[-1]:.0f} MiB, {growth:+.1f} since the first fifth"
    too_large = sizes[-1] > RSS_MIB_MAX or growth > GROWTH_MIB_MAX
    promise("G4", what, chunk_count * CHUNK_LEN, int(too_large))


def resident_mib(centre: Centre) -> float:
    status = Path(f"/proc/{centre.process.pid}/status").read_text()
    kib = next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]
    return int(kib) / 1024


def test_metrics_when_prometheus_asks_then_counts_and_names_no_unit(
    tmp_path: Path, broker: Mosquitto
) -> None:
    port = free_port()
    more = f"metrics.port = {port}"
    unit_list = Authority(tmp_path, "hall").revoke(days=(-20, 9.5))
    lists = {"revocation_list": str(unit_list)}
    centre = Centre(tmp_path, broker.port, units=UNITS, more=more, **lists)
    centre.start()
    centre.next("ready")
    alarm = centre.next("alarm")
    assert (alarm["name"], alarm["source"], alarm["state"]) == ("stale_list", None, "open")
    assert ", in 9 days, and from then on the broker lets none" in alarm["sentence"]
    assert message_problems("alarm", alarm) == []
    entries = written(writers(), 3)
    with Load(broker.port, entries) as load:
        load.send()
    # Its receipt is there already, retained: what counts is that the broker has the repetition.
    with Load(broker.port, entries[:1]) as again:
        again.send(for_receipts=False)

    def page() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
        }

    wait_for(lambda: page()['hcp_messages_total{result="repeated"}'] == 1, "the repetition")
    found = page()
    assert found['hcp_messages_total{result="stored"}'] == len(entries)
    assert found['hcp_up{to="broker"}'] == found['hcp_up{to="store"}'] == 1
    assert found["hcp_units"] == UNIT_COUNT
    assert found['hcp_open_alarms{name="fork"}'] == 0
    assert found['hcp_open_alarms{name="stale_list"}'] == 1
    assert 9 < found["hcp_list_days"] < 9.5
    assert not any("330102" in name or "satisfaction" in name for name in found)
    assert centre.stop() == 0


def test_centre_when_the_metrics_port_is_taken_then_says_so(
    tmp_path: Path, broker: Mosquitto
) -> None:
    centre = Centre(tmp_path, broker.port, units=UNITS, more=f"metrics.port = {broker.port}")
    centre.start()
    wait_for(lambda: not centre.process.running, "the end")
    assert centre.stop() == 2
    assert centre.said[-1].endswith(f"{broker.port} cannot be used: Address already in use")


def test_centre_when_it_serves_one_area_then_hears_no_other(
    tmp_path: Path, broker: Mosquitto
) -> None:
    own, foreign = SOURCES[0], Source("440100", "h01", "w01")
    units = {own: UNITS[own], foreign: Unit.of(key(77).public)}
    centre = Centre(tmp_path, broker.port, units=units, areas=["330102"])
    centre.start()
    centre.next("ready")
    first = read(Writer(foreign, key(77), 1).write("boot"))
    second = read(Writer(own, KEYS[own], 1).write("boot"))
    with Load(broker.port, [first, second]) as load:
        load.send(until=1, for_receipts=False)
        load.send(until=2, for_receipts=False)
        assert centre.next("stored")["source"] == str(own)
    assert centre.stop() == 0
