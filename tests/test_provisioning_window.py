"""The acceptance at the counter: what is asked, how it is judged, what stays of it."""

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.__main__ import main
from provisioning.acceptance.report import (
    ABSENT,
    BAD,
    DETAIL_LEN_MAX,
    GOOD,
    SKIPPED,
    TITLES,
    Report,
)
from provisioning.acceptance.steps import LABELS, QUEUE_LOOKS_MAX, Plan, acceptance
from provisioning.acceptance.talk import (
    Ask,
    Begin,
    Failed,
    Finish,
    Got,
    Look,
    Pause,
    Request,
    Say,
    Told,
    through,
)
from provisioning.acceptance.visit import Visit
from provisioning.console import Console
from provisioning.doctor.facts import Facts
from provisioning.doctor.look import configuration
from provisioning.reach.daemon import Refused
from provisioning.reach.place import Ssh
from provisioning.reach.status import Status
from sim.centres import wait_for
from sim.laptop import Laptop
from sim.offices import Office
from sim.platforms import Platform
from sim.played import BARE, CONFIGURED, PlayedHall, PlayedUnit, whole
from sim.technician import Stderr, Stdin, Technician
from sim.units import VirtualHall

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
KEYS = {"ok": True, "detail": "5 of 5 keys", "keys": [True] * 5}
THERE = {"display": True, "lamp": True, "buzzer": True}
ENTRY = {"id": "e-18", "seq": 18, "hash": "ab" * 32}
RECEIPT = {"ok": True, "after_ms": 184}
CITIZEN = {"ok": False, "detail": "a citizen came to the window", "interrupted": True}


class Counter:
    """A window that is talked to by the requests alone, with a technician who sees what it shows.

    ends: how a test ends instead, each once. says: what is typed instead, each once.
    """

    def __init__(
        self,
        ends: Mapping[str, Sequence[Told | Failed]] = {},
        says: Mapping[str, Sequence[str]] = {},
        configured: str = CONFIGURED,
        told: dict[str, Any] | None = None,
    ) -> None:
        self.told = whole() if told is None else told
        self._ends = {what: list(given) for what, given in ends.items()}
        self._shown: dict[str, int] = {}
        self.technician = Technician(lambda: self._shown, self.call, says)
        self.said: list[str] = []
        self.pauses = 0
        facts = Facts(unit="w03", now=NOW, configured=tomllib.loads(configured))
        drawn = iter(range(1000))
        self.plan = Plan(
            window="3", facts=facts, draw=lambda least, most: least + next(drawn) % (most - least)
        )

    def call(self) -> None:
        last = {"say": "called", "window": "3", "ticket": "A023", "age_ms": 40}
        self.told["signals"][0]["last"] = last

    def through(self) -> Report:
        return through(acceptance(self.plan), self._do)

    def _do(self, request: Request) -> Got:
        if isinstance(request, Say):
            self.said.append(request.text)
        elif isinstance(request, Ask):
            return self.technician.answer(request.question)
        elif isinstance(request, Look):
            return Status.read(self.told)
        elif isinstance(request, Pause):
            self.pauses += 1
        elif isinstance(request, Begin):
            sent = dict(zip(request.options[::2], request.options[1::2], strict=True))
            self._shown = {name.lstrip("-"): int(value) for name, value in sent.items()}
        elif isinstance(request, Finish):
            return self._ended("signs", [{**THERE, "ok": True}])
        else:
            return self._ended(
                request.what, {"pad": [KEYS], "delivery": [ENTRY, RECEIPT]}[request.what]
            )
        return None

    def _ended(self, what: str, lines: list[dict[str, Any]]) -> Told | Failed:
        return self._ends[what].pop(0) if self._ends.get(what) else Told(tuple(lines))


def outcomes(report: Report) -> dict[str, str]:
    return {step.step: step.outcome for step in report.steps}


def not_good(report: Report) -> dict[str, str]:
    return {name: outcome for name, outcome in outcomes(report).items() if outcome != GOOD}


def detail(report: Report, name: str) -> str:
    return next(step.detail for step in report.steps if step.step == name)


