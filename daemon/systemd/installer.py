"""Make a machine a unit, or no longer one. What is already as it must be is not touched. Real I/O.

Nothing of it needs more than Debian's own python3, so that the wheel can install itself. Every step
may be cut off anywhere: an environment for each state of the programs is made beside the old one,
then the link is switched to it, and the next run goes on.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from daemon.errors import DaemonError
from daemon.systemd.tree import Tree

SERVICE = "haochaping.service"
CONFIG, STATE, PROGRAMS = "/etc/haochaping/daemon.toml", "/var/lib/haochaping", "/opt/haochaping"
# What people type, by the file beside this one: asked as the unit's own user, set up as root.
COMMANDS = {
    "haochaping": "/usr/local/bin/haochaping",
    "provision": "/usr/local/bin/provision",
}
UNITS = "/etc/systemd/system"
JOURNALD = "/etc/systemd/journald.conf.d/haochaping.conf"
# What lies beside this file, and where the machine looks for it.
FILES = {
    SERVICE: f"{UNITS}/{SERVICE}",
    "61-haochaping.rules": "/etc/udev/rules.d/61-haochaping.rules",
    "sysusers.conf": "/etc/sysusers.d/haochaping.conf",
    "tmpfiles.conf": "/etc/tmpfiles.d/haochaping.conf",
    "journald.conf": JOURNALD,
    "manager.conf": "/etc/systemd/system.conf.d/haochaping.conf",
}
ENABLED = f"{UNITS}/multi-user.target.wants/{SERVICE}"
# Where the journal and the key lie on an installed unit: what systemd keeps for its user alone.
PLACES = (
    ('"signing.pem" ', f'"{STATE}/signing.pem" '),
    ('"journal.db" ', f'"{STATE}/journal.db" '),
)
# Whose owners and modes tmpfiles.conf mends, and the private keys that are to be in the last one.
KEPT = ("/etc/haochaping", CONFIG, STATE)
KEYS = (f"{STATE}/signing.pem", f"{STATE}/tls.key")
FIRST_START_NEXT = (
    "next: `provision unit request` makes the unit's keys and asks the office for its certificate; "
    f"by hand: edit {CONFIG}, then see `haochaping --check`"
)


class NotInstalled(DaemonError):
    """A step that another program did for us failed; what it said."""


def environment(path: Path, source: Path, wheels: Path | None) -> None:
    """Python's packages in a directory of their own."""
    _run(sys.executable, "-m", "venv", "--clear", str(path))
    offline = [] if wheels is None else ["--no-index", f"--find-links={wheels.resolve()}"]
    pip = [str(path / "bin/python"), "-m", "pip", "install", "--quiet"]
    _run(*pip, "--disable-pip-version-check", *offline, f"haochaping[unit] @ {source.as_uri()}")


def install(
    tree: Tree,
    source: Path,
    wheels: Path | None,
    make: Callable[[Path, Path, Path | None], None] | None = environment,
) -> None:
    """Everything a unit needs but its configuration; `source` is our wheel or our source tree.

    wheels: a directory with every package, for a machine without an index.
    make: None leaves the programs out, for an image whose processor is not this one's.
    """
    here = resources.files("daemon")
    for name, path in FILES.items():
        tree.put(path, here.joinpath("systemd", name).read_bytes())
    for name, path in COMMANDS.items():
        tree.put(path, here.joinpath("systemd", name).read_bytes(), 0o755)
    _users(tree)
    if not tree.at(CONFIG).exists():
        text = here.joinpath("config.example.toml").read_text("utf-8")
        for old, new in PLACES:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        tree.put(CONFIG, text.encode(), 0o640)
    _owners(tree)
    if make is not None:
        name = f"venv-{_digest(source, wheels)}"
        made = tree.at(f"{PROGRAMS}/{name}")
        if _linked(tree) != name or not (made / "bin/python").exists():
            made.parent.mkdir(parents=True, exist_ok=True)
            make(made, source, wheels)
            tree.did("made", f"{PROGRAMS}/{name}")
        _switch(tree, name)
    tree.link(ENABLED, f"{UNITS}/{SERVICE}")


def uninstall(tree: Tree) -> None:
    """Everything but the configuration, the journal and the key: those are evidence."""
    for path in (ENABLED, *FILES.values(), *COMMANDS.values(), PROGRAMS):
        tree.remove(path)


def reload(tree: Tree) -> None:
    """Tell a running machine what changed."""
    _run("systemctl", "daemon-reload")
    _run("udevadm", "control", "--reload")
    _run("udevadm", "trigger", "--subsystem-match=usb", "--subsystem-match=tty")
    if JOURNALD in tree.changed:
        _run("systemctl", "restart", "systemd-journald.service")


def control(verb: str) -> None:
    """start, stop or restart the unit of a running machine."""
    _run("systemctl", verb, SERVICE)


def _users(tree: Tree) -> None:
    files = [tree.at(f"/etc/{name}") for name in ("passwd", "group")]
    before = [file.exists() and file.read_bytes() for file in files]
    _run("systemd-sysusers", f"--root={tree.root}", "haochaping.conf")
    if before != [file.read_bytes() for file in files]:
        tree.did("made", "user haochaping")


def _owners(tree: Tree) -> None:
    before = {path: _owner(tree.at(path)) for path in KEPT}
    _run("systemd-tmpfiles", f"--root={tree.root}", "--create", "haochaping.conf")
    before |= {path: _owner(tree.at(path)) for path in KEYS}
    for path in KEYS:
        if before[path] is not None:
            _close(tree.at(path))
    for path in (*KEPT, *KEYS):
        if before[path] != _owner(tree.at(path)):
            tree.did("owned", path)


def _close(key: Path) -> None:
    """Make a private key its directory's owner's, and nobody else's to read."""
    home = key.parent.stat()
    key.chmod(0o600)
    os.chown(key, home.st_uid, home.st_gid)


def _owner(path: Path) -> tuple[int, int, int] | None:
    if not path.exists():
        return None
    found = path.stat()
    return found.st_mode, found.st_uid, found.st_gid


def _switch(tree: Tree, name: str) -> None:
    """Let the link say which environment runs, and remove the others."""
    tree.link(f"{PROGRAMS}/venv", name)
    for other in sorted(tree.at(PROGRAMS).glob("venv-*")):
        if other.name != name:
            tree.remove(f"{PROGRAMS}/{other.name}")


def _linked(tree: Tree) -> str | None:
    link = tree.at(f"{PROGRAMS}/venv")
    return os.readlink(link) if link.is_symlink() else None


def _digest(source: Path, wheels: Path | None) -> str:
    """Of all that an environment is made from: our files, the packages offered, the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    files = [source] if source.is_file() else [source / "pyproject.toml", *source.glob("*/**/*")]
    for file in sorted(files):
        if file.suffix in (".whl", ".toml", ".py", ".json", ".yaml") and file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    for file in sorted(wheels.glob("*.whl")) if wheels is not None else ():
        digest.update(file.name.encode())
    return digest.hexdigest()[:12]


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotInstalled(f"{command[0]}: not found: apt install systemd") from error
    if done.returncode:
        raise NotInstalled(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()}")
