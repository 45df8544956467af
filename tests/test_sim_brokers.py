"""The broker starter: what other tests stand on has to hold by itself."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.authority import Authority
from sim.brokers import Amqtt, BrokerProcess, BrokerUnavailable, Mosquitto, ShippedMosquitto

pytestmark = pytest.mark.needs("mosquitto")

# Makes the broker below a folder, on a given port or a free one.
Maker = Callable[[Path], BrokerProcess]


def shipped(folder: Path) -> ShippedMosquitto:
    return ShippedMosquitto(folder / "b", Authority(folder, "units"), Authority(folder, "platform"))


KINDS: dict[str, Maker] = {
    "mosquitto": lambda _folder: Mosquitto(),
    "amqtt": lambda _folder: Amqtt(),
    "shipped": shipped,
}


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> BrokerProcess:
    return KINDS[request.param](tmp_path)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_broker_when_killed_and_started_then_answers_on_the_same_port(
    broker: BrokerProcess,
) -> None:
    with broker:
        assert answers(broker.port)
        assert broker.pid is not None
        broker.kill()
        assert not answers(broker.port)
        assert broker.pid is None
        broker.start()
        assert answers(broker.port)
    assert not answers(broker.port)


def test_broker_when_its_port_is_taken_then_says_so(broker: BrokerProcess) -> None:
    with Mosquitto(broker.port), pytest.raises(BrokerUnavailable, match="something else answers"):
        broker.start()


def test_broker_when_paused_then_still_can_be_stopped(broker: BrokerProcess) -> None:
    broker.start()
    broker.pause()
    broker.stop()
    assert not answers(broker.port)