def test_window_where_all_is_well_then_every_step_is_good_and_it_is_accepted() -> None:
    counter = Counter()
    report = counter.through()
    assert list(outcomes(report)) == list(TITLES)
    assert (not_good(report), report.is_accepted) == ({}, True)
    assert detail(report, "versions") == "unit 0.1.0; pad release 3, 5f1c2f6e2d5a"
    assert detail(report, "queue") == "understood: a number was called (A023)"
    assert detail(report, "delivery") == "entry e-18, receipt after 184 ms"


def test_technician_then_reads_the_labels_from_the_left_as_the_keys_are_configured() -> None:
    counter = Counter(configured=CONFIGURED + "[pad]\nkeys = [1, 2, 3, 4, 5]\n")
    counter.through()
    said = [line.strip() for line in counter.said]
    start = said.index(f"1. {LABELS[1]}")
    assert said[start : start + 5] == [f"{place}. {LABELS[place]}" for place in range(1, 6)]


@pytest.mark.parametrize("name", ["display", "lamp", "buzzer"])
def test_number_that_was_not_shown_then_is_asked_once_again_and_bad_the_second_time(
    name: str,
) -> None:
    question = {"display": "stands", "lamp": "lamp blink", "buzzer": "buzzer beep"}[name]
    once = Counter(says={question: ["1"]})
    assert not_good(once.through()) == {}
    twice = Counter(says={question: ["1", "yes"]})
    report = twice.through()
    assert (not_good(report), report.is_accepted) == ({name: BAD}, False)
    assert detail(report, name).endswith("was sent, nothing was read")
    asked = [line for line in twice.technician.asked if question in line]
    others = [line for line in twice.technician.asked if "Which" in line or "How often" in line]
    assert (len(asked), len(others)) == (2, 4)


def test_window_without_display_and_lamp_then_they_are_absent_and_not_asked_for() -> None:
    counter = Counter(configured=BARE)
    report = counter.through()
    assert not_good(report) == dict.fromkeys(("display", "lamp", "buzzer"), ABSENT)
    assert report.is_accepted
    assert not [line for line in counter.technician.asked if "Which" in line]


def test_display_that_takes_no_picture_then_is_bad_whatever_is_typed() -> None:
    dark = Told(({**THERE, "display": False, "ok": False},))
    assert not_good(Counter(ends={"signs": [dark, dark]}).through()) == {"display": BAD}


def test_pad_that_is_not_there_then_its_labels_are_not_asked_for() -> None:
    lost = Told(({"ok": False, "detail": "the pad is not there: nothing heard for 3000 ms"},))
    counter = Counter(ends={"pad": [lost]})
    report = counter.through()
    assert not_good(report) == {"keys": BAD, "labels": SKIPPED, "lamps": SKIPPED, "sound": SKIPPED}
    assert detail(report, "keys") == "the pad is not there: nothing heard for 3000 ms"


def test_key_that_was_not_pressed_then_the_pad_is_tried_once_more_if_wanted() -> None:
    four = Told(({**KEYS, "ok": False, "detail": "4 of 5 keys"},))
    assert not_good(Counter(ends={"pad": [four]}, says={"Once more": ["y"]}).through()) == {}
    assert not_good(Counter(ends={"pad": [four]}).through()) == {"keys": BAD}


def test_label_that_is_wrong_then_is_bad_and_a_question_without_an_answer_is_left_out() -> None:
    report = Counter(says={"label": ["no"], "pad sound": ["what?", "?", "?"]}).through()
    assert not_good(report) == {"labels": BAD, "sound": SKIPPED}


def test_test_that_the_daemon_will_not_do_now_then_is_tried_again_or_left_out() -> None:
    asked = Failed("a rating is asked for at window 3: wait until it is given")
    ends = {"pad": [asked], "signs": [asked], "delivery": [asked]}
    assert not_good(Counter(ends=ends, says={"Try again": ["y", "y", "y"]}).through()) == {}
    report = Counter(ends={"delivery": [asked]}).through()
    assert not_good(report) == {"delivery": SKIPPED}
    # Nothing of it is bad, and yet it is not accepted: what was not seen was not seen.
    assert (report.is_ok, report.is_whole, report.is_accepted) == (True, False, False)


