"""What a hall is given: the units' programs or the pads' firmware (real I/O).

A wheel installs itself on the unit, beside the programs that run, and switches to itself at the
end. A bundle is laid where the daemon looks, which offers it to its pads when nobody is asked.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Protocol

from protocol.bundle import BundleError, read
from protocol.central.signing import KeyUnreadable, VerifyKey
from provisioning.errors import ProvisioningError
from provisioning.reach.place import Place, put
from provisioning.reach.status import Status

DISTRIBUTION = "haochaping"
# A fresh environment on a Pi Zero with a slow index; a Pi 4 needs a minute.
INSTALL_S = 900.0
# From the daemon's start to a connected pad and broker; a redial may wait two minutes.
SETTLE_S = 240.0
# A pad takes half a minute for 40 KB, restarts, and is on trial; an offer may come twice.
PAD_S = 300.0
STEP_S = 120.0
CONFIG_FOLDER, PROGRAMS = "/etc/haochaping", "/opt/haochaping"
BUNDLE, MAKER = "pad.hcpad", "maker.pub.pem"
# A wheel brings its own installer (docs/service.md), which switches and restarts by itself.
INSTALL = ("python3", "-m", "daemon.systemd", "install")


class NotThat(ProvisioningError):
    """The file is not what was asked for."""


class NotDone(ProvisioningError):
    """A unit did not take it."""


class Change(Protocol):
    """One thing for every unit."""

    @property
    def what(self) -> str:
        """Of what kind it is, as a unit's history names it."""

    @property
    def title(self) -> str:
        """It, in words."""

    @property
    def digest(self) -> str:
        """Which one it is."""

    @property
    def longest_s(self) -> float:
        """How long a unit may take to run it, once it has it."""

    def give(self, place: Place) -> None:
        """Bring it to a unit. Raises Unreachable and NotDone."""

    def is_had(self, status: Status) -> bool:
        """Whether the unit runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """The units' programs; `wheels`: a folder on each unit with every package they need."""

    name: str
    version: str
    content: bytes
    digest: str
    wheels: str
    what: str = "daemon"
    longest_s: float = SETTLE_S

    @classmethod
    def open(cls, path: Path, wheels: str = "") -> "Wheel":
        """Our wheel in the file. Raises NotThat."""
        content = _content(path)
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith("-info/METADATA")]
                text = archive.read(names[0]).decode("utf-8", "replace")
        except (zipfile.BadZipFile, LookupError) as error:
            raise NotThat(f"{path}: no wheel", "name the .whl file of the release") from error
        told = HeaderParser().parsestr(text)
        if told["Name"] != DISTRIBUTION or not told["Version"]:
            raise NotThat(f"{path}: a wheel of {told['Name']}, and not of {DISTRIBUTION}")
        return cls(
            name=path.name,
            version=told["Version"],
            content=content,
            digest=_digest(content),
            wheels=wheels,
        )

    @property
    def title(self) -> str:
        return f"release {self.version}"

    def give(self, place: Place) -> None:
        path = f"{PROGRAMS}/{self.name}"
        _run(place, ["mkdir", "-p", PROGRAMS])
        put(place, path, self.content)
        wheels = ["--wheels", self.wheels] if self.wheels else []
        _run(place, ["env", f"PYTHONPATH={path}", *INSTALL, *wheels], longest_s=INSTALL_S)

    def is_had(self, status: Status) -> bool:
        return status.version == self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The pads' firmware, and the key of who made it."""

    release: int
    firmware: str
    content: bytes
    key: bytes
    digest: str
    what: str = "pad"
    longest_s: float = PAD_S

    @classmethod
    def open(cls, path: Path, key_path: Path) -> "Bundle":
        """The bundle in the file, signed by the owner of the key. Raises NotThat."""
        content, key = _content(path), _content(key_path)
        try:
            bundle = read(content, VerifyKey.load(key_path))
        except (BundleError, KeyUnreadable) as error:
            raise NotThat(f"{path}: {error}") from error
        return cls(
            release=bundle.release,
            firmware=bundle.firmware.hex(),
            content=content,
            key=key,
            digest=_digest(content),
        )

    @property
    def title(self) -> str:
        return f"pad release {self.release}"

    def give(self, place: Place) -> None:
        for name, content in ((MAKER, self.key), (BUNDLE, self.content)):
            path = f"{CONFIG_FOLDER}/{name}"
            put(place, path, content)
            # The daemon is not root, and what everybody may have everybody may read.
            _run(place, ["chmod", "0644", path])
        # Also a unit that was configured so before looks at its files again.
        settings = {"pad": {"firmware": BUNDLE, "firmware_key": MAKER}}
        _run(place, ["provision", "unit", "configure", "-"], given=json.dumps(settings).encode())

    def is_had(self, status: Status) -> bool:
        # A pad that has not been heard is the doctor's to judge.
        return all(window.pad.firmware in (None, self.firmware) for window in status.windows)


def _run(
    place: Place, command: list[str], *, longest_s: float = STEP_S, given: bytes = b""
) -> None:
    done = place.run(command, given=given, timeout_s=longest_s)
    if done.code:
        raise NotDone(done.sentence)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotThat(f"{path}: cannot be read ({error.strerror})") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
