"""What the inventory keeps: its tables, and units, keys, certificates as they come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioning.errors import ProvisioningError
from provisioning.office.windows import Window

PLANNED, INVITED, ENROLLED, REVOKED, RETIRED = (
    "planned", "invited", "enrolled", "revoked", "retired",
)  # fmt: skip
# Those whose windows are theirs.
IN_USE = (PLANNED, INVITED, ENROLLED)

SCHEMA = """
CREATE TABLE IF NOT EXISTS units (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, host TEXT NOT NULL, ip TEXT NOT NULL,
    settings TEXT NOT NULL, serial TEXT, old_keys INTEGER NOT NULL DEFAULT 0,
    leaving TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE TABLE IF NOT EXISTS windows (
    number TEXT PRIMARY KEY, unit TEXT NOT NULL REFERENCES units(name), settings TEXT NOT NULL,
    place INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS keys (
    kid TEXT PRIMARY KEY, unit TEXT NOT NULL, public TEXT NOT NULL, since TEXT NOT NULL,
    revoked TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS certificates (
    number TEXT PRIMARY KEY, unit TEXT NOT NULL, pem TEXT NOT NULL, until TEXT NOT NULL,
    request TEXT NOT NULL UNIQUE, since TEXT NOT NULL, revoked TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS invitations (
    id TEXT PRIMARY KEY, unit TEXT NOT NULL, paper TEXT NOT NULL, until TEXT NOT NULL,
    answered TEXT, is_over INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS pads (
    uid TEXT PRIMARY KEY, unit TEXT NOT NULL, window TEXT NOT NULL, since TEXT NOT NULL,
    retired TEXT, facts TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS acceptances (
    id INTEGER PRIMARY KEY, unit TEXT NOT NULL, window TEXT NOT NULL, at TEXT NOT NULL,
    report TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS seen (
    unit TEXT PRIMARY KEY, at TEXT NOT NULL, status TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY, unit TEXT NOT NULL, at TEXT NOT NULL, what TEXT NOT NULL,
    facts TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit of the hall.

    serial: of the machine that has its keys; kid: of the key it signs with; certificate_until: ISO
    time.
    """

    name: str
    source: str
    windows: tuple[Window, ...]
    host: str
    ip: str
    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    serial: str | None = None
    kid: str | None = None
    certificate_until: str | None = None

    def window(self, number: str | None) -> str:
        """The window that is meant; None stands for the only one. Raises ProvisioningError."""
        if number is None and len(self.numbers) == 1:
            return self.numbers[0]
        if number in self.numbers:
            return number
        which = ", ".join(self.numbers) or "no window"
        wrong = (
            f"window {number} is not {self.name}'s"
            if number
            else f"{self.name} has several windows"
        )
        raise ProvisioningError(f"{wrong}: it has {which}", "say which with --window")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers of its windows."""
        return tuple(window.number for window in self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A signing key's public half, as the contract writes it; revoked: since when, or None."""

    kid: str
    public: str
    revoked: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    number: str
    unit: str
    pem: str
    until: str
    revoked: str | None
