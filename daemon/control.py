"""The control socket: other commands ask the running daemon, so that the journal has one reader.

A request is one JSON line, the answer is JSON lines, the last of which is DONE: an answer that was
cut off is never taken for a whole one. Only the daemon's own user may connect: the journal's
entries are not for the window.
"""

import base64
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from daemon.errors import DaemonError, NotAnswering, StoreFailed
from daemon.events import Sealed
from daemon.snapshot import Snapshot
from daemon.worker import Worker

log = logging.getLogger(__name__)

REQUEST_LEN_MAX = 1024
DONE = {"done": True}
# Longer than a card's longest write; a daemon that says nothing for so long hangs.
ANSWER_S = 30.0
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
        snapshot: Callable[[], Snapshot | None],
        read: Callable[[int, int], tuple[Sealed, ...]],
        bundle: Callable[[], bytes],
        died: Callable[[str], None],
    ) -> None:
        super().__init__("control", died)
        self._snapshot, self._read, self._bundle = snapshot, read, bundle
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

    def work(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            connection.settimeout(ANSWER_S)
            try:
                with connection, connection.makefile("rwb") as stream:
                    request = _request(stream.readline(REQUEST_LEN_MAX))
                    for answer in self._answer(request):
                        stream.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            except OSError as error:
                log.debug("control: the other side left: %s", error)

    def _answer(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        snapshot = self._snapshot()
        if request.get("ask") == "status":
            yield {"starting": True} if snapshot is None else snapshot.as_json()
        elif request.get("ask") == "export":
            first = request.get("from", 1)
            yield from self._export(first if type(first) is int else 1)
        elif request.get("ask") == "bundle":
            yield from self._bundled()
        else:
            yield {"error": "ask for status, export or bundle"}
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


def _request(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def ask(database: Path, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Ask the running daemon; its answers as they come. Raises NotAnswering, also when cut off."""
    path = socket_path(database)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
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
