"""The page's server: files, an event stream and orders, on loopback and for its own page only."""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from sim.demo.bulletin import Bulletin

HOST = "127.0.0.1"
ORDER_LEN_MAX = 1024
STOP_POLL_S = 0.05
SCRIPTS = (
    "page.js", "booth.js", "terminal.js", "platform.js", "circuit.js",
    "sound.js", "strings.js", "wire.js", "words.js",
)  # fmt: skip
FILES: Mapping[str, str] = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "seal.svg": "image/svg+xml",
    **dict.fromkeys(SCRIPTS, "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
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
        self, bulletin: Bulletin, perform: Perform, picture: Picture, port: int = 0
    ) -> None:
        self._http = _Http(bulletin, perform, picture, port)
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

    def __init__(self, bulletin: Bulletin, perform: Perform, picture: Picture, port: int) -> None:
        self.bulletin, self.perform, self.picture = bulletin, perform, picture
        super().__init__((HOST, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
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
        else:
            self._say(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        if not self.path.startswith("/do/"):
            self._say(HTTPStatus.NOT_FOUND, "orders go to /do/<action>")
            return
        try:
            self.server.perform(self.path.removeprefix("/do/"), self._order())
        except BadOrder as error:
            self._say(HTTPStatus.CONFLICT, str(error))
        else:
            self._answer(HTTPStatus.NO_CONTENT)

    def _order(self) -> Mapping[str, Any]:
        if self.headers.get_content_type() != "application/json":
            # A form of another page can be posted here without asking; JSON cannot.
            raise BadOrder("an order is JSON")
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > ORDER_LEN_MAX:
            self.close_connection = True
            raise BadOrder(f"an order has a length of at most {ORDER_LEN_MAX}")
        try:
            order = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise BadOrder("an order is JSON") from error
        if not isinstance(order, dict):
            raise BadOrder("an order is a JSON object")
        return order

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
