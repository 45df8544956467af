"""What comes over the control socket: every request has answers that are JSON, and none ends it."""

import atexit
import json
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from daemon.control import ANSWER_S, REQUEST_LEN_MAX, Control, socket_path
from daemon.disk.journal import Journal
from sim.examples import SOURCE, UNIT
from sim.fuzz.target import Target

LEN_MAX = REQUEST_LEN_MAX + 16
READ_LEN = 1 << 16


def seeds() -> Iterator[bytes]:
    yield b'{"ask":"status"}\n'
    yield b'{"ask":"export","from":9}\n'
    yield b'{"ask":"bundle"}\n'
    yield b'{"ask":"test","what":"pad","window":"3"}\n'
    yield b'{"ask":"test","what":"signs","window":"3","number":7,"lamp":2,"buzzer":1}\n'
    step = '{"step":"signs","outcome":"good","detail":"7"}'
    accepted = f'"what":"acceptance","window":"3","by":"0312","steps":[{step}]'
    yield f'{{"ask":"test",{accepted}}}\n'.encode()


class _Daemon:
    """The socket's own thread with a journal behind it; what it says when it dies."""

    def __init__(self, folder: str) -> None:
        self.database = Path(folder) / "unit.db"
        self.died: list[str] = []
        journal = Journal(self.database, SOURCE, UNIT)
        atexit.register(journal.close)
        Control(
            self.database, dict, journal.read, lambda: b"bundle", lambda _: None, self.died.append
        ).start()


@cache
def _daemon() -> _Daemon:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return _Daemon(folder.name)


def check(data: bytes) -> None:
    daemon = _daemon()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(str(socket_path(daemon.database)))
        connection.sendall(data)
        # Who asked for a test and says no more has gone.
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while more := connection.recv(READ_LEN):
            said += more
    assert not daemon.died, f"{daemon.died} died"
    for line in said.splitlines():
        assert isinstance(json.loads(line), dict), "no answer"


TARGET = Target(
    promise="H1", what="requests to the daemon", seeds=seeds, check=check, len_max=LEN_MAX
)
