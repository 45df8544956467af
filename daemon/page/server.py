"""An HTTP server that a hostile browser cannot make large: few connections, short ones, paced.

Every connection has a thread of its own, so the threads are bounded with them. One that is not over
in time is cut off, whatever it sends or reads meanwhile. Between two connections there is a pause:
a flood waits in the kernel's queue, or is dropped there, and the loop's thread is not held up.
"""

import io
import logging
import select
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from daemon.page.guard import peer_of

log = logging.getLogger(__name__)

# A bundle is 50 KB: over a poor phone's network it is sent in this time.
CONNECTION_S = 15.0
# How late that may be noticed.
LOOK_S = 1.0
# A browser opens six at once to one host.
CONNECTION_COUNT_MAX = 16
PEER_CONNECTION_COUNT_MAX = 8
# At most 50 connections a second. A page takes five, then one every other second.
PACE_S = 0.02
# A browser's request is 1 KB; http.server alone would hold 6 MB of headers for each connection.
REQUEST_LEN_MAX = 16 * 1024


@dataclass(slots=True)
class _Connection:
    """One under way: whose, when it is cut off, and the socket that is read now."""

    peer: str
    until_s: float
    live: socket.socket


class _Request(io.RawIOBase):
    """What a browser sends, up to a length; then its end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = REQUEST_LEN_MAX

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: self._left]
        count = self._connection.recv_into(view) if view else 0
        self._left -= count
        return count


class Handler(BaseHTTPRequestHandler):
    """One request, one answer."""

    server_version = "haochaping"
    sys_version = ""
    timeout = CONNECTION_S

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Request(self.connection))

    def say(self, method: str) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.say("GET")

    def do_POST(self) -> None:
        self.say("POST")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        log.debug(format, *args)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTION_COUNT_MAX

    def __init__(
        self,
        host: str,
        port: int,
        handler: type[Handler],
        tls: ssl.SSLContext | None = None,
        connection_s: float = CONNECTION_S,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._tls, self._connection_s = tls, connection_s
        self._guard = threading.Lock()
        self._open: dict[socket.socket, _Connection] = {}
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for our name, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def serve(self) -> None:
        """Serve for good; asleep while nobody is connected."""
        while True:
            is_asked = select.select([self.socket], [], [], LOOK_S if self._open else None)[0]
            if is_asked:
                self._handle_request_noblock()  # type: ignore[attr-defined]
                time.sleep(PACE_S)
            self._cut_off()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more."""
        peer = peer_of(client_address[0])
        with self._guard:
            of_peer = sum(each.peer == peer for each in self._open.values())
            if len(self._open) >= CONNECTION_COUNT_MAX or of_peer >= PEER_CONNECTION_COUNT_MAX:
                return False
            self._open[request] = _Connection(peer, time.monotonic() + self._connection_s, request)
            return True

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread: a handshake may take as long as the other side likes.
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(self._connection_s)
        with self._tls.wrap_socket(
            request, server_side=True, do_handshake_on_connect=False
        ) as wrapped:
            with self._guard:
                self._open[request].live = wrapped
            wrapped.do_handshake()
            super().finish_request(wrapped, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, _request: Any, _client: Any) -> None:
        error = sys.exception()
        if isinstance(error, OSError):
            log.debug("a browser left before its answer: %s", error)
        else:
            log.error("page trouble=%r", error)

    @property
    def connection_count(self) -> int:
        return len(self._open)

    def _cut_off(self) -> None:
        """End what takes too long; its thread then ends by itself."""
        now_s = time.monotonic()
        with self._guard:
            late = [each.live for each in self._open.values() if now_s >= each.until_s]
        for connection in late:
            try:
                # Not TLS's own, which would take the connection's state from its thread.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError as error:
                log.debug("already gone: %s", error)
