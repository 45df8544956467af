"""What goes back to a browser: a code, a body, and headers that keep the page to itself."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from daemon.page.door import COOKIE
from daemon.page.server import Handler

HTML, TEXT, JSON = "text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json"
FORM_LEN_MAX = 1024
FIELD_COUNT_MAX = 8
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer", under which a browser does not say where a form comes from.
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def text(code: int, body: str, *headers: tuple[str, str]) -> Answer:
    return Answer(code, TEXT, body.encode(), headers)


def see(path: str, *headers: tuple[str, str]) -> Answer:
    """Send the browser to another address of this page."""
    return Answer(303, TEXT, b"", (("Location", path), *headers))


def cookie(value: str, age_s: int, *, is_secure: bool) -> tuple[str, str]:
    """The header that opens a session, or with an empty value ends it."""
    secure = "; Secure" if is_secure else ""
    rest = f"Max-Age={age_s}; Path=/; HttpOnly; SameSite=Strict{secure}"
    return "Set-Cookie", f"{COOKIE}={value}; {rest}"


def asked(request: Handler) -> tuple[str, dict[str, str]]:
    """Path and query of a request."""
    path, _, query = request.path.partition("?")
    return path, _fields(query)


def form(request: Handler) -> dict[str, str]:
    """The fields of a form; what is longer than a password is not read."""
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or len(length) > len(str(FORM_LEN_MAX)):
        return {}
    body = request.rfile.read(min(int(length), FORM_LEN_MAX))
    return _fields(body.decode(errors="replace"))


def send(request: Handler, answer: Answer) -> None:
    request.send_response(answer.code)
    request.send_header("Content-Type", answer.kind)
    request.send_header("Content-Length", str(len(answer.body)))
    for name, value in (*HEADERS.items(), *answer.headers):
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(answer.body)


def _fields(query: str) -> dict[str, str]:
    try:
        found = parse_qs(query, max_num_fields=FIELD_COUNT_MAX)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}
