"""The broker starter: what other tests stand on has to hold by itself."""

import socket

import pytest

from sim.brokers import Amqtt, BrokerUnavailable, Mosquitto

pytestmark = pytest.mark.needs("mosquitto")

KINDS = [Mosquitto, Amqtt]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[Mosquitto | Amqtt]:
    found: type[Mosquitto | Amqtt] = request.param
    return found


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_broker_when_killed_and_started_then_answers_on_the_same_port(
    kind: type[Mosquitto | Amqtt],
) -> None:
    with kind() as broker:
        assert answers(broker.port)
        broker.kill()
        assert not answers(broker.port)
        broker.start()
        assert answers(broker.port)
    assert not answers(broker.port)


def test_broker_when_its_port_is_taken_then_says_so(kind: type[Mosquitto | Amqtt]) -> None:
    with kind() as broker, pytest.raises(BrokerUnavailable, match="something else answers"):
        kind(broker.port).start()


def test_broker_when_paused_then_still_can_be_stopped(kind: type[Mosquitto | Amqtt]) -> None:
    broker = kind()
    broker.start()
    broker.pause()
    broker.stop()
    assert not answers(broker.port)
