"""The unit as a service (H3): its sandbox, the names of its ports, its installation."""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from daemon import config
from daemon.disk.journal import Journal
from daemon.systemd import __main__ as command
from daemon.systemd import installer
from daemon.systemd.tree import Tree
from protocol.central.entry import Source
from protocol.central.signing import SigningKey

HERE = Path(installer.__file__).parent
SERVICE = HERE / installer.SERVICE
RULES = HERE / "61-haochaping.rules"
EXPOSURE_MAX = 2.0
# What nobody may let go: `SystemCallFilter=` is an allow-list, less what comes with a ~.
FILTER = re.compile(r"^SystemCallFilter=(~?)(.*)$", re.M)

needs_systemd = pytest.mark.needs("systemd")


def output_of(*arguments, **more):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout + done.stderr


# -- the sandbox


@needs_systemd
@pytest.mark.promise
def test_sandbox_is_as_tight_as_promised(promise):
    said = output_of(
        "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", SERVICE
    )
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1])
    what = f"the sandbox scores {exposure} of at most {EXPOSURE_MAX}"
    promise("H3", what, 1, int(exposure > EXPOSURE_MAX))


@needs_systemd
def test_unit_file_is_understood_by_the_systemd_there_is(tmp_path):
    # The program itself is not installed here.
    unit = tmp_path / installer.SERVICE
    unit.write_text(SERVICE.read_text().replace("/opt/haochaping/venv/bin/python", sys.executable))
    assert output_of("systemd-analyze", "verify", unit) == ""


def allowed_calls():
    """Every system call the unit's filter lets through."""

    def expand(name):
        if not name.startswith("@"):
            return {name}
        said = output_of("systemd-analyze", "syscall-filter", "--no-pager", name)
        inside = [line.strip() for line in said.splitlines()[1:]]
        return set().union(*(expand(line) for line in inside if line and line[0] != "#"))

    calls = set()
    for taken_away, names in FILTER.findall(SERVICE.read_text()):
        named = set().union(*map(expand, names.split()))
        calls = calls - named if taken_away else calls | named
    return calls


# Asked to end a second after it said that it serves: strace makes a start slow.
SERVE_A_WHILE = """
import logging, os, signal, threading
from daemon.__main__ import main

class Ear(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("serving"):
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()

logging.getLogger("daemon").addHandler(Ear())
raise SystemExit(main(["--config", "{unit}"]))
"""


@needs_systemd
@pytest.mark.needs("strace")
def test_daemon_makes_no_call_that_its_sandbox_forbids(tmp_path):
    log, unit = tmp_path / "calls", place(tmp_path)
    program = SERVE_A_WHILE.format(unit=unit)
    output_of("strace", "-f", "-qq", "-o", log, sys.executable, "-c", program)
    made = set(re.findall(r"(?m)^\d+ +(\w+)\(", log.read_text()))
    assert {"epoll_wait", "fdatasync", "clock_adjtime"} <= made or "epoll_pwait" in made
    # SQLite gives its files to the directory's owner, as root alone.
    assert made - allowed_calls() <= {"fchown"}


def place(folder):
    """The configuration of a unit that has nothing plugged in, with all it names and a journal."""
    key = SigningKey.from_seed(bytes(32))
    key.save(folder / "signing.pem")
    key.public.save(folder / "platform.pub.pem")
    text = (HERE.parent / "config.example.toml").read_text()
    for old, new in (("broker.example", "127.0.0.1"), ("# port = 8787", "port = 0")):
        assert old in text
        text = text.replace(old, new)
    (folder / "unit.toml").write_text(text)
    with Journal(folder / "journal.db", Source("330102", "h01", "w03"), key):
        return folder / "unit.toml"


# -- the names of the ports

USB = "/devices/platform/soc/3f980000.usb/usb1"
HOST = f"""\
P: /devices/platform/soc/3f980000.usb
E: SUBSYSTEM=platform

P: {USB}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
"""
PORT = """
P: {usb}/{socket}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
A: idVendor={vendor}\\n
A: idProduct={product}\\n
A: power/control=auto\\n

P: {usb}/{socket}/{socket}:1.0
E: SUBSYSTEM=usb
E: DEVTYPE=usb_interface

P: {usb}/{socket}/{socket}:1.0/tty/{name}
N: {name}
E: SUBSYSTEM=tty
E: DEVNAME=/dev/{name}
E: MAJOR=166
E: MINOR=0
"""
# udevadm reads rules of the machine only: ours is laid over them, and what it notes over its notes.
UDEV = """
mount -t tmpfs tmpfs /etc/udev/rules.d
mount -t tmpfs tmpfs /run
mkdir /run/udev
cp "$1" /etc/udev/rules.d/
exec umockdev-run --device "$2" -- udevadm test "/sys$3"
"""


