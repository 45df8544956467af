"""The page: the unit's state over loopback HTTP, from the latest frozen snapshot."""

import html
import json
import logging
import socket
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from daemon.config.page import Page as PageConfig
from daemon.errors import DaemonError
from daemon.panel import Panel
from daemon.snapshot import Snapshot
from daemon.worker import Worker

log = logging.getLogger(__name__)

REFRESH_S = 2
# A browser that says nothing for so long does not keep its thread.
REQUEST_S = 5
HOSTS = ("127.0.0.1", "localhost", "[::1]")
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin:0 0 1.5rem}"
    "th{text-align:left;font-weight:500;width:14rem;vertical-align:top}"
    "td,th{border-top:1px solid #ddd;padding:.3rem .5rem}"
    "img{image-rendering:pixelated;width:384px;background:#000;padding:12px;border-radius:8px}"
    ".trouble{color:#a00}"
)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for our name, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, _request: Any, _client: Any) -> None:
        error = sys.exception()
        if isinstance(error, OSError):
            log.debug("a browser left before its answer: %s", error)
        else:
            log.error("page trouble=%r", error)


class Page(Worker):
    def __init__(
        self, config: PageConfig, panels: Mapping[str, Panel], died: Callable[[str], None]
    ) -> None:
        super().__init__("page", died)
        self._panels = panels
        self._snapshot: Snapshot | None = None
        page = self

        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_S

            def do_GET(self) -> None:
                page.answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                log.debug(format, *args)

        try:
            self._server = _Server(config.host, config.port, Handler)
        except OSError as error:
            raise DaemonError(
                f"page.port: {config.host}:{config.port} cannot be used ({error.strerror}): "
                "choose another port, or 0 for a free one"
            ) from error

    @property
    def url(self) -> str:
        return f"http://{self._server.server_address[0]!s}:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def work(self) -> None:
        self._server.serve_forever()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one GET; a name other than loopback is a foreign page's rebinding."""
        path = request.path.partition("?")[0]
        if _name(request.headers.get("Host") or "") not in HOSTS:
            _send(request, 403, "text/plain", b"loopback only\n")
        elif self._snapshot is None:
            _send(request, 503, "text/plain", b"starting\n")
        elif path == "/":
            _send(request, 200, "text/html; charset=utf-8", _html(self._snapshot).encode())
        elif path == "/status.json":
            body = json.dumps(self._snapshot.as_json(), ensure_ascii=False, indent=1)
            _send(request, 200, "application/json", body.encode())
        elif path == "/oled.png":
            _send(request, 200, "image/png", next(iter(self._panels.values())).png())
        else:
            _send(request, 404, "text/plain", b"not here\n")


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isdecimal() else host.lower()


def _send(request: BaseHTTPRequestHandler, code: int, kind: str, body: bytes) -> None:
    request.send_response(code)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.send_header("Cache-Control", "no-store")
    request.end_headers()
    request.wfile.write(body)


def _html(snapshot: Snapshot) -> str:
    value = snapshot.as_json()
    parts = {name: part for name, part in value.items() if isinstance(part, dict)}
    for window in value.pop("windows"):
        parts |= {f"{window['number']} {name}": window[name] for name in ("screen", "pad")}
    for line in value.pop("signals"):
        parts[line["port"]] = line
    unit = {name: part for name, part in value.items() if name not in parts}
    tables = "".join(
        f"<h2>{html.escape(name)}</h2>{_table(part)}"
        for name, part in ({"unit": unit} | parts).items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><meta http-equiv="refresh" content="{REFRESH_S}">'
        f"<title>{html.escape(snapshot.source)}</title><style>{STYLE}</style>"
        f"<h1>{html.escape(snapshot.source)}</h1>"
        f'<p><img src="/oled.png" alt="the screen in front of the citizen"></p>{tables}</html>'
    )


def _table(values: dict[str, Any]) -> str:
    rows = []
    for name, value in values.items():
        kind = ' class="trouble"' if name == "trouble" and value else ""
        rows.append(f"<tr><th>{_label(name)}<td{kind}>{html.escape(_words(value))}")
    return f"<table>{''.join(rows)}</table>"


def _label(name: str) -> str:
    return html.escape(name.replace("_", " "))


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_label(key)} {count}" for key, count in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
