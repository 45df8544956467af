"""Wrong permissions: each is said with the command that mends it, and a leaked key is refused."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from daemon import access, config
from daemon.permissions import Seen, User, of_configuration, of_device, of_home, of_key
from protocol.central.signing import SigningKey

UNIT = User(id=992, name="haochaping", groups=frozenset({"haochaping", "dialout"}))
CONFIG = """
[unit]
area = "330102"
hall = "h01"
unit = "w03"
signing_key = "signing.pem"
[[window]]
number = "3"
pad = "{folder}/pad"
signal = "{folder}/signal"
[store]
database = "j.db"
[uplink]
broker = "127.0.0.1"
port = 9
platform_key = "platform.pub.pem"
tls_ca = "ca.pem"
tls_certificate = "tls.pem"
tls_key = "tls.key"
"""


def seen(mode, owner=992, group="haochaping", path="/p"):
    return Seen(path=path, mode=stat.S_IFREG | mode, owner=owner, group=group)


# -- decided


@pytest.mark.parametrize(
    ("mode", "owner", "said"),
    [
        (0o600, 992, None),
        (0o400, 992, None),
        (0o644, 992, "other users of this machine may read this private key (0644): chmod 600 /p;"),
        (0o640, 992, "(0640): chmod 600 /p;"),
        (0o660, 0, "(0660): chmod 600 /p;"),
        (0o600, 0, "another user's private key: chown haochaping /p"),
    ],
)
def test_private_key_is_one_only_its_user_can_read(mode, owner, said):
    found = of_key(seen(mode, owner), UNIT)
    assert found is None if said is None else said in found


def test_private_key_of_another_user_is_good_enough_for_root():
    assert of_key(seen(0o600), User(id=0, name="root", groups=frozenset({"root"}))) is None


@pytest.mark.parametrize(
    ("judge", "good", "bad", "said"),
    [
        (of_home, 0o700, 0o755, "(0755): chmod 700 /p"),
        (of_home, 0o700, 0o710, "(0710): chmod 700 /p"),
        (of_configuration, 0o640, 0o660, "(0660): chmod 640 /p"),
        (of_configuration, 0o644, 0o666, "(0666): chmod 640 /p"),
    ],
)
def test_directory_and_configuration_when_too_open_are_said(judge, good, bad, said):
    assert judge(seen(good)) is None
    assert judge(seen(bad)).endswith(said)


@pytest.mark.parametrize(
    ("mode", "group", "said"),
    [
        (0o660, "i2c", "/p: may not be opened by haochaping: usermod -aG i2c haochaping, then"),
        (0o660, "root", "/p: belongs to root alone: install the unit's udev rules"),
        (0o600, "dialout", "/p: belongs to root alone: install the unit's udev rules"),
        (0o660, "dialout", "/p: forbidden to haochaping by more than its group: look at its"),
    ],
)
def test_device_when_it_may_not_be_opened_says_who_is_to_be_in_which_group(mode, group, said):
    assert of_device(seen(mode, 0, group), UNIT).startswith(said)


# -- seen


@pytest.fixture
def unit(tmp_path):
    """A unit's directory in which everything is as it should be."""
    SigningKey.from_seed(bytes(32)).save(tmp_path / "signing.pem")
    SigningKey.from_seed(bytes(32)).save(tmp_path / "tls.key")
    SigningKey.from_seed(bytes(32)).public.save(tmp_path / "platform.pub.pem")
    for name in ("ca.pem", "tls.pem"):
        (tmp_path / name).touch()
    path = tmp_path / "unit.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    path.chmod(0o640)
    return path


def said_by(unit, *arguments):
    """What the daemon's command line says on stderr, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "daemon", *arguments, "--config", str(unit)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stderr


def test_unit_as_it_should_be_then_has_no_problems(unit):
    settings = config.load(unit)
    assert access.of_signing_key(settings) is None
    assert access.of_files(settings) == access.of_devices(settings) == ()


def test_every_problem_when_checked_is_said_at_once(unit):
    for name, mode in (("unit.toml", 0o666), ("tls.key", 0o640), ("", 0o755)):
        (unit.parent / name).chmod(mode)
    code, said = said_by(unit, "--check")
    assert code == 2
    assert [line.partition(": ")[0] for line in said.splitlines()] == [
        str(unit), str(unit.parent), str(unit.parent / "tls.key"),
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [("--check",), ("run",)])
def test_signing_key_that_others_can_read_is_refused(unit, arguments):
    key = unit.parent / "signing.pem"
    key.chmod(0o644)
    code, said = said_by(unit, *arguments)
    assert code == 2
    assert said.startswith(f"{key}: other users of this machine may read this private key (0644)")
    assert "Traceback" not in said
    assert not (unit.parent / "j.db").exists()


# It becomes somebody else, as root alone can.
@pytest.mark.needs("systemd")
def test_device_of_a_group_the_user_is_not_in_is_said():
    script = (
        "import os, sys; from pathlib import Path; from daemon import access, config;"
        "settings = config.load(Path(sys.argv[1]));"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534);"
        "print(*access.of_devices(settings), sep='\\n')"
    )
    # pytest's own directories are closed to others.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "unit.toml").write_text(CONFIG.format(folder=folder))
        (folder / "pad").touch()
        (folder / "pad").chmod(0o660)
        os.chown(folder / "pad", 0, 20)
        folder.chmod(0o711)
        said = subprocess.run(
            [sys.executable, "-c", script, folder / "unit.toml"], capture_output=True, text=True
        )
    assert f"{folder}/pad: may not be opened by nobody: usermod -aG dialout nobody" in said.stdout
