"""All five levels alike: the same path and time (A8), and nothing readable at the window (E4)."""

import json
import logging
import urllib.request
from collections.abc import Iterator
from operator import attrgetter

import pytest

from daemon.cases import PRESSED, TABLE
from daemon.config.page import Page as PageConfig
from daemon.config.panel import Panel as PanelConfig
from daemon.effects import Commit, Publish, Report, SendToPad
from daemon.events import ClockRead, SignalLost, SignalOpened
from daemon.loop import log_changes
from daemon.page import Page
from daemon.panel import Panel
from daemon.trace_file import Envelopes
from protocol.central.envelope import Opener
from protocol.pad import framing
from protocol.pad.messages import Edge, decode
from sim.desk import Desk

UTC_MS = 1_795_000_000_000
KEYS = (1, 2, 3, 4, 5)
PAGES = ("/", "/status.json", "/oled.png")


def script(desk, key):
    """A morning in which every rating is this key; nothing else depends on it."""
    desk.give(ClockRead(UTC_MS - desk.now_ms, True, 20))
    for number in range(3):
        desk.say("called", ticket=f"A{number:03}")
        desk.say("completed", projectNo=f"P{number}", serviceNumber=1, taskName="身份证换领")
        desk.press(key, hold_ms=100 + 700 * number)
        desk.run(9000)
    desk.say("completed", projectNo="P3")
    desk.press(key)
    desk.press(key)  # a correction to the same
    desk.say("called", ticket="A004")  # ends the correction window
    desk.say("completed", projectNo="P4")
    desk.run(20_000)  # nobody presses
    desk.press(key)  # a stray
    desk.say("completed", projectNo="P5")
    desk.press(key)
    desk.crash()  # a press that is on disk
    desk.say("completed", projectNo="P6")
    desk.unplug()
    desk.press(key)  # at the pad alone
    desk.replug()
    desk.run(6000)
    desk.say("completed", projectNo="P7")
    desk.journal.fail = "the disk is full"
    desk.press(key)
    desk.run(2000)
    desk.journal.fail = None
    desk.run(9000)
    desk.give(SignalLost("the cable is out"))
    desk.give(SignalOpened())
    desk.say("suspended")
    desk.run(65_000)  # until the next health


# -- A8


def masked(value):
    """The same without what a level may change: key, level, and every hash and signature of it."""
    if isinstance(value, dict):
        return {name: masked_member(name, one) for name, one in value.items()}
    if isinstance(value, list):
        return [masked(one) for one in value]
    if isinstance(value, str) and value.startswith("{"):
        return masked(json.loads(value))
    return value


def masked_member(name, value):
    if name in ("key", "satisfaction") and value is not None:
        return "one of five"
    if name in ("hash", "last_hash", "prevhash", "signature"):
        return "of what is above"
    if name == "rated" and isinstance(value, dict):
        return sum(value.values())
    if name == "edges":
        return [masked_edge(edge) for edge in value]
    if name == "payload":
        return masked(json.loads(bytes.fromhex(value)))
    return masked(value)


def masked_edge(edge):
    return {**edge, "key": "one of five"} if isinstance(edge, dict) else edge[1:]


def masked_line(line):
    value = json.loads(line)
    if value.get("event") == "PadReceived":
        value["with"]["data"] = [without_key(one) for one in messages(value["with"]["data"])]
    return masked(value)


def messages(text) -> Iterator:
    decoder = framing.Decoder()
    for byte in bytes.fromhex(text):
        body = decoder.push(byte)
        if body is not None:
            yield decode(body)


def without_key(message):
    fields = dict(vars(message))
    if isinstance(message, Edge):
        del fields["key"]
    return type(message).__name__, fields


def transcript(key):
    desk = Desk(traced=True)
    desk.platform = True
    script(desk, key)
    return desk.transcript


@pytest.mark.promise
def test_traces_of_two_levels_are_identical_but_for_the_level(promise):
    first, *others = [transcript(key) for key in KEYS]
    assert sum('"satisfaction\\":5' in line for line in first) > 3
    expected = [masked_line(line) for line in first]
    for other in others:
        assert other != first
        assert [masked_line(line) for line in other] == expected
    promise("A8", "lines of a trace, the same at every level", len(first) * len(KEYS))


