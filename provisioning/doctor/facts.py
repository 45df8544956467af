"""What was found at a unit (pure): all that the checks judge, known or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provisioning.reach.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is None is not known.

    unreachable: why nobody could be asked at all, in a sentence.
    silence: why the daemon did not answer, while the unit did.
    service: what the service manager says of it, as "active" or "failed".
    mistakes: what the daemon's own look at configuration and keys complains of; "" is nothing.
    ports: the serial ports of the configuration, each whether it is there.
    configured: the configuration itself.
    registered: the windows that the hall's registry gives to this unit.
    """

    unit: str
    now: datetime
    host: str = ""
    unreachable: str | None = None
    status: Status | None = None
    silence: str | None = None
    service: str | None = None
    mistakes: str | None = None
    ports: Mapping[str, bool] = field(default_factory=dict)
    configured: Mapping[str, Any] | None = None
    registered: tuple[str, ...] | None = None

    def port_of(self, window: str, what: str) -> str | None:
        """The path of the window's `pad` or `signal` line, as configured."""
        for table in tables(self.configured):
            if str(table.get("number")) == window:
                found = table.get(what)
                return found if isinstance(found, str) else None
        return None

    @property
    def windows(self) -> tuple[str, ...]:
        """The windows' numbers, as the running daemon has them, else as they are configured."""
        if self.status is not None:
            return tuple(window.number for window in self.status.windows)
        return tuple(str(table["number"]) for table in tables(self.configured) if "number" in table)


def tables(configured: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """A configuration's [[window]] tables."""
    found = (configured or {}).get("window", [])
    if not isinstance(found, list):
        return []
    return [table for table in found if isinstance(table, dict)]
