"""A cluster as the engine: a node dies in the middle, and nothing is lost or doubled."""

import dataclasses
import json
import queue
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from daemon.config.uplink import Uplink as UplinkConfig
from daemon.effects import Publish
from daemon.events import (
    Asked,
    BrokerDown,
    BrokerUp,
    Event,
    ReceiptReceived,
    ReceiptRefused,
    Sealed,
    Taken,
)
from daemon.net.outbox import Outbox
from daemon.net.uplink import Uplink
from protocol.central.entry import Source, read
from sim.brokers import HOST, answers
from sim.journals import Writer, journal, key
from sim.processes import Process, module
from sim.rabbitmq import RabbitMQ
from sim.relay import Relay

pytestmark = pytest.mark.needs("rabbitmq")

DEADLINE_S = 60.0
TICK_S = 0.05  # so late an outbox may find that it is time to send again
UNIT_COUNT = 8
ENTRY_COUNT = 150  # of each unit; a third of them is on its way when the node dies
PLATFORM = key(99)


class Balancer(Relay):
    """The load balancer in front of the nodes, as one group of clients sees it."""

    def turn_to(self, node: RabbitMQ) -> None:
        """Give whoever calls from now on to this node."""
        self._target = (HOST, node.port)


class Heard(NamedTuple):
    unit: "Unit"
    event: Event


class Unit:
    """The real outbox over a journal in memory, the real uplink under it."""

    def __init__(self, number: int, port: int, post: Callable[[Heard], None]) -> None:
        self.source, self.key = Source("330102", "h01", f"w{number:02}"), key(number)
        self._writer = Writer(self.source, self.key, number)
        self.entries: list[Sealed] = []
        self._outbox = Outbox(self._writer.head.epoch, 0, 0)
        self.refused: list[str] = []
        self.up_count = 0
        config = UplinkConfig(
            broker=HOST, port=port, protocol=4, redial_ms=1_000, platform_key=Path("unused"),
            tls_ca=None, tls_certificate=None, tls_key=None,
        )  # fmt: skip
        self.link = Uplink(
            config,
            self.source,
            {PLATFORM.kid: PLATFORM.public},
            lambda event: post(Heard(self, event)),
            self.refused.append,
        )

    @property
    def is_delivered(self) -> bool:
        return self._outbox.view().backlog == 0

    @property
    def delivered(self) -> int:
        return self._outbox.view().delivered

    def write(self, count: int) -> None:
        """Commit entries, as the window's work goes on."""
        texts = journal(self._writer, count)
        new = tuple(Sealed(one.seq, one.kind, one.hash, one.text) for one in map(read, texts))
        self.entries += new
        self._outbox.committed(new)
        self.poll()

    def hear(self, event: Event) -> None:
        now_ms = time.monotonic_ns() // 1_000_000
        match event:
            case BrokerUp():
                self.up_count += 1
                self._outbox.broker_up()
            case BrokerDown():
                self._outbox.broker_down(event.reason)
            case ReceiptReceived():
                self._outbox.receipt(now_ms, event.epoch, event.upto, event.hash)
            case Taken():
                self._outbox.taken(*dataclasses.astuple(event))
            case Asked():
                self._outbox.asked(*dataclasses.astuple(event))
            case ReceiptRefused():
                self.refused.append(event.reason)
        self.poll()

    def poll(self) -> None:
        """Do what the outbox wants until it wants nothing more."""
        now_ms = time.monotonic_ns() // 1_000_000
        while wanted := self._outbox.poll(now_ms):
            for effect in wanted:
                if isinstance(effect, Publish):
                    self.link.publish(effect.entry)
                else:
                    first, limit = effect.first, effect.limit
                    page = tuple(self.entries[first - 1 : first - 1 + limit])
                    self._outbox.fetched(now_ms, first, page)


