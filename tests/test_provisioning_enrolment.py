"""From an invitation to a trusted unit: cut off anywhere, asked twice, asked wrongly."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from protocol.central.signing import SigningKey, VerifyKey
from provisioning.errors import ProvisioningError
from provisioning.office import enrolment, passphrase
from provisioning.office.sites import Site
from provisioning.papers.grant import Grant
from provisioning.papers.invitation import RENEW, Invitation
from provisioning.unit import enrolled, installing, requesting
from provisioning.unit.machine import DAEMON_TOML, PENDING, SIGNING_KEY, STATE, TLS
from sim.machines import CutMachine, PowerCut
from sim.offices import Office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Office(tmp_path)


def tokens(office: Office) -> str:
    return Invitation.read(enrolment.invite(office.site, office.unit("w03"))).token


def test_enrolment_then_keys_certificate_and_settings_are_where_the_daemon_looks(
    office: Office,
) -> None:
    done = office.enrol("w03")
    machine = office.machine("w03")
    key = SigningKey.load(machine.at(SIGNING_KEY))
    assert (done.source, done.kid) == ("/330102/h01/w03", key.kid)
    assert enrolled.read(machine) == done
    assert office.unit("w03").kid == key.kid
    assert office.unit("w03").state == "enrolled"
    for path in (SIGNING_KEY, TLS):
        assert machine.at(path).stat().st_mode & 0o777 == 0o600
    text = machine.at(DAEMON_TOML).read_text("utf-8")
    assert 'unit = "w03"' in text
    assert f'tls_key = "{machine.at(TLS)}"' in text
    assert f'pad = "{machine.at("/dev/haochaping/pad")}"' in text
    assert "# Not in the example" not in text
    assert not machine.at(PENDING).exists()


def test_plug_pulled_before_any_step_on_the_unit_then_the_same_commands_end_it(
    office: Office, tmp_path: Path
) -> None:
    fresh = office.machine("fresh").root
    root = tmp_path / "cut"
    shutil.copytree(fresh, root)
    whole = CutMachine(root, now=office.now)
    office.enrol("w04", whole)
    assert whole.done_count > 10
    for cut_at in range(1, whole.done_count + 1):
        # The next card in the same machine.
        office.site.inventory.end("w04", "planned", "", office.now())
        shutil.rmtree(root)
        shutil.copytree(fresh, root)
        machine = CutMachine(root, cut_at=cut_at, now=office.now)
        with pytest.raises(PowerCut):
            office.enrol("w04", machine)
        after = CutMachine(root, now=office.now)
        done = office.enrol("w04", after)
        assert done.kid == office.unit("w04").kid == SigningKey.load(after.at(SIGNING_KEY)).kid
        assert after.asked[-1][:2] in (("systemctl", "enable"), ("systemctl", "reload"))
        assert sorted(path.name for path in after.at(STATE).iterdir()) == [
            "enrolled.json", "signing.pem", "tls.pem",
        ]  # fmt: skip
    # One signing key for each card, however often it was cut off.
    assert len(office.site.inventory.keys("w04")) == 1 + whole.done_count


def test_answer_lost_on_its_way_then_the_same_grant_again_and_no_other_certificate(
    office: Office,
) -> None:
    request = office.request("w03")
    assert office.request("w03") == request
    _, grant, _ = enrolment.issue(office.site, request)
    office.pass_by(timedelta(days=30))
    assert enrolment.issue(office.site, request)[1] == grant
    first = installing.install(office.machine("w03"), grant)
    assert office.request("w03") == request
    assert installing.install(office.machine("w03"), grant) == first
    assert len(office.site.inventory.keys("w03")) == 1


def test_invitation_that_ended_then_refused_at_the_unit_and_at_the_office(office: Office) -> None:
    invitation = enrolment.invite(office.site, office.unit("w03"))
    request = requesting.answer(office.machine("w03"), invitation)
    office.pass_by(timedelta(hours=73))
    with pytest.raises(ProvisioningError, match="the invitation of w03 ended at") as caught:
        enrolment.issue(office.site, request)
    assert "`provision unit invite w03` makes a new one" in caught.value.hint
    with pytest.raises(ProvisioningError, match="the invitation ended at"):
        requesting.answer(office.machine("w04"), invitation)
    assert office.enrol("w03").source == "/330102/h01/w03"


def test_invitation_answered_by_two_machines_then_only_the_first_is_enrolled(
    office: Office,
) -> None:
    invitation = enrolment.invite(office.site, office.unit("w03"))
    enrolment.issue(office.site, requesting.answer(office.machine("w03"), invitation))
    second = requesting.answer(office.machine("a copied card", "20000000"), invitation)
    with pytest.raises(ProvisioningError, match="answered by another request already"):
        enrolment.issue(office.site, second)


def test_machine_that_is_another_unit_then_refused_by_itself_and_by_the_office(
    office: Office,
) -> None:
    office.enrol("w03")
    invitation = enrolment.invite(office.site, office.unit("w04"))
    with pytest.raises(ProvisioningError, match="enrolled as /330102/h01/w03") as caught:
        requesting.answer(office.machine("w03"), invitation)
    assert "provision unit leave" in caught.value.hint
    # Its card was wiped, so it does not know.
    wiped = office.machine("wiped", serial="1000w03")
    with pytest.raises(ProvisioningError, match="the machine 1000w03 is enrolled as w03 already"):
        enrolment.issue(office.site, requesting.answer(wiped, invitation))


def test_another_machine_under_the_name_of_an_enrolled_unit_then_only_by_replace(
    office: Office,
) -> None:
    office.enrol("w03")
    with pytest.raises(ProvisioningError, match="is enrolled on the machine 1000w03") as caught:
        office.enrol("w03", office.machine("other"))
    assert "provision unit replace w03" in caught.value.hint


def test_key_that_was_revoked_then_not_enrolled_again(office: Office) -> None:
    office.enrol("w03")
    office.site.inventory.end("w03", "planned", "stolen", office.now())
    # A unit that keeps to its old key, though it was invited to make a new one.
    machine = office.machine("w03")
    kept = machine.at(requesting.NEW_SIGNING_KEY)
    kept.parent.mkdir(mode=0o700)
    shutil.copy(machine.at(SIGNING_KEY), kept)
    with pytest.raises(ProvisioningError, match=r"the signing key [0-9a-f]+ of w03 was revoked"):
        enrolment.issue(office.site, office.request("w03"))


def test_request_of_another_site_then_refused(office: Office, tmp_path: Path) -> None:
    other = Office(tmp_path / "other")
    with pytest.raises(ProvisioningError, match="an invitation this site never made"):
        enrolment.issue(office.site, other.request("w03"))


def clock_of(office: Office, ahead: timedelta, *, is_synced: bool) -> CutMachine:
    root = office.machine("w03").root
    return CutMachine(root, is_synced=is_synced, now=lambda: office.now() + ahead)


@pytest.mark.parametrize(
    ("ahead", "sentence"),
    [
        (timedelta(hours=2), "this computer's clock is 120 min behind that of w03"),
        (timedelta(days=-3), "this computer's clock is 4320 min ahead of that of w03"),
    ],
)
def test_office_whose_clock_is_not_that_of_a_synchronised_unit_then_refused(
    office: Office, ahead: timedelta, sentence: str
) -> None:
    office.pass_by(timedelta(days=10))
    request = office.request("w03", clock_of(office, ahead, is_synced=True))
    with pytest.raises(ProvisioningError, match=sentence) as caught:
        enrolment.issue(office.site, request)
    assert "set this computer's clock right" in caught.value.hint
    # Set right, the same command does it.
    office.time += ahead
    office.enrol("w03")
    assert office.unit("w03").state == "enrolled"


def test_unit_that_knows_no_time_then_enrolled_and_said(office: Office) -> None:
    machine = clock_of(office, timedelta(days=-20_000), is_synced=False)
    _, _, warnings = enrolment.issue(office.site, office.request("w03", machine))
    assert warnings == [
        "the clock of w03 is 28800000 min behind and follows no time server: it rates and records, "
        "and connects as soon as it knows the time"
    ]


def test_grant_for_another_unit_then_nothing_is_changed(office: Office) -> None:
    office.request("w03")
    _, grant, _ = enrolment.issue(office.site, office.request("w04"))
    machine = office.machine("w03")
    before = machine.at(DAEMON_TOML).read_bytes()
    with pytest.raises(ProvisioningError, match="does not answer this unit's request"):
        installing.install(machine, grant)
    assert machine.at(DAEMON_TOML).read_bytes() == before
    assert not machine.at(TLS).exists()


def test_certificate_of_another_key_then_refused(office: Office) -> None:
    token = tokens(office)
    machine = office.machine("w03")
    _, raw, _ = enrolment.issue(office.site, office.request("w03"))
    _, other, _ = enrolment.issue(office.site, office.request("w04"))
    theirs = Invitation.read(enrolment.invite(office.site, office.unit("w04")))
    wrong = replace(Grant.read(raw, token), certificate=Grant.read(other, theirs.token).certificate)
    with pytest.raises(ProvisioningError, match="of another key than this unit's"):
        installing.install(machine, wrong.write(token))


def test_grant_without_a_request_then_refused(office: Office) -> None:
    _, grant, _ = enrolment.issue(office.site, office.request("w03"))
    with pytest.raises(ProvisioningError, match="has not asked for a grant"):
        installing.install(office.machine("w04"), grant)


def test_settings_the_daemon_refuses_then_the_ones_before_stay(office: Office) -> None:
    _, grant, _ = enrolment.issue(office.site, office.request("w03"))
    root = office.machine("w03").root
    before = office.machine("w03").at(DAEMON_TOML).read_bytes()
    machine = CutMachine(root, refuses="[panel] display: no such display", now=office.now)
    with pytest.raises(ProvisioningError, match="no such display"):
        installing.install(machine, grant)
    assert machine.at(DAEMON_TOML).read_bytes() == before
    assert office.enrol("w03").source == "/330102/h01/w03"


def test_what_somebody_wrote_into_the_daemons_file_then_stays(office: Office) -> None:
    machine = office.machine("w03")
    path = machine.at(DAEMON_TOML)
    text = path.read_text("utf-8")
    assert "# prompt_s = 30.0" in text
    path.write_text(text.replace("# prompt_s = 30.0", "prompt_s = 45.0"), "utf-8")
    office.enrol("w03")
    assert "prompt_s = 45.0 " in path.read_text("utf-8")


def test_new_keys_then_the_old_ones_serve_until_the_grant_is_installed(office: Office) -> None:
    office.enrol("w03")
    machine = office.machine("w03")
    before = machine.at(SIGNING_KEY).read_bytes(), machine.at(TLS).read_bytes()
    unit = office.unit("w03")
    invitation = enrolment.invite(office.site, unit, RENEW)
    request = requesting.answer(machine, invitation)
    assert (machine.at(SIGNING_KEY).read_bytes(), machine.at(TLS).read_bytes()) == before
    _, grant, _ = enrolment.issue(office.site, request)
    done = installing.install(machine, grant)
    office.site.inventory.installed("w03", office.now())
    assert machine.asked[-1] == ("systemctl", "reload", "haochaping")
    keys = office.site.inventory.keys("w03")
    assert [key.kid for key in keys] == [unit.kid, done.kid]
    assert [key.revoked for key in keys] == [None, None]
    office.site.inventory.end_old_keys("w03", office.now())
    assert [key.revoked is None for key in office.site.inventory.keys("w03")] == [False, True]
    assert len(office.site.inventory.taken_back()) == 1


def test_key_of_the_authority_or_its_passphrase_missing_then_said_before_anything(
    office: Office,
) -> None:
    request = office.request("w03")
    key = office.site.folder / "authority/ca.key"
    key.rename(key.with_suffix(".away"))
    with pytest.raises(ProvisioningError, match="the authority's key is missing"):
        enrolment.issue(office.site, request)
    key.with_suffix(".away").rename(key)
    kept = passphrase.path("330102-h01")
    kept.rename(kept.with_suffix(".away"))
    with pytest.raises(ProvisioningError, match="passphrase of the authority's key cannot be read"):
        enrolment.issue(office.site, request)
    kept.with_suffix(".away").rename(kept)
    assert enrolment.issue(office.site, request)


def test_unit_nobody_reaches_then_the_others_are_enrolled_and_it_is_named(office: Office) -> None:
    site = Site.open(office.site.folder, office.now)
    site.settings = replace(site.settings, ssh=("no-such-client",))
    (one,) = enrolment.enrol(site, [office.unit("w03")], lambda step: None)
    assert one.trouble == "w03: no-such-client is not installed here"
    assert office.unit("w03").state == "invited"


def test_computer_that_fell_back_in_time_then_it_is_said(office: Office) -> None:
    office.enrol("w03")
    assert office.site.warnings() == []
    office.time -= timedelta(days=2)
    (warning,) = office.site.warnings()
    assert "its clock is wrong, or was" in warning


def test_list_that_runs_out_then_said_three_weeks_before(office: Office) -> None:
    office.pass_by(timedelta(days=68))
    assert office.site.warnings() == []
    office.pass_by(timedelta(days=2))
    (warning,) = office.site.warnings()
    assert warning.startswith("the revocation list ends in 20 days (2027-02-27)")
    assert "`provision site list`" in warning
    office.site.publish_list()
    assert office.site.warnings() == []


def test_private_keys_then_nowhere_but_on_the_unit(office: Office, tmp_path: Path) -> None:
    request = office.request("w03")
    office.enrol("w03")
    office.site.publish()
    machine = office.machine("w03")
    # The first line of the text holds the beginning of the secret; the last ones are public.
    secrets = [
        machine.at(path).read_text("ascii").splitlines()[1].encode() for path in (SIGNING_KEY, TLS)
    ]
    assert not any(secret in request for secret in secrets)
    for path in tmp_path.rglob("*"):
        if path.is_file() and machine.root not in path.parents:
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_registry_then_every_key_with_its_time_and_the_windows_of_those_in_use(
    office: Office,
) -> None:
    from central.registry import Registry
    from protocol.central.entry import Source

    office.enrol("w03")
    office.enrol("w04")
    office.site.inventory.end("w04", "revoked", "stolen", office.now())
    office.site.publish_registry()
    text = (office.site.folder / "publish/registry/330102-h01.json").read_text("utf-8")
    registry = Registry.parse(text)
    first, second = (registry.get(Source("330102", "h01", name)) for name in ("w03", "w04"))
    assert first is not None
    assert second is not None
    assert (first.windows, second.windows) == (("3",), ())
    assert list(first.current) == [office.unit("w03").kid]
    assert not second.current
    held: VerifyKey = next(iter(first.keys.values()))
    assert held.kid == office.unit("w03").kid


def test_another_authoritys_command_then_signs_what_is_checked(
    office: Office, tmp_path: Path
) -> None:
    openssl = (
        f"cat >{tmp_path}/r.pem && openssl x509 -req -in {tmp_path}/r.pem -CA "
        f"{office.broker.certificate} -CAkey {office.broker.key} -days 30 -set_serial 77"
    )
    office.site.settings = replace(office.site.settings, sign=("sh", "-c", openssl))
    office.time = office.time.now(office.time.tzinfo)
    done = office.enrol("w03")
    assert done.kid == office.unit("w03").kid
    assert office.site.publish_list() == []
    office.site.settings = replace(office.site.settings, sign=("sh", "-c", "echo no >&2; exit 1"))
    with pytest.raises(ProvisioningError, match=r"authority.sign: sh ended with 1: no"):
        office.enrol("w04")


def test_two_who_ask_a_unit_at_once_then_both_hear_the_same_request(office: Office) -> None:
    invitation = enrolment.invite(office.site, office.unit("w03"))
    with ThreadPoolExecutor(4) as pool:
        machine = office.machine("w03")
        heard = set(pool.map(lambda _: requesting.answer(machine, invitation), range(4)))
    assert len(heard) == 1


def test_site_that_somebody_is_at_work_in_then_the_second_is_told(office: Office) -> None:
    first = Site.open_alone(office.site.folder)
    with pytest.raises(ProvisioningError, match="another `provision` is at work here"):
        Site.open_alone(office.site.folder)
    assert Site.open(office.site.folder)
    first.close()
    Site.open_alone(office.site.folder).close()
