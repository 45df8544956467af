"""What the daemon may open on this machine, looked at before it serves. Real I/O."""

import grp
import os
import pwd
from collections.abc import Iterable, Iterator
from pathlib import Path

from daemon import permissions
from daemon.config import Config
from daemon.permissions import Seen, User


def of_signing_key(config: Config) -> str | None:
    """Why the key proves nothing; None for one that does, and for one that is not there."""
    seen = _seen(config.unit.signing_key)
    return None if seen is None else permissions.of_key(seen, _user())


def problems(config: Config) -> tuple[str, ...]:
    """Whatever else is too open or too closed, each with the command that mends it."""
    return tuple(_problems(config, _user()))


def _problems(config: Config, user: User) -> Iterator[str]:
    tls_key, home = config.uplink.tls_key, config.store.database.parent
    found = (
        (config.path, permissions.of_configuration),
        (home, permissions.of_home),
        (tls_key, lambda seen: permissions.of_key(seen, user)),
    )
    for path, judge in found:
        seen = None if path is None else _seen(path)
        trouble = None if seen is None else judge(seen)
        if trouble is not None:
            yield trouble
    for device in _devices(config):
        seen = _seen(device)
        if seen is not None and not os.access(device, os.R_OK | os.W_OK):
            yield permissions.of_device(seen, user)


def _devices(config: Config) -> Iterable[Path]:
    """Every port of the configuration once; one that is not plugged in is no question of rights."""
    ports = (port for window in config.windows for port in (window.pad, window.signal))
    return map(Path, dict.fromkeys(ports))


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
