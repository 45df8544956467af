"""The platform's contract, held by the world's centre and by the one that is a process.

Each test is a unit of its own, whose daemon.net.uplink, or the world's, is at a broker with it.
"""

import queue
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from central.archive import Archive
from central.config import StoreConfig
from central.database import Database
from central.registry import Registry
from central.registry import Unit as Registered
from central.tables import open_database
from daemon.config.uplink import Uplink as UplinkConfig
from daemon.events import Asked, BrokerDown, BrokerUp, Event, ReceiptReceived, Sealed, Taken
from daemon.net.uplink import Uplink
from protocol.central import schema, topics
from protocol.central.canonical import canonical
from protocol.central.chain import Head, Problem
from protocol.central.entry import KINDS, Source, read
from sim.brokers import HOST, Mosquitto
from sim.centres import PLATFORM, Centre, wait_for
from sim.journals import Writer, journal, key
from sim.world import broker as world
from sim.world import centre as platform
from sim.world import uplink as unit
from sim.world.agenda import Agenda

HANG_S = 20.0
WAIT_MS = 600_000
UNIT = key(1)
KEYS = {PLATFORM.kid: PLATFORM.public}
SOURCES = [Source("330102", "h01", f"w{number:02}") for number in range(1, 21)]
UNITS = {source: Registered.of(UNIT.public) for source in SOURCES}
NEIGHBOUR, STRANGER = Source("330102", "h02", "w01"), key(2)
DATABASE = "central.db"


class AsProcess:
    """`python -m central run` at mosquitto, and the daemon's uplinks."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / DATABASE
        self._broker = Mosquitto()
        self._broker.start()
        self._centre = Centre(folder, self._broker.port, units=UNITS)
        self._uplinks: dict[Source, Uplink] = {}
        self._heard: dict[Source, queue.Queue[Event]] = {}
        self.start, self._kill = self._start, self._centre.kill
        self.start()

    def _start(self) -> None:
        self._centre.start()
        self._centre.next("ready")

    def connect(self, source: Source) -> None:
        self._heard[source] = queue.Queue()
        config = UplinkConfig(
            broker=HOST, port=self._broker.port, protocol=5, redial_ms=500, platform_key=None,
            tls_ca=None, tls_certificate=None, tls_key=None,
        )  # fmt: skip
        post = self._heard[source].put
        self._uplinks[source] = Uplink(config, source, KEYS, post, pytest.fail)
        self._uplinks[source].start()

    def publish(self, source: Source, entry: Sealed) -> None:
        self._uplinks[source].publish(entry)

    def report(self, source: Source, payload: bytes) -> None:
        self._uplinks[source].report(payload)

    def event(self, source: Source) -> Event:
        return self._heard[source].get(timeout=HANG_S)

    def problem(self) -> dict[str, Any]:
        """The next that it says."""
        found: dict[str, Any] = self._centre.next("problem")
        return found

    def die_before_it_stores(self, source: Source, entry: Sealed) -> None:
        """It has taken an entry, cannot store it, and is killed; then all could be stored again."""
        self._take_in_vain(source, entry)
        self._kill()
        self._rename("away", "entries")

    def lose_the_broker_before_it_stores(self, source: Source, entry: Sealed) -> None:
        """It has taken an entry, and stores it while there is no broker, which forgets all."""
        self._take_in_vain(source, entry)
        self._broker.kill()
        self._rename("away", "entries")
        while self._centre.next("stored")["source"] != str(source):
            pass
        self._broker.start()

    def _take_in_vain(self, source: Source, entry: Sealed) -> None:
        def failed_count() -> int:
            return sum("no such table" in line for line in self._centre.said)

        before = failed_count()
        self._rename("entries", "away")
        self.publish(source, entry)
        wait_for(lambda: failed_count() > before, "sentence")

    def _rename(self, table: str, to: str) -> None:
        with sqlite3.connect(self._database) as db:
            db.execute(f"ALTER TABLE {table} RENAME TO {to}")
        db.close()

    @property
    def utc_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def archive(self) -> Database:
        return open_database(StoreConfig(database=self._database, url=None), read_only=True)

    def close(self) -> None:
        for uplink in self._uplinks.values():
            uplink.stop(HANG_S)
        assert self._centre.stop() == 0
        self._broker.stop()


class InTheWorld:
    """The world's centre, broker and uplinks; also who looks at the centre, and at its arrivals."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / DATABASE
        self._agenda = Agenda()
        self._broker = world.Broker(self._agenda, random.Random(1))
        self._problems: list[dict[str, Any]] = []
        self._arrived_count = 0
        self._centre = platform.Centre(
            self._agenda, random.Random(2), self._broker, Registry(UNITS), PLATFORM, folder,
            time.time_ns() // 1_000_000, self,
        )  # fmt: skip
        self._broker.platform = self
        self.start = self._centre.start
        self._uplinks: dict[Source, unit.Uplink] = {}
        self._heard: dict[Source, list[Event]] = {}

    def arrive(self, topic: str, payload: bytes) -> bool:
        self._arrived_count += topics.parse(topic)[2] in KINDS
        return self._centre.arrive(topic, payload)

    def found(self, source: str, problem: Problem) -> None:
        found = {"source": source, "name": problem.name, "seq": problem.seq}
        self._problems.append({**found, "sentence": problem.sentence})

    def receipt(self, source: Source, upto: int, hash_: str) -> None:
        """Tell the checks; the unit hears of it by its broker."""

    def connect(self, source: Source) -> None:
        self._heard[source] = []
        self._uplinks[source] = unit.Uplink(
            self._agenda, random.Random(3), source, self._broker, KEYS
        )
        self._uplinks[source].start(self._heard[source].append)
        self._agenda.run(self._agenda.now_ms + 1)

    def publish(self, source: Source, entry: Sealed) -> None:
        self._uplinks[source].publish(entry, live=False)

    def report(self, source: Source, payload: bytes) -> None:
        self._uplinks[source].report(payload)

    def event(self, source: Source) -> Event:
        found: Event = self._next(self._heard[source])
        return found

    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = self._next(self._problems)
        return found

    def _next(self, found: list[Any]) -> Any:
        until_ms = self._agenda.now_ms + WAIT_MS
        while not found and self._agenda.now_ms < until_ms:
            self._agenda.run(self._agenda.now_ms + 1)
        return found.pop(0)

    def die_before_it_stores(self, source: Source, entry: Sealed) -> None:
        self._take(source, entry)
        self._centre.kill()

    def lose_the_broker_before_it_stores(self, source: Source, entry: Sealed) -> None:
        self._take(source, entry)
        self._broker.manners.is_away = True
        self._broker.tear()
        self._broker.forget()
        self._agenda.run(self._agenda.now_ms + max(platform.GATHER_MS))
        self._broker.manners.is_away = False

    def _take(self, source: Source, entry: Sealed) -> None:
        """Until it has come, and no further."""
        count = self._arrived_count
        self.publish(source, entry)
        while self._arrived_count == count:
            self._agenda.run(self._agenda.now_ms + 1)

    @property
    def utc_ms(self) -> int:
        return self._centre.utc_ms

    def archive(self) -> Database:
        return open_database(StoreConfig(database=self._database, url=None), read_only=True)

    def close(self) -> None:
        self._centre.close()


