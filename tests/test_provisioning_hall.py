"""`provision hall`: how every unit stands, and new programs that stop at the first trouble."""

import json
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import daemon
from protocol.central.signing import SigningKey
from provisioning.__main__ import main
from provisioning.doctor.facts import Facts
from provisioning.hall.asking import ask
from provisioning.hall.change import Bundle, NotThat, Wheel
from provisioning.hall.stages import is_good, lack, stages, worse
from provisioning.hall.standing import NOBODY, NOW, SOON, Answer, Known, standing
from provisioning.hall.update import GOOD_LOOKS, TURN_S, UPDATED, Outcome, Update, facts_of, has
from provisioning.office import passphrase
from provisioning.office.authority import Authority
from provisioning.office.sites import AUTHORITY, LIST, PUBLISH
from provisioning.pad.bundle import make
from provisioning.reach.status import Status
from sim.offices import Office
from sim.played import PlayedHall, PlayedUnit, whole

ROOT = Path(__file__).resolve().parents[1]
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
Told = dict[str, Any]


def at() -> datetime:
    return AT


def known(**changes: Any) -> Known:
    usual: dict[str, Any] = {
        "name": "w03", "windows": ("3",), "state": "enrolled", "seen": None, "until": None,
    }  # fmt: skip
    return Known(**{**usual, **changes})


def told(**tables: Any) -> Told:
    status = whole()
    for name, changes in tables.items():
        status[name].update(changes)
    return status


# -- how they stand


def test_unit_that_is_well_then_needs_nobody() -> None:
    row = standing(known(), Answer(told=whole()), AT)
    assert (row.need, row.trouble, row.daemon, row.pads, row.backlog) == (
        NOBODY, None, "0.1.0", ("3",), 0,
    )  # fmt: skip
    assert row.row(AT)["seen"] == "now"


@pytest.mark.parametrize(
    ("changes", "need", "trouble", "advice"),
    [
        (
            {"uplink": {"state": "down", "step": "tcp", "trouble": "no route", "backlog": 40}},
            NOW, "way to the broker: no route", "is the network cable in",
        ),
        (
            {"certificate": {"until": "2026-03-21T09:30:00Z"}},
            SOON, "certificate: it holds for 20 more days, until 2026-03-21",
            "provision unit rotate w03",
        ),
    ],
)  # fmt: skip
def test_unit_with_trouble_then_told_in_the_doctors_words(
    changes: Told, need: str, trouble: str, advice: str
) -> None:
    row = standing(known(), Answer(told=told(**changes)), AT)
    assert (row.need, row.trouble) == (need, trouble)
    assert row.advice.startswith(advice)


def test_unit_that_is_not_reached_then_shown_as_it_was_seen_last() -> None:
    before = (AT - timedelta(hours=5)).isoformat()
    row = standing(known(seen=(whole(), before)), Answer(trouble="w03: No route to host"), AT)
    assert (row.need, row.trouble, row.daemon) == (NOW, "w03: No route to host", "0.1.0")
    assert row.row(AT)["seen"] == "5 h ago"
    never = standing(known(until="2026-03-11T09:30:00+00:00"), Answer(trouble="no"), AT)
    assert (never.row(AT)["seen"], never.days_left, never.daemon) == ("never", 10, None)


def test_answer_that_cannot_be_read_then_somebody_is_needed() -> None:
    for answer in ({"starting": True}, {"source": "x"}, {}):
        row = standing(known(seen=({"old": 1}, AT.isoformat())), Answer(told=answer), AT)
        assert (row.need, row.is_reached) == (NOW, False)


def test_unit_that_is_not_enrolled_then_needs_nobody_and_is_not_asked() -> None:
    row = standing(known(state="planned"), None, AT)
    assert (row.need, row.trouble, row.advice) == (NOBODY, None, "provision unit enrol w03")


def test_many_units_then_each_is_asked_and_one_that_is_off_is_told(tmp_path: Path) -> None:
    units = {name: PlayedUnit(tmp_path, name) for name in ("w01", "w02", "w03")}
    units["w02"].is_on = False
    units["w03"].told = None
    steps: list[float] = []
    answers = ask(units, steps.append)
    assert answers["w01"].told == whole()
    assert answers["w02"].trouble == "w02: No route to host"
    assert answers["w03"].trouble is not None
    assert sum(steps) == 3


# -- stages, and what is worse


