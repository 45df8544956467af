"""The technician's page over real HTTP."""

import http.client
import io
import json
import socket
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from PIL import Image

from daemon.config.page import Page as PageConfig
from daemon.config.panel import Panel as PanelConfig
from daemon.errors import DaemonError
from daemon.events import ClockRead
from daemon.front.panel import Panel
from daemon.page.latest import Latest
from daemon.page.page import Page
from daemon.page.words import LANGUAGES
from daemon.snapshot import IDLE, Screen
from sim import pages
from sim.desk import Desk
from sim.pages import LOOPBACK, WAIT_S, ask

MADE = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def panel():
    return Panel(PanelConfig(display="none", language="zh"), pytest.fail)


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def page(panel, desk):
    return pages.start(desk, {"3": panel.png}, pytest.fail)


def get(page, path, host=LOOPBACK, **more):
    return ask(page, path, host=host, **more)


def changed(shown, **parts):
    """The snapshot with another screen, uplink or journal."""
    if "screen" in parts:
        parts["windows"] = (replace(shown.windows[0], screen=parts.pop("screen")),)
    return replace(shown, **parts)


class Outline(HTMLParser):
    """What a reader that sees no picture is told."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.language, self.outside = [], None, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.language = found.get("lang") if tag == "html" else self.language
        self.outside += [
            value for name, value in attrs if name in ("src", "href", "action") and "//" in value
        ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_when_read_aloud_has_headings_table_heads_and_words_for_pictures(page, language):
    code, headers, body = get(page, f"/?lang={language}")
    assert (code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    found = Outline(body.decode())
    assert found.language == language
    assert found.outside == []
    tags = [tag for tag, _ in found.tags]
    assert tags.count("h1") == 1
    assert tags.count("h2") == 9
    heads = [attrs.get("scope") for tag, attrs in found.tags if tag == "th"]
    assert set(heads) == {"row", "col"}
    assert all(attrs["alt"] for tag, attrs in found.tags if tag == "img")
    assert "评价器 /330102/h01/w03" in body.decode() or language == "en"
    assert "style=" not in body.decode()


@pytest.mark.parametrize(
    ("accepted", "title"),
    [(None, "评价器"), ("en-GB,en;q=0.9", "Rating unit"), ("fr,zh-CN;q=0.8,en;q=0.7", "评价器"),
     ("fr", "评价器"), ("zh;q=0.1,en;q=x", "评价器"), ("en;q=0.2,zh;q=0.3", "评价器")],
)  # fmt: skip
def test_language_is_the_first_a_browser_accepts_that_we_have(page, accepted, title):
    headers = {} if accepted is None else {"Accept_Language": accepted}
    assert f"<title>{title} /330102" in get(page, "/", **headers)[2].decode()


def test_pieces_are_those_of_the_page(page):
    whole = get(page, "/?lang=en")[2].decode()
    told = json.loads(get(page, "/page.json?lang=en")[2])
    assert {"verdict", "links", "entries", "window-3", "counters-0", "table-0"} <= set(
        told["parts"]
    )
    for name, piece in told["parts"].items():
        assert f'id="{name}"' in whole
        assert piece in whole
    assert f'src="{told["pictures"]["3"]}"' in whole


def test_status_is_the_snapshot(page):
    code, headers, body = get(page, "/status.json?now")
    assert (code, headers["Content-Type"]) == (200, "application/json")
    assert headers["Cache-Control"] == "no-store"
    assert json.loads(body) == json.loads(json.dumps(page.snapshot.as_json()))


@pytest.mark.parametrize("path", ["/oled.png?t=1", "/oled/3.png", "/oled/3.png?0a1b2c3d"])
def test_oled_is_the_picture_now_shown(page, panel, path):
    code, headers, body = get(page, path)
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
    "host", ["example.com", "127.0.0.1.example.com", "example.com:8787", "", None, "[::1", "::1",
             "192.168.1.7", "[::1]x", "127.0.0.1:x"]
)  # fmt: skip
def test_host_when_foreign_is_refused_with_nothing_told(page, host):
    for path in ("/status.json", "/", "/healthz", "/page.css"):
        code, _, body = get(page, path, host)
        assert (code, body) == (403, b"use this unit's address in the browser\n")


@pytest.mark.parametrize(
    "path", ["/index.html", "/status", "/oled.png/", "/../etc/passwd", "/%2e%2e/x", "/oled/4.png",
             "/oled/../3.png", "/oled/", "/assets/page.css", "/login.html"]
)  # fmt: skip
def test_path_when_unknown_is_not_found(page, path):
    assert get(page, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/login", "/status.json"])
def test_method_when_it_would_change_something_is_refused(page, method, path):
    connection = http.client.HTTPConnection(LOOPBACK, page.port, timeout=WAIT_S)
    connection.request(method, path, b"level=5")
    assert connection.getresponse().status == 501
    connection.close()


def test_page_before_the_first_snapshot_says_starting(panel, desk):
    page = Page(PageConfig(host=LOOPBACK, port=0), pages.about(), {}, desk.journal.read, print)
    page.start()
    code, headers, body = get(page, "/")
    assert (code, headers["Refresh"], body) == (503, "2", b"starting\n")
    assert get(page, "/healthz")[::2] == (503, b"starting\n")
    assert b"hcp_unit_serving 0" in get(page, "/metrics")[2]


def test_page_when_the_port_is_in_use_says_to_choose_another(page):
    with pytest.raises(
        DaemonError, match=r"page\.port: .* cannot be used \(Address already in use\): choose"
    ):
        Page(PageConfig(host=LOOPBACK, port=page.port), pages.about(), {}, print, pytest.fail)


def test_page_when_the_host_is_not_ours_says_how_to_find_it():
    # TEST-NET-3 (RFC 5737): nobody has it.
    with pytest.raises(DaemonError, match=r"page\.host: 203\.0\.113\.7 is no address of this unit"):
        Page(PageConfig(host="203.0.113.7", port=0), pages.about(), {}, print, pytest.fail)


def test_page_on_ipv6_loopback_is_answered(panel, desk):
    if not socket.has_dualstack_ipv6():
        pytest.fail("this machine has no IPv6 loopback")
    page = pages.start(desk, {"3": panel.png}, pytest.fail, PageConfig(host="::1", port=0))
    assert page.url == f"http://[::1]:{page.port}"
    assert get(page, "/", f"[::1]:{page.port}", at="::1")[0] == 200


def test_values_when_they_look_like_markup_are_escaped(page):
    nasty = "<script>alert('x')</script>&\""
    shown = page.snapshot
    screen = Screen(name=IDLE, window="3", task_name=nasty)
    page.show(changed(shown, screen=screen, uplink=replace(shown.uplink, trouble=nasty)))
    for path in ("/", "/page.json"):
        body = get(page, path)[2].decode().replace('\\"', '"')
        assert "<script>" not in body
        assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;" in body
    told = json.loads(get(page, "/status.json")[2])
    assert told["windows"][0]["screen"]["task_name"] == nasty


def test_answers_keep_the_page_to_itself(page):
    for path in ("/", "/page.js", "/status.json", "/none"):
        headers = get(page, path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in headers["Server"]


def test_health_is_the_reasons_why_nobody_can_rate(page, desk):
    shown = page.snapshot
    good = replace(shown, signals=tuple(replace(each, state="open") for each in shown.signals))
    page.show(good)
    assert get(page, "/healthz")[::2] == (200, b"serving\n")
    page.show(replace(good, uplink=replace(good.uplink, state="down")))
    assert get(page, "/healthz")[0] == 200
    desk.unplug()
    lost = desk.core.snapshot(desk.now_ms).windows[0]
    journal = replace(good.journal, trouble="the disk is full: make room")
    page.show(replace(good, windows=(lost,), journal=journal))
    code, _, body = get(page, "/healthz")
    assert code == 503
    assert body.decode().splitlines() == [
        "journal: the disk is full: make room",
        "pad of window 3 is lost: unplugged",
    ]


def test_links_when_poor_say_what_to_do(page, desk):
    desk.unplug()
    page.show(desk.core.snapshot(desk.now_ms))
    links = json.loads(get(page, "/page.json?lang=zh")[2])["parts"]["links"]
    assert "没有应答" in links
    assert "请检查评价器的线" in links
    assert '<small lang="en">unplugged</small>' in links


def test_pad_when_a_key_is_held_down_is_said_without_the_key(desk, page):
    desk.pads["3"].stick(0b00100)
    desk.run(2000)
    page.show(desk.core.snapshot(desk.now_ms))
    body = get(page, "/?lang=en")[2].decode()
    assert "a key is held down: free it" in body
    assert "key 3" not in body
    assert "key 3" not in get(page, "/status.json")[2].decode()


def test_page_of_two_windows_shows_both_and_the_firmware_on_its_way(panel):
    desk = Desk(windows=("3", "4"))
    page = pages.start(desk, {"3": panel.png, "4": lambda: b"png of 4"}, pytest.fail)
    shown = desk.snapshot
    pad = replace(shown.windows[1].pad, update="release 2 is sent to the pad", update_percent=64)
    page.show(replace(shown, windows=(shown.windows[0], replace(shown.windows[1], pad=pad))))
    body = get(page, "/?lang=en")[2].decode()
    assert body.count("<figure>") == 2
    assert 'alt="The screen of window 4"' in body
    assert '<progress max="100" value="64">64 %</progress> 64 %' in body
    assert "release 2 is sent to the pad" in body
    assert "Queue line /dev/queue (window 3, 4)" in body
    assert get(page, "/oled/4.png")[2] == b"png of 4"
    metrics = get(page, "/metrics")[2].decode()
    assert 'hcp_unit_pad_update_percent{window="4"} 64' in metrics


def test_entries_are_read_once_for_all_who_look(desk):
    asked = []

    def read(first, limit):
        asked.append((first, limit))
        return desk.journal.read(first, limit)

    latest = Latest(read)
    for _ in range(3):
        rows = latest.rows(desk.core.snapshot(desk.now_ms).journal)
    assert [row.kind for row in rows] == ["boot"]
    assert len(asked) == 1
    desk.give(ClockRead(1_790_000_000_000, True, 12))
    rows = latest.rows(desk.core.snapshot(desk.now_ms).journal)
    assert [(row.seq, row.kind) for row in rows] == [(2, "clock"), (1, "boot")]
    assert asked[1:] == [(2, 1)]


def test_page_when_our_own_code_fails_says_so_and_goes_on(caplog, desk):
    def png():
        raise LookupError("no picture")

    page = pages.start(desk, {"3": png}, pytest.fail)
    with pytest.raises(http.client.RemoteDisconnected):
        get(page, "/oled.png")
    assert "page trouble=LookupError('no picture')" in caplog.text
    assert get(page, "/status.json")[0] == 200