@needs_systemd
@pytest.mark.needs("umockdev")
@pytest.mark.parametrize(
    ("vendor", "product", "names"),
    [
        ("2e8a", "0005", {"pad", "pad-platform-3f980000.usb-usb-0:1.3:1.0"}),
        ("1a86", "7523", {"signal", "signal-platform-3f980000.usb-usb-0:1.3:1.0"}),
        ("0403", "6001", {"signal", "signal-platform-3f980000.usb-usb-0:1.3:1.0"}),
        ("0781", "5567", set()),
    ],
)
def test_port_that_is_plugged_in_has_names_that_stay_and_is_no_modem(
    tmp_path, vendor, product, names
):
    device = tmp_path / "device"
    port = PORT.format(usb=USB, socket="1-1.3", vendor=vendor, product=product, name="ttyACM0")
    device.write_text(HOST + port)

    def said(path):
        return output_of("unshare", "-m", "bash", "-ec", UDEV, "udev", RULES, device, USB + path)

    tty, usb = said("/1-1.3/1-1.3:1.0/tty/ttyACM0"), said("/1-1.3")
    assert set(re.findall(r"symlink '/dev/haochaping/(\S+)'", tty)) == names
    assert ("ID_MM_DEVICE_IGNORE=1" in usb) is bool(names)
    assert ("ID_MM_PORT_IGNORE=1" in tty) is bool(names)
    assert ("power/control" in usb and "'on'" in usb) is bool(names), usb
    assert not re.search(r"61-haochaping\.rules:\d+.*([Ii]nvalid|[Uu]nknown|[Ii]gnor)", tty + usb)


# -- installed


