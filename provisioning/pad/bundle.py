"""The firmware in this tree as one signed file for units."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from device import firmware
from protocol.bundle import BundleError, build, read
from protocol.central.signing import KeyUnreadable, SigningKey
from protocol.pad import VERSION
from provisioning import files
from provisioning.errors import ProvisioningError

ROOT = Path(firmware.__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A bundle that was written."""

    path: str
    release: int
    firmware: str
    length: int
    kid: str

    def __str__(self) -> str:
        return (
            f"{self.path}: release {self.release}, firmware {self.firmware}, "
            f"{self.length} bytes, signed with {self.kid}"
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def make(key_path: Path, out: Path, release_min: int, *, dry_run: bool = False) -> Made:
    """Write the file, but in a dry run, and say what it is. Raises ProvisioningError."""
    try:
        key = SigningKey.load(key_path)
        contents = {path: (ROOT / path).read_bytes() for path in firmware.FILES}
        raw = build(contents, firmware.RELEASE, release_min, VERSION, key)
        if not dry_run:
            _write(out, raw)
    except KeyUnreadable as error:
        made = f"openssl genpkey -algorithm ed25519 -out {key_path}"
        raise ProvisioningError(
            f"no bundle was made: {error}", f"a maker's key is made once: {made}"
        ) from error
    except BundleError as error:
        raise ProvisioningError(f"no bundle was made: {error}") from error
    bundle = read(raw, key.public)
    return Made(
        path=str(out),
        release=bundle.release,
        firmware=bundle.firmware.hex(),
        length=len(raw),
        kid=key.kid,
    )


def _write(path: Path, raw: bytes) -> None:
    """All of it or nothing, whatever happens meanwhile."""
    try:
        files.put(path, raw)
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be written ({error.strerror}): make room, or name another place"
        ) from error
