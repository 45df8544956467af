"""All five levels alike: the same path and time (A8), and nothing readable at the window (E4)."""

import json
import logging
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from daemon.case.cases import PRESSED, REASONED, TABLE
from daemon.case.reasons import Reason, Reasons
from daemon.config.page import Page as PageConfig
from daemon.config.panel import Panel as PanelConfig
from daemon.effects import Commit, Publish, Report, SendToPad, SendToTerminal
from daemon.events import ClockRead, SignalLost, SignalOpened
from daemon.front.faces import begins, face
from daemon.front.panel import Panel
from daemon.page.loglines import LogLines
from daemon.page.material import Material
from daemon.page.page import Page
from daemon.state_log import StateLog
from daemon.traces.trace_file import Envelopes
from protocol.central.envelope import Opener
from protocol.pad import framing
from protocol.pad.messages import Edge, decode
from sim.desk import RULES, Desk
from sim.pages import about

# The page's own debug lines name a browser's port.
STATE_LOGS = ("daemon.state_log",)
UTC_MS = 1_795_000_000_000
KEYS = (1, 2, 3, 4, 5)
PAGES = ("/", "/status.json", "/oled.png", "/metrics")
MADE = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
# A hall that asks why, with another norm code at every level behind each label.
ASKED = Reasons(
    table="r1",
    ask_ms=8000,
    keys=tuple(
        Reason(label=label, codes={level: f"{level}1{key}" for level in range(1, 6)})
        for key, label in enumerate(("态度", "时间", "环境", "材料", "其他"), 1)
    ),
)
ASKING = replace(RULES, reasons=ASKED)


def script(desk, key):
    """A morning in which every rating is this key; nothing else depends on it."""
    desk.give(ClockRead(UTC_MS - desk.now_ms, True, 20))
    for number in range(3):
        desk.say("called", ticket=f"A{number:03}")
        desk.say("completed", projectNo=f"P{number}", serviceNumber=1, taskName="身份证换领")
        desk.press(key, hold_ms=100 + 700 * number)
        desk.run(4000)
        desk.press(2)  # why, in a hall that asks; if not, a stray
        desk.run(13_000)
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
    desk.give(SignalLost(0, "the cable is out"))
    desk.give(SignalOpened(0))
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
    if name == "reasons" and isinstance(value, list):
        return [re.sub("^[1-5]", "level ", code) for code in value]
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


def transcript(key, rules):
    desk = Desk(rules, traced=True)
    desk.platform = True
    script(desk, key)
    return desk.transcript


@pytest.mark.promise
@pytest.mark.parametrize("rules", [RULES, ASKING], ids=["levels", "levels and reasons"])
def test_traces_of_two_levels_are_identical_but_for_the_level(promise, rules):
    first, *others = [transcript(key, rules) for key in KEYS]
    assert sum('"satisfaction\\":5' in line for line in first) > 3
    expected = [masked_line(line) for line in first]
    for other in others:
        assert other != first
        assert [masked_line(line) for line in other] == expected
    promise("A8", "lines of a trace, the same at every level", len(first) * len(KEYS))


def test_traces_of_the_same_key_at_another_level_are_identical_but_for_the_level():
    def at(keys):
        desk = Desk(replace(RULES, keys=keys), traced=True)
        script(desk, 1)
        return [line for line in desk.transcript if not line.startswith('{"trace"')]

    best, worst = at((5, 4, 3, 2, 1)), at((1, 2, 3, 4, 5))
    assert best != worst
    assert [masked_line(line) for line in best] == [masked_line(line) for line in worst]
    # Not even what the pad said differs: the key is the same.
    heard = [[line for line in lines if '"PadReceived"' in line] for lines in (best, worst)]
    assert heard[0] == heard[1]


