"""Which enrolment a machine holds (real I/O)."""

import json
from dataclasses import asdict, dataclass

from provisioning.errors import ProvisioningError
from provisioning.unit.machine import ENROLLED, Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """invitation: the id of the one that was answered, by `request`; kid: of the signing key."""

    source: str
    invitation: str
    kid: str
    request: str

    def told(self) -> dict[str, str]:
        """What the office hears of it."""
        return {"source": self.source, "invitation": self.invitation, "kid": self.kid}


def read(machine: Machine) -> Enrolled | None:
    """The enrolment, or None. Raises ProvisioningError for a damaged note."""
    raw = machine.read(ENROLLED)
    if raw is None:
        return None
    try:
        return Enrolled(**json.loads(raw))
    except (ValueError, TypeError) as error:
        raise ProvisioningError(
            f"{machine.at(ENROLLED)}: damaged", "remove it, then enrol the unit again"
        ) from error


def write(machine: Machine, value: Enrolled) -> None:
    """Note the enrolment."""
    machine.put(ENROLLED, json.dumps(asdict(value)).encode() + b"\n", 0o644)


def forget(machine: Machine) -> None:
    """The machine holds none any more."""
    machine.at(ENROLLED).unlink(missing_ok=True)
