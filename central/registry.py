"""Which units exist and which keys are theirs."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from central.errors import RegistryError
from protocol.central.canonical import ContractError, parse
from protocol.central.entry import Source
from protocol.central.signing import VerifyKey

Keys = Mapping[str, VerifyKey]


class Registry:
    """The keys of each known unit."""

    def __init__(self, units: Mapping[Source, Keys]) -> None:
        self._units = dict(units)

    def keys_of(self, source: Source) -> Keys | None:
        """A unit's keys by kid; None when the unit is not known."""
        return self._units.get(source)

    def __len__(self) -> int:
        return len(self._units)

    @classmethod
    def parse(cls, text: str) -> "Registry":
        """Read {"units": [{"source", "keys": [{"kid", "public"}]}]}."""
        try:
            value = parse(text)
            units = [_unit(row) for row in value["units"]]
        except (ContractError, KeyError, TypeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise RegistryError(reason) from error
        if len({source for source, _ in units}) != len(units):
            raise RegistryError("a unit occurs twice")
        return cls(dict(units))


class RegistryFile:
    """The registry in a file that may be replaced while the centre runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None  # inode, time of change, size
        self.registry = Registry({})
        self.refresh()

    def refresh(self) -> bool:
        """Read the file again when it is another one than before; whether it was.

        Raises RegistryError, once for each bad file, and keeps the units it had.
        """
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.registry = Registry.parse(self._path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, RegistryError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RegistryError(f"{self._path}: {reason}") from error
        return True

    def _look(self) -> tuple[int, int, int]:
        try:
            status = os.stat(self._path)
        except OSError:
            return (0, 0, 0)
        return (status.st_ino, status.st_mtime_ns, status.st_size)


def _unit(row: Any) -> tuple[Source, Keys]:
    source = Source.parse(row["source"])
    keys = [VerifyKey.from_text(key["public"]) for key in row["keys"]]
    for key, named in zip(keys, row["keys"], strict=True):
        if key.kid != named["kid"]:
            raise RegistryError(f"{source}: kid {str(named['kid'])[:40]} is not this key's")
    return source, {key.kid: key for key in keys}


def dump(units: Mapping[Source, Keys]) -> str:
    """Return the text Registry.parse reads."""
    rows = [
        {
            "source": str(source),
            "keys": [{"kid": key.kid, "public": key.to_text()} for key in keys.values()],
        }
        for source, keys in units.items()
    ]
    return json.dumps({"units": rows}, indent=1) + "\n"
