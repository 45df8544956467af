"""The control socket: other commands ask the running daemon, so that the journal has one reader.

A request is one JSON line, the answer is JSON lines, the last of which is DONE: an answer that was
cut off is never taken for a whole one. Only the daemon's own user may connect: the journal's
entries are not for the window. Whoever asks for a test is answered by a thread of his own, since
that takes a minute; it is over when he leaves.
"""

import base64
import json
import logging
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from daemon.errors import DaemonError, NotAnswering, StoreFailed
from daemon.events import Event, Sealed, TrialAsked, TrialLeft
from daemon.inbox import Waker
from daemon.trial.wanted import NotTestable, wanted
from daemon.worker import Worker
from protocol.central.canonical import INT_MAX, BadJson, parse

log = logging.getLogger(__name__)

# An acceptance: twenty sentences of two hundred letters.
REQUEST_LEN_MAX = 32 * 1024
DONE = {"done": True}
# Longer than a card's longest write; a daemon that says nothing for so long hangs.
ANSWER_S = 30.0
# The core ends every test sooner; the pad's is the longest, and says nothing for most of it.
TEST_S = 120.0
# The one that runs, one that ends it, and who is told to wait.
TESTERS_MAX = 4
PAGE_LEN = 200
# Of an archive, in one line.
PIECE_LEN = 3 * 1024


def socket_path(database: Path) -> Path:
    """Where the daemon of this journal listens."""
    return database.with_name(database.name + ".sock")


