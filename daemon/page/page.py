"""The page's worker: who is answered, and what each address answers."""

import errno
import json
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from daemon.config.page import Page as PageConfig
from daemon.errors import DaemonError, NotAnswering, StoreFailed
from daemon.events import Sealed
from daemon.page import certificate, guard, markup, words
from daemon.page.answers import HTML, JSON, Answer, asked, cookie, form, see, send, text
from daemon.page.door import SESSION_S, Door, TooEarly
from daemon.page.machine import Machine
from daemon.page.markup import Frame
from daemon.page.material import About, Material
from daemon.page.metrics import CONTENT_TYPE
from daemon.page.server import Handler, Server
from daemon.page.verdict import SERVING, reasons
from daemon.page.words import LANGUAGES, Words
from daemon.snapshot import Snapshot
from daemon.worker import Worker

ASSETS = {"/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8"}
# A browser that came too early asks again after this.
AGAIN = ("Refresh", "2")


class Page(Worker):
    def __init__(
        self,
        config: PageConfig,
        about: About,
        pictures: Mapping[str, Callable[[], bytes]],
        read: Callable[[int, int], tuple[Sealed, ...]],
        died: Callable[[str], None],
        *,
        is_own: Callable[[str], bool] = guard.is_loopback,
    ) -> None:
        super().__init__("page", died)
        self._config, self._is_own = config, is_own
        self._snapshot: Snapshot | None = None
        self._material = Material(about, pictures, read)
        self._words = {language: Words(language) for language in LANGUAGES}
        self._assets = {path: _asset(path) for path in ASSETS}
        self._door = None if config.password is None else Door(config.password)
        self._names = _own_names()
        page = self

        class Request(Handler):
            def say(self, method: str) -> None:
                page.answer(self, page.posted if method == "POST" else page.got)

        tls = None if config.tls is None else certificate.load(*config.tls)
        try:
            self._server = Server(config.host, config.port, Request, tls)
        except OSError as error:
            raise DaemonError(_why_not(config, error)) from error

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def connection_count(self) -> int:
        return self._server.connection_count

    @property
    def url(self) -> str:
        """Where it is served."""
        scheme = "http" if self._config.tls is None else "https"
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"{scheme}://{host}:{self.port}"

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def machine(self) -> Machine:
        """What the machine says of itself."""
        return self._material.machine()

    def bundle(self) -> bytes:
        """The support bundle. Raises NotAnswering or StoreFailed."""
        return self._material.bundle(self._snapshot, datetime.now(UTC))

    def work(self) -> None:
        self._server.serve()

    # -- who is answered

    def answer(self, request: Handler, say: Callable[[Handler], Answer]) -> None:
        host = request.headers.get("Host")
        if not guard.is_ours(host, self._names, on_network=self._door is not None):
            send(request, text(403, "use this unit's address in the browser\n"))
            return
        try:
            answer = say(request)
        except TooEarly as error:
            answer = text(429, f"too many attempts: try again in {_seconds(error)} s\n")
        send(request, answer)

    def _is_open(self, request: Handler) -> bool:
        """Whether this request may see the unit: from the machine itself, or with the password."""
        if self._door is None or self._is_own(request.client_address[0]):
            return True
        cookies, given = request.headers.get("Cookie"), request.headers.get("Authorization")
        return self._door.is_open(_peer(request), cookies, given)

    def posted(self, request: Handler) -> Answer:
        """The two forms; nothing of the unit can be changed here."""
        path, said = asked(request)
        if self._door is None or path not in ("/login", "/logout"):
            return text(501, "nothing can be changed here\n")
        if not guard.is_same_site(request.headers.get("Origin"), request.headers.get("Host")):
            return text(403, "the form comes from elsewhere: open the page by its address\n")
        if path == "/logout":
            self._door.leave(request.headers.get("Cookie"))
            return see("/login", self._cookie("", 0))
        try:
            token = self._door.enter(_peer(request), form(request).get("password", ""))
        except TooEarly as error:
            return self._login(429, request, said, "too_early", seconds=_seconds(error))
        if token is None:
            return self._login(403, request, said, "wrong")
        language = self._language(request, said).language
        return see(f"/?lang={language}", self._cookie(token, int(SESSION_S)))

    def got(self, request: Handler) -> Answer:
        path, said = asked(request)
        if path in ASSETS:
            return Answer(200, ASSETS[path], self._assets[path])
        if path == "/healthz":
            return self._healthz()
        if not self._is_open(request):
            return self._refused(path, said, request)
        if path == "/login":
            return see("/")
        if path == "/metrics":
            return Answer(200, CONTENT_TYPE, self._material.metrics(self._snapshot).encode())
        if self._snapshot is None:
            return text(503, "starting\n", AGAIN)
        return self._shown(path, self._language(request, said), request, self._snapshot)

    def _refused(self, path: str, said: Mapping[str, str], request: Handler) -> Answer:
        if path == "/":
            return see("/login")
        if path == "/login":
            return self._login(200, request, said)
        return text(403, "the password is needed: /login, or HTTP Basic for a monitor\n")

    # -- what is answered

    def _shown(self, path: str, said: Words, request: Handler, shown: Snapshot) -> Answer:
        if path == "/":
            frame = self._frame(said, may_leave=not self._is_own(request.client_address[0]))
            body = markup.page(self._material.content(shown, said), frame)
            return Answer(200, HTML, body.encode())
        if path == "/page.json":
            content = self._material.content(shown, said)
            told = {"parts": markup.parts(content, said), "pictures": dict(content.pictures)}
            return Answer(200, JSON, json.dumps(told, ensure_ascii=False).encode())
        if path == "/status.json":
            body = json.dumps(shown.as_json(), ensure_ascii=False, indent=1)
            return Answer(200, JSON, body.encode())
        if path == "/bundle.zip":
            return self._bundled()
        png = self._material.png(path)
        return text(404, "not here\n") if png is None else Answer(200, "image/png", png)

    def _healthz(self) -> Answer:
        found = reasons(self._snapshot)
        return text(503 if found else 200, "".join(f"{line}\n" for line in found or (SERVING,)))

    def _bundled(self) -> Answer:
        try:
            body = self.bundle()
        except (NotAnswering, StoreFailed) as error:
            return text(503, f"{error}\n")
        name = f"haochaping-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip"
        header = ("Content-Disposition", f'attachment; filename="{name}"')
        return Answer(200, "application/zip", body, (header,))

    def _login(
        self, code: int, request: Handler, said: Mapping[str, str], note: str = "", **values: object
    ) -> Answer:
        language = self._language(request, said)
        sentence = language.say("page", note, **values) if note else ""
        source = "" if self._snapshot is None else self._snapshot.source
        body = markup.login(source, sentence, self._frame(language, may_leave=False))
        return Answer(code, HTML, body.encode())

    def _frame(self, said: Words, *, may_leave: bool) -> Frame:
        return Frame(
            words=said,
            other_language=next(each for each in LANGUAGES if each != said.language),
            may_leave=may_leave and self._door is not None,
            is_plain=self._door is not None and self._config.tls is None,
        )

    def _language(self, request: Handler, said: Mapping[str, str]) -> Words:
        accepted = request.headers.get("Accept-Language")
        return self._words[words.wanted(said.get("lang"), accepted)]

    def _cookie(self, value: str, age_s: int) -> tuple[str, str]:
        return cookie(value, age_s, is_secure=self._config.tls is not None)


def _why_not(config: PageConfig, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"page.host: {config.host} is no address of this unit: `ip address` shows them, "
            '"0.0.0.0" is all of them'
        )
    return (
        f"page.port: {config.host}:{config.port} cannot be used ({error.strerror}): "
        "choose another port, or 0 for a free one"
    )


def _peer(request: Handler) -> str:
    return guard.peer_of(request.client_address[0])


def _seconds(error: TooEarly) -> int:
    return int(error.wait_s) + 1


def _asset(path: str) -> bytes:
    return (Path(__file__).parent / f"assets{path}").read_bytes()


def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset((name, f"{name}.local"))
