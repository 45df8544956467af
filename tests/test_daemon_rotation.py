"""A unit gets new keys while it serves: nothing is lost, and what was signed before stays proved.

The real daemon, the broker as shipped with its two authorities, and the real centre.
"""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from central.__main__ import main as central
from central.registry import Unit
from daemon import control
from daemon.disk.secret import SECRET_LEN, secret, secret_path
from daemon.privacy import concealer
from daemon.signers import KEYS_MAX, PublicKey, signers
from protocol.central import chain
from protocol.central.entry import read
from protocol.central.signing import SigningKey
from protocol.pad.messages import PLEASE_RATE
from sim.authority import Authority
from sim.brokers import ShippedMosquitto
from sim.centres import Centre, wait_for
from sim.demo.premises import SOURCE
from sim.desk import SOURCE as DESK
from sim.desk import Desk
from sim.lone_unit import LoneUnit

OLD, NEW = (SigningKey.from_seed(bytes(30) + bytes((7, number))) for number in (1, 2))
STEPS = [{"step": "display", "outcome": "bad", "detail": "数字读不出来"}]
PROJECT = "999999194910010024"


# -- in the core


def test_first_entry_of_a_new_key_says_so_and_the_chain_goes_on():
    desk = Desk()
    before = desk.key
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.rotate(NEW)
    desk.press(2)
    desk.run(4000)
    desk.crash()
    texts = [entry.text for entry in desk.journal.entries]
    boots = desk.entries("boot")
    assert [boot.data.get("formerKid") for boot in boots] == [None, before.kid, None]
    kids = [entry.kid for entry in map(read, texts)]
    assert kids == sorted(kids, key=[before.kid, NEW.kid].index)
    assert read(texts[boots[1].seq - 1]).kid == NEW.kid
    keys = {key.kid: key.public for key in (before, NEW)}
    assert chain.verify(texts, keys, DESK).problems == ()
    assert boots[1].data["prompts"] == {"3": "resumed"}
    assert [rating["outcome"] for rating in desk.ratings] == ["rated"]
    shown = desk.snapshot.journal
    assert shown.signer == PublicKey(NEW.kid, NEW.public.to_text())
    assert shown.former_signers == (PublicKey(before.kid, before.public.to_text()),)


def test_key_that_comes_back_is_the_signer_again_and_none_is_there_twice():
    one, other = PublicKey("1" * 16, "one"), PublicKey("2" * 16, "two")
    assert signers((one, other), one) == (other, one)
    assert signers((one,), one) == (one,)
    many = tuple(PublicKey(f"{number:016}", "") for number in range(KEYS_MAX))
    assert signers(many, one) == (*many[1:], one)


def test_power_cut_before_the_first_entry_of_a_new_key_costs_no_word_of_it():
    desk = Desk()
    before = desk.key
    desk.journal.fail = "the card is being written"
    desk.rotate(NEW)
    desk.journal.fail = None
    desk.crash()
    assert [boot.data.get("formerKid") for boot in desk.entries("boot")] == [None, before.kid]


# -- what case keys are concealed under


