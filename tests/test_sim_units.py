"""Virtual units: what reaches them does as OpenSSH does, and what runs on them can be killed."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from central.registry import Unit, dump
from daemon import config
from daemon.systemd import installer
from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from provisioning.errors import ProvisioningError
from provisioning.office.windows import read
from provisioning.reach.place import Done, Here, Place, Ssh, Unreachable, put
from provisioning.unit.machine import ROOT_VARIABLE, Machine
from sim.__main__ import main
from sim.authority import Authority
from sim.centres import wait_for
from sim.platforms import Platform
from sim.played import PlayedUnit
from sim.processes import free_port, module
from sim.units import LONGEST_BELOW, PROGRAMS, SOCKET_PATH_LEN_MAX, TREE, VirtualHall, VirtualUnit

HOST, WINDOW = "w03", "3"
ODD = ("", " ", "a b", "'\"'", "$HOME `id` \\ ;&|", "*", "two\nlines", "窗口", "-n", "--")
# Far shorter than what it cuts off, far longer than a command takes to begin.
CUT_S = 0.3
WAIT_S = 20.0
LAST_WORDS = "The pads' self-test is answered by itself. End with Ctrl-C.\n"
BROKER = re.compile("^broker = .*$", re.M)
REDIAL = re.compile("^# redial_s = .*$", re.M)
PORT = re.compile("^(?:# )?port = (?!0 ).*$", re.M)
# The service in a fortieth of the daemon's time: says that it is ready when it is let.
STAND_IN = """\
#!/bin/sh
exec {python} -I -S -c '
import os, pathlib, signal, socket
pathlib.Path("begun").touch()
while not pathlib.Path("may-serve").exists():
    signal.sigtimedwait([], 0.01)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.sendto(b"STATUS=up\\nREADY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
signal.pause()
'
"""


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[VirtualHall]:
    hall = VirtualHall(tmp_path / "hall", {HOST: WINDOW})
    yield hall
    hall.stop()


@pytest.fixture
def unit(hall: VirtualHall) -> VirtualUnit:
    return hall[HOST]


@pytest.fixture
def ssh(hall: VirtualHall) -> Ssh:
    return Ssh(HOST, hall.ssh)


def here(_hall: VirtualHall) -> Place:
    return Here()


def by_ssh(hall: VirtualHall) -> Place:
    return Ssh(HOST, hall.ssh)


def by_ssh_as_root(hall: VirtualHall) -> Place:
    return Ssh(HOST, hall.ssh, user="root")


def played(hall: VirtualHall) -> Place:
    return PlayedUnit(hall.premises, "played")


@pytest.fixture(params=[here, by_ssh, by_ssh_as_root, played])
def place(request: pytest.FixtureRequest, hall: VirtualHall) -> Place:
    made: Place = request.param(hall)
    return made


# -- what every place does


def test_place_when_a_command_is_run_then_gives_all_that_it_left(place: Place) -> None:
    script = "cat; printf 'no good\\n' >&2; exit 3"
    given = bytes(range(256)) * 1024
    done = place.run(["sh", "-c", script], given=given)
    assert done == Done(3, given, b"no good\n")
    assert done.sentence == "no good"


def test_place_when_words_are_odd_then_hands_them_over_as_they_are(place: Place) -> None:
    done = place.run(["printf", "[%s]", *ODD])
    assert done == Done(0, "".join(f"[{word}]" for word in ODD).encode(), b"")


def test_place_when_a_command_is_not_there_then_it_is_not_the_place_that_failed(
    place: Place,
) -> None:
    if isinstance(place, Here) and os.geteuid() == 0:
        with pytest.raises(Unreachable, match="no-such-program is not installed"):
            place.run(["no-such-program"])
    else:
        assert place.run(["no-such-program"]).code in (1, 127)


def test_place_when_there_is_no_answer_in_time_then_says_so(place: Place) -> None:
    with pytest.raises(Unreachable, match="no answer within"):
        place.run(["sleep", "600"], timeout_s=CUT_S)


def test_place_when_a_file_is_put_then_a_reader_has_the_old_one_or_the_new_one(
    place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "a file"
    put(place, str(file), b"old")
    with file.open("rb") as reader:
        put(place, str(file), b"new" * 100_000)
        assert reader.read() == b"old"
    assert file.read_bytes() == b"new" * 100_000
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("a file")] == ["a file"]


def test_place_when_a_file_cannot_be_put_then_says_why(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ProvisioningError, match=r"cannot be written: .*nowhere/file"):
        put(place, str(tmp_path / "nowhere/file"), b"new")


# -- what is particular to a virtual unit


def test_unit_when_it_is_entered_then_is_a_world_of_its_own(
    ssh: Ssh, unit: VirtualUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFICE_SECRET", "1234")
    done = ssh.run(["sh", "-c", "pwd; hostname; env"])
    lines = done.out.decode().splitlines()
    assert lines[:2] == [str(unit.root.resolve()), HOST]
    assert f"{ROOT_VARIABLE}={unit.root}" in lines
    assert "OFFICE_SECRET" not in done.out.decode()
    assert Machine(unit.root).serial() == unit.serial
    assert re.fullmatch("[0-9a-f]{16}", unit.serial)


def test_unit_when_it_does_not_follow_a_time_server_then_says_so(
    ssh: Ssh, unit: VirtualUnit
) -> None:
    asked = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    assert ssh.run(asked).out == b"yes\n"
    unit.at("/proc/unsynced").touch()
    assert ssh.run(asked).out == b"no\n"


def test_unit_when_the_office_names_its_files_then_they_are_those_below_its_root(
    ssh: Ssh, unit: VirtualUnit
) -> None:
    put(ssh, "/etc/haochaping/pad.hcpad", b"firmware")
    assert unit.at("/etc/haochaping/pad.hcpad").read_bytes() == b"firmware"
    script = ["sh", "-c", 'echo "$WHERE" "$1"', "sh", "/"]
    done = ssh.run(["env", "WHERE=/var/lib/haochaping/x", *script])
    assert done.out.decode() == f"{unit.root}/var/lib/haochaping/x /\n"


@pytest.mark.parametrize(
    ("host", "said"),
    [("w99", "not known"), ("../hall/w03", "not known"), ("bin", "not known"), ("", "not known")],
)
def test_client_when_there_is_no_such_unit_then_nobody_is_reached(
    hall: VirtualHall, host: str, said: str
) -> None:
    with pytest.raises(Unreachable, match=said):
        Ssh(host, hall.ssh).run(["true"])


def test_client_when_typed_by_hand_then_takes_what_openssh_takes(hall: VirtualHall) -> None:
    (client,) = hall.ssh

    def typed(*words: str, given: str = "") -> tuple[int, str]:
        done = subprocess.run([client, *words], input=given, capture_output=True, text=True)
        return done.returncode, done.stdout

    assert typed("-t", "-p", "2222", "-o", "A=b", "-l", "pi", f"x@{HOST}", "echo", "a; echo b") == (
        0, "a\nb\n",
    )  # fmt: skip
    assert typed("-n", HOST, "cat", given="unread") == (0, "")
    assert typed(HOST, given="echo typed; exit 4") == (4, "typed\n")
    assert typed("-O", "exit", HOST) == (0, "")
    assert typed() == (255, "")
    assert typed("-?", HOST) == (255, "")


def test_unit_when_switched_off_then_is_unreachable_until_it_is_on(
    ssh: Ssh, unit: VirtualUnit
) -> None:
    # Without keys there is nothing to serve.
    unit.at(installer.ENABLED).unlink()
    unit.at("/run/something").touch()
    unit.switch_off()
    with pytest.raises(Unreachable, match="No route to host"):
        ssh.run(["true"])
    unit.switch_on()
    assert ssh.run(["true"]).code == 0
    assert list(unit.at("/run").iterdir()) == []


def test_unit_when_switched_off_meanwhile_then_the_command_is_lost_and_gone(
    ssh: Ssh, unit: VirtualUnit
) -> None:
    trouble: list[Unreachable] = []

    def ask() -> None:
        with pytest.raises(Unreachable) as raised:
            ssh.run(["sh", "-c", "echo $$ >tmp/begun; sleep 600; touch tmp/ended"])
        trouble.append(raised.value)

    asking = threading.Thread(target=ask)
    asking.start()
    pid = int(wait_for(lambda: _text(unit.at("/tmp/begun")), "begun"))
    unit.switch_off()
    asking.join()
    assert "not responding" in str(trouble[0])
    assert not Path(f"/proc/{pid}/cwd").exists()
    assert not unit.at("/tmp/ended").exists()


def test_unit_when_its_card_is_wiped_then_is_the_same_machine_with_nothing_on_it(
    unit: VirtualUnit, hall: VirtualHall
) -> None:
    unit.at("/var/lib/haochaping/journal.db").write_text("evidence")
    fresh = unit.at(installer.CONFIG).read_bytes()
    unit.at(installer.CONFIG).write_text("changed")
    serial = unit.serial
    unit.wipe()
    assert not unit.is_on
    assert list(unit.at(installer.STATE).iterdir()) == []
    assert unit.at(installer.CONFIG).read_bytes() == fresh
    assert unit.serial == serial
    unit.replace()
    assert unit.serial != serial
    assert hall.add("w04", "4").serial not in (serial, unit.serial)


def test_unit_as_installed_then_has_the_configuration_the_installer_leaves(
    unit: VirtualUnit,
) -> None:
    found = config.load(unit.at(installer.CONFIG))
    assert found.unit.signing_key == unit.at("/var/lib/haochaping/signing.pem")
    assert found.store.database == unit.at("/var/lib/haochaping/journal.db")
    (window,) = found.windows
    assert window.pad == str(unit.at("/dev/haochaping/pad"))
    assert window.signal == str(unit.at("/dev/haochaping/signal"))
    assert (found.clock.trust, found.page.port) == ("host", 0)


def test_hall_when_its_folder_has_a_long_name_then_sockets_have_room(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    hall = VirtualHall(folder, {"a" * 16: "1"})
    unit = hall["a" * 16]
    assert len(f"{unit.root}{LONGEST_BELOW}") <= SOCKET_PATH_LEN_MAX
    assert Ssh(unit.host, hall.ssh).run(["hostname"]).out.decode() == f"{unit.host}\n"
    assert (folder / unit.host).is_dir()
    hall.stop()
    assert not hall.premises.exists()


@pytest.mark.parametrize("program", sorted(one.name for one in PROGRAMS.iterdir()))
def test_program_of_a_unit_is_one_that_sh_can_read(program: str) -> None:
    subprocess.run(["sh", "-n", str(PROGRAMS / program)], check=True)


# -- its service


@pytest.fixture
def stand_in(hall: VirtualHall, unit: VirtualUnit) -> Path:
    """The directory where the service's stand-in runs."""
    program = hall.premises / "bin/haochaping"
    program.write_text(STAND_IN.format(python=sys.executable))
    (where := unit.at("/run/haochaping")).mkdir(parents=True)
    return where


def control(ssh: Ssh, *words: str) -> tuple[int, str]:
    done = ssh.run(["systemctl", *words])
    return done.code, done.out.decode().strip()


def test_systemctl_when_asked_then_says_what_is_so(ssh: Ssh, stand_in: Path) -> None:
    (stand_in / "may-serve").touch()
    assert control(ssh, "is-enabled", "haochaping") == (0, "enabled")
    assert control(ssh, "disable", "haochaping.service") == (0, "")
    assert control(ssh, "is-enabled", "--quiet", "haochaping") == (1, "")
    assert control(ssh, "is-active", "haochaping") == (3, "inactive")
    assert control(ssh, "reload", "haochaping") == (1, "")
    assert control(ssh, "enable", "--now", "haochaping") == (0, "")
    assert control(ssh, "is-active", "haochaping") == (0, "active")
    pid = _text(stand_in / "pid").split()[0]
    assert control(ssh, "start", "haochaping") == (0, "")
    assert _text(stand_in / "pid").split()[0] == pid
    assert control(ssh, "restart", "haochaping") == (0, "")
    assert _text(stand_in / "pid").split()[0] != pid
    assert control(ssh, "stop", "haochaping") == (0, "")
    assert control(ssh, "try-restart", "haochaping") == (0, "")
    assert control(ssh, "is-active", "haochaping") == (3, "inactive")
    assert control(ssh, "start", "ssh")[0] == 5
    assert control(ssh, "dance", "haochaping")[0] == 1
    assert control(ssh, "daemon-reload") == (0, "")


def test_systemctl_when_killed_while_it_starts_then_the_next_start_begins_anew(
    ssh: Ssh, unit: VirtualUnit, stand_in: Path
) -> None:
    starting = threading.Thread(target=lambda: control(ssh, "start", "haochaping"))
    starting.start()
    wait_for((stand_in / "begun").exists, "begun")
    first = int(_text(stand_in / "pid").split()[0])
    (manager,) = (pid for pid in whatever_runs(unit) if "systemctl.py" in _command(pid))
    os.kill(manager, signal.SIGKILL)
    starting.join()
    assert control(ssh, "is-active", "haochaping") == (3, "activating")
    (stand_in / "may-serve").touch()
    assert control(ssh, "start", "haochaping") == (0, "")
    assert not Path(f"/proc/{first}/cwd").exists()
    assert control(ssh, "is-active", "haochaping") == (0, "active")


@pytest.mark.parametrize(
    "passed",
    [
        "begun",
        *(pytest.param(mark, marks=pytest.mark.campaign) for mark in ("lock", "pid", "ready")),
    ],
)
def test_unit_when_all_is_killed_at_a_point_of_a_start_then_the_next_one_succeeds(
    ssh: Ssh, unit: VirtualUnit, stand_in: Path, passed: str
) -> None:
    if passed == "ready":
        (stand_in / "may-serve").touch()
    starting = threading.Thread(target=lambda: control(ssh, "start", "haochaping"))
    starting.start()
    wait_for((stand_in / passed).exists, passed)
    unit.kill()
    starting.join()
    assert whatever_runs(unit) == []
    (stand_in / "may-serve").touch()
    assert control(ssh, "start", "haochaping") == (0, "")
    assert control(ssh, "is-active", "haochaping") == (0, "active")


def test_service_when_it_cannot_start_then_systemctl_fails_and_the_log_says_why(
    hall: VirtualHall, ssh: Ssh
) -> None:
    (hall.premises / "bin/haochaping").write_text("#!/bin/sh\necho there is no key >&2; exit 2\n")
    done = ssh.run(["systemctl", "start", "haochaping"])
    assert (done.code, b"Job for haochaping.service failed" in done.err) == (1, True)
    assert control(ssh, "is-active", "haochaping") == (3, "failed")
    assert ssh.run(["journalctl", "-u", "haochaping", "-n", "1"]).out == b"there is no key\n"


def test_service_when_the_plug_is_pulled_then_comes_back_with_the_machine(
    hall: VirtualHall, ssh: Ssh, unit: VirtualUnit
) -> None:
    commission(unit)
    hall.start()
    assert control(ssh, "start", "haochaping") == (0, "")
    unit.counter.clerk.call()
    wait_for(lambda: b'"called": 1' in ssh.run(["haochaping", "status"]).out, "a call")
    unit.kill()
    assert control(ssh, "is-active", "haochaping") == (3, "failed")
    unit.switch_off()
    unit.switch_on()
    assert control(ssh, "is-active", "haochaping") == (0, "active")
    wait_for(lambda: unit.log.count("pad window=3 state=up") >= 2, "a pad")
    hall.stop()
    assert whatever_runs(unit) == []


@pytest.mark.campaign
@pytest.mark.needs("systemd")
def test_wheel_when_it_is_installed_then_is_what_the_unit_runs(
    ssh: Ssh, unit: VirtualUnit, tmp_path: Path
) -> None:
    commission(unit)
    wheel = tmp_path / "haochaping-9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for package in ("daemon", "protocol"):
            for file in (TREE / package).rglob("*"):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, file.relative_to(TREE))
    put(ssh, "/var/lib/haochaping/new.whl", wheel.read_bytes())
    line = ["env", "PYTHONPATH=/var/lib/haochaping/new.whl", "python3", "-m", "daemon.systemd"]
    done = ssh.run([*line, "install"])
    assert (done.code, done.err) == (0, b"")
    assert control(ssh, "is-active", "haochaping") == (0, "active")
    where = "import os, daemon; print(os.path.realpath(daemon.__file__))"
    assert str(unit.at("/opt").resolve()) in ssh.run(["python", "-P", "-c", where]).out.decode()
    assert ssh.run([*line, "install"]).out == b"nothing to do\n"