Side = AsProcess | InTheWorld


@pytest.fixture(
    scope="module",
    params=[pytest.param(AsProcess, marks=pytest.mark.needs("mosquitto")), InTheWorld],
)
def side(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    made: Side = request.param(tmp_path_factory.mktemp("central"))
    yield made
    made.close()


FREE = iter(SOURCES)


class Unit:
    """A unit that has just been connected, and the writer of its journal."""

    def __init__(self, side: Side, source: Source) -> None:
        self._side, self.source = side, source
        self.writer = Writer(source, UNIT, seed=1)
        self.texts: list[str] = []
        side.connect(source)
        assert side.event(source) == BrokerUp()

    def write(self, length: int) -> list[str]:
        """Its next entries."""
        self.texts += journal(self.writer, length)
        return self.texts[-length:]

    def send(self, *texts: str) -> None:
        for text in texts:
            self._side.publish(self.source, sealed(text))

    def hears(self) -> ReceiptReceived | Asked:
        """The next thing the platform says."""
        while not isinstance(event := self._side.event(self.source), ReceiptReceived | Asked):
            assert isinstance(event, Taken | BrokerDown | BrokerUp)
        return event

    def receipt(self, upto: int) -> None:
        """Wait for the one up to here; those before it say less, and nothing else is said."""
        while (event := self.hears()) != self.expected(upto):
            assert isinstance(event, ReceiptReceived)
            assert event.upto < upto
            assert event == self.expected(event.upto)

    def expected(self, upto: int) -> ReceiptReceived:
        """What a receipt up to here must say."""
        return ReceiptReceived(self.writer.head.epoch, upto, read(self.texts[upto - 1]).hash)

    def asked(self) -> Asked:
        """Wait for what the platform misses; receipts may come before."""
        while isinstance(event := self.hears(), ReceiptReceived):
            assert event == self.expected(event.upto)
        return event

    def problem(self) -> dict[str, Any]:
        """The next thing the platform says is wrong with it."""
        while (found := self._side.problem())["source"] != str(self.source):
            pass
        return found

    @property
    def stored(self) -> list[str]:
        with closing(self._side.archive()) as database:
            return [row.text for row in Archive(database).journal(self.source)]

    @property
    def health(self) -> str | None:
        """The health that the platform keeps of it."""
        with closing(self._side.archive()) as database:
            rows = {row.source: row for row in Archive(database).units()}
        return rows[str(self.source)].health


def sealed(text: str) -> Sealed:
    """An entry as its unit has it."""
    entry = read(text)
    return Sealed(entry.seq, entry.kind, entry.hash, text)


@pytest.fixture
def one(side: Side) -> Unit:
    return Unit(side, next(FREE))


def test_entries_are_stored_and_receipted_up_to_the_last(one: Unit) -> None:
    texts = one.write(20)
    one.send(*texts)
    one.receipt(20)
    assert one.stored == texts


def test_repeated_entry_is_receipted_again_and_stored_once(one: Unit) -> None:
    texts = one.write(5)
    one.send(*texts)
    one.receipt(5)
    for text in (texts[0], texts[4]):
        one.send(text)
        assert one.hears() == one.expected(5)
    assert one.stored == texts


def test_hole_is_asked_for_and_nothing_beyond_it_is_receipted(one: Unit) -> None:
    texts = one.write(7)
    one.send(texts[0], texts[4], texts[6])
    ask = one.asked()
    assert ask == Asked(one.writer.head.epoch, 2, 4)
    one.send(*texts[1:4])
    # All that waited up to the next hole is there now, and that one is asked for.
    one.receipt(5)
    assert one.asked() == Asked(one.writer.head.epoch, 6, 6)
    one.send(texts[5])
    one.receipt(7)
    assert one.stored == texts


def test_fork_is_named_and_the_first_stays(one: Unit) -> None:
    texts = one.write(2)
    one.send(texts[0])
    one.receipt(1)
    one.send(Writer(one.source, UNIT, seed=1).write("boot", configHash="0" * 64))
    problem = one.problem()
    assert (problem["name"], problem["seq"]) == ("fork", 1)
    assert problem["sentence"].startswith(f"{one.writer.head.epoch}-1: ")
    one.send(texts[1])
    one.receipt(2)
    assert one.stored == texts


def test_entry_that_nobody_vouches_for_is_named_and_has_no_receipt(one: Unit) -> None:
    texts = one.write(2)
    one.send(texts[0])
    one.receipt(1)
    one.send(texts[1].replace(str(one.source), str(NEIGHBOUR)))
    assert one.problem()["name"] == "wrong_source"
    one.send(Writer(one.source, STRANGER, seed=1).write("boot"))
    assert one.problem()["name"] == "unknown_key"
    one.send(texts[1])
    one.receipt(2)
    assert one.stored == texts


def health(unit: Unit, head: Head, utc_ms: int) -> bytes:
    """What a unit says of itself each minute."""
    value = dict(schema.load("health")["examples"][0], source=str(unit.source))
    value["head"] = {"epoch": head.epoch, "seq": head.seq, "hash": head.hash}
    value["stamp"] = {**value["stamp"], "utcMs": utc_ms, "synced": True, "errorMs": 15}
    return canonical(value)


def test_health_is_noted_and_what_it_says_is_missing_is_asked_for(side: Side, one: Unit) -> None:
    texts = one.write(3)
    one.send(texts[0])
    one.receipt(1)
    said = health(one, one.writer.head, side.utc_ms)
    side.report(one.source, said)
    assert one.asked() == Asked(one.writer.head.epoch, 2, 3)
    assert one.health == said.decode()
    one.send(*texts[1:])
    one.receipt(3)
    side.report(one.source, health(one, Head(one.writer.head.epoch, 3, "ab" * 32), side.utc_ms))
    assert one.problem()["name"] == "fork"


def test_receipt_that_is_due_while_the_broker_is_away_comes_when_it_is_back(
    side: Side, one: Unit
) -> None:
    texts = one.write(3)
    one.send(*texts[:2])
    one.receipt(2)
    side.lose_the_broker_before_it_stores(one.source, sealed(texts[2]))
    assert one.hears() == one.expected(3)
    assert one.stored == texts


def test_killed_before_it_stores_gets_all_again_and_stores_it_once(side: Side, one: Unit) -> None:
    texts = one.write(6)
    one.send(*texts[:2])
    one.receipt(2)
    side.die_before_it_stores(one.source, sealed(texts[2]))
    one.send(*texts[3:])
    side.start()
    one.receipt(6)
    assert one.stored == texts
    one.send(texts[2])
    assert one.hears() == one.expected(6)
    assert one.stored == texts