class Control(Worker):
    def __init__(
        self,
        database: Path,
        status: Callable[[], dict[str, Any]],
        read: Callable[[int, int], tuple[Sealed, ...]],
        bundle: Callable[[], bytes],
        post: Callable[[Event], None],
        died: Callable[[str], None],
    ) -> None:
        super().__init__("control", died)
        self._status, self._read, self._bundle = status, read, bundle
        self._post = post
        self._askers = count(1)
        self._testers: dict[int, _Tester] = {}
        path = socket_path(database)
        # The lock on the journal is ours, so whoever left this socket is gone.
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        except OSError as error:
            self._socket.close()
            raise DaemonError(
                f"{path}: cannot listen here ({error.strerror or error}): the path may be too "
                "long, or the directory may not be written"
            ) from error
        finally:
            os.umask(umask)
        self._socket.listen(4)

    def tell(self, asker: int, answer: Mapping[str, Any], *, is_last: bool) -> None:
        """Say it to whoever asked for that test; to be called by the loop."""
        tester = self._testers.get(asker)
        if tester is not None:
            tester.tell(answer, is_last=is_last)

    def work(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            connection.settimeout(ANSWER_S)
            try:
                if not self._served(connection):
                    connection.close()
            except OSError as error:
                log.debug("control: the other side left: %s", error)
                connection.close()

    def _served(self, connection: socket.socket) -> bool:
        """Answer one request; whether a tester goes on with the connection."""
        with connection.makefile("rwb") as stream:
            line = stream.readline(REQUEST_LEN_MAX)
            if not line.endswith(b"\n"):
                _skip_rest(connection)
            request = _request(line)
            if request.get("ask") == "test":
                refused = self._test(connection, request)
                if refused is None:
                    return True
                answers: Iterator[dict[str, Any]] = iter(({"error": refused}, DONE))
            else:
                answers = self._answer(request)
            for answer in answers:
                stream.write(_line(answer))
        return False

    def _test(self, connection: socket.socket, request: dict[str, Any]) -> str | None:
        """Have somebody wait for the test; why not, in words."""
        if len(self._testers) >= TESTERS_MAX:
            return "too many wait for tests already: end some of them"
        try:
            trial = wanted(request)
        except NotTestable as error:
            return str(error)
        asker = next(self._askers)
        tester = _Tester(connection, self._died, lambda: self._left(asker))
        self._testers[asker] = tester
        tester.start()
        self._post(TrialAsked(asker, trial))
        return None

    def _left(self, asker: int) -> None:
        del self._testers[asker]
        self._post(TrialLeft(asker))

    def _answer(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if request.get("ask") == "status":
            yield self._status()
        elif request.get("ask") == "export":
            first = request.get("from", 1)
            yield from self._export(max(1, min(first, INT_MAX)) if type(first) is int else 1)
        elif request.get("ask") == "bundle":
            yield from self._bundled()
        else:
            yield {"error": "ask for status, export, bundle or test"}
        yield DONE

    def _bundled(self) -> Iterator[dict[str, Any]]:
        try:
            archive = self._bundle()
        except (NotAnswering, StoreFailed) as error:
            yield {"error": str(error)}
            return
        for start in range(0, len(archive), PIECE_LEN):
            piece = archive[start : start + PIECE_LEN]
            yield {"piece": base64.b64encode(piece).decode()}

    def _export(self, first: int) -> Iterator[dict[str, Any]]:
        try:
            while page := self._read(first, PAGE_LEN):
                for entry in page:
                    yield {"seq": entry.seq, "text": entry.text}
                first = page[-1].seq + 1
        except StoreFailed as error:
            yield {"error": str(error)}


class _Tester(Worker):
    """Waits with one connection for what the core says of a test, until its last word."""

    def __init__(
        self, connection: socket.socket, died: Callable[[str], None], left: Callable[[], None]
    ) -> None:
        super().__init__("control test", died)
        self._connection, self._left = connection, left
        self._answers: deque[tuple[Mapping[str, Any], bool]] = deque()
        self._waker = Waker()

    def tell(self, answer: Mapping[str, Any], *, is_last: bool) -> None:
        self._answers.append((answer, is_last))
        self._waker.wake()

    def work(self) -> None:
        try:
            with self._connection:
                self._pass_on()
        except OSError as error:
            log.debug("control: the other side left: %s", error)
        finally:
            self._left()
            self._waker.close()

    def _pass_on(self) -> None:
        until_s = time.monotonic() + TEST_S
        while (left_s := until_s - time.monotonic()) > 0:
            watched: list[Any] = [self._connection, self._waker]
            readable, _, _ = select.select(watched, [], [], left_s)
            if self._connection in readable:
                # It has nothing more to say: this is its end.
                return
            self._waker.drain()
            while self._answers:
                answer, is_last = self._answers.popleft()
                self._connection.sendall(_line(answer))
                if is_last:
                    self._connection.sendall(_line(DONE))
                    return


def _skip_rest(connection: socket.socket) -> None:
    """Take what is here of a request that is too long: unread, it would cut the answer off."""
    connection.settimeout(0)
    with suppress(BlockingIOError):
        connection.recv(REQUEST_LEN_MAX)
    connection.settimeout(ANSWER_S)


def _line(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode() + b"\n"


def _request(line: bytes) -> dict[str, Any]:
    try:
        value = parse(line)
    except BadJson:
        return {}
    return value if isinstance(value, dict) else {}


def ask(
    database: Path, request: Mapping[str, Any], answer_s: float = ANSWER_S
) -> Iterator[dict[str, Any]]:
    """Ask the running daemon; its answers as they come. Raises NotAnswering, also when cut off.

    answer_s: how long it may say nothing.
    """
    path = socket_path(database)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(answer_s)
            connection.connect(str(path))
            connection.sendall(_line(request))
            with connection.makefile("rb") as stream:
                for line in stream:
                    answer = json.loads(line)
                    if answer == DONE:
                        return
                    yield answer
    except OSError as error:
        raise NotAnswering(
            f"{path}: no daemon answers ({error.strerror or error}): is it running, as this user?"
        ) from error
    except ValueError as error:
        raise _cut_off(path) from error
    raise _cut_off(path)


def _cut_off(path: Path) -> NotAnswering:
    return NotAnswering(f"{path}: the daemon ended within its answer: start it and ask again")
