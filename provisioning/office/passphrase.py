"""The passphrase of the authority's key: made here, kept beside no copy of the key, never typed.

It lies in the technician's own configuration, not in the site folder: who copies the folder, or
finds the laptop's backup of it, has an encrypted key. Real I/O.
"""

import os
import secrets
from pathlib import Path

from provisioning import files
from provisioning.errors import ProvisioningError

VARIABLE = "HAOCHAPING_PASSPHRASE_FILE"
ENTROPY_LEN = 32
FILE_LEN_MAX = 1024


class PassphraseMissing(ProvisioningError):
    """The authority's key is here and cannot be opened."""


def path(site: str) -> Path:
    """Where the passphrase of a site is kept: HAOCHAPING_PASSPHRASE_FILE, else at home."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "haochaping" / f"{site}.passphrase"


def make(site: str) -> bytes:
    """The passphrase of a new authority; one that is there already is taken."""
    file = path(site)
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.put(file, secrets.token_urlsafe(ENTROPY_LEN).encode() + b"\n", 0o600)
    return load(site)


def load(site: str) -> bytes:
    """The passphrase of the site. Raises PassphraseMissing."""
    file = path(site)
    try:
        with file.open("rb") as opened:
            found = opened.read(FILE_LEN_MAX).strip()
    except OSError as error:
        raise PassphraseMissing(
            f"{file}: the passphrase of the authority's key cannot be read ({error.strerror})",
            f"copy it from the laptop where the site was made, or name the file in {VARIABLE}",
        ) from error
    if not found:
        raise PassphraseMissing(f"{file}: empty", "copy it from where the site was made")
    return found
