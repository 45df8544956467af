"""The centre's configuration: TOML in, one frozen value out, every mistake at once (pure)."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from central.errors import ConfigError

_T = TypeVar("_T")
PROTOCOLS = (4, 5)  # MQTT 3.1.1 and 5, numbered as in the CONNECT packet
DAY_S = 86_400
DAY_MS = 1000 * DAY_S
SHOWN_LEN_MAX = 60
LIST_DAYS = 14
LIST_DAYS_MIN = 7  # who notices on a Friday still has a working week
LEVEL = re.compile(r"[0-9A-Za-z][\w.-]{0,31}", re.ASCII)  # of a topic: an area, a group's name
URL = re.compile(r"postgres(ql)?://\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Where messages come from."""

    host: str
    port: int
    protocol: int
    client_id: str
    share: str | None
    areas: tuple[str, ...]
    revocation_list: Path | None
    tls_ca: Path | None
    tls_certificate: Path | None
    tls_key: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where everything is kept: a server when there is a url, else a file."""

    database: Path
    url: str | None

    @property
    def place(self) -> str:
        """What to name in a sentence."""
        return str(self.database) if self.url is None else "PostgreSQL"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmConfig:
    """After how long which silence is an alarm, and how long before its end a list is."""

    silent_ms: int
    gap_ms: int
    withheld_ms: int
    list_ms: int = LIST_DAYS * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where Prometheus reads; port 0: nowhere."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All the centre needs to know; paths are relative to the file's folder."""

    broker: BrokerConfig
    store: StoreConfig
    alarms: AlarmConfig
    metrics: MetricsConfig
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
    except RecursionError as error:
        raise ConfigError(["not TOML: nested too deeply"]) from error
    except ValueError as error:
        # tomllib says the line; a number too long for Python is a ValueError as well.
        raise ConfigError([f"not TOML: {error}"]) from error
    config = Config(
        broker=_broker(reader, folder),
        store=_store(reader, folder),
        alarms=AlarmConfig(
            # A unit sends its health each minute.
            silent_ms=1000 * reader.integer("alarms.silent_s", 300, low=60, high=DAY_S),
            gap_ms=1000 * reader.integer("alarms.gap_s", 30, low=1, high=DAY_S),
            withheld_ms=1000 * reader.integer("alarms.withheld_s", 600, low=1, high=DAY_S),
            list_ms=DAY_MS
            * reader.integer("alarms.list_days", LIST_DAYS, low=LIST_DAYS_MIN, high=365),
        ),
        metrics=MetricsConfig(
            host=reader.text("metrics.host", "127.0.0.1"),
            port=reader.integer("metrics.port", 0, low=0, high=65535),
        ),
        platform_key=folder / reader.text("platform.key"),
        registry=folder / reader.text("registry"),
    )
    reader.finish()
    return config


def _broker(reader: "_Reader", folder: Path) -> BrokerConfig:
    tls = {
        name: folder / found if (found := reader.maybe(f"broker.{name}")) else None
        for name in ("tls_ca", "tls_certificate", "tls_key")
    }
    revocation_list = reader.maybe("broker.revocation_list")
    if (tls["tls_certificate"] is None) != (tls["tls_key"] is None):
        reader.wrong("broker.tls_key: a certificate and its key go together")
    elif tls["tls_key"] and tls["tls_ca"] is None:
        reader.wrong("broker.tls_ca: missing, a certificate needs it")
    return BrokerConfig(
        host=reader.text("broker.host", "127.0.0.1"),
        port=reader.integer("broker.port", 1883, low=1, high=65535),
        protocol=reader.choice("broker.protocol", 5, PROTOCOLS),
        client_id=reader.text("broker.client_id", "haochaping-central"),
        share=reader.maybe("broker.share", LEVEL, "letters, digits, _ . and -"),
        areas=reader.levels("broker.areas"),
        revocation_list=folder / revocation_list if revocation_list else None,
        **tls,
    )


def _store(reader: "_Reader", folder: Path) -> StoreConfig:
    url = reader.maybe("store.url", URL, "postgresql://host/database")
    database = reader.maybe("store.database")
    if url and database:
        reader.wrong("store.url: goes without store.database: one of the two")
    return StoreConfig(database=folder / (database or "central.db"), url=url)


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

    def maybe(
        self, key: str, form: re.Pattern[str] | None = None, wanted: str = "a text"
    ) -> str | None:
        value = self._take(key, None)
        if value is None:
            return None
        if isinstance(value, str) and value and (form is None or form.fullmatch(value)):
            return value
        return self._wrong(key, value, wanted, None)

    def levels(self, key: str) -> tuple[str, ...]:
        value = self._take(key, [])
        good = isinstance(value, list) and all(type(x) is str and LEVEL.fullmatch(x) for x in value)
        return tuple(value) if good else self._wrong(key, value, "a list of area codes", ())

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

    def wrong(self, problem: str) -> None:
        """Remember "dotted.key: what is wrong"."""
        self._problems.append(problem)

    def finish(self) -> None:
        """Raise when anything was wrong, or is there that nobody asked for."""
        self._problems += [f"{_line(key)}: unknown key" for key in self._left]
        if self._problems:
            raise ConfigError(sorted(self._problems))

    def _take(self, key: str, default: Any) -> Any:
        return self._left.pop(key, default)

    def _wrong(self, key: str, value: Any, wanted: str, stand_in: _T) -> _T:
        found = "missing" if value is None else f"is {_shown(value)}"
        self._problems.append(f"{key}: {found}, must be {wanted}")
        return stand_in


def _shown(value: object) -> str:
    """A value in a sentence: one line, never long."""
    try:
        return _line(repr(value))
    except (ValueError, RecursionError):
        # A number larger than Python prints, or tables in tables without end.
        return f"this {type(value).__name__}"


def _line(text: str) -> str:
    plain = text if text.isprintable() else repr(text)
    return plain if len(plain) <= SHOWN_LEN_MAX else f"{plain[: SHOWN_LEN_MAX - 1]}…"


def _flat(tables: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    pairs = []
    for name, value in tables.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs
