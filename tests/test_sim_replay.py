"""A trace through the core again: equal for the core that made it, told for any other."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.case.reasons import Reason, Reasons
from daemon.core import Core
from daemon.effects import SendToPad
from daemon.events import BrokerDown, BrokerUp, ClockRead, SignalLost, SignalOpened
from daemon.traces.trace_file import HEAD, Envelopes, Missing
from daemon.traces.transcript import Dropped, lines
from protocol.central.envelope import Opener
from sim.__main__ import main
from sim.desk import RULES, Desk
from sim.replay import replay

UTC_MS = 1_795_000_000_000
SUPPORT = Opener.generate()


def rated(desk, key=1):
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo=f"P{key}", taskName="身份证")
    desk.press(key)
    desk.run(5000)
    return desk


WINDOWS = ("3", "4")
REASONS = Reasons(
    table="r1",
    ask_ms=8000,
    keys=tuple(
        Reason(label=label, codes={level: f"{level}0{key}" for level in range(1, 6)})
        for key, label in enumerate(("态度", "时间", "环境", "材料", "其他"), 1)
    ),
)


def act(desk, what, number):
    """One thing that happens at one of two windows, as hypothesis likes."""
    window = WINDOWS[number % 2]
    {
        "call": lambda: desk.say("called", window, ticket=f"A{number:03}"),
        "complete": lambda: desk.say("completed", window, projectNo=f"P{number}", serviceNumber=1),
        "prompt": lambda: desk.say("prompt", window),
        "bind": lambda: desk.say("bound", window, projectNo=f"P{number}"),
        "skip": lambda: desk.say("skipped", window),
        "press": lambda: desk.press(number % 5 + 1, number * 300, window),
        "unplug": desk.unplug,
        "replug": desk.replug,
        "restart pad": desk.restart_pad,
        "crash": lambda: desk.crash(off_ms=number * 1000),
        "power cut": lambda: desk.crash(off_ms=number * 1000, power=True),
        "lose queue": lambda: desk.give(SignalLost(0, "the cable is out")),
        "find queue": lambda: desk.give(SignalOpened(0)),
        "clock": lambda: desk.give(ClockRead(UTC_MS + number * 700 - desk.now_ms, number > 1, 20)),
        "fill disk": lambda: setattr(desk.journal, "fail", "the disk is full"),
        "free disk": lambda: setattr(desk.journal, "fail", None),
        "broker": lambda: desk.give(BrokerUp() if number % 2 else BrokerDown("gone")),
        "noise": lambda: desk.hear_bytes(bytes([number, 0, 255, 0])),
        "wait": lambda: desk.run(number * 2500),
    }[what]()


ACTS = (
    "call", "complete", "prompt", "bind", "skip", "press", "unplug", "replug", "restart pad",
    "crash", "power cut", "lose queue", "find queue", "clock", "fill disk", "free disk", "broker",
    "noise", "wait",
)  # fmt: skip


def test_run_of_any_events_when_replayed_is_equal(scale):
    tried = []

    @settings(max_examples=60 * scale)
    @given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 7)), max_size=40))
    def run(acts):
        rules = replace(RULES, reasons=REASONS)
        desk = Desk(rules, windows=WINDOWS, traced=True)
        desk.platform = True
        for what, number in acts:
            act(desk, what, number)
        verdict = replay(desk.transcript)
        assert verdict.is_equal, verdict.sentence
        tried.append(verdict.event_count)

    run()
    assert sum(tried) > 500 * scale


class KeepingDesk(Desk):
    """A desk whose records are made lines at the very end, as a busy worker would."""

    def __init__(self):
        self.records = []
        super().__init__(traced=True)

    def _record(self, what):
        self.records.append(what)
        super()._record(what)


def test_records_when_made_lines_long_after_are_the_same():
    desk = KeepingDesk()
    for key in (1, 2):
        desk.give(ClockRead(UTC_MS - desk.now_ms, True, 20))
        rated(desk, key)
        desk.crash(power=key == 1)
    rated(desk, 3)
    assert [line for record in desk.records for line in lines(record)] == desk.transcript


class Deaf(Core):
    """A planted change: what should go to the pad does not."""

    def step(self, now_ms, event):
        effects = super().step(now_ms, event)
        return tuple(one for one in effects if not isinstance(one, SendToPad))


class Late(Core):
    """A planted change: everything is a millisecond later."""

    def step(self, now_ms, event):
        return super().step(now_ms + 1, event)


class Healed(Core):
    """The change that mends the run which ended by a clock of the year 31 690 000."""

    def step(self, now_ms, event):
        return () if isinstance(event, ClockRead) else super().step(now_ms, event)


def test_replay_when_the_core_no_longer_says_something_tells_what_and_where():
    verdict = replay(rated(Desk(traced=True)).transcript, Deaf)
    assert not verdict.is_equal
    assert "SignalOpened made SendToPad in the trace, Tend in the replay" in verdict.sentence
    assert "line 4: " in verdict.sentence


def test_replay_when_the_core_makes_another_record_tells_the_field():
    verdict = replay(rated(Desk(traced=True)).transcript, Late)
    where = "line 15: SignalReceived made Commit with another state.3/case.ticket.called_ms"
    assert f"{where}: 1000200 in the trace, 1000201 in the replay" in verdict.sentence


def test_replay_when_a_state_row_differs_tells_the_field_in_it():
    transcript = rated(Desk(traced=True)).transcript
    changed = [line.replace('\\"presses\\":1', '\\"presses\\":2') for line in transcript]
    assert changed != transcript
    assert ".prompt.presses: 2 in the trace, 1 in the replay" in replay(changed).sentence


def test_transcript_of_a_dirty_queue_line_holds_nothing_of_what_came():
    desk = Desk(traced=True)
    desk.say("called", ticket="A001", citizen="王小明", phone="13800138000")
    desk.say("completed", projectNo="P11010519491231002X")
    text = "\n".join(desk.transcript)
    assert "A001" in text
    for private in ("王小明", "\\u738b", "13800138000", "11010519491231002X"):
        assert private not in text
    received = [line for line in desk.transcript if '"SignalReceived"' in line]
    assert received
    assert all(json.loads(line)["with"]["data"] == "" for line in received)


def test_replay_when_a_step_raised_says_what_and_that_it_does_again():
    desk = rated(Desk(traced=True))
    with pytest.raises(ValueError, match="year"):
        desk.give(ClockRead(10**18, True, 20))
    verdict = replay(desk.transcript)
    assert verdict.is_equal
    assert "it ended with ValueError" in verdict.sentence
    healed = replay(desk.transcript, Healed)
    assert "ended with ValueError" in healed.sentence
    assert "in the trace, well in the replay" in healed.sentence


def test_replay_when_steps_were_dropped_says_so_and_how_far_it_is_equal():
    transcript = rated(Desk(traced=True)).transcript
    events = [n for n, line in enumerate(transcript) if line.startswith('{"at"')]
    cut = events[10]
    told = transcript[:cut] + list(lines(Dropped(3))) + transcript[events[13] :]
    verdict = replay(told)
    assert not verdict.is_equal
    assert f"equal up to line {cut + 1}, where 3 steps were dropped" in verdict.sentence


def test_replay_when_blocks_are_missing_says_so():
    transcript = rated(Desk(traced=True)).transcript
    verdict = replay([*transcript[:30], Missing("block 4 is missing, block 6 follows"), "{}"])
    assert not verdict.is_equal
    assert "where block 4 is missing" in verdict.sentence


def test_replay_when_the_trace_was_cut_at_its_end_is_equal_up_to_there():
    transcript = rated(Desk(traced=True)).transcript
    verdict = replay([*transcript, Missing("the file ends within block 9: it was cut there")])
    assert verdict.is_equal
    assert verdict.sentence.count("it was cut there") == 1


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "does not begin with a start"),
        (["{}"], "does not begin with a start"),
        (["nonsense"], "line 1 is no line of a trace"),
        (['{"effect":"Stop","with":{}}'], "line 1: an effect of nothing"),
        (['{"trace":9,"start":{}}'], "line 1: a trace of another version than 1"),
        (['{"trace":1,"start":{"now_ms":1}}'], "line 1: this release cannot start so"),
    ],
)
def test_replay_of_what_is_no_trace_is_a_sentence(told, words):
    verdict = replay(told)
    assert not verdict.is_equal
    assert words in verdict.sentence


def test_replay_of_an_unknown_event_is_a_sentence():
    transcript = rated(Desk(traced=True)).transcript
    told = [*transcript[:1], '{"at":1,"event":"LampBroken","with":{}}']
    assert "line 2: this release knows no event 'LampBroken'" in replay(told).sentence


@pytest.mark.parametrize("command", ["replay", "--replay"])
def test_command_on_a_closed_trace_when_it_is_equal_ends_well(tmp_path, capsys, command):
    envelopes = Envelopes(SUPPORT.public)
    desk = rated(Desk(traced=True))
    raw = HEAD + b"".join(map(envelopes.add, desk.transcript)) + envelopes.rest()
    (tmp_path / "trace.bin").write_bytes(raw)
    SUPPORT.save(tmp_path / "support.pem")
    arguments = [command, str(tmp_path / "trace.bin"), "--key", str(tmp_path / "support.pem")]
    assert main(arguments) == 0
    assert " effects, equal" in capsys.readouterr().out


def test_command_on_a_trace_in_clear_when_it_differs_ends_with_1(tmp_path, capsys):
    transcript = rated(Desk(traced=True)).transcript
    wrong = [line.replace("A001", "A002") if "effect" in line else line for line in transcript]
    (tmp_path / "trace.jsonl").write_text("\n".join(wrong) + "\n")
    assert main(["--replay", str(tmp_path / "trace.jsonl"), "--show"]) == 1
    out = capsys.readouterr().out
    assert "A002" in out.splitlines()[-1]
    assert out.startswith('{"trace":1')


def test_command_on_what_cannot_be_read_is_a_sentence(tmp_path, capsys):
    assert main(["replay", str(tmp_path / "nothing")]) == 1
    (tmp_path / "no-trace").write_bytes(b"x")
    assert main(["replay", str(tmp_path / "no-trace")]) == 1
    assert main(["replay", str(tmp_path / "no-trace"), "--key", str(tmp_path / "no.pem")]) == 1
    out = capsys.readouterr().out
    assert out.count("No such file or directory") == 2
    assert "no trace" in out
