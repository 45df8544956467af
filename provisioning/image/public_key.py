"""The technician's public SSH keys: who may log in on a unit (real I/O)."""

from pathlib import Path

from provisioning.errors import ProvisioningError
from provisioning.image.card import KEY

MAKE_ONE = "make a key of your own once: ssh-keygen -t ed25519"
KEY_FILE_LEN_MAX = 64 * 1024


def read(path: Path | None, home: Path) -> tuple[str, ...]:
    """The keys in the file, else those of `home`; at least one. Raises ProvisioningError."""
    if path is None:
        found = sorted((home / ".ssh").glob("id_*.pub"))
        if not found:
            raise ProvisioningError(f"{home}/.ssh: no id_*.pub is there", MAKE_ONE)
        return tuple(key for file in found for key in _keys(file))
    return _keys(path)


def _keys(path: Path) -> tuple[str, ...]:
    try:
        with path.open(encoding="ascii") as file:
            text = file.read(KEY_FILE_LEN_MAX)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ProvisioningError(f"{path}: cannot be read: {why}", MAKE_ONE) from error
    if "PRIVATE KEY" in text:
        raise ProvisioningError(
            f"{path}: this is the private key, which goes nowhere",
            f"give the public one: {path}.pub",
        )
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    for key in keys:
        if not KEY.fullmatch(key):
            raise ProvisioningError(f"{path}: {key[:40]!r} is no public SSH key", MAKE_ONE)
    if not keys:
        raise ProvisioningError(f"{path}: no key is in it", MAKE_ONE)
    return keys