@pytest.mark.campaign
@pytest.mark.needs("mosquitto")
def test_platform_when_it_trusts_an_authority_then_its_units_get_their_receipts(
    hall: VirtualHall, ssh: Ssh, unit: VirtualUnit, tmp_path: Path
) -> None:
    key = commission(unit)
    signs = Authority(tmp_path, "units of the site")
    source = Source("330102", "h01", "w03")
    with Platform(tmp_path / "platform") as platform:
        identity = signs.issue("330102/h01/w03")
        for file, name in (
            (identity.certificate, "/etc/haochaping/tls.pem"),
            (platform.authority, "/etc/haochaping/ca.pem"),
            (platform.key, "/etc/haochaping/platform.pub.pem"),
            (identity.key, "/var/lib/haochaping/tls.key"),
        ):
            unit.at(name).write_bytes(file.read_bytes())
        unit.at("/var/lib/haochaping/tls.key").chmod(0o600)
        tls = (
            f'port = {platform.port}\ntls_ca = "ca.pem"\ntls_certificate = "tls.pem"\n'
            f'tls_key = "{unit.at("/var/lib/haochaping/tls.key")}"'
        )
        change(unit, (PORT, tls), (REDIAL, "redial_s = 1.0"))
        assert control(ssh, "start", "haochaping") == (0, "")
        wait_for(lambda: "uplink state=down" in unit.log, "a broker that refuses it")
        platform.trust(signs.certificate, signs.crl)
        registry = dump({source: Unit.of(key.public)}).encode()
        subprocess.run(platform.takes_registry, input=registry, check=True)
        wait_for(lambda: b'"backlog": 0,' in ssh.run(["haochaping", "status"]).out, "receipts")


