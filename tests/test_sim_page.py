"""The demo's page: whole, in two languages, for its own machine only."""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from html.parser import HTMLParser
from typing import Any

import pytest

from sim.clerk import ITEMS
from sim.demo.bulletin import Bulletin
from sim.demo.server import FILES, BadOrder, Server, file

SCRIPTS = [name for name in FILES if name.endswith(".js")]
OUTCOMES = ("rated", "timeout", "superseded", "cancelled", "pad_lost", "interrupted")


def strings() -> dict[str, dict[str, str]]:
    text = file("strings.js").decode().removeprefix("export const STRINGS =").strip()
    table: dict[str, dict[str, str]] = json.loads(text.removesuffix(";"))
    return table


class Attributes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def index() -> Attributes:
    parser = Attributes()
    parser.feed(file("index.html").decode())
    return parser


def used_keys() -> set[str]:
    keys = {value for name, value in index().found if name in ("data-t", "data-label")}
    for name in SCRIPTS:
        keys |= set(re.findall(r'word\("([\w.]+)"', file(name).decode()))
    return keys


def test_strings_when_compared_then_both_languages_have_the_same_keys() -> None:
    table = strings()
    assert set(table) == {"zh", "en"}
    assert set(table["zh"]) == set(table["en"])
    assert all(text.strip() for words in table.values() for text in words.values())


def test_strings_when_compared_then_both_languages_fill_in_the_same_values() -> None:
    table = strings()
    for key, text in table["zh"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", table["en"][key])), key


def test_strings_when_page_asks_for_a_word_then_it_is_there() -> None:
    wanted = used_keys() | {f"outcome.{name}" for name in OUTCOMES}
    wanted |= {f"key.{key}" for key in range(1, 6)} | {f"face.{face}" for face in range(8)}
    wanted |= {f"item.{number}" for number in range(len(ITEMS))}
    assert wanted <= set(strings()["zh"])


def test_strings_when_an_item_is_shown_then_is_what_the_terminal_says() -> None:
    words = strings()["zh"]
    assert [words[f"item.{number}"] for number in range(len(ITEMS))] == [name for name, _ in ITEMS]


def test_strings_when_keys_are_labelled_then_in_the_standard_order() -> None:
    words = strings()["zh"]
    labels = [words[f"key.{key}"] for key in range(1, 6)]
    assert labels == ["非常满意", "满意", "基本满意", "不满意", "非常不满意"]


def test_page_when_read_then_every_visible_word_comes_from_the_table() -> None:
    text = index().text.replace("好差评 · haochaping", "")
    assert not re.search(r"[A-Za-z\u4e00-\u9fff]", text)
    for name in SCRIPTS:
        if name != "strings.js":
            assert not re.search(r"[\u4e00-\u9fff]", file(name).decode()), name


def test_page_when_read_then_loads_nothing_from_elsewhere() -> None:
    for name in FILES:
        text = file(name).decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*// .*$| // .*$|/\*.*?\*/", "", text, flags=re.M), name


def test_page_when_it_draws_the_window_then_knows_no_level() -> None:
    for word in ("satisfaction", "outcome", "platform"):
        assert word not in file("booth.js").decode()


# -- the server


class Hall:
    def __init__(self) -> None:
        self.orders: list[tuple[str, Mapping[str, Any]]] = []
        self.picture: bytes | None = b"\x89PNG"

    def perform(self, action: str, order: Mapping[str, Any]) -> None:
        if action == "impossible":
            raise BadOrder("not now")
        self.orders.append((action, order))


@dataclass
class Answer:
    status: int
    headers: Message
    text: str


class Site:
    def __init__(self) -> None:
        self.hall, self.bulletin = Hall(), Bulletin()
        self.server = Server(self.bulletin, self.hall.perform, lambda: self.hall.picture)
        self.server.start()

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        text = answer.read().decode("latin-1")
        connection.close()
        return Answer(answer.status, answer.headers, text)

    def post(self, path: str, body: str, **headers: str) -> int:
        return self.ask(
            "POST", path, body, **{"Content_Type": "application/json", **headers}
        ).status


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.bulletin.close()
    site.server.stop()


@pytest.mark.parametrize("name", ["", *FILES])
def test_server_when_asked_for_a_file_then_gives_it_with_its_type(site: Site, name: str) -> None:
    answer = site.ask("GET", f"/{name}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == FILES[name or "index.html"]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/command.py", "/../pads.py", "/nothing"])
def test_server_when_asked_for_anything_else_then_has_nothing(site: Site, path: str) -> None:
    assert site.ask("GET", path).status == 404


def test_server_when_unit_has_no_power_then_there_is_no_picture(site: Site) -> None:
    assert site.ask("GET", "/oled.png?1").status == 200
    site.hall.picture = None
    assert site.ask("GET", "/oled.png?2").status == 503


def test_server_when_ordered_by_its_own_page_then_carries_it_out(site: Site) -> None:
    own = f"http://127.0.0.1:{site.server.port}"
    assert site.post("/do/key-down", '{"key": 2}', Origin=own) == 204
    assert site.hall.orders == [("key-down", {"key": 2})]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_server_when_asked_by_another_page_then_refuses(
    site: Site, headers: dict[str, str]
) -> None:
    assert site.post("/do/call", "{}", **headers) == 403
    assert site.ask("GET", "/events", **headers).status == 403
    assert not site.hall.orders


@pytest.mark.parametrize("body", ["", "[]", "{", "x" * 2000])
def test_server_when_an_order_is_no_object_then_refuses(site: Site, body: str) -> None:
    assert site.post("/do/call", body) == 409
    assert not site.hall.orders


def test_server_when_a_form_of_another_page_is_posted_then_refuses(site: Site) -> None:
    assert site.post("/do/call", "{}", Content_Type="text/plain") == 409


def test_server_when_an_order_makes_no_sense_then_says_why(site: Site) -> None:
    answer = site.ask("POST", "/do/impossible", "{}", Content_Type="application/json")
    assert (answer.status, answer.text) == (409, "not now\n")


def test_events_when_followed_then_history_comes_first_and_news_after_it(site: Site) -> None:
    site.bulletin.post_entry({"seq": 1})
    site.bulletin.post_state({"n": 1})
    connection = http.client.HTTPConnection("127.0.0.1", site.server.port, timeout=5)
    connection.request("GET", "/events")
    stream = connection.getresponse()
    assert stream.headers["Content-Type"].startswith("text/event-stream")

    def notice() -> tuple[str, Any]:
        name, data, end = (stream.readline().decode().rstrip("\n") for _ in range(3))
        assert end == ""
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    assert notice() == ("history", [{"seq": 1}])
    assert notice() == ("state", {"n": 1})
    site.bulletin.post_entry({"seq": 2})
    assert notice() == ("entry", {"seq": 2})
    site.bulletin.post_state({"n": 1})
    site.bulletin.post_state({"n": 2})
    assert notice() == ("state", {"n": 2})
    connection.close()


def test_bulletin_when_quiet_then_follower_gets_a_sign_of_life() -> None:
    notices = Bulletin().follow(keep_alive_s=0.01)
    assert [next(notices) for _ in range(3)] == [("history", "[]"), ("state", "{}"), None]