def test_secret_outlives_the_key_it_was_made_from(tmp_path):
    database = tmp_path / "journal.db"
    first = secret(database, lambda: OLD.sign(b"x"))
    assert secret(database, lambda: NEW.sign(b"x")) == first == OLD.sign(b"x")
    assert secret_path(database).stat().st_mode & 0o777 == 0o600
    conceal = concealer(first, 20250101)
    assert conceal(PROJECT) == concealer(secret(database, pytest.fail), 20250101)(PROJECT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.db.secret"]


@pytest.mark.parametrize("found", [b"", b"x" * (SECRET_LEN - 1), b"x" * (SECRET_LEN + 1)])
def test_secret_that_is_damaged_is_made_anew(tmp_path, found):
    database = tmp_path / "journal.db"
    secret_path(database).write_bytes(found)
    made = secret(database, lambda: OLD.sign(b"x"))
    assert made == OLD.sign(b"x")
    assert secret_path(database).read_bytes() == made


def test_secret_that_cannot_be_kept_or_read_hinders_no_start(tmp_path):
    assert secret(tmp_path / "no" / "journal.db", lambda: bytes(SECRET_LEN)) == bytes(SECRET_LEN)
    secret_path(tmp_path / "journal.db").mkdir()
    assert secret(tmp_path / "journal.db", lambda: bytes(SECRET_LEN)) == bytes(SECRET_LEN)


# -- the whole way


class Hall:
    """A unit on TLS with a centre behind the shipped broker."""

    def __init__(self, folder):
        self.folder = folder
        self.units, self.platform = (Authority(folder, name) for name in ("units", "platform"))
        self.broker = ShippedMosquitto(folder / "broker", self.units, self.platform)
        self.certificate, self.key = folder / "tls.pem", folder / "tls.key"
        self.identity = self.units.issue(str(SOURCE)[1:])
        self.put(self.identity)
        files = (
            ("tls_ca", self.platform.certificate), ("tls_certificate", self.certificate),
            ("tls_key", self.key),
        )  # fmt: skip
        tls = "".join(f'{name} = "{path}"\n' for name, path in files)
        change = ("redial_s = 4.0", f"redial_s = 1.0\n{tls}")
        self.unit = LoneUnit(folder / "unit", self.broker.port, change)
        self.signing = SigningKey.load(folder / "unit/signing.pem")
        admitted = self.platform.issue("central")
        self.centre = Centre(
            folder,
            self.broker.platform_port,
            units={SOURCE: Unit.of(self.signing.public)},
            platform=SigningKey.load(folder / "unit/platform.pem"),
            tls_ca=str(self.platform.certificate),
            tls_certificate=str(admitted.certificate),
            tls_key=str(admitted.key),
        )

    def put(self, identity):
        """Put a certificate and its key where the unit has them, each in one step."""
        for source, path in ((identity.key, self.key), (identity.certificate, self.certificate)):
            new = path.with_suffix(".new")
            new.write_bytes(source.read_bytes())
            new.chmod(0o600)
            new.replace(path)

    def asked(self, **request):
        """What the running daemon answers on its control socket."""
        return list(control.ask(self.folder / "unit/journal.db", request, control.TEST_S))

    def status(self):
        (status,) = self.asked(ask="status")
        return status

    def complete(self):
        """A case, until the citizen is asked."""
        self.unit.clerk.call()
        self.unit.clerk.complete()
        wait_for(lambda: self.unit.pad.face == PLEASE_RATE and self.unit.pad.untouched, "asked")

    def register(self, unit):
        """Another registry, read by the centre: what an unknown key signed would be refused."""
        before = self.centre.said
        self.centre.register({SOURCE: unit})
        wait_for(lambda: any("registry" in one for one in self.centre.said[len(before) :]), "read")

    def delivered(self, rated):
        """The status once so many are rated, and all is receipted."""
        return self.unit.until(
            lambda status: status["day"]["rated"] == rated and status["uplink"]["backlog"] == 0
        )


@pytest.fixture
def hall(tmp_path):
    hall = Hall(tmp_path)
    with hall.broker:
        hall.centre.start()
        hall.centre.next("ready")
        with hall.unit:
            hall.unit.until(lambda status: status["windows"][0]["pad"]["state"] == "up")
            yield hall
        hall.centre.stop()


@pytest.mark.needs("mosquitto")
@pytest.mark.needs("mosquitto_pub")
def test_unit_with_new_keys_loses_nothing_and_a_technicians_tests_are_delivered(hall, capsys):
    hall.complete()
    hall.unit.pad.press(1, 400)
    hall.delivered(rated=1)
    first = hall.status()
    assert first["signals"][0]["last"]["say"] == "completed"
    assert 0 <= first["signals"][0]["last"]["age_ms"] < 60_000
    assert first["uplink"]["step"] is None

    # A new TLS certificate, with a prompt open; the old one is then taken back.
    hall.complete()
    hall.put(hall.units.issue(str(SOURCE)[1:], days=(-1, 30)))
    os.kill(hall.unit.process.pid, signal.SIGHUP)
    log = hall.unit.log
    wait_for(lambda: log.read_text().count("INFO daemon serving") == 2, "the reload")
    hall.unit.until(lambda status: status["uplink"]["state"] == "up")
    assert hall.status()["certificate"]["until"] > first["certificate"]["until"]
    done = hall.broker.revoke(hall.units.revoke(hall.identity), str(SOURCE)[1:])
    assert done.returncode == 0, done.stderr
    hall.unit.pad.press(2, 400)
    hall.delivered(rated=2)

    # A new signing key, while the daemon is stopped.
    hall.unit.process.stop()
    old = hall.signing
    hall.register(Unit.of(old.public, NEW.public))
    (hall.folder / "unit/signing.pem").unlink()
    NEW.save(hall.folder / "unit/signing.pem")
    hall.unit.process.start()
    hall.unit.until(lambda status: status["windows"][0]["pad"]["state"] == "up")
    # What a technician does then: one entry there and back, and his acceptance signed.
    first, last = hall.asked(ask="test", what="delivery", window="3")
    assert (last["ok"], 0 <= last["after_ms"] < 60_000) == (True, True)
    accepted, last = hall.asked(ask="test", what="acceptance", window="3", by="T07", steps=STEPS)
    assert (accepted["ok"], last["ok"]) == (False, True)

    hall.complete()
    hall.unit.pad.press(3, 400)
    told = hall.delivered(rated=3)
    assert hall.status()["kid"] == NEW.kid
    assert told["journal"]["former_signers"] == [{"kid": old.kid, "public": old.public.to_text()}]

    # Everything the old key signed is at the platform: it may be revoked.
    keys = {key.kid: key.public for key in (old, NEW)}
    # What came within this second came before.
    after = datetime.now(UTC) + timedelta(seconds=1)
    revoked = {old.kid: f"{after:%Y-%m-%dT%H:%M:%SZ}"}
    hall.register(Unit(keys, revoked))
    hall.complete()
    hall.unit.pad.press(4, 400)
    hall.delivered(rated=4)

    assert central(["verify", "--config", str(hall.centre.config)]) == 0, capsys.readouterr().out
    texts = [answer["text"] for answer in hall.asked(ask="export")]
    assert chain.verify(texts, keys, SOURCE).problems == ()
    entries = [read(text) for text in texts]
    by_number = {entry.seq: entry for entry in entries}
    for answer, what in ((first, "end_to_end"), (accepted, "acceptance")):
        entry = by_number[answer["seq"]]
        assert (entry.data["what"], entry.id, entry.hash) == (what, answer["id"], answer["hash"])
    boots = [entry.data for entry in entries if entry.kind == "boot"]
    assert [boot["prompts"]["3"] for boot in boots] == ["none", "resumed", "none"]
    assert [boot.get("formerKid") for boot in boots] == [None, None, old.kid]
    ratings = [entry.data["key"] for entry in entries if entry.kind == "rating"]
    assert ratings == [1, 2, 3, 4]
    assert {entry.kid for entry in entries} == {old.kid, NEW.kid}
