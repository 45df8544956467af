"""The daemon as a process: its command line, what it says on stderr, its end, what it leaves."""

import hashlib
import io
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from dataclasses import replace
from datetime import date

import pytest

from daemon import VERSION as RELEASE
from daemon import config
from daemon.errors import DaemonError
from daemon.net import identity
from daemon.wallclock import boot_id
from device.firmware import FILES
from protocol.bundle import build
from protocol.central.chain import verify
from protocol.central.entry import Source, read
from protocol.central.signing import SigningKey
from protocol.pad import VERSION
from protocol.pad.messages import PLEASE_RATE
from sim.authority import Authority
from sim.clerk import Clerk
from sim.finger import Finger
from sim.gpio import STALL_S, StandIn
from sim.pads import ROOT, VirtualPad
from sim.wire import Wire

DEADLINE_S = 20.0
MEGABYTE = 1 << 20
POUR_LEN = 2048
# A page of the journal and of the status more, and no megabyte.
GROWN_LEN_MAX = MEGABYTE // 2
# Long enough for the pad to see it on a machine so busy that 40 ms pass between two samples.
FINGER_MS = 400
# From the call to the record, without a wait for the citizen, on a machine busy with other tests.
CASE_S_MAX = 4.0
# The daemon's own, and 16 for the page's connections.
THREAD_COUNT_MAX = 28
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
PLATFORM = SigningKey.from_seed(bytes(31) + b"\x09")
SOURCE = Source("330102", "h01", "w03")
CONFIG = """
[unit]
area = "330102"
hall = "h01"
unit = "w03"
signing_key = "signing.pem"
[[window]]
number = "3"
pad = "pad"
signal = "signal"
[store]
database = "j.db"
[pad]
[signal]
[case]
correction_s = 0
not_public_hold_s = 0
[uplink]
broker = "127.0.0.1"
port = {broker_port}
platform_key = "platform.pub.pem"
[clock]
trust = "host"
[page]
port = {page_port}
"""


class Place:
    """A directory with all a daemon needs; `port`s of nobody and of its choice."""

    def __init__(self, folder):
        self.folder, self.environment = folder, None
        self.config = folder / "unit.toml"
        KEY.save(folder / "signing.pem")
        PLATFORM.public.save(folder / "platform.pub.pem")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.broker_port = probe.getsockname()[1]
        self.write()

    def write(self, change=("", ""), page_port=0):
        text = CONFIG.format(broker_port=self.broker_port, page_port=page_port)
        text = text.replace('"pad"', f'"{self.folder}/pad"')
        text = text.replace('"signal"', f'"{self.folder}/signal"')
        assert change[0] in text
        self.config.write_text(text.replace(*change))

    def command(self, *arguments):
        """One run of the command line to its end."""
        return subprocess.run(
            command_line(self, *arguments), capture_output=True, text=True, timeout=DEADLINE_S
        )


def command_line(place, *arguments):
    return [sys.executable, "-m", "daemon", *arguments, "--config", str(place.config)]


class Daemon:
    """A running daemon; the lines of its stderr as they come."""

    def __init__(self, place):
        self.place = place
        self.said = []
        self._lines = queue.Queue()
        self.process = subprocess.Popen(
            command_line(place), stderr=subprocess.PIPE, text=True, env=place.environment
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.serves()
        except AssertionError:
            self.end(signal.SIGKILL)
            raise

    def serves(self):
        """Wait until it does."""
        self.page = self.wait_for(r"INFO daemon serving source=\S+ page=(\S+)")[1]
        # Said after the lines were opened for the first time.
        self.wait_for("journal state=sound")

    def _read(self):
        for line in self.process.stderr:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, pattern):
        """The match of the next line that has it."""
        deadline_s = time.monotonic() + DEADLINE_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline_s - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in {self.said}") from None
            if line is None:
                self._lines.put(None)  # for whoever reads to the end
            assert line is not None, f"ended before {pattern!r}: {self.said}"
            self.said.append(line)
            if found := re.search(pattern, line):
                return found

    def status(self):
        with urllib.request.urlopen(f"{self.page}/status.json", timeout=DEADLINE_S) as answer:
            return json.load(answer)

    def export(self, *arguments):
        done = self.place.command("export", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def end(self, number=signal.SIGTERM):
        """The exit code after a signal; every line was read."""
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        self.process.stderr.close()
        while (line := self._lines.get()) is not None:
            self.said.append(line)
        return code


def kinds(texts):
    return [read(text).kind for text in texts]


def checked(texts):
    """The entries, after the whole chain was verified."""
    report = verify(texts, {KEY.kid: KEY.public}, SOURCE)
    assert report.problems == ()
    assert report.entry_count == len(texts)
    return [read(text) for text in texts]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("u"))


