"""The lists of revoked certificates at the shipped broker: renewed, watched, one per authority."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from central.revocation_file import RevocationFile
from provisioning.office import authority as office
from sim.authority import LOOPBACK, Authority, Identity
from sim.brokers import SHIPPED, ShippedMosquitto

pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.needs("mosquitto_pub")]

DEADLINE_S = 10.0
# MQTT 3.1.1: CONNECT with a clean session, keep-alive 30 s, client id "q"; PINGREQ and its answer.
CONNECT, CONNACK = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01q", b"\x20\x02\x00\x00"
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


class Door:
    """A shipped broker that trusts two halls' authorities, each with a list of its own."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two = Authority(folder, "hall one"), Authority(folder, "hall two")
        self.platform = Authority(folder, "platform")
        self.broker = ShippedMosquitto(folder / "b", self.one, self.platform)
        self.trust(self.one, self.two)
        self.lists(self.one.crl, self.two.crl)

    def trust(self, *authorities: Authority) -> None:
        """Put authorities into the file the broker knows them from."""
        self._join("unit-ca.pem", *(authority.certificate for authority in authorities))

    def lists(self, *lists: Path) -> None:
        """Lay lists where the broker reads them, as the script must never be needed to."""
        self._join("unit.crl", *lists)

    def read_again(self) -> None:
        """Have the broker read its files."""
        assert self.broker.pid is not None
        os.kill(self.broker.pid, signal.SIGHUP)

    def session(self, identity: Identity) -> ssl.SSLSocket | None:
        """An open session of a unit; None when the broker does not let it in."""
        context = ssl.create_default_context(cafile=str(self.platform.certificate))
        context.load_cert_chain(identity.certificate, identity.key)
        plain = socket.create_connection((LOOPBACK, self.broker.port), timeout=DEADLINE_S)
        line = context.wrap_socket(plain, server_hostname=LOOPBACK, do_handshake_on_connect=False)
        with contextlib.suppress(OSError):
            line.do_handshake()
            line.sendall(CONNECT)
            if line.recv(4) == CONNACK:
                return line
        line.close()
        return None

    def lets_in(self, *identities: Identity) -> list[bool]:
        """Whether the broker takes each now."""
        found = []
        for identity in identities:
            line = self.session(identity)
            found.append(line is not None)
            if line is not None:
                line.close()
        return found

    def _join(self, name: str, *parts: Path) -> None:
        (self.broker.folder / name).write_bytes(b"".join(part.read_bytes() for part in parts))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Not started yet: its files may still be changed."""
    door = Door(tmp_path)
    yield door
    if door.broker.pid is not None:
        door.broker.stop()


def lives(line: ssl.SSLSocket) -> bool:
    """Whether the session is still served."""
    line.sendall(PINGREQ)
    return line.recv(2) == PINGRESP


def said(done: "subprocess.CompletedProcess[str]") -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


# -- what a list does to whom


def test_lists_of_two_authorities_are_both_obeyed_and_each_is_renewed_alone(door: Door) -> None:
    good_one, good_two = door.one.issue("a/h/1"), door.two.issue("b/h/1")
    bad_one, bad_two = door.one.issue("a/h/2"), door.two.issue("b/h/2")
    door.two.revoke(bad_two)
    door.lists(door.one.crl, door.two.crl)
    door.broker.start()
    assert door.lets_in(good_one, bad_one, good_two, bad_two) == [True, True, True, False]
    before = door.two.crl.read_bytes()
    done = door.broker.revoke(door.one.revoke(bad_one), "a/h/2")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"revoke: the list of CN=hall one is in use until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n"
        r"revoke: a/h/2 is out\n",
        done.stdout,
    )
    assert before in door.broker.crl.read_bytes()
    assert door.lets_in(good_one, bad_one, good_two, bad_two) == [True, False, True, False]


def test_list_when_renewed_in_time_then_nobody_notices(door: Door) -> None:
    unit, taken_back = door.one.issue("a/h/1"), door.one.issue("a/h/2")
    door.lists(door.one.revoke(taken_back, days=(-30, 1)), door.two.crl)
    door.broker.start()
    line = door.session(unit)
    assert line is not None
    assert door.broker.check_lists("7").returncode == 1
    done = door.broker.revoke(door.one.revoke())
    assert (done.returncode, done.stderr) == (0, "")
    assert door.broker.check_lists("7").returncode == 0
    with line:
        assert lives(line)
    assert door.lets_in(unit, taken_back) == [True, False]


def test_list_when_it_runs_out_then_no_unit_comes_in_until_a_new_one_is_in_use(
    door: Door,
) -> None:
    unit, other = door.one.issue("a/h/1"), door.two.issue("b/h/1")
    door.broker.start()
    line = door.session(unit)
    assert line is not None
    # As if its day had come; the broker compares with the clock at each handshake.
    door.lists(door.one.revoke(days=(-9, -1)), door.two.crl)
    door.read_again()
    # The other first: whoever is accepted in the same turn as the signal has the list before.
    assert door.lets_in(other, unit) == [True, False]
    with line:
        assert lives(line)
    assert door.broker.revoke(door.one.revoke()).returncode == 0
    assert door.lets_in(unit, other) == [True, True]


def test_authority_when_it_has_no_list_then_its_units_are_shut_out_and_it_is_said(
    door: Door,
) -> None:
    unit, other = door.one.issue("a/h/1"), door.two.issue("b/h/1")
    door.lists(door.one.crl)
    door.broker.start()
    done = door.broker.revoke(door.one.revoke())
    assert (done.returncode, done.stderr) == (
        0,
        "revoke: but CN=hall two has no list: the broker lets none of its units in\n",
    )
    assert door.lets_in(unit, other) == [True, False]
    # An authority is added, and one is taken away, without a restart.
    door.trust(door.two)
    assert door.broker.revoke(door.two.crl).returncode == 0
    assert door.lets_in(unit, other) == [False, True]
    # The list of one that is not trusted any more left with it: nobody need watch it.
    assert door.broker.crl.read_bytes() == door.two.crl.read_bytes()


def test_list_when_a_site_makes_it_then_script_and_centre_take_it(
    door: Door, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    office.Authority.make(tmp_path / "site", "330102-h01", b"secret", now)
    authority = office.Authority.open(tmp_path / "site", b"secret", now)
    (door.broker.folder / "unit-ca.pem").write_bytes((tmp_path / "site" / "ca.pem").read_bytes())
    door.broker.start()
    # The laptop is a moment ahead.
    ahead = now + timedelta(seconds=1)
    text = authority.list_of([office.TakenBack("2a", now)], 90, ahead)
    assert "a/h/2 is out" in door.broker.revoke(text, "a/h/2").stdout
    assert door.broker.crl.read_text() == text
    (found,) = RevocationFile(door.broker.crl).read()
    assert found.issuer == "330102-h01"
    assert door.broker.revoke(authority.list_of([], 90, now)).returncode == 1


# -- what the script refuses


def test_revoke_when_the_list_would_do_harm_says_so_and_changes_nothing(
    door: Door, tmp_path: Path
) -> None:
    def kept(name: str, text: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text)
        return path

    good = door.two.crl.read_bytes()
    wrong = [
        (kept("junk", b"junk"), "is not a revocation list that can be read"),
        (kept("empty", b""), "is not a revocation list that can be read"),
        (kept("torn", good + good[:200]), "a list in .* cannot be read: carry it here again"),
        (tmp_path / "absent", "cannot be read"),
        (door.platform.crl, "is not a revocation list of an authority in"),
        # One good list does not carry another in.
        (kept("mixed", good + door.platform.crl.read_bytes()), "is not a revocation list of an"),
        # The broker would let none of its units in.
        (Authority(tmp_path / "x", "hall two").crl, "is not a revocation list of an authority in"),
        (kept("early", door.two.revoke(days=(1, 9)).read_bytes()), "holds from .* look at the clo"),
        (kept("ended", door.two.revoke(days=(-9, -2)).read_bytes()), "has run out on 20.* UTC"),
        (kept("older", door.two.revoke(days=(-2, 9)).read_bytes()), "is older than the one in use"),
    ]
    door.trust(door.two)
    door.broker.start()
    before = door.broker.crl.read_bytes()
    for path, sentence in wrong:
        code, out, trouble = said(door.broker.revoke(path))
        assert (code, out) == (1, ""), path
        assert re.fullmatch(f"revoke: [^\n]*{sentence}[^\n]*\n", trouble), trouble
    assert door.broker.crl.read_bytes() == before


def test_revoke_when_two_lists_are_of_one_second_then_their_numbers_tell_the_newer(
    door: Door, tmp_path: Path
) -> None:
    at = (-1.0, 9.0)
    newer, older = tmp_path / "newer", tmp_path / "older"
    door.trust(door.one)
    for _ in range(300):  # the second may change between the two
        shutil.copy(door.one.revoke(days=at), older)
        shutil.copy(door.one.revoke(door.one.issue("a/h/1"), days=at), newer)
        if made(older) == made(newer):
            break
    door.lists(newer)
    door.broker.start()
    assert "is older than the one in use" in door.broker.revoke(older).stderr


def made(path: Path) -> str:
    command = ["openssl", "crl", "-in", str(path), "-noout", "-lastupdate"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# -- the watch


def test_check_when_all_is_well_says_until_when(door: Door) -> None:
    code, out, trouble = said(door.broker.check_lists())
    assert (code, trouble) == (0, "")
    assert re.fullmatch(
        r"revoke: every list holds until 20\d\d-[-\d]+ [:\d]+ UTC at least, (29|30) days more\n",
        out,
    )


def test_check_when_something_is_wrong_says_what_and_what_to_do(door: Door) -> None:
    door.lists(door.one.revoke(days=(0, 14)), door.two.revoke(days=(-9, -2)))
    soon, past = troubles(door.broker.check_lists())
    begins = f"revoke: the list of CN=hall one in {door.broker.crl} runs out on 20"
    ends = (
        "; from then on the broker lets none of its units in; have it made anew"
        " (provision site list), and applied (haochaping-revoke)"
    )
    assert (soon[: len(begins)], soon[-len(ends) :]) == (begins, ends)
    assert re.search(r" UTC, in 1[34] days; from then on ", soon)
    assert re.search("CN=hall two in .* has run out on 20.* UTC: the broker lets none of", past)
    door.lists(door.one.revoke(days=(2, 9)))
    early, missing = troubles(door.broker.check_lists("0"))
    assert re.search("holds from 20.* UTC on, and the clock here says 20.* UTC: the broker", early)
    assert re.search("CN=hall two in .* is missing, or cannot be read: the broker lets no", missing)


def troubles(done: "subprocess.CompletedProcess[str]") -> list[str]:
    assert (done.returncode, done.stdout) == (1, "")
    return sorted(done.stderr.splitlines(), key=lambda line: "hall two" in line)


def test_check_when_much_is_wrong_says_all_of_it(door: Door) -> None:
    (door.broker.folder / "unit.crl").unlink()
    shutil.copy(door.platform.revoke(days=(0, 3)), door.broker.folder / "platform.crl")
    first, second = troubles(door.broker.check_lists("10"))
    assert first == f"revoke: {door.broker.folder}/unit.crl cannot be read"
    assert "CN=platform" in second
    assert "lets no program of the platform in; have it made anew, put it there, and" in second


def test_check_when_the_days_are_no_number_says_how_it_is_used(door: Door) -> None:
    for days in ("", "-1", "x", "1000000"):
        done = door.broker.check_lists(days)
        assert (done.returncode, done.stderr[:14]) == (1, "revoke: usage:")


@pytest.mark.needs("systemd")
def test_timer_and_its_service_are_what_systemd_reads() -> None:
    units = [str(SHIPPED / f"haochaping-list.{kind}") for kind in ("timer", "service")]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "haochaping-list" in line]
    # It is not installed here.
    assert [line for line in said if "haochaping-revoke is not executable" not in line] == []