def run(capsys, *arguments):
    """What one run of the installer says."""
    assert command.main([*map(str, arguments)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def everything(root):
    """Each file's place, kind, mode, owner and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        content = (
            os.readlink(path)
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else ""
        )
        found[str(path.relative_to(root))] = (info.st_mode, info.st_uid, info.st_gid, content)
    return found


@pytest.fixture
def root(tmp_path):
    return tmp_path / "image"


@needs_systemd
def test_image_when_installed_has_a_unit_and_the_second_run_has_nothing_to_do(root, capsys):
    root.mkdir()
    install = ("install", "--root", root, "--files-only")
    assert "wrote /etc/systemd/system/haochaping.service" in run(capsys, *install)
    before = everything(root)
    assert run(capsys, *install) == "nothing to do\n"
    assert everything(root) == before
    (user,) = re.findall(r"haochaping:x:(\d+):(\d+):", (root / "etc/passwd").read_text())
    state = (root / "var/lib/haochaping").stat()
    assert (oct(state.st_mode & 0o777), (str(state.st_uid), str(state.st_gid))) == ("0o700", user)
    for name in ("haochaping", "provision"):
        assert (root / "usr/local/bin" / name).stat().st_mode & 0o777 == 0o755
    for group in ("dialout", "i2c", "spi", "gpio"):
        assert re.search(rf"^{group}:x:\d+:haochaping$", (root / "etc/group").read_text(), re.M)
    # Keys are made on the unit by whoever asks for its certificate, and cards are copied from this.
    assert list((root / "var/lib/haochaping").iterdir()) == []


@needs_systemd
def test_configuration_when_installed_is_one_and_an_edited_one_is_kept(root, capsys):
    root.mkdir()
    install = ("install", "--root", root, "--files-only")
    assert "next: `provision unit request` makes the unit's keys" in run(capsys, *install)
    path = root / "etc/haochaping/daemon.toml"
    assert config.load(path).unit.signing_key == Path("/var/lib/haochaping/signing.pem")
    path.write_text("# edited")
    path.chmod(0o666)
    assert run(capsys, *install) == "owned /etc/haochaping/daemon.toml\n"
    assert path.read_text() == "# edited"
    assert path.stat().st_mode & 0o777 == 0o640


@needs_systemd
@pytest.mark.parametrize("name", ["signing.pem", "tls.key"])
def test_key_that_others_could_read_is_closed_and_stays_the_same(root, capsys, name):
    root.mkdir()
    install = ("install", "--root", root, "--files-only")
    run(capsys, *install)
    key = root / "var/lib/haochaping" / name
    # As a technician leaves it who put a saved one back.
    key.write_text("a key")
    os.chown(key, 0, 0)
    key.chmod(0o644)
    assert run(capsys, *install) == f"owned /var/lib/haochaping/{name}\n"
    assert key.read_text() == "a key"
    assert (key.stat().st_mode & 0o777, key.stat().st_uid) == (0o600, key.parent.stat().st_uid)


@needs_systemd
def test_uninstall_then_leaves_configuration_journal_and_key_alone(root, capsys):
    root.mkdir()
    run(capsys, "install", "--root", root, "--files-only")
    (root / "var/lib/haochaping/journal.db").touch()
    said = run(capsys, "uninstall", "--root", root)
    assert "kept: /etc/haochaping/daemon.toml and /var/lib/haochaping" in said
    left = {path for path in everything(root) if "haochaping" in path}
    assert left == {
        "etc/haochaping", "etc/haochaping/daemon.toml",
        "var/lib/haochaping", "var/lib/haochaping/journal.db",
    }  # fmt: skip
    assert run(capsys, "uninstall", "--root", root).startswith("kept: ")


def wheel(folder, version):
    """A small wheel of our name, without dependencies."""
    folder.mkdir(exist_ok=True)
    path = folder / f"haochaping-{version}-py3-none-any.whl"
    info = f"haochaping-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("installed_here.py", f"VERSION = {version!r}\n")
        meta = f"Metadata-Version: 2.1\nName: haochaping\nVersion: {version}\n"
        file.writestr(f"{info}/METADATA", f"{meta}Provides-Extra: unit\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


def quick(path, source, _wheels):
    """An environment as far as the installer looks at it, without the seconds that pip takes."""
    (path / "bin").mkdir(parents=True)
    (path / "bin/python").write_text(f"#!/bin/sh\necho {source.parent.name}\n")
    (path / "bin/python").chmod(0o755)


@needs_systemd
def test_programs_when_upgraded_are_switched_at_once_and_the_old_ones_go(root, tmp_path, scale):
    root.mkdir()
    make = quick if scale == 1 else installer.environment
    for version in ("1.0", "1.1"):
        source = wheel(tmp_path / version, version)
        # What a power cut within an earlier run left.
        (root / "opt/haochaping/venv-cut").mkdir(parents=True)
        installer.install(Tree(root, print), source, source.parent, make)
        python = root / "opt/haochaping/venv/bin/python"
        show = "import installed_here; print(installed_here.VERSION)"
        assert output_of(python, "-c", show) == f"{version}\n"
        assert len(list((root / "opt/haochaping").glob("venv-*"))) == 1
        again = Tree(root, print)
        installer.install(again, source, source.parent, make)
        assert again.changed == []


def test_installer_when_a_step_fails_says_which_and_what_it_said(root, capsys, tmp_path):
    broken = Tree(root, print)
    with pytest.raises(installer.NotInstalled, match="false failed:"):
        installer._run("false")
    with pytest.raises(installer.NotInstalled, match="no-such-program: not found: apt install"):
        installer._run("no-such-program")
    assert broken.changed == []


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("status", "status --config /etc/haochaping/daemon.toml"),
        ("--check", "--check --config /etc/haochaping/daemon.toml"),
        ("export --from 7", "export --from 7 --config /etc/haochaping/daemon.toml"),
        ("learn --port /dev/haochaping/signal", "learn --port /dev/haochaping/signal"),
        ("--help", "--help"),
    ],
)
def test_command_the_technician_types_asks_as_the_unit_s_own_user(tmp_path, typed, asked):
    # A runuser that says what it was to run.
    (tmp_path / "runuser").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "runuser").chmod(0o755)
    said = output_of("/bin/sh", HERE / "haochaping", *typed.split(), env={"PATH": str(tmp_path)})
    assert said == f"-u haochaping -- /opt/haochaping/venv/bin/python -P -m daemon {asked}\n"


def test_command_that_sets_a_unit_up_runs_as_whoever_typed_it(tmp_path):
    text = (HERE / "provision").read_text()
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    copy = tmp_path / "provision"
    copy.write_text(text.replace("/opt/haochaping/venv/bin/python", str(python)))
    said = output_of("/bin/sh", copy, "unit", "request", "a b.json")
    assert text.count("/opt/haochaping/venv/bin/python") == 1
    assert said == "-P -m provisioning unit request a b.json\n"
