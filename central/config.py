"""The centre's configuration: TOML in, one frozen value out, every mistake at once (pure)."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from central.errors import ConfigError

_T = TypeVar("_T")
PROTOCOLS = (4, 5)  # MQTT 3.1.1 and 5, numbered as in the CONNECT packet


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Where messages come from."""

    host: str
    port: int
    protocol: int
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All the centre needs to know; paths are relative to the file's folder."""

    broker: BrokerConfig
    database: Path
    platform_key: Path
    registry: Path


def load(path: Path) -> Config:
    """Read a configuration file; raises ConfigError with all that is wrong with it."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: {getattr(error, 'strerror', None) or error}"]) from error
    return parse(text, path.parent)


def parse(text: str, folder: Path) -> Config:
    """Turn TOML text into a Config."""
    try:
        reader = _Reader(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"not TOML: {error}"]) from error
    config = Config(
        broker=BrokerConfig(
            host=reader.text("broker.host", "127.0.0.1"),
            port=reader.integer("broker.port", 1883, low=1, high=65535),
            protocol=reader.choice("broker.protocol", 5, PROTOCOLS),
            client_id=reader.text("broker.client_id", "haochaping-central"),
        ),
        database=folder / reader.text("store.database", "central.db"),
        platform_key=folder / reader.text("platform.key"),
        registry=folder / reader.text("registry"),
    )
    reader.finish()
    return config


class _Reader:
    """Hands out values by dotted key and remembers everything that is wrong."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self._left = dict(_flat(tables, ""))
        self._problems: list[str] = []

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if isinstance(value, str) and value:
            return value
        return self._wrong(key, value, "a text that is not empty", "")

    def integer(self, key: str, default: int | None = None, *, low: int, high: int) -> int:
        value = self._take(key, default)
        if type(value) is int and low <= value <= high:
            return value
        return self._wrong(key, value, f"a whole number from {low} to {high}", low)

    def choice(self, key: str, default: int, allowed: tuple[int, ...]) -> int:
        value = self._take(key, default)
        if type(value) is int and value in allowed:
            return value
        return self._wrong(key, value, f"one of {', '.join(map(str, allowed))}", default)

    def finish(self) -> None:
        """Raise when anything was wrong, or is there that nobody asked for."""
        self._problems += [f"{key}: unknown key" for key in self._left]
        if self._problems:
            raise ConfigError(sorted(self._problems))

    def _take(self, key: str, default: Any) -> Any:
        return self._left.pop(key, default)

    def _wrong(self, key: str, value: Any, wanted: str, stand_in: _T) -> _T:
        found = "missing" if value is None else f"is {value!r:.60}"
        self._problems.append(f"{key}: {found}, must be {wanted}")
        return stand_in


def _flat(tables: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    pairs = []
    for name, value in tables.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs
