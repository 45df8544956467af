"""Which units exist, which keys are theirs, and which no longer (pure).

Members that are not named here are passed over, in a unit's row and in a key's: whoever writes the
registry may say more in it (`retired`, who installed it), and a later one may say more to a later
centre. What counts is `keys` and `revoked`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from central.errors import RegistryError
from protocol.central.canonical import ContractError, parse
from protocol.central.entry import Source
from protocol.central.signing import VerifyKey

Keys = Mapping[str, VerifyKey]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's keys by kid, those that were revoked with the time, and its windows if known."""

    keys: Keys
    revoked: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[str, ...] = ()

    @classmethod
    def of(cls, *keys: VerifyKey) -> Self:
        """A unit with these keys, none revoked."""
        return cls({key.kid: key for key in keys})

    @property
    def current(self) -> Keys:
        """The keys whose entries are taken."""
        return {kid: key for kid, key in self.keys.items() if kid not in self.revoked}


class Registry:
    """The known units."""

    def __init__(self, units: Mapping[Source, Unit]) -> None:
        self._units = dict(units)
        self._current = {source: unit.current for source, unit in self._units.items()}

    def get(self, source: Source) -> Unit | None:
        """A unit; None when it is not known."""
        return self._units.get(source)

    def current_keys(self, source: Source) -> Keys:
        """The keys whose entries are taken from a unit now."""
        return self._current.get(source, {})

    def items(self) -> list[tuple[Source, Unit]]:
        """All units."""
        return list(self._units.items())

    def __len__(self) -> int:
        return len(self._units)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read {"units": [{"source", "keys": [{"kid", "public", "revoked"?}], "windows"?}]}."""
        try:
            value = parse(text)
            units = [_unit(row) for row in value["units"]]
        except (ContractError, KeyError, TypeError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise RegistryError(reason) from error
        if len({source for source, _ in units}) != len(units):
            raise RegistryError("a unit occurs twice")
        return cls(dict(units))


def _unit(row: Any) -> tuple[Source, Unit]:
    source = Source.parse(row["source"])
    keys: dict[str, VerifyKey] = {}
    revoked: dict[str, str] = {}
    for named in row["keys"]:
        key = VerifyKey.from_text(named["public"])
        if key.kid != named["kid"]:
            raise RegistryError(f"{source}: kid {str(named['kid'])[:40]} is not this key's")
        keys[key.kid] = key
        time = named.get("revoked")
        if time is not None:
            if not _TIME.fullmatch(time):
                raise RegistryError(f"{source}: revoked {time[:40]!r} is no time in UTC")
            revoked[key.kid] = time
    windows = row.get("windows", [])
    if type(windows) is not list or not all(type(window) is str for window in windows):
        raise RegistryError(f"{source}: windows are not a list of texts")
    return source, Unit(keys, revoked, tuple(windows))


def dump(units: Mapping[Source, Unit]) -> str:
    """Return the text Registry.parse reads."""
    return json.dumps({"units": [_row(*item) for item in units.items()]}, indent=1) + "\n"


def _row(source: Source, unit: Unit) -> dict[str, Any]:
    keys = []
    for key in unit.keys.values():
        named = {"kid": key.kid, "public": key.to_text()}
        if key.kid in unit.revoked:
            named["revoked"] = unit.revoked[key.kid]
        keys.append(named)
    windows = {"windows": list(unit.windows)} if unit.windows else {}
    return {"source": str(source), **windows, "keys": keys}