def test_traces_of_the_same_key_at_another_level_are_identical_but_for_the_level():
    def at(keys):
        desk = Desk(traced=True)
        desk.rules = type(desk.rules)(**{**as_fields(desk.rules), "keys": keys})
        desk.transcript.clear()
        desk.crash()
        script(desk, 1)
        return [line for line in desk.transcript if not line.startswith('{"trace"')]

    best, worst = at((5, 4, 3, 2, 1)), at((1, 2, 3, 4, 5))
    assert best != worst
    assert [masked_line(line) for line in best] == [masked_line(line) for line in worst]
    # Not even what the pad said differs: the key is the same.
    heard = [[line for line in lines if '"PadReceived"' in line] for lines in (best, worst)]
    assert heard[0] == heard[1]


def as_fields(rules):
    return {name: getattr(rules, name) for name in rules.__dataclass_fields__}


def test_state_in_which_a_rating_can_arise_is_entered_by_a_press_alone():
    into = {said for (state, said), (_, after) in TABLE.items() if PRESSED == after != state}
    assert into == {"press"}


@pytest.mark.promise
def test_window_where_everything_happens_but_a_press_has_no_rating(promise):
    desk = Desk()
    desk.press = lambda *_, **__: desk.run(100)
    script(desk, 1)
    outcomes = [rating["outcome"] for rating in desk.ratings]
    assert len(outcomes) == 8
    assert "rated" not in outcomes
    assert {rating["satisfaction"] for rating in desk.ratings} == {None}
    promise("A8", "cases without a press, none rated", len(outcomes))


# -- E4


class Window(Desk):
    """A desk, and everything that can be observed at it, each with its time."""

    def __init__(self, panels, page):
        self.seen, self._panels, self._page = {}, panels, page
        self._log = logging.getLogger("daemon.loop")
        self._shown = None
        super().__init__(traced=True)

    def see(self, what, value):
        self.seen.setdefault(what, []).append((self.now_ms, value))

    def _do(self, effect):
        # That something is written or sent can be seen by lamps of disk and network.
        self.see("work", type(effect).__name__)
        for kind, what in OBSERVED_EFFECTS.items():
            if isinstance(effect, kind):
                self.see(what, OBSERVERS[what](effect))
        return super()._do(effect)

    def give(self, event):
        super().give(event)
        before, self._shown = self._shown, self.core.snapshot(self.now_ms)
        self.see("snapshot", self._shown)
        log_changes(before, self._shown)
        if before is not None and PICTURED(before) == PICTURED(self._shown):
            return
        for language, panel in self._panels.items():
            self.see(f"screen {language}", panel.draw(self._shown.screen).tobytes())
        self._page.show(self._shown)
        for path in PAGES:
            self.see(f"page {path}", fetched(self._page.port, path))


# A picture and a page are made of the snapshot, which is compared at every step; so they are made
# where a rating could show in them.
PICTURED = attrgetter("screen", "day", "journal")
# What of an effect can be observed: add a line here for each new way out of the unit.
OBSERVERS = {
    "pad": lambda effect: effect.data,
    "commits": lambda effect: (effect.number, len(effect.drafts), sorted(effect.state)),
    "network": lambda effect: len(effect.entry.text),
    "health": lambda effect: len(effect.payload),
}
OBSERVED_EFFECTS = {SendToPad: "pad", Commit: "commits", Publish: "network", Report: "health"}


def fetched(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def eyes():
    """The real panels and page, made once."""
    panels = {
        language: Panel(PanelConfig(display="none", language=language), pytest.fail)
        for language in ("zh", "en")
    }
    page = Page(PageConfig(host="127.0.0.1", port=0), panels["zh"].png, pytest.fail)
    page.start()
    return panels, page


@pytest.fixture
def observed(eyes, caplog):
    def watch(key):
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            window = Window(*eyes)
            script(window, key)
        envelopes = Envelopes(Opener.generate().public)
        sealed = b"".join(map(envelopes.add, window.transcript)) + envelopes.rest()
        log = [record.getMessage() for record in caplog.records if record.name.startswith("daemon")]
        return {**window.seen, "log": log, "trace on disk": len(sealed)}

    return watch


@pytest.mark.promise
def test_window_shows_the_same_whatever_the_level(observed, promise):
    first, *others = [observed(key) for key in KEYS]
    assert len(first["log"]) > 10
    assert {"please_rate", "heard", "thanks", "out_of_service"} <= {
        json.loads(body)["screen"]["name"] for _, body in first["page /status.json"]
    }
    for other in others:
        assert other.keys() == first.keys()
        for what, values in first.items():
            assert other[what] == values, what
    promise("E4", "ways to look at a window, the same at every level", len(first) * len(KEYS))
    seen = sum(len(values) for values in first.values() if isinstance(values, list))
    promise("E4", "things to be seen, the same at every level", seen * len(KEYS))
