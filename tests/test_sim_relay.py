"""The network cable: forwarded, cut without a word, mended, torn down."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sim.relay import Relay

WAIT_S = 5.0
QUIET_S = 0.05  # long against a loopback round trip of 0.1 ms


@pytest.fixture
def echo_port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(4096):
                    connection.sendall(data)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(WAIT_S)


@pytest.fixture
def relay(echo_port: int) -> Iterator[Relay]:
    relay = Relay(echo_port)
    relay.start()
    yield relay
    relay.stop()


def dial(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=WAIT_S)


def test_relay_when_whole_then_forwards_both_ways(relay: Relay) -> None:
    with dial(relay) as line:
        line.sendall(b"hello")
        assert line.recv(100) == b"hello"


def test_relay_when_cut_then_nothing_is_said_and_nothing_is_refused(relay: Relay) -> None:
    with dial(relay) as line:
        line.sendall(b"before")
        assert line.recv(100) == b"before"
        relay.cut()
        line.sendall(b"during")
        with dial(relay) as new:
            new.sendall(b"anyone?")
            for each in (line, new):
                each.settimeout(QUIET_S)
                with pytest.raises(TimeoutError):
                    each.recv(100)
                each.settimeout(WAIT_S)
            relay.mend()
            assert line.recv(100) == b"during"
            assert new.recv(100) == b"anyone?"


def test_relay_when_it_swallows_then_what_was_said_is_gone_and_the_rest_arrives(
    relay: Relay,
) -> None:
    with dial(relay) as line, dial(relay) as leaving:
        for each in (line, leaving):
            each.sendall(b"before")
            assert each.recv(100) == b"before"
        relay.swallow()
        line.sendall(b"during")
        leaving.close()
        line.settimeout(QUIET_S)
        with pytest.raises(TimeoutError):
            line.recv(100)
        # Not even an end is carried.
        assert relay.open_count == 2
        relay.mend()
        line.settimeout(WAIT_S)
        line.sendall(b"after")
        assert line.recv(100) == b"after"


def test_relay_when_reset_then_connections_die_and_new_ones_work(relay: Relay) -> None:
    with dial(relay) as line:
        line.sendall(b"x")
        assert line.recv(100) == b"x"
        relay.reset()
        with pytest.raises(ConnectionResetError):
            line.recv(100)
    with dial(relay) as line:
        line.sendall(b"y")
        assert line.recv(100) == b"y"


def test_relay_when_nobody_listens_behind_it_then_caller_is_turned_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    relay = Relay(port)
    relay.start()
    with pytest.raises(ConnectionResetError), dial(relay) as line:
        line.recv(100)
    relay.stop()


def test_relay_when_stopped_while_cut_then_ends(relay: Relay) -> None:
    with dial(relay) as line:
        relay.cut()
        line.sendall(b"x")
        relay.stop()
        with pytest.raises(ConnectionResetError):
            line.recv(100)
    assert relay.open_count == 0
