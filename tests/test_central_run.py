"""The whole centre as a process, against real brokers: nothing told before it is stored."""

import json
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from central.__main__ import main
from central.registry import Unit as Registered
from protocol.central import receipts, schema, topics
from protocol.central.entry import Source, read
from protocol.central.receipts import Receipt
from sim.brokers import Amqtt, Mosquitto
from sim.centres import PLATFORM, Centre, wait_for
from sim.journals import Writer, journal, key

pytestmark = pytest.mark.needs("mosquitto")

DEADLINE_S = 10.0
SOURCE, OTHER = Source("330102", "h01", "w03"), Source("330102", "h01", "w04")
UNIT = key(1)
UNITS = {SOURCE: Registered.of(UNIT.public)}
Broker = Mosquitto | Amqtt


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as mosquitto:
        yield mosquitto


class Unit:
    """A unit's end of MQTT: sends texts, collects receipts and asks."""

    def __init__(self, port: int, protocol: int = 5, source: Source = SOURCE) -> None:
        self.receipts: list[Receipt] = []
        self.asks: list[dict[str, Any]] = []
        self._source = source
        self._subscribed = False
        version = MQTTProtocolVersion(protocol)
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="unit", protocol=version)
        self._client.on_socket_open = self._on_socket_open
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(topics.every_down(source), qos=1)
        wait_for(lambda: self._subscribed, "subscription")

    def send(self, *texts: str, topic: str | None = None, qos: int = 1) -> None:
        for text in texts:
            self._client.publish(topic or topics.up(self._source, read(text).kind), text, qos=qos)

    def receipt(self, upto: int) -> Receipt:
        def find() -> Receipt | None:
            return next((found for found in self.receipts if found.upto == upto), None)

        found: Receipt = wait_for(find, f"receipt for {upto}")
        return found

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_socket_open(self, _client: Client, _data: object, connection: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == topics.down(self._source, topics.RECEIPT):
            keys = {PLATFORM.kid: PLATFORM.public}
            self.receipts.append(receipts.read(bytes(message.payload), keys, self._source))
        elif message.topic == topics.down(self._source, topics.ASK):
            self.asks.append(json.loads(message.payload))


@pytest.fixture
def centre(tmp_path: Path, broker: Mosquitto) -> Iterator[Centre]:
    centre = Centre(tmp_path, broker.port, units=UNITS)
    centre.start()
    centre.next("ready")
    yield centre
    if centre.process.running:
        assert centre.stop() == 0


@pytest.fixture
def unit(broker: Mosquitto) -> Iterator[Unit]:
    unit = Unit(broker.port)
    yield unit
    unit.close()


def entries(centre: Centre, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What `python -m central export` prints."""
    capsys.readouterr()
    assert main(["export", "--config", str(centre.config)]) == 0
    return [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]


def verified(centre: Centre, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """The exit code and report of `python -m central verify`."""
    capsys.readouterr()
    code = main(["verify", "--config", str(centre.config)])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, report


def test_centre_when_entries_come_then_stores_prints_and_receipts_them(
    centre: Centre, unit: Unit, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = journal(writer, 40)
    for seq, text in enumerate(texts, 1):
        unit.send(text)
        stored = centre.next("stored")
        assert (stored["seq"], stored["problems"], stored["source"]) == (seq, [], str(SOURCE))
        assert stored["entry"] == read(text).value
        unit.receipt(seq)
    last = unit.receipts[-1]
    assert last.confirms(writer.head.epoch, writer.head.hash)
    assert entries(centre, capsys) == texts
    assert verified(centre, capsys) == (
        0,
        {
            "units": [
                {
                    "source": str(SOURCE),
                    "epochs": [writer.head.epoch],
                    "entries": 40,
                    "upto": 40,
                    "problems": [],
                }
            ],
            "strangers": 0,
            "chain_verified": True,
        },
    )


def test_centre_when_a_message_wants_no_acknowledgement_then_gives_none(
    centre: Centre, unit: Unit
) -> None:
    unit.send('{"state":"online"}', topic=topics.up(SOURCE, topics.STATE), qos=0)
    unit.send(*journal(Writer(SOURCE, UNIT, 1), 3))
    unit.receipt(3)
    assert not any("left" in line for line in centre.said)


def test_centre_when_a_unit_comes_later_then_its_receipt_waits_for_it(
    centre: Centre, unit: Unit, broker: Mosquitto
) -> None:
    unit.send(*journal(Writer(SOURCE, UNIT, 1), 5))
    unit.receipt(5)
    later = Unit(broker.port)
    assert later.receipt(5) == unit.receipts[-1]
    later.close()


def test_centre_when_entries_are_missing_then_asks_until_they_come(
    centre: Centre, unit: Unit
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = journal(writer, 5)
    unit.send(texts[0], texts[4])
    ask = wait_for(lambda: unit.asks and unit.asks[0], "ask")
    assert ask == {"epoch": writer.head.epoch, "from": 2, "upto": 4}
    assert unit.receipts[-1].upto == 1
    unit.send(*texts[1:4])
    unit.receipt(5)


def test_centre_when_messages_are_bad_then_names_them_and_the_stream_goes_on(
    centre: Centre, unit: Unit, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = journal(Writer(SOURCE, UNIT, 1), 2)
    unit.send(texts[0])
    clone = Writer(SOURCE, UNIT, 1)
    unit.send(clone.write("boot", configHash="0" * 16))
    assert centre.next("problem")["name"] == "fork"
    unit.send(texts[1].replace("w03", "w04", 1), topic=topics.up(SOURCE, read(texts[1]).kind))
    problem = centre.next("problem")
    assert problem["source"] == str(SOURCE)
    assert problem["name"] in ("wrong_source", "bad_signature")
    unit.send("rubbish", topic=topics.up(OTHER, "boot"))
    assert centre.next("problem")["name"] == "unknown_unit"
    unit.send(texts[1])
    unit.receipt(2)
    assert entries(centre, capsys) == texts
    code, report = verified(centre, capsys)
    assert code == 1
    assert report["chain_verified"] is True
    assert report["strangers"] == 1
    assert {problem["name"] for problem in report["units"][0]["problems"]} >= {"fork"}


def test_centre_when_killed_then_takes_what_waited_at_the_broker_and_repeats_the_receipt(
    centre: Centre, unit: Unit, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = journal(Writer(SOURCE, UNIT, 1), 10)
    unit.send(*texts[:5])
    unit.receipt(5)
    centre.kill()
    unit.send(*texts[5:])
    centre.start()
    unit.receipt(10)
    unit.receipts.clear()
    unit.send(texts[0])
    unit.receipt(10)
    assert entries(centre, capsys) == texts


@contextmanager
def entries_away(centre: Centre) -> Iterator[None]:
    """The database fails for as long."""
    file = centre.config.with_name("central.db")
    _rename(file, "entries", "away")
    yield
    _rename(file, "away", "entries")


def _rename(file: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_centre_when_the_store_fails_then_tells_nothing_and_goes_on_when_it_is_back(
    centre: Centre, unit: Unit
) -> None:
    texts = journal(Writer(SOURCE, UNIT, 1), 3)
    unit.send(texts[0])
    unit.receipt(1)
    with entries_away(centre):
        unit.send(texts[1])
        wait_for(lambda: any("no such table" in line for line in centre.said), "sentence")
        assert [receipt.upto for receipt in unit.receipts] == [1]
    unit.send(texts[2])
    unit.receipt(3)
    wait_for(lambda: any("the database is back" in line for line in centre.said), "sentence")
    assert sum("no such table" in line for line in centre.said) == 1


def test_centre_when_killed_while_the_store_fails_then_the_broker_still_has_the_entry(
    centre: Centre, unit: Unit
) -> None:
    texts = journal(Writer(SOURCE, UNIT, 1), 3)
    unit.send(texts[0])
    unit.receipt(1)
    with entries_away(centre):
        unit.send(texts[1])
        wait_for(lambda: any("no such table" in line for line in centre.said), "sentence")
        centre.kill()
    centre.start()
    unit.send(texts[2])
    wait_for(lambda: unit.asks or unit.receipts[-1].upto == 3, "receipt")
    assert unit.asks == []


def test_centre_when_the_broker_forgets_everything_then_comes_back_by_itself(
    centre: Centre, unit: Unit, broker: Mosquitto
) -> None:
    texts = journal(Writer(SOURCE, UNIT, 1), 4)
    unit.send(*texts[:2])
    unit.receipt(2)
    unit.close()
    broker.kill()
    wait_for(lambda: any("trying again" in line for line in centre.said), "sentence")
    broker.start()
    centre.next("ready")
    again = Unit(broker.port)
    again.send(texts[0])
    assert again.receipt(2).upto == 2
    again.send(*texts[2:])
    again.receipt(4)
    again.close()


def test_centre_when_started_without_a_broker_then_says_so_once_and_waits_for_it(
    tmp_path: Path,
) -> None:
    broker = Mosquitto()
    centre = Centre(tmp_path, broker.port, units=UNITS)
    centre.start()
    wait_for(lambda: any("no broker at" in line for line in centre.said), "sentence")
    with broker:
        centre.next("ready")
        assert sum("no broker at" in line for line in centre.said) == 1
        assert centre.stop() == 0


def test_centre_when_a_unit_is_registered_then_knows_it_without_a_restart(
    centre: Centre, broker: Mosquitto
) -> None:
    unit = Unit(broker.port, source=OTHER)
    text = Writer(OTHER, key(2), 1).write("boot")
    unit.send(text)
    assert centre.next("problem")["name"] == "unknown_unit"
    centre.register({**UNITS, OTHER: Registered.of(key(2).public)})

    def sent_again() -> bool:
        unit.send(text)
        return bool(unit.receipts)

    wait_for(sent_again, "receipt")
    unit.close()


def test_entry_right_after_its_key_was_registered_then_taken_and_nothing_is_said(
    centre: Centre, unit: Unit
) -> None:
    # Each key is there a moment before its entry, whenever the centre last looked by itself.
    writer, known = Writer(SOURCE, UNIT, 1), [UNIT]
    for number in range(20, 30):
        writer.key = key(number)
        known.append(writer.key)
        centre.register({SOURCE: Registered.of(*(each.public for each in known))})
        unit.send(writer.write("boot"))
        unit.receipt(writer.head.seq)
    assert not [line for line in centre.said if "unknown_key" in line]


@pytest.mark.parametrize("kind", [Mosquitto, Amqtt])
def test_centre_when_the_broker_speaks_only_3_1_1_then_works_the_same(
    tmp_path: Path, kind: type[Broker]
) -> None:
    texts = journal(Writer(SOURCE, UNIT, 1), 30)
    with kind() as broker:
        centre = Centre(tmp_path, broker.port, units=UNITS, protocol=4)
        centre.start()
        centre.next("ready")
        unit = Unit(broker.port, protocol=4)
        unit.send(*texts)
        assert unit.receipt(30).source == SOURCE
        unit.close()
        assert centre.stop() == 0


def test_verify_when_a_stored_entry_was_edited_then_says_so_and_fails(
    centre: Centre, unit: Unit, capsys: pytest.CaptureFixture[str]
) -> None:
    unit.send(*journal(Writer(SOURCE, UNIT, 1), 4))
    unit.receipt(4)
    with sqlite3.connect(centre.config.with_name("central.db")) as db:
        db.execute("UPDATE entries SET text = replace(text, '\"h01\"', '\"h02\"') WHERE seq = 1")
        db.execute("UPDATE entries SET text = replace(text, 'w03', 'w0x') WHERE seq = 2")
        db.execute("DELETE FROM entries WHERE seq = 3")
    db.close()
    code, report = verified(centre, capsys)
    assert (code, report["chain_verified"]) == (1, False)
    found = {problem["name"] for problem in report["units"][0]["problems"]}
    assert found == {"wrong_source", "gap"}


def test_command_when_something_is_missing_then_says_one_sentence_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "central.toml"
    assert main(["run", "--config", str(config)]) == 2
    assert "central.toml: No such file" in capsys.readouterr().err
    config.write_text('registry = "r.json"\nplatform.key = "p.pem"\n')
    assert main(["run", "--config", str(config)]) == 2
    assert "p.pem: No such file" in capsys.readouterr().err
    PLATFORM.save(tmp_path / "p.pem")
    assert main(["run", "--config", str(config)]) == 2
    assert "r.json: No such file" in capsys.readouterr().err
    for command in ("verify", "export"):
        assert main([command, "--config", str(config)]) == 2
        assert "central.db: unable to open" in capsys.readouterr().err


def test_export_when_nobody_reads_them_then_ends_with_a_sentence(
    centre: Centre, unit: Unit
) -> None:
    unit.send(*journal(Writer(SOURCE, UNIT, 1), 200))
    unit.receipt(200)
    command = [sys.executable, "-m", "central", "export", "--config", str(centre.config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b'{"source"')
        process.stdout.close()
        assert process.stderr.read() == b"central: nobody reads the output any more\n"
        assert process.wait(DEADLINE_S) == 2


def test_centre_when_a_unit_forks_then_the_alarm_is_called_out_on_its_topic(
    centre: Centre, unit: Unit, broker: Mosquitto
) -> None:
    heard: queue.Queue[MQTTMessage] = queue.Queue()
    operator = Client(CallbackAPIVersion.VERSION2, client_id="operator")
    operator.on_message = lambda _client, _data, message: heard.put(message)
    subscribed = threading.Event()
    operator.on_subscribe = lambda *_: subscribed.set()
    operator.connect("127.0.0.1", broker.port)
    operator.loop_start()
    operator.subscribe("hcp/v1/+/+/+/alarm/+", qos=1)
    assert subscribed.wait(DEADLINE_S)
    unit.send(Writer(SOURCE, UNIT, 1).write("boot"))
    unit.receipt(1)
    unit.send(Writer(SOURCE, UNIT, 1).write("boot", configHash="0" * 16))
    opened = heard.get(timeout=DEADLINE_S)
    value = json.loads(opened.payload)
    assert opened.topic == topics.alarm(SOURCE, "fork")
    assert schema.message_problems("alarm", value) == []
    assert (value["name"], value["state"], value["source"]) == ("fork", "open", str(SOURCE))
    assert main(["alarms", "--config", str(centre.config), "--close", "1"]) == 0
    closed = json.loads(heard.get(timeout=DEADLINE_S).payload)
    assert (closed["name"], closed["state"]) == ("fork", "closed")
    operator.disconnect()
    operator.loop_stop()
