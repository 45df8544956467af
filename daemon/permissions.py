"""Who may read, change and open what (pure): each thing that is wrong, and what mends it.

A signing key that others on the machine could read proves nothing any more, so the daemon refuses
it. Whatever else is open is said, and the window goes on serving.
"""

from dataclasses import dataclass

OTHERS, OTHERS_WRITE, GROUP_USES = 0o077, 0o022, 0o060
ROOT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file as stat(2) sees it; `group` is its group's name."""

    path: str
    mode: int
    owner: int
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """As whom the daemon runs, with the names of all its groups."""

    id: int
    name: str
    groups: frozenset[str]


def of_key(key: Seen, user: User) -> str | None:
    """What is wrong with a private key that can be read."""
    if key.mode & OTHERS:
        return (
            f"{key.path}: other users of this machine may read this private key "
            f"({key.mode & 0o777:04o}): chmod 600 {key.path}; if one of them could have copied "
            "it, make a new one and have the platform admit that"
        )
    if key.owner != user.id != ROOT:
        return f"{key.path}: another user's private key: chown {user.name} {key.path}"
    return None


def of_home(home: Seen) -> str | None:
    """What is wrong with the journal's directory."""
    if home.mode & OTHERS:
        return (
            f"{home.path}: other users of this machine may look into the journal's directory "
            f"({home.mode & 0o777:04o}): chmod 700 {home.path}"
        )
    return None


def of_configuration(file: Seen) -> str | None:
    """What is wrong with the file that says which keys and ports are used."""
    if file.mode & OTHERS_WRITE:
        return (
            f"{file.path}: others than its owner may change the configuration "
            f"({file.mode & 0o777:04o}): chmod 640 {file.path}"
        )
    return None


def of_device(device: Seen, user: User) -> str:
    """Why a port that is there may not be opened."""
    if device.mode & GROUP_USES != GROUP_USES or device.group == "root":
        return (
            f"{device.path}: belongs to root alone: install the unit's udev rules "
            "(python3 -m daemon.systemd install)"
        )
    if device.group not in user.groups:
        return (
            f"{device.path}: may not be opened by {user.name}: "
            f"usermod -aG {device.group} {user.name}, then restart the daemon"
        )
    return (
        f"{device.path}: forbidden to {user.name} by more than its group: look at its access list "
        f"(getfacl {device.path})"
    )