def test_state_in_which_a_rating_can_arise_is_entered_by_a_press_alone():
    rated = (PRESSED, REASONED)
    into = {
        said for (state, said), (_, after) in TABLE.items() if after in rated and state not in rated
    }
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

    def __init__(self, panels):
        self.seen, self._panels = {}, panels
        # A server pauses after each connection; one for each address, so the pauses pass together.
        self._pages = {path: self._page() for path in PAGES}
        self._state_log = StateLog()
        self._shown = None
        super().__init__(ASKING, traced=True)

    def _page(self):
        page = Page(
            PageConfig(host="127.0.0.1", port=0),
            about(),
            {"3": self._panels["zh"].png},
            lambda *of: self.journal.read(*of),
            pytest.fail,
        )
        page.start()
        return page

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
        before, self._shown = self._shown, self.snapshot
        self.see("snapshot", self._shown)
        self._state_log.show(self.now_ms, self._shown)
        if before is not None and pictured(before) == pictured(self._shown):
            return
        screen = self._shown.windows[0].screen
        was = None if before is None else before.windows[0].screen
        # All that lamp, buzzer and voice are told; the pattern follows from it and from time.
        self.see("lamp", (face(screen), begins(was, screen)))
        for language, panel in self._panels.items():
            self.see(f"screen {language}", panel.draw(screen).tobytes())
        for path, page in self._pages.items():
            page.show(self._shown)
            self.see(f"page {path}", fetched(page.port, path))


# A picture and a page are made of the snapshot, which is compared at every step; so they are made
# where a rating could show in them, and not for each second that is left.
def pictured(shown):
    screens = [replace(window.screen, remaining_s=None) for window in shown.windows]
    return screens, shown.day, shown.journal.last_seq, shown.journal.trouble


# What of an effect can be observed: add a line here for each new way out of the unit.
OBSERVERS = {
    "pad": lambda effect: effect.data,
    "terminal": lambda effect: effect.data,
    "commits": lambda effect: (effect.number, len(effect.drafts), sorted(effect.state)),
    "network": lambda effect: len(effect.entry.text),
    "health": lambda effect: len(effect.payload),
}
OBSERVED_EFFECTS = {
    SendToPad: "pad",
    SendToTerminal: "terminal",
    Commit: "commits",
    Publish: "network",
    Report: "health",
}


def fetched(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def eyes():
    """The real panels, made once."""
    return {
        language: Panel(PanelConfig(display="none", language=language), pytest.fail)
        for language in ("zh", "en")
    }


@pytest.fixture
def observed(eyes, caplog):
    def watch(key):
        caplog.clear()
        lines = LogLines(lambda: 0.0)
        logging.getLogger("daemon").addHandler(lines)
        with caplog.at_level(logging.DEBUG):
            window = Window(eyes)
            script(window, key)
        logging.getLogger("daemon").removeHandler(lines)
        material = Material(about(log=lines), {"3": eyes["zh"].png}, window.journal.read)
        bundle = material.bundle(window.snapshot, MADE)
        envelopes = Envelopes(Opener.generate().public)
        sealed = b"".join(map(envelopes.add, window.transcript)) + envelopes.rest()
        log = [record.getMessage() for record in caplog.records if record.name in STATE_LOGS]
        return {**window.seen, "log": log, "bundle": bundle, "trace on disk": len(sealed)}

    return watch


@pytest.mark.promise
def test_window_shows_the_same_whatever_the_level(observed, promise):
    first, *others = [observed(key) for key in KEYS]
    assert len(first["log"]) > 10
    assert "terminal" in first
    assert {"please_rate", "heard", "reasons", "thanks", "out_of_service"} <= {
        json.loads(body)["windows"][0]["screen"]["name"] for _, body in first["page /status.json"]
    }
    for other in others:
        assert other.keys() == first.keys()
        for what, values in first.items():
            assert other[what] == values, what
    promise("E4", "ways to look at a window, the same at every level", len(first) * len(KEYS))
    seen = sum(len(values) for values in first.values() if isinstance(values, list))
    promise("E4", "things to be seen, the same at every level", seen * len(KEYS))