@given(st.integers(0, 400))
def test_stages_then_one_then_a_tenth_then_all_and_each_once(count: int) -> None:
    names = [f"w{index}" for index in range(count)]
    found = stages(names)
    assert [name for stage in found for name in stage] == names
    assert [len(stage) for stage in found[:1]] == [1] * bool(count)
    assert all(len(stage) == -(-count // 10) for stage in found[1:2] if count > 10)


def test_unit_after_a_change_then_judged_by_what_was_whole_before() -> None:
    lost = told()
    lost["windows"][0]["pad"].update(state="lost", trouble="nothing heard")
    good, bad = Status.read(whole()), Status.read(lost)
    after = Facts(unit="w03", now=AT, status=bad)
    assert [check.name for check in worse(good, after)] == ["pad"]
    assert not is_good(good, after, lambda _: True)
    assert is_good(bad, after, lambda _: True)
    assert not is_good(bad, after, lambda _: False)
    assert lack(good, after, "release 2") == "pad speaks, window 3: nothing heard"
    assert lack(bad, after, "release 2") == "it does not run release 2"
    away = Facts(unit="w03", now=AT, unreachable="no route")
    assert lack(good, away, "") == "it is not reached any more: no route"
    silent = Facts(unit="w03", now=AT, silence="no answer")
    assert lack(good, silent, "") == "its daemon does not answer any more: no answer"


# -- the update


def wheel(folder: Path, version: str = "0.2.0", name: str = "haochaping") -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{name}-{version}.dist-info/METADATA", text)
    return path


def hall(folder: Path, count: int) -> dict[str, PlayedUnit]:
    names = [f"w{index:02d}" for index in range(1, count + 1)]
    return {name: PlayedUnit(folder, name) for name in names}


def nobody(_seconds: float) -> None:
    """Time that passes at once."""


def updated(
    units: Mapping[str, PlayedUnit],
    change: Any,
    back: Any = None,
    pause: Callable[[float], None] = nobody,
) -> list[Outcome]:
    return list(Update(change, back, at, pause).run(units))


def test_wheel_for_a_hall_then_every_unit_runs_it_in_its_stage(tmp_path: Path) -> None:
    units = hall(tmp_path, 12)
    outcomes = updated(units, Wheel.open(wheel(tmp_path), "/opt/haochaping/wheels"))
    assert {outcome.sentence for outcome in outcomes} == {"runs release 0.2.0"}
    names = [outcome.unit for outcome in outcomes]
    assert names[0] == "w01"
    assert set(names[1:3]) == {"w02", "w03"}
    assert set(names) == set(units)
    file = units["w01"].root / "opt/haochaping/haochaping-0.2.0-py3-none-any.whl"
    assert file.read_bytes() == wheel(tmp_path).read_bytes()
    installs = [words for words in units["w01"].ran if "daemon.systemd" in words]
    assert installs == [
        ["env", "PYTHONPATH=/opt/haochaping/haochaping-0.2.0-py3-none-any.whl", "python3", "-m",
         "daemon.systemd", "install", "--wheels", "/opt/haochaping/wheels"]
    ]  # fmt: skip


def breaks_pad(unit: PlayedUnit) -> Callable[[str], None]:
    """What a release with a mistake does to a unit; the one before does it no more."""

    def take(version: str) -> None:
        unit.told = told()
        unit.told["version"] = version
        if version == "0.2.0":
            unit.told["windows"][0]["pad"].update(state="lost", trouble="nothing heard")

    return take


def test_release_that_breaks_a_pad_then_nobody_after_it_gets_it(tmp_path: Path) -> None:
    units = hall(tmp_path, 30)
    units["w03"].takes = breaks_pad(units["w03"])
    outcomes = updated(units, Wheel.open(wheel(tmp_path)))
    bad = [outcome for outcome in outcomes if not outcome.is_done]
    assert [(outcome.unit, outcome.sentence) for outcome in bad] == [
        ("w03", "pad speaks, window 3: nothing heard")
    ]
    # Its own stage is a tenth of the hall; of the others none was begun.
    assert {outcome.unit for outcome in outcomes} <= {"w01", "w02", "w03", "w04"}
    assert not any(units[f"w{index:02d}"].ran for index in range(5, 31))


def test_release_before_is_given_then_the_unit_is_put_back_and_told(tmp_path: Path) -> None:
    units = hall(tmp_path, 2)
    units["w01"].takes = breaks_pad(units["w01"])
    new, old = Wheel.open(wheel(tmp_path)), Wheel.open(wheel(tmp_path, "0.1.0"))
    (outcome,) = updated(units, new, old)
    assert outcome.sentence == (
        "pad speaks, window 3: nothing heard; it was put back, and runs release 0.1.0 as before"
    )
    assert units["w01"].told == whole()
    units["w01"].takes = refuses
    (outcome,) = updated(units, new, old)
    assert outcome.sentence == (
        "No space left on device; it was put back to release 0.1.0, and is not well: "
        "No space left on device"
    )


def refuses(_version: str) -> None:
    raise ValueError("No space left on device")


def test_unit_that_goes_away_or_stays_silent_then_the_update_stops_there(tmp_path: Path) -> None:
    units = hall(tmp_path, 3)

    def dies(_version: str) -> None:
        units["w01"].told = None

    units["w01"].takes = dies
    (outcome,) = updated(units, Wheel.open(wheel(tmp_path)))
    assert outcome.sentence.startswith("its daemon does not answer any more: w01: the daemon")
    units["w01"].is_on = False
    (outcome,) = updated(units, Wheel.open(wheel(tmp_path)))
    assert (outcome.sentence, outcome.is_touched) == ("w01: No route to host", False)


def test_citizen_who_is_asked_then_the_unit_waits_its_turn(tmp_path: Path) -> None:
    units = hall(tmp_path, 1)
    window = whole()["windows"][0] | {"state": "prompted"}
    units["w01"].told = {**whole(), "windows": [window]}
    ran: list[int] = []

    def pause(_seconds: float) -> None:
        ran.append(sum("daemon.systemd" in words for words in units["w01"].ran))
        if len(ran) == 3:
            units["w01"].told = whole()

    (outcome,) = updated(units, Wheel.open(wheel(tmp_path)), pause=pause)
    assert (outcome.is_done, ran[:3]) == (True, [0, 0, 0])
    units["w01"].told = {**whole(), "windows": [window]}
    (outcome,) = updated(units, Wheel.open(wheel(tmp_path)))
    assert (outcome.is_touched, outcome.is_done) == (False, False)
    assert outcome.sentence == (
        f"a rating was asked for at each look within {TURN_S / 60:.0f} minutes"
    )


def test_daemon_that_comes_up_and_dies_again_then_is_not_taken_for_good(tmp_path: Path) -> None:
    units = hall(tmp_path, 1)
    units["w01"].takes = lambda _version: None
    looks = []

    def pause(_seconds: float) -> None:
        looks.append(1)
        units["w01"].told = {**whole(), "version": "0.2.0"} if len(looks) % GOOD_LOOKS else None

    (outcome,) = updated(units, Wheel.open(wheel(tmp_path)), pause=pause)
    assert (outcome.is_done, len(looks)) == (False, 120)


def test_technician_who_leaves_then_no_further_unit_is_begun(tmp_path: Path) -> None:
    units = hall(tmp_path, 30)
    update = Update(Wheel.open(wheel(tmp_path)), None, at, nobody).run(units)
    assert next(update).unit == "w01"
    assert next(update).unit in {"w02", "w03", "w04"}
    with pytest.raises(KeyboardInterrupt):
        update.throw(KeyboardInterrupt())
    assert not any(units[f"w{index:02d}"].ran for index in range(5, 31))


def test_bundle_for_the_pads_then_laid_named_and_waited_for(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "maker.pem")
    key.public.save(tmp_path / "maker.pub.pem")
    make(tmp_path / "maker.pem", tmp_path / "pad.hcpad", 1)
    bundle = Bundle.open(tmp_path / "pad.hcpad", tmp_path / "maker.pub.pem")
    units = hall(tmp_path, 1)
    looks = []

    def pause(_seconds: float) -> None:
        looks.append(1)
        if len(looks) == 2 and units["w01"].told is not None:
            units["w01"].told["windows"][0]["pad"]["firmware"] = bundle.firmware

    (outcome,) = updated(units, bundle, pause=pause)
    assert (outcome.is_done, len(looks)) == (True, 1 + GOOD_LOOKS)
    config = units["w01"].root / "etc/haochaping"
    assert (config / "pad.hcpad").read_bytes() == (tmp_path / "pad.hcpad").read_bytes()
    assert (config / "pad.hcpad").stat().st_mode & 0o777 == 0o644
    assert 'firmware_key = "maker.pub.pem"' in units["w01"].configuration
    SigningKey.generate().public.save(tmp_path / "other.pub.pem")
    with pytest.raises(NotThat, match="was not signed with the key"):
        Bundle.open(tmp_path / "pad.hcpad", tmp_path / "other.pub.pem")


def test_file_that_is_no_wheel_of_ours_then_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.whl").write_text("no wheel")
    with pytest.raises(NotThat, match="no wheel"):
        Wheel.open(tmp_path / "text.whl")
    with pytest.raises(NotThat, match="a wheel of other, and not of haochaping"):
        Wheel.open(wheel(tmp_path, name="other"))
    with pytest.raises(NotThat, match="cannot be read"):
        Wheel.open(tmp_path / "none.whl")


def test_release_that_a_unit_tells_then_is_that_of_the_wheel_it_came_in() -> None:
    # Else an update would wait for what never comes.
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert pyproject["project"]["version"] == daemon.VERSION


def test_history_then_says_whether_the_unit_has_this_very_change(tmp_path: Path) -> None:
    new, old = Wheel.open(wheel(tmp_path)), Wheel.open(wheel(tmp_path, "0.1.0"))
    notes = [{"what": UPDATED, "facts": facts_of(new)}, {"what": "enrolled", "facts": {}}]
    assert has(notes, new)
    assert not has(notes, old)
    assert not has([*notes, {"what": UPDATED, "facts": facts_of(old)}], new)


# -- the commands


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Office(tmp_path / "office")


def command(office: Office, *words: str) -> int:
    return main(["hall", *words, "--site", str(office.site.folder)])


def test_status_then_shows_who_needs_somebody_and_remembers_what_was_seen(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office.enrol("w03")
    office.enrol("w04")
    played = PlayedHall.of(office.site.folder, tmp_path / "hall")
    # It would end some day, and the command looks at this machine's clock.
    (office.site.folder / PUBLISH / LIST).unlink()
    for name in ("w03", "w04"):
        played.tell(name, whole())
    assert command(office, "status") == 0
    assert "w05" in capsys.readouterr().out
    played.tell("w04", None)
    assert command(office, "status") == 1
    captured = capsys.readouterr()
    assert "w04: w04: the daemon does not answer" in captured.err
    assert "Do: provision doctor w04" in captured.err
    assert command(office, "status", "w03", "w04", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert [(row["unit"], row["need"], row["daemon"]) for row in said["units"]] == [
        ("w03", NOBODY, "0.1.0"), ("w04", NOW, "0.1.0"),
    ]  # fmt: skip
    assert office.site.inventory.seen("w04") is not None


def test_list_that_ends_soon_then_the_hall_is_told(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    now, folder = datetime.now(UTC), office.site.folder
    authority = Authority.open(folder / AUTHORITY, passphrase.load("330102-h01"), office.now())
    (folder / PUBLISH / LIST).write_text(authority.list_of([], 10, now))
    assert command(office, "status", "--json") == 1
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning.startswith("the revocation list ends in ")


def test_update_then_its_plan_names_only_those_who_have_it_not_yet(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, path = ("w03", "w04", "w05"), wheel(tmp_path)
    for name in names:
        office.enrol(name)
    PlayedHall.of(office.site.folder, tmp_path / "hall")
    assert command(office, "update", "--wheel", str(path), "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["stages"] == [["w03"], ["w04"], ["w05"]]
    facts = facts_of(Wheel.open(path))
    office.site.inventory.note("w03", UPDATED, facts, office.now())
    assert command(office, "update", "--wheel", str(path), "--dry-run") == 0
    captured = capsys.readouterr()
    assert captured.out == "release 0.2.0 would go to 2 units:\n1. w04\n2. w05\n"
    assert "release 0.2.0 is at 1 of 3 units already" in captured.err
    # Those that are left are off.
    assert command(office, "update", "--wheel", str(path), "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["units"], said["absent"], said["not_begun"]) == ([], ["w04", "w05"], 0)
    for name in names:
        office.site.inventory.note(name, UPDATED, facts, office.now())
    assert command(office, "update", "--wheel", str(path)) == 0


@pytest.mark.campaign
def test_update_then_goes_on_with_the_rest_and_stops_at_trouble(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("w03", "w04", "w05"):
        office.enrol(name)
    played, path = PlayedHall.of(office.site.folder, tmp_path / "hall"), str(wheel(tmp_path))
    new = {**whole(), "version": "0.2.0"}
    for name in ("w03", "w04"):
        played.tell(name, whole(), next=new)
    assert command(office, "update", "--wheel", path) == 1
    captured = capsys.readouterr()
    assert captured.out == "release 0.2.0: 2 of 2 units run it\nnot reached, so left out: w05\n"
    played.tell("w05", whole(), next=new)
    assert command(office, "update", "--wheel", path) == 0
    captured = capsys.readouterr()
    assert "release 0.2.0 is at 2 of 3 units already" in captured.err
    assert captured.out == "release 0.2.0: 1 of 1 units run it\n"
    # The file that it installs is missing there.
    other = str(wheel(tmp_path, "0.3.0"))
    assert command(office, "update", "--wheel", other) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("release 0.3.0: 0 of 3 units run it\nstopped at w03: mv: ")
    assert "2 units were not begun and go on as before" in captured.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "name --wheel or --pad-bundle"),
        (("--wheel", "{0}", "--pad-bundle", "{0}"), "name --wheel or --pad-bundle"),
        (("--pad-bundle", "{0}"), "--pad-bundle needs --key"),
        (("--pad-bundle", "{0}", "--key", "{0}", "--back", "{0}"), "takes no older firmware"),
    ],
)
def test_update_without_knowing_what_then_a_sentence(
    office: Office,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    sentence: str,
) -> None:
    path = wheel(tmp_path)
    assert command(office, "update", *(word.format(path) for word in words)) == 2
    assert sentence in capsys.readouterr().err
