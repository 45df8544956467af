"""A site: the folder of one hall, opened. Real I/O."""

import os
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from protocol.central.signing import KeyUnreadable, VerifyKey
from provisioning import files
from provisioning.errors import ProvisioningError
from provisioning.office import authority, passphrase, registry, settings
from provisioning.office.authority import Authority, Issued, TakenBack
from provisioning.office.inventory import Inventory
from provisioning.office.records import Unit
from provisioning.office.settings import Settings
from provisioning.reach.place import Here, Place, Ssh

SITE, INVENTORY, AUTHORITY, PUBLISH = "site.toml", "inventory.db", "authority", "publish"
LIST = "unit.crl"
APPLY_S = 120.0
# A list that ends sooner is told wherever somebody looks; the centre's own alarm is at 14 days.
LIST_LEFT = timedelta(days=21)
# Who finds that much of the future in the inventory has a computer that fell back in time.
FALLEN_BACK = timedelta(days=1)


Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, as this computer believes."""
    return datetime.now(UTC)


class NoSite(ProvisioningError):
    """There is no site folder here."""


class Site:
    """The opened folder; `now` is the time, as this computer believes."""

    def __init__(self, folder: Path, found: Settings, now: Clock = utc_now) -> None:
        self.folder, self.settings, self.now = folder, found, now
        self.inventory = Inventory(folder / INVENTORY, found.source)
        self._lock: int | None = None

    @classmethod
    def open(cls, folder: Path, now: Clock = utc_now) -> Self:
        """The site in the folder. Raises NoSite, BadSettings."""
        path = folder / SITE
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError as error:
            raise NoSite(
                f"{folder.resolve()}: there is no {SITE} here",
                "go to the hall's site folder, or name it with --site; a new one: "
                "`provision site init`",
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise NoSite(f"{path}: cannot be read ({error})") from error
        return cls(folder, settings.read(str(path), text), now)

    def units(self, *names: str) -> list[Unit]:
        """The named units, or all in use. Raises ProvisioningError for a name that is not there."""
        if not names:
            return self.inventory.units()
        found = {name: self.inventory.unit(name) for name in names}
        unknown = [name for name, unit in found.items() if unit is None]
        if unknown:
            raise ProvisioningError(
                f"{', '.join(unknown)}: no such unit in this hall",
                "see `provision hall status`, or add it with `provision site windows`",
            )
        return [unit for unit in found.values() if unit is not None]

    def place(self, unit: Unit) -> Place:
        """How the unit is reached: by its host name, else by the name its image gave it."""
        host = unit.host or f"{self.settings.hall}-{unit.name}.local"
        if host == "localhost":
            return Here()
        return Ssh(host, self.settings.ssh, self.settings.ssh_user)

    @classmethod
    def open_alone(cls, folder: Path, now: Clock = utc_now) -> Self:
        """The site in the folder, for who changes it: one at a time, until it is closed."""
        site = cls.open(folder, now)
        site._lock = files.lock(folder, waits=False)
        if site._lock is None:
            raise ProvisioningError(
                f"{folder.resolve()}: another `provision` is at work here", "wait until it is done"
            )
        return site

    def close(self) -> None:
        """Let the folder go."""
        self.inventory.close()
        if self._lock is not None:
            os.close(self._lock)

    # -- what the papers need

    def broker_authority(self) -> str:
        """Who signed the broker's certificate, PEM. Raises ProvisioningError."""
        return self._pem(
            self.settings.broker_authority, "the authority of the broker's certificate"
        )

    def platform_key(self) -> str:
        """The platform's public key, PEM. Raises ProvisioningError."""
        text = self._pem(self.settings.platform_key, "the platform's public key")
        try:
            VerifyKey.load(self.folder / self.settings.platform_key)
        except KeyUnreadable as error:
            raise ProvisioningError(f"the platform's public key: {error}") from error
        return text

    def sign(self, request: str, name: str) -> Issued:
        """A certificate for a unit's request. Raises ProvisioningError."""
        if self.settings.sign:
            words = [word.replace("{name}", name) for word in self.settings.sign]
            signed = _apply("authority.sign", words, request.encode())
            return authority.issued_elsewhere(signed.decode("utf-8", "replace"), request, name)
        return self._authority().issue(request, name, self.settings.unit_days, self.now())

    # -- what others need

    def publish(self, *ended: Unit) -> list[str]:
        """Write the registry and the list anew and take them where they belong; what was done.

        ended: units whose sessions at the broker end now.
        """
        return [self.publish_registry(), *self.publish_list(*ended)]

    def publish_registry(self) -> str:
        """Write the centre's registry file and take it there; what was done."""
        raw = registry.dump(self.inventory).encode()
        path = self.folder / PUBLISH / "registry" / f"{self.settings.name}.json"
        _put(path, raw)
        if not self.settings.platform_apply:
            return f"{path}: give it to the platform"
        words = [word.replace("{name}", path.name) for word in self.settings.platform_apply]
        _apply("platform.apply", words, raw)
        return f"{path}: given to the platform"

    def publish_list(self, *ended: Unit) -> list[str]:
        """Write a new revocation list and take it to the broker; what was done.

        Nothing where another authority signs: the list is its own.
        """
        if self.settings.sign:
            return []
        taken_back = [
            TakenBack(one.number, datetime.fromisoformat(one.revoked))
            for one in self.inventory.taken_back()
            if one.revoked is not None
        ]
        made = self._authority().list_of(taken_back, self.settings.list_days, self.now())
        path = self.folder / PUBLISH / LIST
        _put(path, made.encode())
        names = [unit.source.removeprefix("/") for unit in ended]
        if not self.settings.broker_apply:
            out = f", with the names {' '.join(names)}" if names else ""
            return [f"{path}: give it to the broker{out}: haochaping-revoke {path.name}"]
        words: list[str] = []
        for word in self.settings.broker_apply:
            words += names if word == "{units}" else [word]
        _apply("broker.apply", words, made.encode())
        return [f"{path}: given to the broker"]

    def list_until(self) -> datetime | None:
        """When the published list ends to hold; None where there is none."""
        try:
            return authority.ends((self.folder / PUBLISH / LIST).read_bytes())
        except FileNotFoundError:
            return None

    def days_left(self, unit: Unit) -> int:
        """For how many days the unit's certificate still holds; 0 where it has none."""
        if unit.certificate_until is None:
            return 0
        return (datetime.fromisoformat(unit.certificate_until) - self.now()).days

    def warnings(self) -> list[str]:
        """What will be trouble if nobody does anything."""
        until = self.list_until()
        if until is None or self.settings.sign or until - self.now() > LIST_LEFT:
            return self._clock_warning()
        left = (until - self.now()).days
        says = f"ends in {left} days" if left >= 0 else "has ended"
        return [
            *self._clock_warning(),
            f"the revocation list {says} ({until:%Y-%m-%d}), and the broker then refuses every "
            "unit of this hall: `provision site list`",
        ]

    def _authority(self) -> Authority:
        name = self.settings.name
        return Authority.open(self.folder / AUTHORITY, passphrase.load(name), self.now())

    def _pem(self, name: str, what: str) -> str:
        path = self.folder / name
        try:
            return path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ProvisioningError(
                f"{path}: {what} is missing", f"put the file there, as {SITE} names it"
            ) from error

    def _clock_warning(self) -> list[str]:
        latest = self.inventory.latest()
        if latest is None or datetime.fromisoformat(latest) - self.now() < FALLEN_BACK:
            return []
        return [
            f"this computer believes it is {self.now():%Y-%m-%d %H:%M} UTC, and something was done "
            f"here at {latest}: its clock is wrong, or was (timedatectl set-ntp true)"
        ]


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.put(path, content)
    except OSError as error:
        raise ProvisioningError(f"{path}: cannot be written ({error.strerror})") from error


def _apply(name: str, command: Sequence[str], given: bytes) -> bytes:
    """What the command of the site printed. Raises ProvisioningError."""
    again = f"mend `{name}` in {SITE}, or do it by hand; then run the same command again"
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=APPLY_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProvisioningError(f"{name}: {command[0]} did not do it: {error}", again) from error
    if done.returncode:
        said = os.fsdecode(done.stderr or done.stdout).strip()
        raise ProvisioningError(f"{name}: {command[0]} ended with {done.returncode}: {said}", again)
    return done.stdout
