"""The technician's page over real HTTP."""

import http.client
import io
import json
import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from daemon.config.page import Page as PageConfig
from daemon.config.panel import Panel as PanelConfig
from daemon.errors import DaemonError
from daemon.page import Page
from daemon.panel import Panel
from daemon.snapshot import IDLE, Screen
from sim.desk import Desk

LOOPBACK = "127.0.0.1"
WAIT_S = 10.0


@pytest.fixture(scope="module")
def panel():
    return Panel(PanelConfig(display="none", language="zh"), pytest.fail)


@pytest.fixture
def page(panel):
    page = started(panel)
    desk = Desk()
    page.show(desk.core.snapshot(desk.now_ms))
    return page


def started(panel, host=LOOPBACK):
    page = Page(PageConfig(host=host, port=0), {"3": panel}, pytest.fail)
    page.start()
    return page


def get(page, path, host=LOOPBACK, at=LOOPBACK, **headers):
    """(code, headers, body) of one GET; `host` is what the Host header says, None for none."""
    connection = http.client.HTTPConnection(at, page.port, timeout=WAIT_S)
    try:
        connection.putrequest("GET", path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_page_shows_the_unit_and_the_screen(page):
    code, headers, body = get(page, "/")
    assert (code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = body.decode()
    assert "<h1>/330102/h01/w03</h1>" in text
    assert '<img src="/oled.png"' in text
    for words in ("backlog", "last seq", "synced<td>no", "trouble", "damaged at pad"):
        assert words in text


def test_status_is_the_snapshot(page):
    code, headers, body = get(page, "/status.json?now")
    assert (code, headers["Content-Type"]) == (200, "application/json")
    assert headers["Cache-Control"] == "no-store"
    assert json.loads(body) == json.loads(json.dumps(page.snapshot.as_json()))


def test_oled_is_the_picture_now_shown(page, panel):
    code, headers, body = get(page, "/oled.png?t=1")
    assert (code, headers["Content-Type"]) == (200, "image/png")
    picture = Image.open(io.BytesIO(body))
    assert (picture.size, picture.mode) == ((128, 64), "1")
    assert body == panel.png()


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8787", "localhost", "LOCALHOST:1", "[::1]:8787", "[::1]"]
)
def test_host_when_it_is_loopback_is_answered(page, host):
    assert get(page, "/", host)[0] == 200


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.1.example.com", "example.com:8787", "", None, "[::1", "::1"]
)
def test_host_when_foreign_is_refused_with_nothing_told(page, host):
    code, _, body = get(page, "/status.json", host)
    assert (code, body) == (403, b"loopback only\n")


@pytest.mark.parametrize(
    "path", ["/index.html", "/status", "/oled.png/", "/../etc/passwd", "/%2e%2e/x"]
)
def test_path_when_unknown_is_not_found(page, path):
    assert get(page, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_method_when_it_would_change_something_is_refused(page, method):
    connection = http.client.HTTPConnection(LOOPBACK, page.port, timeout=WAIT_S)
    connection.request(method, "/", b"level=5")
    assert connection.getresponse().status == 501
    connection.close()


def test_page_before_the_first_snapshot_says_starting(panel):
    page = started(panel)
    assert get(page, "/")[::2] == (503, b"starting\n")


def test_page_when_the_port_is_in_use_says_to_choose_another(page, panel):
    with pytest.raises(
        DaemonError, match=r"page\.port: .* cannot be used \(Address already in use\): choose"
    ):
        Page(PageConfig(host=LOOPBACK, port=page.port), {"3": panel}, pytest.fail)


def test_page_on_ipv6_loopback_is_answered(panel):
    if not socket.has_dualstack_ipv6():
        pytest.fail("this machine has no IPv6 loopback")
    page = started(panel, "::1")
    page.show(Desk().core.snapshot(2_000_000))
    assert get(page, "/", f"[::1]:{page.port}", at="::1")[0] == 200


def test_values_when_they_look_like_markup_are_escaped(page):
    nasty = "<script>alert('x')</script>&\""
    shown = page.snapshot
    screen = Screen(name=IDLE, window="3", task_name=nasty)
    window = replace(shown.windows[0], screen=screen)
    page.show(replace(shown, windows=(window,), uplink=replace(shown.uplink, trouble=nasty)))
    body = get(page, "/")[2].decode()
    assert "<script>" not in body
    assert body.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;") == 2
    assert json.loads(get(page, "/status.json")[2])["windows"][0]["screen"]["task_name"] == nasty


def test_browser_when_it_leaves_or_says_nonsense_harms_nobody(page):
    for words in (b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01" * 50, b"GET " + b"/" * 70_000):
        with socket.create_connection((LOOPBACK, page.port), timeout=WAIT_S) as browser:
            browser.sendall(words)
    assert get(page, "/")[0] == 200


def test_page_when_our_own_code_fails_says_so_and_goes_on(caplog):
    def png():
        raise LookupError("no picture")

    page = Page(PageConfig(host=LOOPBACK, port=0), {"3": SimpleNamespace(png=png)}, pytest.fail)
    page.start()
    desk = Desk()
    page.show(desk.core.snapshot(desk.now_ms))
    with pytest.raises(http.client.RemoteDisconnected):
        get(page, "/oled.png")
    assert "page trouble=LookupError('no picture')" in caplog.text
    assert get(page, "/")[0] == 200