def test_citizen_who_comes_then_goes_first_and_the_signs_are_shown_again() -> None:
    ends = {"signs": [Told((CITIZEN,))], "pad": [Told((CITIZEN,))]}
    assert not_good(Counter(ends=ends, says={"Try again": ["y", "y"]}).through()) == {}


def test_queue_line_that_brings_nothing_then_is_waited_for_and_bad() -> None:
    counter = Counter(says={"clerk is asked": ["", ""], "Wait again": ["y", "n"]})
    assert not_good(counter.through()) == {"queue": BAD}
    assert counter.pauses == 2 * QUEUE_LOOKS_MAX


def test_queue_line_that_says_the_same_again_then_it_is_new_when_it_is_younger() -> None:
    counter = Counter()
    counter.call()
    counter.told["signals"][0]["last"]["age_ms"] = 60_000
    assert not_good(counter.through()) == {}
    old = Counter(says={"clerk is asked": [""]})
    old.call()
    assert not_good(old.through()) == {"queue": BAD}


def test_receipt_that_does_not_come_then_the_daemons_own_sentence_is_told() -> None:
    why = "the broker takes the entries and the platform sends no receipt: ask whether it runs"
    report = Counter(ends={"delivery": [Told((ENTRY, {"ok": False, "detail": why}))]}).through()
    assert (not_good(report), detail(report, "delivery")) == ({"delivery": BAD}, why)


def test_unit_that_knows_its_trouble_then_is_not_asked_about_it() -> None:
    told = whole()
    told["clock"] = {"synced": False, "offset_ms": None, "error_ms": None}
    told["certificate"]["until"] = "2026-03-20T00:00:00Z"
    told["uplink"] |= {"state": "down", "step": "tcp", "trouble": "broker b:8883 cannot be reached"}
    told["disk"]["free_len"] = 1000
    report = Counter(told=told).through()
    assert not_good(report) == dict.fromkeys(("clock", "disk", "broker", "certificate"), BAD)
    assert detail(report, "broker") == "broker b:8883 cannot be reached"
    assert detail(report, "certificate") == "it holds for 18 more days, until 2026-03-20"


def test_sentence_that_is_long_or_not_printable_then_fits_the_entry() -> None:
    why = "é\n" * DETAIL_LEN_MAX
    report = Counter(ends={"delivery": [Told((ENTRY, {"ok": False, "detail": why}))]}).through()
    assert len(detail(report, "delivery")) == DETAIL_LEN_MAX
    assert detail(report, "delivery").isprintable()


@settings(max_examples=30)
@given(
    typed=st.lists(st.sampled_from(("y", "n", "", "s", "7", "是", "x")), max_size=40),
    fails=st.lists(st.sampled_from(("pad", "signs", "delivery")), max_size=4),
)
def test_whatever_is_typed_and_fails_then_every_step_ends_once(
    typed: list[str], fails: list[str]
) -> None:
    ends = {what: [Failed("not now")] * fails.count(what) for what in fails}
    report = Counter(ends=ends, says={"": typed}).through()
    assert list(outcomes(report)) == list(TITLES)
    assert report.is_accepted == (set(outcomes(report).values()) <= {GOOD, ABSENT})


# -- the visit: unit, technician and site


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Office(tmp_path / "office")


def at_terminal(monkeypatch: pytest.MonkeyPatch, technician: Technician) -> Stderr:
    """Let the technician sit there; what he reads."""
    stderr = Stderr()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(sys, "stdin", Stdin(technician, stderr))
    return stderr


def visited(unit: PlayedUnit) -> Report:
    plan = Plan(
        window="3",
        facts=Facts(unit="w03", now=NOW, configured=configuration(unit)),
        draw=lambda _least, most: most,
    )
    with Visit(unit, "3", Console()) as visit:
        report = visit.through(acceptance(plan))
        assert visit.sign(report, "0312").after_ms == 184
    return report


def test_visit_then_signs_the_steps_that_the_technician_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = PlayedUnit(tmp_path)
    technician = Technician(unit.look, lambda: unit.call("A023"))
    read = at_terminal(monkeypatch, technician)
    report = visited(unit)
    assert (report.is_accepted, not_good(report)) == (True, {})
    assert unit.signed == report.as_json()
    assert "✓ Queue line: understood: a number was called (A023)" in read.getvalue()
    assert [command[2] for command in unit.ran if command[:2] == ["haochaping", "test"]] == [
        "pad", "signs", "end", "delivery", "acceptance",
    ]  # fmt: skip


def test_visit_cut_off_while_signs_are_shown_then_ends_them_and_nothing_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = PlayedUnit(tmp_path)

    def leaves() -> Mapping[str, int]:
        unit.look()
        raise KeyboardInterrupt

    at_terminal(monkeypatch, Technician(leaves, lambda: None))
    with pytest.raises(KeyboardInterrupt):
        visited(unit)
    assert unit.ran[-1] == ["haochaping", "test", "end", "--window", "3"]
    assert unit.signed == []


def test_unit_that_cannot_write_then_the_acceptance_is_refused_with_its_sentence(
    tmp_path: Path,
) -> None:
    unit = PlayedUnit(tmp_path)
    unit.trouble["acceptance"] = [{"error": "nothing can be written, so nothing is recorded"}]
    report = Report(window="3", steps=())
    with Visit(unit, "3", Console()) as visit, pytest.raises(Refused, match="nothing can be"):
        visit.sign(report, "0312")


def arguments(office: Office, *more: str) -> list[str]:
    return ["window", "test", "w03", "--site", str(office.site.folder), *more]


def test_command_then_keeps_the_acceptance_and_a_page_and_says_where(
    office: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    office.enrol("w03")
    hall, told = PlayedHall.of(office.site.folder, tmp_path / "hall"), whole()
    tests = {
        "pad": [KEYS],
        "delivery": [ENTRY, RECEIPT],
        "acceptance": [{**ENTRY, "ok": True}, RECEIPT],
    }
    hall.tell("w03", told, **tests)

    def call() -> None:
        told["signals"][0]["last"] = {"say": "called", "window": "3", "ticket": "A1", "age_ms": 1}
        hall.tell("w03", told)

    at_terminal(monkeypatch, Technician(dict, call))
    assert main(arguments(office, "--json")) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["by"], said["entry"]["id"]) == (True, "0312", "e-18")
    (kept,) = office.site.inventory.acceptances("w03")
    assert kept["report"] == said
    assert Path(said["sheet"]).parent == office.site.folder / "sheets"
    assert "验收合格" in Path(said["sheet"]).read_text("utf-8")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--window", "9"), "error: window 9 is not w03's: it has 3\nnext: say which"),
        ((), "error: w03: ssh: connect to host w03 port 22: No route to host"),
    ],
)
def test_command_that_cannot_do_it_then_one_sentence(
    office: Office,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    sentence: str,
) -> None:
    PlayedHall.of(office.site.folder, tmp_path / "hall")
    assert main(arguments(office, *more)) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_command_asked_for_its_plan_then_names_the_steps_and_asks_nobody(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(office, "--dry-run", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == list(TITLES)


# -- with the real daemon, broker and centre


@pytest.mark.campaign
@pytest.mark.needs("mosquitto")
def test_window_of_a_real_daemon_then_accepted_and_the_platform_has_the_signed_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        VirtualHall(tmp_path / "hall", {"w03": "3"}) as hall,
        Platform(tmp_path / "platform") as platform,
    ):
        laptop = Laptop(tmp_path / "laptop", hall, platform)
        laptop.found()
        laptop.run("unit", "enrol", "w03")
        counter, place = hall["w03"].counter, Ssh("w03", hall.ssh)
        counter.finger.start()
        wait_for(lambda: b'"backlog": 0,' in place.run(["haochaping", "status"]).out, "receipts")
        at_terminal(monkeypatch, Technician(dict, counter.clerk.call))
        assert main(["window", "test", "w03", "--site", str(laptop.site), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        entries = place.run(["haochaping", "export"]).out.decode().splitlines()
    assert [step["outcome"] for step in said["steps"] if step["outcome"] != GOOD] == [ABSENT] * 3
    assert said["entry"]["after_ms"] is not None
    (entry,) = (json.loads(text) for text in entries if f'"{said["entry"]["id"]}"' in text)
    assert (entry["data"]["what"], entry["data"]["by"]) == ("acceptance", "0312")
    assert entry["data"]["steps"] == said["steps"]
    assert not [text for text in entries if '"hcp.rating.v1"' in text]
