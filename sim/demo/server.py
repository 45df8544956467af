"""The page's server: files, an event stream and orders, on loopback and for its own page only."""

import json
import select
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from sim.demo import shelf
from sim.demo.bulletin import Bulletin
from sim.demo.plug import OVER, Plug, Refused

HOST = "127.0.0.1"
ORDER_LEN_MAX = 1024
SAID_LEN_MAX = 4096
NUMBER_LEN_MAX = 9
STOP_POLL_S = 0.05
SCRIPTS = (
    "page.js", "booth.js", "terminal.js", "platform.js", "circuit.js",
    "sound.js", "strings.js", "wire.js", "words.js",
    "pad.js", "pad_worker.js", "machine.mjs", "chip.mjs", "cable.mjs",
)  # fmt: skip
FILES: Mapping[str, str] = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "seal.svg": "image/svg+xml",
    "page_board.py": "text/plain; charset=utf-8",
    **dict.fromkeys(SCRIPTS, "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Perform = Callable[[str, Mapping[str, Any]], None]
Picture = Callable[[], bytes | None]


class BadOrder(Exception):
    """An order that cannot be carried out now; the text says why."""


def file(name: str) -> bytes:
    """One of the page's files as packaged."""
    assert name in FILES, name
    return resources.files("sim.demo").joinpath(name).read_bytes()


class Server:
    """Serves the page at `url` until `stop`."""

    def __init__(
        self,
        bulletin: Bulletin,
        perform: Perform,
        picture: Picture,
        port: int = 0,
        plug: Plug | None = None,
    ) -> None:
        """plug: where a page may run the pad; without it none may."""
        self._http = _Http(bulletin, perform, picture, port, plug)
        self.port: int = self._http.server_address[1]
        self.url = f"http://{HOST}:{self.port}/"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(STOP_POLL_S,), name="page", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        bulletin: Bulletin,
        perform: Perform,
        picture: Picture,
        port: int,
        plug: Plug | None,
    ) -> None:
        self.bulletin, self.perform, self.picture = bulletin, perform, picture
        self.plug = plug
        super().__init__((HOST, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that goes away in the middle is no trouble; anything else is ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a few bytes of the pad's line must not wait for more
    server: _Http

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        path = self.path.partition("?")[0].lstrip("/")
        if path == "events":
            self._stream()
        elif path == "state.json":
            self._answer(HTTPStatus.OK, self.server.bulletin.state.encode(), "application/json")
        elif path == "oled.png":
            picture = self.server.picture()
            status = HTTPStatus.SERVICE_UNAVAILABLE if picture is None else HTTPStatus.OK
            self._answer(status, picture or b"", "image/png")
        elif (path or "index.html") in FILES:
            name = path or "index.html"
            self._answer(HTTPStatus.OK, file(name), FILES[name])
        elif (found := shelf.find(path)) is not None:
            self._answer(HTTPStatus.OK, *found)
        else:
            self._say(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        try:
            if self.path == "/pad/line":
                self._order()
                self._lend()
            elif self.path.startswith("/pad/line/"):
                self._hear(self.path.removeprefix("/pad/line/"))
                self._answer(HTTPStatus.NO_CONTENT)
            elif self.path.startswith("/do/"):
                self.server.perform(self.path.removeprefix("/do/"), self._order())
                self._answer(HTTPStatus.NO_CONTENT)
            else:
                self._say(HTTPStatus.NOT_FOUND, "orders go to /do/<action>")
        except (BadOrder, Refused) as error:
            self._say(HTTPStatus.CONFLICT, str(error))

    def _order(self) -> Mapping[str, Any]:
        try:
            order = json.loads(self._body("application/json", ORDER_LEN_MAX))
        except ValueError as error:
            raise BadOrder("an order is JSON") from error
        if not isinstance(order, dict):
            raise BadOrder("an order is a JSON object")
        return order

    def _body(self, kind: str, len_max: int) -> bytes:
        """A form of another page can be posted here without asking; what has these types cannot."""
        length = self.headers.get("Content-Length", "")
        if not _is_number(length) or int(length) > len_max:
            self.close_connection = True
            raise BadOrder(f"what is posted here has a length of at most {len_max}")
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() != kind:
            raise BadOrder(f"what is posted here is {kind}")
        return body

    def _lend(self) -> None:
        """The pad's wire, to this page, for as long as it listens: what the unit says."""
        if self.server.plug is None:
            raise Refused(OVER)
        plug, pad = self.server.plug, self.server.plug.take()
        self.close_connection = True
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Pad-Key", pad.key)
            self._send_common()
            for data in plug.follow(pad):
                if _has_hung_up(self.connection):
                    return
                self.wfile.write(data)
        except OSError:
            return  # the page was closed
        finally:
            plug.give_back(pad)

    def _hear(self, place: str) -> None:
        """What the pad in the page says; `place` is the key of its loan and a running number."""
        data = self._body("application/octet-stream", SAID_LEN_MAX)
        key, _, number = place.partition("/")
        if self.server.plug is None or not _is_number(number):
            raise Refused(OVER)
        self.server.plug.say(key, int(number), data)

    def _is_ours(self) -> bool:
        """Refuse other names for this address (DNS rebinding) and other pages' requests."""
        port = self.server.server_address[1]
        hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host in hosts and origin in (None, f"http://{host}"):
            return True
        self.close_connection = True
        self._say(HTTPStatus.FORBIDDEN, "this page is for its own machine only")
        return False

    def _stream(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self._send_common()
        self.close_connection = True
        try:
            for notice in self.server.bulletin.follow():
                text = ":\n\n" if notice is None else f"event: {notice[0]}\ndata: {notice[1]}\n\n"
                self.wfile.write(text.encode())
                self.wfile.flush()
        except OSError:
            return  # the page was closed

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _answer(self, status: HTTPStatus, body: bytes = b"", kind: str = "text/plain") -> None:
        self.send_response(status)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self._send_common()
        self.wfile.write(body)

    def _send_common(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Nothing: the terminal belongs to the demo's own few lines."""


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= NUMBER_LEN_MAX


def _has_hung_up(connection: socket.socket) -> bool:
    """A page that only listens is not missed by what is written to it."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    return connection.recv(1, socket.MSG_PEEK) == b""