class Hall:
    """Two nodes, the units spread over both, the centre on the first."""

    def __init__(self, folder: Path, nodes: tuple[RabbitMQ, RabbitMQ], scale: int) -> None:
        self._patience_s = DEADLINE_S * scale
        self._heard: queue.Queue[Heard] = queue.Queue()
        self.balancers = [Balancer(node.port) for node in nodes]
        for balancer in self.balancers:
            balancer.start()
        self.units = [
            Unit(number, self.balancers[number % 2].port, self._heard.put)
            for number in range(UNIT_COUNT)
        ]
        rows = [
            {
                "source": str(u.source),
                "keys": [{"kid": u.key.kid, "public": u.key.public.to_text()}],
            }
            for u in self.units
        ]
        PLATFORM.save(folder / "platform.pem")
        (folder / "registry.json").write_text(json.dumps({"units": rows}))
        self.config = folder / "central.toml"
        self.config.write_text(
            f'registry = "registry.json"\n[broker]\nport = {self.balancers[0].port}\n'
            'protocol = 4\n[platform]\nkey = "platform.pem"\n'
        )
        self.ready: queue.Queue[str] = queue.Queue()
        self.centre = Process(
            module("central", "run", "--print", "--config", str(self.config)),
            log=folder / "central.log",
            heard=lambda line: self.ready.put(line) if line.startswith('{"ready"') else None,
        )

    def start(self) -> None:
        self.centre.start()
        self.ready.get(timeout=DEADLINE_S)
        for unit in self.units:
            unit.link.start()

    def stop(self) -> None:
        for unit in self.units:
            unit.link.stop(DEADLINE_S)
        self.centre.stop()
        for balancer in self.balancers:
            balancer.stop()

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Let the units work until the condition holds."""
        deadline_s = time.monotonic() + self._patience_s
        while not condition():
            assert time.monotonic() < deadline_s, [unit.delivered for unit in self.units]
            try:
                unit, event = self._heard.get(timeout=TICK_S)
            except queue.Empty:
                for unit in self.units:
                    unit.poll()
            else:
                unit.hear(event)

    def stored(self) -> list[str]:
        """Every entry the centre has, exactly as it was signed."""
        with closing(sqlite3.connect(self.config.parent / "central.db")) as database:
            return [text for (text,) in database.execute("SELECT text FROM entries")]


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RabbitMQ, RabbitMQ]]:
    folder = tmp_path_factory.mktemp("nodes")
    with RabbitMQ(folder / "a") as first, RabbitMQ(folder / "b", join=first) as second:
        yield first, second


@pytest.mark.campaign
@pytest.mark.promise
def test_entries_when_a_node_of_the_cluster_dies_are_stored_once_and_receipted(
    nodes: tuple[RabbitMQ, RabbitMQ], tmp_path: Path, promise: Callable[..., None], scale: int
) -> None:
    hall = Hall(tmp_path, nodes, scale)
    hall.start()
    each = ENTRY_COUNT * min(20, scale)
    # The first node leads the cluster's list of client ids: its death is the worse one.
    dying, staying = nodes
    try:
        for unit in hall.units:
            unit.write(each // 3)
        hall.run_until(lambda: all(unit.delivered >= each // 6 for unit in hall.units))
        # On their way when it happens, in every state there is.
        for unit in hall.units:
            unit.write(each // 3)
        dying.kill()
        assert not answers(dying.port)
        hall.balancers[0].turn_to(staying)
        hall.run_until(lambda: all(unit.up_count >= 2 for unit in hall.units[::2]))
        for unit in hall.units:
            unit.write(each - 2 * (each // 3))
        hall.run_until(lambda: all(unit.is_delivered for unit in hall.units))
    finally:
        hall.stop()
    assert hall.centre.exit_code == 0
    # Who was on the other node noticed nothing.
    assert [unit.up_count for unit in hall.units[1::2]] == [1] * (UNIT_COUNT // 2)
    assert [unit.refused for unit in hall.units] == [[]] * UNIT_COUNT
    written = Counter(entry.text for unit in hall.units for entry in unit.entries)
    stored = Counter(hall.stored())
    wrong = (written - stored).total() + (stored - written).total()
    promise("A3", "entries through two RabbitMQ nodes, one killed", written.total(), wrong)
