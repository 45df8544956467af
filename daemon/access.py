"""What the daemon may open on this machine, looked at before it serves. Real I/O."""

import grp
import os
import pwd
from pathlib import Path

from daemon import permissions
from daemon.config import Config
from daemon.permissions import Seen, User


def of_signing_key(config: Config) -> str | None:
    """Why the key proves nothing; None for one that does, and for one that is not there."""
    seen = _seen(config.unit.signing_key)
    return None if seen is None else permissions.of_key(seen, _user())


def of_files(config: Config) -> tuple[str, ...]:
    """Every other file that is too open, with the command that mends it."""
    user = _user()
    found = (
        (config.path, permissions.of_configuration),
        (config.store.database.parent, permissions.of_home),
        (config.uplink.tls_key, lambda seen: permissions.of_key(seen, user)),
    )
    judged = (judge(seen) for path, judge in found if path and (seen := _seen(path)))
    return tuple(trouble for trouble in judged if trouble is not None)


def of_devices(config: Config) -> tuple[str, ...]:
    """Every port that is there and closed; for a service it is its sandbox that decides."""
    user = _user()
    ports = (port for window in config.windows for port in (window.pad, window.signal))
    return tuple(
        permissions.of_device(seen, user)
        for port in map(Path, dict.fromkeys(ports))
        if (seen := _seen(port)) and not os.access(port, os.R_OK | os.W_OK)
    )


def _seen(path: Path) -> Seen | None:
    """The file, or None if there is none; whoever opens it says so."""
    try:
        info = path.stat()
    except OSError:
        return None
    return Seen(path=str(path), mode=info.st_mode, owner=info.st_uid, group=_group(info.st_gid))


def _user() -> User:
    number = os.geteuid()
    groups = frozenset(map(_group, {os.getegid(), *os.getgroups()}))
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    return User(id=number, name=name, groups=groups)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
