"""A technician's tests: what may be asked, how each goes, and that a citizen comes first."""

import pytest

from daemon.events import BrokerDown, BrokerUp, PanelDrew, StopRequested, TrialAsked, TrialLeft
from daemon.setup import Outputs
from daemon.trial.trials import DRAW_MS, PAD_MS, RECEIPT_MS, SIGNS_MS
from daemon.trial.wanted import NotTestable, Step, Trial, wanted
from protocol.central import schema
from protocol.pad.messages import THANKS
from sim.desk import Desk
from sim.replay import replay

WINDOW = "3"
STEPS = (Step("keys", "good", "5 of 5 keys"), Step("lamp", "absent", ""))
SIGNS = Trial(what="signs", window=WINDOW, number=4711, lamp=3, buzzer=2)
RATED = frozenset({"service", "rating"})


def ask(desk, what, asker=1, **more):
    """What is said at once."""
    before = len(desk.answers)
    trial = what if isinstance(what, Trial) else Trial(what=what, window=WINDOW, **more)
    desk.give(TrialAsked(asker, trial))
    return [dict(one.answer) for one in desk.answers[before:] if one.asker == asker]


def said(desk, asker=1):
    """All that was said to somebody; the last of it is marked as such, and nothing else is."""
    told = [one for one in desk.answers if one.asker == asker]
    assert [one.is_last for one in told] == [False] * (len(told) - 1) + [True]
    return [dict(one.answer) for one in told]


def citizen(desk):
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")


@pytest.fixture
def desk():
    desk = Desk()
    desk.run(2000)
    assert desk.snapshot.windows[0].pad.state == "up"
    return desk


# -- what may be asked


def request(what="acceptance", **changes):
    steps = [{"step": "keys", "outcome": "good", "detail": "5 of 5 keys"}]
    whole = {"ask": "test", "what": what, "window": WINDOW, "by": "T07", "steps": steps}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def test_request_when_whole_is_the_test_it_says():
    keys = Step("keys", "good", "5 of 5 keys")
    assert wanted(request()) == Trial(what="acceptance", window=WINDOW, by="T07", steps=(keys,))
    signs = request("signs", by=None, steps=None, number=4711, lamp=3, buzzer=0)
    assert wanted(signs) == Trial(what="signs", window=WINDOW, number=4711, lamp=3, buzzer=0)
    for what in ("pad", "delivery", "end"):
        asked = {"ask": "test", "what": what, "window": WINDOW}
        assert wanted(asked) == Trial(what=what, window=WINDOW)


def step(**changes):
    return [{"step": "keys", "outcome": "good", "detail": ""} | changes]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"what": "rate"}, "test one of pad, signs, delivery, acceptance, end"),
        ({"what": ["pad"]}, "test one of"),
        ({"window": 3}, "window: name the window's number"),
        ({"window": ""}, "window: name"),
        ({"level": 5}, "level: unknown to test acceptance: leave it out"),
        ({"what": "pad"}, "by: unknown to test pad"),
        ({"what": "signs", "by": None, "steps": None, "number": 1, "lamp": 10, "buzzer": 0},
         "lamp: a whole number from 0 to 9"),
        ({"what": "signs", "by": None, "steps": None, "number": True, "lamp": 1, "buzzer": 0},
         "number: a whole number"),
        ({"what": "signs", "by": None, "steps": None}, "number: a whole number"),
        ({"by": ""}, "by: 1 to 32 printable letters"),
        ({"by": "T07\n"}, "by: 1 to 32 printable"),
        ({"by": "x" * 33}, "by: 1 to 32"),
        ({"steps": []}, "steps: a list of 1 to 20 steps"),
        ({"steps": step() * 21}, "steps: a list of 1 to 20"),
        ({"steps": step() * 2}, "steps: keys is there twice"),
        ({"steps": ["keys"]}, "the 1.: it has exactly step, outcome and detail"),
        ({"steps": step(level=5)}, "the 1.: it has exactly"),
        ({"steps": step(step="Keys!")}, "the 1.: step is a word"),
        ({"steps": step(step="k" * 33)}, "step is a word of at most 32"),
        ({"steps": step(outcome="fine")}, "outcome is one of good, bad, absent, skipped"),
        ({"steps": step(outcome=["good"])}, "outcome is one of"),
        ({"steps": step(detail="x" * 201)}, "detail: 0 to 200 printable"),
        ({"steps": step(detail="one\ntwo")}, "detail: 0 to 200 printable letters on one line"),
        ({"steps": step(detail=None)}, "detail: 0 to 200"),
    ],
)  # fmt: skip
def test_request_when_wrong_is_refused_in_words(changes, words):
    with pytest.raises(NotTestable, match=r".") as refused:
        wanted(request(**changes))
    assert words in str(refused.value)


def test_acceptance_at_every_bound_is_an_entry_of_the_contract(desk):
    steps = tuple(Step(f"s{index:031}", "skipped", "评" * 200) for index in range(20))
    ask(desk, "acceptance", by="工" * 32, steps=steps)
    (entry,) = desk.entries("test")
    assert schema.data_problems("test", entry.data) == []


# -- the pad


def test_pad_when_asked_tries_itself_and_the_keys_are_told(desk):
    assert ask(desk, "pad") == [{"state": "asked"}]
    desk.run(50)
    assert desk.screen.name == "self_test"
    desk.run(5000)
    desk.pads[WINDOW].end_test(0b11011)
    desk.run(50)
    keys = [True, True, False, True, True]
    assert said(desk) == [
        {"state": "asked"}, {"ok": False, "detail": "4 of 5 keys", "keys": keys},
    ]  # fmt: skip
    (entry,) = desk.entries("test")
    assert (entry.data["what"], entry.data["ok"]) == ("self_test", False)
    assert schema.data_problems("test", entry.data) == []
    assert not RATED & {entry.kind for entry in desk.journal.entries}


def test_pad_when_the_line_loses_the_order_is_told_it_again(desk):
    desk.line_up = False
    ask(desk, "pad")
    desk.run(1000)
    desk.line_up = True
    desk.run(300)
    assert desk.pads[WINDOW].is_testing


def test_face_that_the_order_overtook_is_told_after_it(desk):
    desk.line_up = False
    desk.say("suspended")
    ask(desk, "pad")
    desk.run(500)
    desk.line_up = True
    desk.run(1500)
    assert desk.pads[WINDOW].is_testing
    assert desk.snapshot.windows[0].screen.name == "self_test"
    desk.pads[WINDOW].end_test(0b11111)
    desk.run(1000)
    assert desk.screen.name == "paused"
    assert desk.face == 4


def test_pad_that_is_lost_or_restarts_or_never_ends_fails_the_test(desk):
    ask(desk, "pad")
    desk.unplug()
    assert said(desk)[-1]["ok"] is False
    assert "the pad was lost: unplugged" in said(desk)[-1]["detail"]
    (refused,) = ask(desk, "pad", 2)
    assert refused["ok"] is False
    assert refused["detail"].startswith("the pad is not there: ")
    desk.replug()
    desk.run(2000)
    ask(desk, "pad", 3)
    desk.run(100)
    desk.restart_pad()
    desk.run(1500)
    assert said(desk, 3)[-1]["detail"].startswith("the pad restarted meanwhile")
    desk.pads[WINDOW].tests_forever = True
    ask(desk, "pad", 4)
    desk.run(PAD_MS - 100)
    assert len([one for one in desk.answers if one.asker == 4]) == 1
    desk.run(200)
    assert said(desk, 4)[-1] == {"ok": False, "detail": "the pad did not finish within 75 s"}


def test_self_test_by_the_service_chord_is_nobody_s_answer(desk):
    desk.pads[WINDOW].begin_test(desk.now_ms)
    desk.run(1100)
    desk.pads[WINDOW].end_test(0b11111)
    desk.run(100)
    assert [entry.data["ok"] for entry in desk.entries("test")] == [True]
    assert desk.answers == []


# -- what is shown


def test_signs_stand_for_twenty_seconds_and_say_what_there_is(desk):
    assert ask(desk, SIGNS) == []
    screen = desk.screen
    assert (screen.name, screen.number, screen.blinks, screen.beeps) == ("signs", "4711", 3, 2)
    desk.run(300)
    desk.give(PanelDrew(WINDOW, True))
    shown = {"display": True, "lamp": True, "buzzer": True}
    desk.run(SIGNS_MS - 400)
    assert desk.screen.name == "signs"
    desk.run(200)
    assert said(desk) == [{"state": "showing", **shown}, {**shown, "ok": True}]
    assert desk.screen.name == "commissioning"
    assert desk.entries("test") == []