@pytest.fixture(scope="module")
def running(place):
    """A daemon without any of its lines, and without a broker."""
    daemon = Daemon(place)
    yield daemon
    if daemon.process.poll() is None:
        daemon.end()


@pytest.fixture
def fresh(tmp_path):
    return Place(tmp_path)


def refused(done, *words):
    """One sentence on stderr, nothing on stdout, exit 2, no traceback."""
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    return done.stderr


# -- looked at without a daemon


def test_check_when_all_is_good_says_which_keys(fresh):
    done = fresh.command("--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"good; signing key {KEY.kid}, platform key {PLATFORM.kid}" in done.stdout
    registered = json.loads(done.stdout.partition("registry: ")[2])
    assert registered["keys"] == [{"kid": KEY.kid, "public": KEY.public.to_text()}]
    assert sorted(os.listdir(fresh.folder)) == ["platform.pub.pem", "signing.pem", "unit.toml"]


def test_check_when_the_configuration_has_mistakes_names_them_all(fresh):
    fresh.write(("[page]\n", '[page]\nhostt = "x"\n[sttore]\n'))
    said = refused(fresh.command("--check"), "mistakes; mend it and start again:")
    assert "page.hostt: unknown (did you mean host?)" in said
    assert "sttore: unknown (did you mean store?)" in said


@pytest.mark.parametrize("key", ["signing.pem", "platform.pub.pem"])
def test_check_when_a_key_is_missing_names_it(fresh, key):
    (fresh.folder / key).unlink()
    refused(
        fresh.command("--check"), f"{fresh.folder}/{key}", "No such file or directory", "openssl"
    )


def test_check_when_a_tls_file_is_missing_names_it(fresh):
    fresh.write(("[uplink]\n", '[uplink]\ntls_ca = "ca.pem"\n'))
    refused(fresh.command("--check"), f"{fresh.folder}/ca.pem", "cannot be read")


def test_check_when_certificate_and_key_do_not_belong_together_names_both(fresh, tmp_path):
    units = Authority(tmp_path / "ca", "units")
    mine, others = units.issue("330102/h01/w03"), units.issue("330102/h01/w04")
    tls = f'[uplink]\ntls_ca = "{units.certificate}"\ntls_certificate = "{mine.certificate}"\n'
    fresh.write(("[uplink]\n", f'{tls}tls_key = "{mine.key}"\n'))
    uplink = config.load(fresh.config).uplink
    identity.check(uplink)
    with pytest.raises(DaemonError, match=r"uplink\.tls_ca: .* is no PEM certificate: put"):
        identity.check(replace(uplink, tls_ca=mine.key))
    fresh.write(("[uplink]\n", f'{tls}tls_key = "{others.key}"\n'))
    refused(fresh.command("--check"), f"{mine.certificate} and {others.key} do not belong together")


def test_check_when_the_journal_has_no_place_names_it(fresh):
    fresh.write(('"j.db"', '"nowhere/journal.db"'))
    refused(fresh.command("--check"), f"{fresh.folder}/nowhere", "cannot be written")


@pytest.mark.parametrize("command", ["status", "export"])
def test_question_when_no_daemon_runs_is_a_sentence(fresh, command):
    refused(fresh.command(command), "no daemon answers", "is it running, as this user?")


def test_run_when_the_configuration_is_missing_is_a_sentence(fresh):
    fresh.config.unlink()
    refused(fresh.command("run"), "unit.toml: 1 mistake", "cannot be read: No such file")


def test_run_when_the_page_port_is_taken_is_a_sentence(fresh):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fresh.write(page_port=taken.getsockname()[1])
        refused(fresh.command("run"), "page.port: ", "choose another port")


def test_command_line_when_wrong_shows_the_usage(fresh):
    done = fresh.command("rate")
    assert done.returncode == 2
    assert "usage: python -m daemon" in done.stderr


# -- a running daemon that has nothing but its journal


def test_lines_when_missing_are_said_in_words_and_the_daemon_goes_on(running):
    status = running.status()
    for name, line in (("pad", status["windows"][0]["pad"]), ("signal", status["signals"][0])):
        assert line["state"] == "lost"
        trouble = f"{running.place.folder}/{name} does not exist: plug the cable in"
        assert line["trouble"].startswith(trouble)
    assert running.process.poll() is None
    assert "daemon.state_log pad window=3 state=lost trouble=" in "\n".join(running.said)


def test_broker_when_absent_is_said_in_words(running):
    deadline_s = time.monotonic() + DEADLINE_S
    while (trouble := running.status()["uplink"]["trouble"]) is None:
        assert time.monotonic() < deadline_s
    port = running.place.broker_port
    assert trouble == f"broker 127.0.0.1:{port} cannot be reached: Connection refused"


def test_status_asked_on_the_command_line_is_that_of_the_page(running):
    done = running.place.command("status")
    assert (done.returncode, done.stderr) == (0, "")
    told, shown = json.loads(done.stdout), running.status()
    assert told.keys() - shown.keys() == {
        "version", "kid", "boot", "machine", "disk", "certificate",
    }  # fmt: skip
    assert told["source"] == shown["source"] == str(SOURCE)
    assert shown["journal"]["signer"] == {"kid": KEY.kid, "public": KEY.public.to_text()}


def test_status_names_what_is_broken_from_the_pad_upward(running):
    folder, port = running.place.folder, running.place.broker_port
    told = json.loads(running.place.command("status").stdout)
    (window,), (signal_,) = told["windows"], told["signals"]
    pad = window["pad"]
    assert (pad["port"], pad["exists"], pad["is_open"]) == (f"{folder}/pad", False, False)
    assert (signal_["exists"], signal_["last"]) == (False, None)
    assert window["display"] == {"kind": "none", "trouble": None}
    assert window["lamp"] == {"kind": "none", "trouble": None}
    assert told["uplink"]["broker"] == f"127.0.0.1:{port}"
    assert (told["uplink"]["step"], told["uplink"]["tls"]) == ("tcp", False)
    assert told["certificate"] is None
    assert (told["version"], told["kid"]) == (RELEASE, KEY.kid)
    assert told["disk"]["state"] == "sound"
    assert 0 < told["disk"]["free_len"] < told["disk"]["size_len"]
    assert told["boot"]["id"] == boot_id()
    assert told["clock"]["synced"] is True


def test_export_prints_entries_that_verify(running):
    entries = checked(running.export())
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[0].kind == "boot"
    assert {"pad", "signal", "clock"} <= {entry.kind for entry in entries}


def test_export_from_a_number_prints_the_rest(running):
    everything = running.export()
    assert running.export("--from", "2")[: len(everything) - 1] == everything[1:]


def test_export_when_its_reader_leaves_ends_without_a_traceback(running):
    with subprocess.Popen(
        command_line(running.place, "export"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(DEADLINE_S) == 2


def test_second_daemon_when_one_runs_is_refused_and_the_first_goes_on(running):
    done = running.place.command("run")
    refused(done, f"another daemon (process {running.process.pid}) has this journal open: stop")
    assert running.place.command("status").returncode == 0


def test_private_files_are_for_their_own_user_alone(running):
    for name in ("j.db.sock", "signing.pem"):
        assert (running.place.folder / name).stat().st_mode & 0o077 == 0


# -- its end, and what comes after


def test_daemon_when_asked_to_end_writes_so_and_exits_0(fresh):
    daemon = Daemon(fresh)
    assert daemon.end(signal.SIGTERM) == 0
    assert daemon.said[-1] == "INFO daemon stopped code=0"
    assert not (fresh.folder / "j.db.sock").exists()
    again = Daemon(fresh)
    entries = checked(again.export())
    (stopped,) = [entry for entry in entries if entry.kind == "stopped"]
    assert stopped.data["reason"] == "SIGTERM"
    after = next(entry for entry in entries if entry.seq == stopped.seq + 1)
    assert after.kind == "boot", [entry.kind for entry in entries]
    assert (after.data["reason"], after.data["prompts"]) == ("start", {"3": "none"})
    assert after.data["previous"]["seq"] == stopped.seq
    assert again.end(signal.SIGINT) == 0


def test_daemon_when_killed_starts_again_on_what_it_wrote(fresh):
    daemon = Daemon(fresh)
    before = daemon.export()
    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    assert (fresh.folder / "j.db.sock").exists()
    again = Daemon(fresh)
    texts = again.export()
    checked(texts)
    assert texts[: len(before)] == before
    assert kinds(texts[len(before) :]).count("boot") == 1
    assert again.end() == 0


# -- a whole window


class Window:
    """A daemon with a pad and a terminal on its lines."""

    def __init__(self, place):
        self.pad_wire, self.signal_wire = Wire(place.folder / "pad"), Wire(place.folder / "signal")
        self.pad = VirtualPad(self.pad_wire)
        self.clerk = Clerk(self.signal_wire.write, window="3", day=date(2026, 11, 22))
        self.daemon = Daemon(place)

    def rate(self, key):
        """One case from the call to the thanks."""
        self.ask()
        self.press(key)

    def ask(self):
        """One case from the call to the question."""
        self.clerk.call()
        self.clerk.complete()
        deadline_s = time.monotonic() + DEADLINE_S
        # Two keys at once are a chord, and refused.
        while self.pad.face != PLEASE_RATE or not self.pad.untouched:
            assert time.monotonic() < deadline_s, self.daemon.said
            self.pad_wire.wait(0.01)

    def press(self, key):
        """One press, and the record of it."""
        self.pad.press(key, FINGER_MS)
        self.daemon.wait_for("case closed")


@pytest.fixture
def window(fresh):
    window = Window(fresh)
    with window.pad_wire, window.signal_wire, window.pad.running():
        if not any("pad window=3 state=up" in line for line in window.daemon.said):
            window.daemon.wait_for("pad window=3 state=up")
        yield window
        if window.daemon.process.poll() is None:
            assert window.daemon.end() == 0


def test_ratings_of_all_levels_are_in_the_export_and_in_nothing_else(window):
    for key in (1, 2, 3, 4, 5):
        window.rate(key)
    entries = checked(window.daemon.export())
    ratings = [entry.data for entry in entries if entry.kind == "rating"]
    assert [(one["key"], one["satisfaction"]) for one in ratings] == [
        (1, 5), (2, 4), (3, 3), (4, 2), (5, 1),
    ]  # fmt: skip
    assert [one["outcome"] for one in ratings] == ["rated"] * 5
    status = window.daemon.status()
    assert (status["day"]["rated"], status["day"]["not_rated"]) == (5, 0)
    for told in (json.dumps(status), "\n".join(window.daemon.said)):
        assert "satisfaction" not in told
        assert "key" not in told
        assert re.search(r"level[=:\"]", told) is None


def test_pad_when_unplugged_and_back_is_said_and_serves_again(window):
    window.pad_wire.unplug()
    lost = window.daemon.wait_for(r"pad window=3 state=lost trouble='(.*)'")
    assert "plug the cable in" in lost[1]
    window.pad_wire.replug()
    window.daemon.wait_for("pad window=3 state=up")
    window.rate(2)
    states = [
        read(text).data["state"] for text in window.daemon.export() if read(text).kind == "pad"
    ]
    assert states[-2:] == ["lost", "back"]


def test_configuration_when_changed_under_an_open_prompt_then_the_prompt_goes_on(window):
    window.ask()
    place = window.daemon.place
    place.write(("correction_s = 0", "correction_s = 0.1"))
    digest = hashlib.sha256(place.config.read_bytes()).hexdigest()
    window.daemon.process.send_signal(signal.SIGHUP)
    window.daemon.serves()
    window.press(2)
    kinds = [read(text) for text in window.daemon.export()]
    boot = [entry.data for entry in kinds if entry.kind == "boot"][-1]
    (stopped,) = [entry.data for entry in kinds if entry.kind == "stopped"]
    (rating,) = [entry.data for entry in kinds if entry.kind == "rating"]
    assert (stopped["reason"], boot["configHash"]) == ("SIGHUP", digest)
    assert boot["prompts"] == {"3": "resumed"}
    assert (rating["outcome"], rating["key"]) == ("rated", 2)


def test_configuration_when_changed_to_a_bad_one_then_the_old_one_stays(window):
    window.daemon.place.write(("correction_s = 0", "correction_s = 11"))
    window.daemon.process.send_signal(signal.SIGHUP)
    said = window.daemon.wait_for("the configuration stays as it is: (.*)")
    assert "1 mistake" in said[1]
    window.rate(1)


def test_two_windows_of_one_unit_share_a_queue_line_and_a_journal(window):
    daemon, folder = window.daemon, window.daemon.place.folder
    next_pad = f'[[window]]\nnumber = "4"\npad = "{folder}/pad4"\nsignal = "{folder}/signal"\n'
    daemon.place.write(("[store]", f"{next_pad}[store]"))
    with Wire(folder / "pad4") as wire, VirtualPad(wire).running() as pad:
        daemon.process.send_signal(signal.SIGHUP)
        daemon.serves()
        while any(one["pad"]["state"] != "up" for one in daemon.status()["windows"]):
            wire.wait(0.01)
        clerk = Clerk(window.signal_wire.write, window="4", day=date(2026, 11, 22))
        for one, own_pad in ((window.clerk, window.pad), (clerk, pad)):
            one.call()
            one.complete()
            wait_until(wire, lambda own_pad=own_pad: own_pad.face == PLEASE_RATE)
        window.pad.press(1)
        pad.press(5)
        wait_until(wire, lambda: daemon.status()["day"]["rated"] == 2)
    entries = checked(daemon.export())
    ratings = [entry.data for entry in entries if entry.kind == "rating"]
    assert {(one["window"], one["satisfaction"]) for one in ratings} == {("3", 5), ("4", 1)}


def wait_until(wire, is_true):
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_true():
        assert time.monotonic() < deadline_s
        wire.wait(0.01)


NEWER = 7
MAKER = SigningKey.from_seed(bytes(31) + b"\x0a")


def bundle_of(change=b"# changed\n", key=MAKER):
    """The firmware of this tree and one line more, as release NEWER."""
    contents = {path: (ROOT / path).read_bytes() for path in FILES}
    contents["protocol/pad/faces.py"] += change
    return build(contents, NEWER, 1, VERSION, key)


@pytest.fixture
def offering(fresh):
    """A place whose unit has newer firmware to offer."""
    (fresh.folder / "pad.hcpad").write_bytes(bundle_of())
    MAKER.public.save(fresh.folder / "maker.pub.pem")
    lines = 'firmware = "pad.hcpad"\nfirmware_key = "maker.pub.pem"\n'
    fresh.write(("[signal]\n", f"{lines}[signal]\n"))
    return fresh


def test_newer_firmware_then_reaches_the_pad_between_two_cases_and_it_serves_on(offering):
    window = Window(offering)
    with window.pad_wire, window.signal_wire, window.pad.running():
        window.daemon.wait_for("is sent to the pad")
        # A citizen comes first, in the middle of it.
        window.rate(4)
        window.daemon.wait_for(f"pad window=3 update='the pad restarts with release {NEWER}'")
        window.daemon.wait_for(f"pad window=3 update='the pad has release {NEWER}'")
        window.rate(2)
        pad = window.daemon.status()["windows"][0]["pad"]
        assert (pad["state"], pad["trouble"], pad["update_percent"]) == ("up", None, 100)
        assert window.daemon.end() == 0


@pytest.mark.parametrize(
    ("raw", "said"),
    [(None, "cannot be read"), (bundle_of(key=KEY), "signed"), (b"HCPAD", "no bundle")],
)
def test_firmware_that_may_not_be_offered_then_check_says_why_and_the_window_works(
    offering, raw, said
):
    path = offering.folder / "pad.hcpad"
    path.unlink() if raw is None else path.write_bytes(raw)
    assert said in refused(offering.command("--check"), f"{path}: ")
    window = Window(offering)
    with window.pad_wire, window.signal_wire, window.pad.running():
        assert any("no firmware is offered to the pad" in line for line in window.daemon.said)
        window.rate(3)
        assert window.daemon.end() == 0


# -- lamp and buzzer (H2)

PINS = """number = "3"
lamp_pin = 17
buzzer_pin = 27"""


@pytest.fixture
def module(fresh):
    """The double of RPi.GPIO that the daemon will import."""
    module = StandIn(fresh.folder / "modules")
    fresh.write(('number = "3"', PINS))
    with fresh.config.open("a") as file:
        file.write('[lamp]\nkind = "gpio"\n')
    path = f"{module.folder}{os.pathsep}{os.environ.get('PYTHONPATH', ROOT)}"
    fresh.environment = os.environ | {"PYTHONPATH": path}
    return module


@pytest.fixture
def lit(module, fresh):
    """A whole window with a lamp and a buzzer."""
    window = Window(fresh)
    with window.pad_wire, window.signal_wire, window.pad.running():
        said(window, "pad window=3 state=up")
        yield window
        if window.daemon.process.poll() is None:
            assert window.daemon.end() == 0


def timed(window, key):
    """How long one case took, from the call to the thanks."""
    started_s = time.monotonic()
    window.rate(key)
    return time.monotonic() - started_s


@pytest.mark.promise
def test_lamp_when_its_pins_fail_costs_no_record_and_no_delay(lit, module, promise):
    lit.rate(1)
    tried = 0
    late = 0
    for trouble in ("GPIO busy", "stall", "", "GPIO busy"):
        module.trouble(trouble)
        for key in (2, 3):
            late += timed(lit, key) > STALL_S
            tried += 1
        if trouble == "GPIO busy":
            assert "another program has the pin" in said(lit, "lamp window=3 state=failing")
        elif not trouble:
            said(lit, "lamp window=3 state=sound")
    module.trouble("")
    assert lit.daemon.end() == 0
    turns_ms = re.findall(r"slow turn ms=(\d+)", "\n".join(lit.daemon.said))
    assert max(map(int, turns_ms), default=0) < STALL_S * 1000
    assert module.changes()[-2:] == ["17 in", "27 in"]
    again = Daemon(lit.daemon.place)
    entries = checked(again.export())
    assert again.end() == 0
    rated = [entry.data["key"] for entry in entries if entry.kind == "rating"]
    assert rated == [1, *(2, 3) * 4]
    promise("H2", "cases while the lamp's pins fail or stall for 2 s", tried, late)


def said(window, words):
    """The line that has these words, said already or to come."""
    for line in window.daemon.said:
        if words in line:
            return line
    return window.daemon.wait_for(words).string


def test_lamp_when_its_module_comes_late_is_a_sentence_and_the_window_works_and_speaks(
    module, fresh
):
    spoken = fresh.folder / "spoken"
    spoken.mkdir()
    with fresh.config.open("a") as file:
        file.write(f"""[voice]\nplease_rate = "please.wav"\nplayer = "cp -t '{spoken}'"\n""")
    refused(fresh.command("--check"), "please.wav: named in [voice] and cannot be read")
    (fresh.folder / "please.wav").write_bytes(b"RIFF")
    assert fresh.command("--check").returncode == 0
    module.trouble("absent")
    window = Window(fresh)
    with window.pad_wire, window.signal_wire, window.pad.running():
        assert "apt install python3-rpi-lgpio" in said(window, "lamp window=3 state=failing")
        window.rate(4)
        module.trouble("")
        window.rate(5)
        said(window, "lamp window=3 state=sound")
        assert "17 1" in module.changes()
        window.clerk.call()
        window.clerk.complete()
        deadline_s = time.monotonic() + DEADLINE_S
        while not (spoken / "please.wav").exists():
            assert time.monotonic() < deadline_s, window.daemon.said
            window.pad_wire.wait(0.01)
        # The fastest kill leaves the pins as they are; the next start turns them off first.
        window.daemon.end(signal.SIGKILL)
        count = len(module.changes())
        again = Daemon(fresh)
        assert again.end() == 0
        assert module.changes()[count : count + 2] == ["17 0", "27 0"]


@pytest.mark.promise
def test_noise_on_the_lines_changes_nothing(window, promise):
    noises = (b"AT+GCAP\r\n", b"\x03" * 50, b"\x55" * 2_000)
    for key, noise in enumerate(noises, 1):
        window.signal_wire.write(noise)
        window.pad_wire.write(noise)
        window.rate(key)
    before_len = resident_len(window.daemon.process.pid)
    for wire in (window.signal_wire, window.pad_wire):
        pour(wire, MEGABYTE)
        window.rate(4)
    grown_len = resident_len(window.daemon.process.pid) - before_len
    checked(window.daemon.export())
    what = "bytes without a delimiter to the daemon, then a case"
    promise("B4", what, 2 * MEGABYTE, int(grown_len > GROWN_LEN_MAX))


def pour(wire, length):
    """Put that many bytes without a delimiter on the wire, as fast as they are read."""
    while length > 0:
        lost_len = wire.lost_len
        wire.write(b"\x55" * POUR_LEN)
        taken_len = POUR_LEN - (wire.lost_len - lost_len)
        length -= taken_len
        if taken_len < POUR_LEN:
            wire.wait(0.001)


def resident_len(pid):
    """Bytes of memory the process has."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- the page


def test_bundle_is_a_zip_without_the_units_keys(window):
    window.rate(5)
    done = subprocess.run(
        command_line(window.daemon.place, "bundle"), capture_output=True, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stderr) == (0, b"")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert files["entries.csv"].count("rating_rated") == 1
    assert '"signing_key": "(masked)"' in files["config.json"]
    assert "INFO daemon.state_log case closed" in files["log.txt"]
    assert "PRIVATE KEY" not in "".join(files.values())


@pytest.mark.promise
def test_flood_at_the_page_costs_no_record_and_no_delay(window, promise, scale):
    port, over = int(window.daemon.page.rpartition(":")[2]), threading.Event()
    words = (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01", b"GET / HT", b"")

    def flood(said):
        held = []
        while not over.is_set():
            try:
                held.append(socket.create_connection(("127.0.0.1", port), timeout=0.2))
                held[-1].sendall(said)
            except OSError:
                pass
            if len(held) > 50:
                held.pop(0).close()
        for each in held:
            each.close()

    floods = [threading.Thread(target=flood, args=(said,)) for said in words]
    for thread in floods:
        thread.start()
    spent_s = []
    count = min(100, 5 * scale)
    for number in range(count):
        began_s = time.monotonic()
        window.rate(number % 5 + 1)
        spent_s.append(time.monotonic() - began_s)
    threads = len(os.listdir(f"/proc/{window.daemon.process.pid}/task"))
    over.set()
    for thread in floods:
        thread.join()
    ratings = [each for each in checked(window.daemon.export()) if each.kind == "rating"]
    assert [each.data["outcome"] for each in ratings] == ["rated"] * count
    assert threads < THREAD_COUNT_MAX
    assert window.daemon.status()["day"]["rated"] == count
    late = sum(each > CASE_S_MAX for each in spent_s)
    promise("H2", "cases while the page is flooded: lost or late", len(spent_s), late)


# -- tried by a technician


def tried(place, *arguments, given=None):
    """One `test` to its end: its exit code, and what it said on stdout."""
    done = subprocess.run(
        command_line(place, "test", *arguments),
        input=given, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_pad_that_is_tried_from_the_command_line_lights_each_key_in_turn(window, fresh):
    finger = Finger(window.pad)
    finger.start()
    code, answers, trouble = tried(fresh, "pad", "--window", "3")
    finger.stop()
    assert answers == [
        {"state": "asked"}, {"ok": True, "detail": "5 of 5 keys", "keys": [True] * 5},
    ]  # fmt: skip
    assert (code, trouble) == (0, "")
    entries = checked(window.daemon.export())
    assert [entry.data["what"] for entry in entries if entry.kind == "test"] == ["self_test"]
    assert not {"service", "rating"} & {entry.kind for entry in entries}


def test_tests_from_the_command_line_end_as_they_went(running):
    code, answers, trouble = tried(running.place, "pad", "--window", "3")
    assert (code, trouble) == (1, "")
    assert answers[-1]["ok"] is False
    assert answers[-1]["detail"].startswith("the pad is not there: ")
    code, answers, trouble = tried(running.place, "end", "--window", "3")
    assert (code, answers) == (2, [])
    assert trouble == "no test runs at window 3: there is nothing to end\n"
    code, answers, trouble = tried(running.place, "pad", "--window", "4")
    assert (code, trouble) == (2, "window 4 is not this unit's: it has 3\n")
    signs = ("signs", "--window", "3", "--number", "4711", "--lamp", "3", "--buzzer", "2")
    with subprocess.Popen(
        command_line(running.place, "test", *signs), stdout=subprocess.PIPE, text=True
    ) as asked:
        nothing = {"display": False, "lamp": False, "buzzer": False}
        assert json.loads(asked.stdout.readline()) == {"state": "showing", **nothing}
        assert running.status()["windows"][0]["screen"]["number"] == "4711"
        assert tried(running.place, "end", "--window", "3")[0] == 0
        last = json.loads(asked.stdout.readline())
        assert last == {**nothing, "ok": True, "detail": "ended by the technician"}
    assert asked.returncode == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "stdin is not JSON"),
        ("[]", 'stdin: one object {"steps": [...]}'),
        ('{"steps": [], "level": 5}', "nothing else in it"),
        ('{"steps": []}', "steps: a list of 1 to 20 steps"),
        ('{"steps": [{"step": "keys", "outcome": "ok", "detail": ""}]}', "outcome is one of good"),
    ],
)
def test_acceptance_that_is_not_one_is_refused_in_words(running, given, words):
    arguments = ("acceptance", "--window", "3", "--by", "T07")
    code, answers, trouble = tried(running.place, *arguments, given=given)
    assert (code, answers) == (2, [])
    assert words in trouble
    assert not [text for text in running.export() if '"acceptance"' in text]
