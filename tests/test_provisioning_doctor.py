"""`provision doctor`: the first broken thing from the pad upward, in words, with what to do."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.__main__ import main
from provisioning.doctor.check import ABSENT, BAD, GOOD, TITLES, UNKNOWN, WARNING, Check, span
from provisioning.doctor.checks import checks, first_broken
from provisioning.doctor.facts import Facts
from provisioning.doctor.look import glance, look
from provisioning.reach.status import STEPS, Status
from sim.offices import Office
from sim.played import WHOLE, PlayedHall, PlayedUnit, whole

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
CONFIGURED = {"window": [{"number": "3", "pad": "/dev/pad", "signal": "/dev/signal"}]}
Told = dict[str, Any]


def facts(told: Told | None = None, **more: Any) -> Facts:
    """Of a unit that says this, and that is well in all else."""
    known = {"service": "active", "mistakes": "", "registered": ("3",), "configured": CONFIGURED}
    status = None if told is None else Status.read(told)
    return Facts(unit="w03", now=NOW, status=status, **{**known, **more})


def first(found: Facts) -> Check:
    check = first_broken(checks(found))
    assert check is not None
    return check


def outcomes(found: Facts) -> dict[str, str]:
    return {check.name: check.outcome for check in checks(found)}


def pad(**changes: Any) -> Callable[[Told], None]:
    return lambda told: told["windows"][0]["pad"].update(changes)


def queue(**changes: Any) -> Callable[[Told], None]:
    return lambda told: told["signals"][0].update(changes)


def uplink(step: str) -> Callable[[Told], None]:
    trouble = {"state": "down", "step": step, "trouble": f"broken at {step}"}
    return lambda told: told["uplink"].update(trouble)


def of(table: str, **changes: Any) -> Callable[[Told], None]:
    return lambda told: told[table].update(changes)


def part(name: str, trouble: str) -> Callable[[Told], None]:
    return lambda told: told["windows"][0][name].update(trouble=trouble)


BROKEN: list[tuple[Callable[[Told], None], str, str]] = [
    (pad(state="lost", exists=False, is_open=False), "pad_port", "no pad is plugged in"),
    (pad(state="lost", is_open=False, trouble="is in use"), "pad_open", "is in use"),
    (pad(state="lost", trouble="nothing heard for 3000 ms"), "pad", "nothing heard for 3000 ms"),
    (pad(state="waiting"), "pad", "nothing has been heard of it since the daemon started"),
    (pad(state="foreign", trouble="version 2 of its line"), "firmware", "version 2 of its line"),
    (pad(trouble="the pad has no room for release 4"), "firmware", "no room for release 4"),
    (pad(trouble="a key is held down: free it"), "keys", "a key is held down"),
    (queue(state="lost", trouble="/dev/signal went away"), "queue_port", "/dev/signal went away"),
    (queue(counters={"damaged": 7, "unknown": 2}), "queue", "9 things came, and none could be"),
    (queue(counters={"other_window": 5}), "queue", "5 things were understood, and all of other"),
    (part("display", "OSError 121"), "display", "OSError 121"),
    (part("lamp", "no pin"), "lamp", "no pin"),
    (of("journal", trouble="no room on the disk"), "disk", "no room on the disk"),
    (of("journal", disk="full"), "disk", "it is full"),
    (of("disk", free_len=1000), "disk", "it is nearly full: 0 MB free"),
    (of("clock", synced=False), "clock", "no time server has set it"),
    *((uplink(step), step, f"broken at {step}") for step in STEPS),
    (of("certificate", until="2026-02-01T00:00:00Z"), "certificate", "it has ended on 2026-02-01"),
    (of("certificate", until="2026-03-31T09:30:00Z"), "certificate", "it holds for 30 more days"),
    (of("certificate", **{"from": "2026-03-02T00:00:00Z"}), "certificate", "it begins to hold on"),
]


def test_unit_that_is_well_then_nothing_is_broken_and_every_title_is_looked_at() -> None:
    told = whole()
    queue(last={"say": "called", "window": "3", "ticket": "A023", "age_ms": 65_000})(told)
    found = checks(facts(told))
    assert first_broken(found) is None
    assert {check.outcome for check in found} == {GOOD}
    assert [check.name for check in found] == [name for name in TITLES if name != "reach"]
    assert "the last thing was called A023, 1 min ago" in {check.finding for check in found}


@pytest.mark.parametrize(("breaks", "name", "finding"), BROKEN)
def test_thing_that_is_broken_then_it_is_named_first_with_what_to_do(
    breaks: Callable[[Told], None], name: str, finding: str
) -> None:
    told = whole()
    breaks(told)
    check = first(facts(told))
    assert (check.name, finding in check.finding) == (name, True), check
    assert check.advice


def test_several_things_broken_then_what_is_nearest_to_the_pad_comes_first() -> None:
    told = whole()
    order = []
    for breaks, _, _ in reversed(BROKEN):
        breaks(told)
        check = first(facts(told))
        if check.outcome == BAD:
            order.append(list(TITLES).index(check.name))
    assert order == sorted(order, reverse=True)
    assert order[-1] == list(TITLES).index("pad_port")
    # What only needs somebody soon waits for all that is broken.
    both = whole()
    of("disk", free_len=1000)(both)
    uplink("tcp")(both)
    assert first(facts(both)).name == "tcp"


@pytest.mark.parametrize("step", STEPS)
def test_way_that_is_broken_then_what_comes_after_is_not_judged(step: str) -> None:
    told = whole()
    uplink(step)(told)
    found = outcomes(facts(told))
    where = STEPS.index(step)
    assert {found[name] for name in STEPS[:where]} <= {GOOD}
    assert [found[name] for name in STEPS[where:]] == [BAD] + [UNKNOWN] * (len(STEPS) - where - 1)


def test_unit_that_is_not_reached_then_that_alone_is_told() -> None:
    (check,) = checks(facts(unreachable="w03: No route to host", host="w03.local"))
    assert (check.name, check.outcome) == ("reach", BAD)
    assert "w03.local" in check.advice


def test_daemon_that_does_not_run_then_its_files_and_its_service_still_say_why() -> None:
    silent = {"silence": "the daemon does not answer", "service": "failed"}
    assert first(facts(ports={"/dev/pad": False, "/dev/signal": True}, **silent)).name == "pad_port"
    assert first(facts(ports={"/dev/pad": True, "/dev/signal": False}, **silent)).name == (
        "queue_port"
    )
    there = {"ports": {"/dev/pad": True, "/dev/signal": True}, **silent}
    assert first(facts(**there, mistakes="daemon.toml: 1 mistake")).name == "configuration"
    assert first(facts(**there)).finding == "it is failed"
    assert first(facts(**{**there, "service": "active"})).finding == "the daemon does not answer"


def test_unit_that_the_registry_does_not_have_then_said_last_of_all() -> None:
    assert first(facts(whole(), registered=())).name == "registered"
    assert outcomes(facts(whole(), registered=None))["registered"] == UNKNOWN


def test_nothing_heard_on_the_queue_line_then_nobody_knows_yet_and_the_clerk_is_to_call() -> None:
    found = {check.name: check for check in checks(facts(whole()))}
    assert found["queue"].outcome == UNKNOWN
    assert "ask the clerk to call" in found["queue"].advice


def test_parts_that_are_not_configured_then_absent() -> None:
    told = whole()
    for name in ("display", "lamp"):
        told["windows"][0][name]["kind"] = "none"
    told["certificate"] = None
    found = outcomes(facts(told))
    assert {found[name] for name in ("display", "lamp", "certificate")} == {ABSENT}


def test_one_window_of_several_then_the_others_are_not_looked_at() -> None:
    told = whole()
    other = copy.deepcopy(told["windows"][0])
    other["number"], other["pad"]["state"] = "4", "lost"
    told["windows"].append(other)
    assert first(facts(told)).title == "pad speaks, window 4"
    assert first_broken(checks(facts(told), "3")) is not None  # window 4 is in no registry
    assert {check.window for check in checks(facts(told), "3") if check.window} == {"3"}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in what a unit tells."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, member in pairs:
        found.append((*path, key))
        if isinstance(member, dict | list):
            found += places(member, (*path, key))
    return found


@settings(max_examples=60)
@given(st.data())
def test_unit_of_another_release_then_whatever_it_leaves_out_ends_in_no_error(
    data: st.DataObject,
) -> None:
    told = whole()
    for path in data.draw(st.lists(st.sampled_from(places(WHOLE)), max_size=4)):
        holder: Any = told
        for key in path[:-1]:
            holder = holder.get(key, {}) if isinstance(holder, dict) else (holder or [{}])[0]
        if isinstance(holder, dict):
            holder.pop(path[-1], None)
    try:
        found = checks(facts(told))
    except ValueError:
        return
    assert all(check.finding and check.name in TITLES for check in found)
    assert all(check.advice for check in found if check.outcome in (BAD, WARNING))


@pytest.mark.parametrize(
    ("ago", "words"), [(3, "3 s"), (90, "1 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_span_then_one_unit_is_enough(ago: int, words: str) -> None:
    assert span(timedelta(seconds=ago)) == words


# -- looking, and the command


def test_look_then_finds_what_the_unit_and_its_files_say(tmp_path: Path) -> None:
    unit = PlayedUnit(tmp_path)
    pad_port, signal_port = tmp_path / "pad", tmp_path / "signal"
    pad_port.touch()
    unit.configuration = f'[[window]]\nnumber = "3"\npad = "{pad_port}"\nsignal = "{signal_port}"\n'
    found = look(unit, "w03", NOW)
    assert found.status == Status.read(whole())
    assert (found.service, found.mistakes, found.silence) == ("active", "", None)
    assert found.ports == {str(pad_port): True, str(signal_port): False}
    unit.told, unit.service, unit.mistakes = None, "failed", "daemon.toml: 1 mistake"
    unit.configuration = "no toml"
    found = look(unit, "w03", NOW)
    assert (found.status, found.service, found.mistakes) == (None, "failed", unit.mistakes)
    assert found.silence == "w03: the daemon does not answer: journal.db.sock: no daemon answers"
    assert (found.configured, found.ports) == (None, {})
    unit.told = {"starting": True}
    assert glance(unit, "w03", NOW).silence == "the daemon is starting"
    unit.is_on = False
    assert look(unit, "w03", NOW).unreachable == "w03: No route to host"


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    office = Office(tmp_path / "office")
    office.enrol("w03")
    return office


def asked(office: Office, *more: str) -> int:
    return main(["doctor", "w03", "--site", str(office.site.folder), *more])


def test_command_then_says_the_first_broken_thing_and_what_to_do(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hall = PlayedHall.of(office.site.folder, tmp_path / "hall")
    told = whole()
    hall.tell("w03", told)
    assert asked(office) == 0
    said = capsys.readouterr().out
    assert said.startswith("w03: nothing is broken\nnot known: queue line is understood, window 3")
    pad(state="lost", exists=False)(told)
    uplink("dns")(told)
    hall.tell("w03", told)
    assert asked(office) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("w03: broken: pad's port, window 3: /dev/haochaping/pad does not")
    assert lines[1].startswith("do: plug the pad's cable in")
    assert lines[2].endswith("by the same cause: broker's name")
    assert asked(office, "--json") == 1
    value = json.loads(capsys.readouterr().out)
    assert value["first"]["name"] == "pad_port"
    assert {check["name"] for check in value["checks"]} > set(STEPS)
    assert asked(office, "--all") == 1
    assert "platform sends receipts" in capsys.readouterr().out
    assert asked(office, "--window", "3", "--json") == 1


def test_command_for_a_unit_that_is_off_then_says_what_to_look_at(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PlayedHall.of(office.site.folder, tmp_path / "hall")
    assert asked(office) == 1
    said = capsys.readouterr().out
    assert "w03: broken: the unit itself: w03: ssh: connect to host w03 port 22: No route" in said
    assert "do: is its power on" in said


def test_command_without_a_unit_or_with_a_wrong_one_then_a_sentence(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.startswith("error: name a unit of the hall, or say --here")
    assert main(["doctor", "w99", "--site", str(office.site.folder)]) == 2
    assert "w99: no such unit" in capsys.readouterr().err