def test_signs_on_a_display_that_does_not_take_them_are_told_so(desk):
    ask(desk, SIGNS)
    desk.give(PanelDrew(WINDOW, False))
    desk.run(SIGNS_MS)
    assert [one["display"] for one in said(desk)] == [False, False]
    assert said(desk)[-1]["ok"] is False
    ask(desk, SIGNS, 2)
    desk.run(DRAW_MS - 100)
    assert len([one for one in desk.answers if one.asker == 2]) == 0
    desk.run(200)
    (told,) = [one.answer for one in desk.answers if one.asker == 2]
    assert told["display"] is False


def test_signs_at_a_window_without_display_lamp_and_buzzer_are_good_at_once():
    desk = Desk()
    desk.outputs = {WINDOW: Outputs()}
    desk.start()
    nothing = {"display": False, "lamp": False, "buzzer": False}
    assert ask(desk, SIGNS) == [{"state": "showing", **nothing}]
    desk.run(SIGNS_MS)
    assert said(desk)[-1] == {**nothing, "ok": True}


def test_signs_end_when_the_technician_says_so_or_leaves(desk):
    assert ask(desk, "end", 9) == [{"error": "no test runs at window 3: there is nothing to end"}]
    ask(desk, SIGNS)
    desk.give(PanelDrew(WINDOW, True))
    assert ask(desk, "end", 2) == [{"ok": True, "detail": "ended by the technician"}]
    assert said(desk)[-1]["ok"] is True
    assert desk.screen.name != "signs"
    ask(desk, SIGNS, 3)
    desk.give(TrialLeft(2))
    assert desk.screen.name == "signs"
    desk.give(TrialLeft(3))
    assert desk.screen.name != "signs"


# -- the way to the platform


def test_delivery_is_an_entry_and_its_receipt(desk):
    desk.platform = True
    desk.give(BrokerUp())
    ask(desk, "delivery")
    (entry,) = desk.entries("test")
    first, last = said(desk)
    assert first == {"id": entry.id, "seq": entry.seq, "hash": entry.hash}
    assert last == {"ok": True, "after_ms": 0}
    assert (entry.data["what"], entry.data["window"], entry.data["ok"]) == (
        "end_to_end", WINDOW, True,
    )  # fmt: skip
    assert schema.data_problems("test", entry.data) == []


def test_delivery_without_a_receipt_says_where_the_way_is_broken(desk):
    desk.give(BrokerDown("broker b:8883 cannot be reached: no route to host", "tcp"))
    ask(desk, "delivery")
    desk.run(RECEIPT_MS + 50)
    assert said(desk)[-1] == {
        "ok": False, "detail": "broker b:8883 cannot be reached: no route to host",
    }  # fmt: skip
    assert desk.snapshot.uplink.step == "tcp"


def test_delivery_to_a_platform_that_is_silent_says_so(desk):
    desk.give(BrokerUp())
    ask(desk, "delivery")
    desk.run(RECEIPT_MS + 50)
    assert said(desk)[-1]["detail"].startswith("the broker takes the entries and the platform")
    assert (desk.snapshot.uplink.step, desk.snapshot.uplink.trouble) == ("receipts", None)


def test_delivery_on_a_disk_that_takes_nothing_is_refused_and_one_under_way_says_why(desk):
    desk.journal.fail = "the disk is full"
    ask(desk, "delivery")
    desk.run(RECEIPT_MS + 50)
    assert said(desk) == [{"ok": False, "detail": "the disk is full"}]
    (refused,) = ask(desk, "delivery", 2)
    assert refused["error"].startswith("nothing can be written, so nothing is recorded: the disk")