# -- the command for people


@pytest.mark.parametrize(
    ("count", "said"), [("0", "from 1 to"), ("201", "from 1 to"), ("1", "is not empty")]
)
def test_command_when_it_is_asked_for_the_impossible_then_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: str, said: str
) -> None:
    (tmp_path / "mine").touch()
    assert main(["units", "--count", count, "--folder", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


@pytest.mark.campaign
@pytest.mark.needs("mosquitto")
def test_command_when_it_runs_then_says_what_to_type_does_what_is_typed_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    command = module("sim", "units", "--count", "2", "--folder", str(tmp_path / "h"))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = "".join(iter(process.stdout.readline, LAST_WORDS))
        client = re.search(r"^  \[ssh\] +client = (.*)$", said, re.M)
        assert client is not None
        assert Ssh("w02", json.loads(client[1])).run(["true"]).code == 0
        (windows,) = re.findall(r"--windows (\S+)$", said, re.M)
        assert [one.name for one in read("windows.csv", Path(windows).read_bytes())] == [
            "w01",
            "w02",
        ]
        for order, answer in (
            ("call w01", "done"),
            ("complete w02", "nobody is at the window"),
            ("off w02", "done"),
            ("press w01 6", "a key from 1 to 5"),
            ("dance w01", "'dance': trust, call"),
            ("call w09", "'w09': one of w01, w02"),
            ("trust nowhere", "nowhere: no site folder"),
        ):
            process.stdin.write(f"{order}\n")
            process.stdin.flush()
            assert answer in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 0
    left = [pid for pid in every_pid() if str(tmp_path) in _command(pid)]
    assert left == []


# -- pieces


def change(unit: VirtualUnit, *changes: tuple[re.Pattern[str], str]) -> None:
    """Change its configuration."""
    file = unit.at(installer.CONFIG)
    text = file.read_text()
    for pattern, new in changes:
        text, count = pattern.subn(new, text)
        assert count == 1, pattern
    file.write_text(text)


def commission(unit: VirtualUnit) -> SigningKey:
    """Give it keys and a broker that is away, which is all that it needs to serve; its key."""
    key = SigningKey.generate()
    key.save(unit.at("/var/lib/haochaping/signing.pem"))
    key.public.save(unit.at("/etc/haochaping/platform.pub.pem"))
    change(unit, (BROKER, 'broker = "127.0.0.1"'), (PORT, f"port = {free_port()}"))
    return key


def every_pid() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def whatever_runs(unit: VirtualUnit) -> list[int]:
    """The processes of the unit's world."""
    mark = f"{ROOT_VARIABLE}={unit.root}".encode()
    return [pid for pid in every_pid() if mark in _of_process(pid, "environ").split(b"\0")]


def _command(pid: int) -> str:
    return _of_process(pid, "cmdline").decode()


def _of_process(pid: int, what: str) -> bytes:
    # It may have ended meanwhile, or be somebody else's.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{what}").read_bytes()
    return b""


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
