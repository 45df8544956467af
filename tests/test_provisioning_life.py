"""A unit's life: moved, rotated, exchanged, taken back, ended; cut off anywhere, said again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from central.registry import Registry
from protocol.central.entry import Source
from provisioning.errors import ProvisioningError
from provisioning.office import enrolment, life
from provisioning.office.windows import planned
from provisioning.reach.status import Status
from provisioning.unit.machine import DAEMON_TOML, SIGNING_KEY, STATE
from sim.machines import PowerCut
from sim.offices import Office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A hall of three windows, all enrolled."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    office = Office(tmp_path)
    enrol(office)
    return office


def enrol(office: Office) -> None:
    for one in enrolment.enrol(office.site, office.site.units(), advance):
        assert one.trouble is None


def advance(_step: float) -> None:
    """Nobody looks."""


def registered(office: Office, name: str) -> tuple[tuple[str, ...], list[str], list[str]]:
    """What the centre would read of a unit: windows, keys that count, keys that were revoked."""
    text = (office.site.folder / "publish/registry/330102-h01.json").read_text("utf-8")
    unit = Registry.parse(text).get(Source("330102", "h01", name))
    assert unit is not None
    return unit.windows, list(unit.current), list(unit.revoked)


def listed(office: Office) -> set[str]:
    """The certificates on the published list."""
    raw = (office.site.folder / "publish/unit.crl").read_bytes()
    return {f"{one.serial_number:x}" for one in x509.load_pem_x509_crl(raw)}


def certificates(office: Office) -> set[str]:
    return {one.number for one in office.site.inventory.taken_back()}


def show(office: Office, name: str) -> Status:
    return life.shown(office.site.place(office.unit(name)))


def test_hall_enrolled_then_every_unit_registered_with_its_window(office: Office) -> None:
    for name, number in (("w03", "3"), ("w04", "4"), ("w05", "5")):
        assert registered(office, name) == ((number,), [office.unit(name).kid], [])
    assert listed(office) == set()


def test_rotated_then_a_new_certificate_the_same_key_and_the_old_one_on_the_list(
    office: Office,
) -> None:
    before = office.unit("w03").kid
    (one,) = life.rotate(office.site, [office.unit("w03")], advance, signing=False)
    office.site.publish_list()
    assert (one.trouble, one.kid) == (None, before)
    assert len(listed(office)) == 1
    assert registered(office, "w03") == (("3",), [before], [])


def test_new_signing_key_then_the_old_one_counts_until_the_platform_has_what_it_signed(
    office: Office,
) -> None:
    before, desk = office.unit("w03").kid, office.site.desks["w03"]
    shown = show(office, "w03")
    (one,) = life.rotate(office.site, [office.unit("w03")], advance, signing=True)
    unit = office.unit("w03")
    assert one.kid == unit.kid != before
    assert registered(office, "w03") == (("3",), [before, unit.kid], [])
    # Its daemon has not begun anew yet, and then not delivered yet.
    assert not life.settle(office.site, unit, shown)
    desk.backlog = 2
    assert not life.settle(office.site, unit, show(office, "w03"))
    assert registered(office, "w03")[2] == []
    desk.backlog = 0
    assert life.settle(office.site, unit, show(office, "w03"))
    assert registered(office, "w03") == (("3",), [unit.kid], [before])


def test_moved_then_both_windows_count_until_the_platform_has_what_was_recorded(
    office: Office,
) -> None:
    desk = office.site.desks["w03"]
    desk.backlog = 1
    life.move(office.site, office.unit("w03"), ["7"])
    assert registered(office, "w03")[0] == ("7", "3")
    assert 'number = "7"' in desk.machine.at(DAEMON_TOML).read_text("utf-8")
    assert not life.settle(office.site, office.unit("w03"), show(office, "w03"))
    desk.backlog = 0
    assert life.settle(office.site, office.unit("w03"), show(office, "w03"))
    assert registered(office, "w03")[0] == ("7",)


def test_moved_to_a_window_of_another_unit_then_refused(office: Office) -> None:
    with pytest.raises(ProvisioningError, match="window 4 is that of w04"):
        life.move(office.site, office.unit("w03"), ["4"])
    assert office.unit("w03").numbers == ("3",)


def test_revoked_then_out_without_being_asked_and_its_window_is_free(office: Office) -> None:
    office.site.desks["w03"].is_off = True
    kid = office.unit("w03").kid
    done = life.revoke(office.site, office.unit("w03"), "stolen")
    assert "haochaping-revoke" in done[-1]
    assert "330102/h01/w03" in done[-1]
    assert listed(office) == certificates(office) != set()
    assert registered(office, "w03") == ((), [], [kid])
    life.move(office.site, office.unit("w04"), ["3"])
    # Said again, nothing else happens.
    life.revoke(office.site, office.unit("w03"), "stolen")
    assert registered(office, "w03") == ((), [], [kid])
    with pytest.raises(ProvisioningError, match="w03 was revoked"):
        enrolment.enrol(office.site, [office.unit("w03")], advance)


def waits(*answers: bool) -> Callable[[], bool]:
    left = list(answers)
    return lambda: left.pop(0)


def test_retired_then_its_service_and_keys_end_and_its_journal_stays(office: Office) -> None:
    desk, kid = office.site.desks["w03"], office.unit("w03").kid
    (desk.machine.at(STATE) / "journal.db").write_bytes(b"evidence")
    life.retire(office.site, office.unit("w03"), "taken down", waits())
    assert desk.machine.asked[-1] == ("systemctl", "disable", "--now", "haochaping")
    assert sorted(path.name for path in desk.machine.at(STATE).iterdir()) == ["journal.db"]
    assert registered(office, "w03") == ((), [], [kid])
    assert office.unit("w03").state == "retired"


def test_retired_with_entries_the_platform_has_not_then_nothing_is_ended(office: Office) -> None:
    desk = office.site.desks["w03"]
    desk.backlog = 3
    with pytest.raises(ProvisioningError, match="still has 3 entries the platform has not"):
        life.retire(office.site, office.unit("w03"), "taken down", waits(True, False))
    assert desk.machine.at(SIGNING_KEY).exists()
    assert office.unit("w03").state == "enrolled"


def test_replaced_then_the_new_machine_has_its_name_and_the_old_keys_are_over(
    office: Office,
) -> None:
    before = office.unit("w03").kid
    office.site.desks["w03"].machine = office.machine("spare")
    one = life.exchange(office.site, office.unit("w03"), "", "another machine", advance)
    assert one.trouble is None
    windows, current, revoked = registered(office, "w03")
    assert (windows, current, revoked) == (("3",), [one.kid], [before])
    assert office.unit("w03").serial == "1000spare"
    assert listed(office) == certificates(office)


def test_revoked_unit_restored_then_with_a_window_of_its_own_again(office: Office) -> None:
    life.revoke(office.site, office.unit("w03"), "lost")
    desk = office.site.desks["w03"]
    with pytest.raises(ProvisioningError, match="w03 was revoked and has no window") as caught:
        life.exchange(office.site, office.unit("w03"), "", "found", advance)
    assert "provision unit restore w03 --window N" in caught.value.hint
    with pytest.raises(ProvisioningError, match="window 4 is that of w04"):
        life.come_back(office.site, office.unit("w03"), planned(["4"]))
    unit = life.come_back(office.site, office.unit("w03"), planned(["8"]))
    one = life.exchange(office.site, unit, "", "found", advance)
    assert one.trouble is None
    assert registered(office, "w03")[0] == ("8",)
    assert desk.machine.asked[-1][0] == "systemctl"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda office: life.rotate(
            office.site, [office.unit("w03")], advance, signing=True), id="rotate"),
        pytest.param(lambda office: life.exchange(
            office.site, office.unit("w03"), "", "card", advance), id="restore"),
        pytest.param(lambda office: life.move(
            office.site, office.unit("w03"), ["7"]), id="move"),
        pytest.param(lambda office: life.retire(
            office.site, office.unit("w03"), "down", waits()), id="retire"),
    ],
)  # fmt: skip
def test_laptop_closed_before_any_step_at_the_unit_then_the_same_command_ends_it(
    office: Office, step: Callable[[Office], object]
) -> None:
    desk = office.site.desks["w03"]
    for cut_at in range(1, 4):
        desk.calls.clear()
        desk.cut_at = cut_at
        try:
            step(office)
        except PowerCut:
            desk.cut_at = 0
            step(office)
        else:
            break
    unit = office.unit("w03")
    windows, current, _ = registered(office, "w03")
    if unit.state == "enrolled":
        assert unit.kid in current
        assert windows[0] == unit.numbers[0]
        held = desk.machine.at(STATE) / "enrolled.json"
        assert json.loads(held.read_text("utf-8"))["kid"] == unit.kid
    else:
        assert (unit.state, current) == ("retired", [])


def test_unit_that_serves_then_not_exchanged_however_often_it_is_asked(office: Office) -> None:
    before = office.unit("w03")
    for _ in range(2):
        one = life.exchange(office.site, before, "", "card", advance)
        assert (one.trouble, one.kid) == (None, before.kid)
    assert registered(office, "w03") == (("3",), [before.kid], [])
    assert listed(office) == set()


def test_new_machine_nobody_reaches_then_the_old_one_goes_on(office: Office) -> None:
    office.site.desks["w03"].is_off = True
    one = life.exchange(office.site, office.unit("w03"), "", "another machine", advance)
    assert one.trouble is not None
    assert registered(office, "w03") == (("3",), [office.unit("w03").kid], [])


def test_machine_that_comes_back_with_its_old_journal_then_begins_another(office: Office) -> None:
    desk, before = office.site.desks["w03"], office.unit("w03").kid
    journal = desk.machine.at(STATE) / "journal.db"
    journal.write_bytes(b"signed with the key that is revoked now")
    journal.with_name("journal.db-wal").write_bytes(b"and its end")
    life.revoke(office.site, office.unit("w03"), "lost")
    unit = life.come_back(office.site, office.unit("w03"), planned(["3"]))
    one = life.exchange(office.site, unit, "", "found", advance)
    assert registered(office, "w03") == (("3",), [one.kid], [before])
    assert not journal.exists()
    kept = sorted(path.name for path in desk.machine.at(STATE).glob("former/*/*"))
    assert kept == ["journal.db", "journal.db-wal"]
    assert ("systemctl", "stop", "haochaping") in desk.machine.asked


def test_card_that_dies_while_it_is_exchanged_then_the_next_one_gets_the_name(
    office: Office,
) -> None:
    desk = office.site.desks["w03"]
    desk.machine = office.machine("first", serial="1000w03")
    desk.cut_at = len(desk.calls) + 2  # between its request and its grant
    with pytest.raises(PowerCut):
        life.exchange(office.site, office.unit("w03"), "", "card", advance)
    desk.cut_at = 0
    desk.machine = office.machine("second", serial="1000w03")
    one = life.exchange(office.site, office.unit("w03"), "", "card", advance)
    assert one.trouble is None
    assert registered(office, "w03")[1] == [one.kid]