@pytest.mark.parametrize(("outcome", "ok"), [("good", True), ("skipped", True), ("bad", False)])
def test_acceptance_is_signed_with_its_steps_and_receipted(desk, outcome, ok):
    desk.platform = True
    desk.give(BrokerUp())
    steps = (*STEPS, Step("display", outcome, "4711"))
    ask(desk, "acceptance", by="T07", steps=steps)
    (entry,) = desk.entries("test")
    first, last = said(desk)
    assert first == {"id": entry.id, "seq": entry.seq, "hash": entry.hash, "ok": ok}
    assert last["ok"] is True
    assert entry.data["what"] == "acceptance"
    assert entry.data["ok"] is ok
    assert entry.data["by"] == "T07"
    assert [one["step"] for one in entry.data["steps"]] == ["keys", "lamp", "display"]
    assert schema.data_problems("test", entry.data) == []


# -- a citizen comes first


@pytest.mark.parametrize("what", ["pad", SIGNS, "delivery", "acceptance"])
def test_test_while_a_rating_is_asked_for_is_refused(desk, what):
    citizen(desk)
    more = {"by": "T07", "steps": STEPS} if what == "acceptance" else {}
    (refused,) = ask(desk, what, **more)
    assert refused == {"error": "a rating is asked for at window 3: wait until it is given"}
    desk.press(1)
    (refused,) = ask(desk, what, 2, **more)
    assert "error" in refused
    desk.run(3000)
    assert desk.face == THANKS
    (refused,) = ask(desk, what, 3, **more)
    assert "error" in refused
    assert desk.entries("test") == []


@pytest.mark.parametrize("what", ["pad", SIGNS])
@pytest.mark.parametrize("say", ["called", "completed"])
def test_call_or_prompt_ends_the_test_and_the_citizen_is_served(desk, what, say):
    ask(desk, what)
    desk.run(1000)
    if say == "called":
        desk.say("called", ticket="A001")
    else:
        desk.say("completed", projectNo="P1", ticket="A001", ticketSerial="s1")
    assert said(desk)[-1] == {
        "ok": False,
        "detail": "a citizen came to the window: ask again when nobody is there",
        "interrupted": True,
    }
    desk.say("completed", projectNo="P2")
    desk.run(100)
    assert desk.screen.name == "please_rate"
    desk.press(2)
    desk.run(4000)
    assert desk.ratings[-1]["outcome"] == "rated"


@pytest.mark.parametrize("what", ["delivery", "acceptance"])
def test_call_leaves_alone_what_is_in_nobody_s_way(desk, what):
    more = {"by": "T07", "steps": STEPS} if what == "acceptance" else {}
    ask(desk, what, **more)
    citizen(desk)
    desk.press(2)
    desk.platform = True
    desk.give(BrokerUp())
    desk.run(4000)
    assert said(desk)[-1]["ok"] is True
    assert desk.ratings[-1]["outcome"] == "rated"


def test_one_test_at_a_time_at_the_whole_unit():
    desk = Desk(windows=("3", "4"))
    desk.run(2000)
    ask(desk, Trial(what="signs", window="4", number=1))
    (refused,) = ask(desk, "pad", 2)
    assert refused["error"] == (
        "window 4 is being tested (signs): wait, or end that with `test end`"
    )
    (refused,) = ask(desk, "end", 3)
    assert "no test runs at window 3" in refused["error"]
    desk.say("called", window="3", ticket="A001")
    assert desk.snapshot.windows[1].screen.name == "signs"
    assert desk.snapshot.windows[0].screen.name == "called"


def test_window_that_is_not_here_is_refused(desk):
    (refused,) = ask(desk, Trial(what="pad", window="12"))
    assert refused == {"error": "window 12 is not this unit's: it has 3"}


def test_stop_during_a_test_is_not_held_up(desk):
    ask(desk, SIGNS)
    desk.give(StopRequested("SIGTERM"))
    desk.run(50)
    assert desk.stopped


def test_trace_of_every_test_is_replayed_to_the_same_effects():
    desk = Desk(traced=True)
    desk.platform = True
    desk.run(2000)
    ask(desk, "pad")
    desk.run(500)
    desk.pads[WINDOW].end_test(0b11111)
    desk.run(100)
    ask(desk, SIGNS, 2)
    desk.give(PanelDrew(WINDOW, True))
    citizen(desk)
    desk.run(20_000)
    desk.give(BrokerUp())
    ask(desk, "acceptance", 3, by="T07", steps=STEPS)
    desk.give(TrialLeft(3))
    verdict = replay(desk.transcript)
    assert verdict.is_equal, verdict.sentence
    assert len(desk.answers) == 6
