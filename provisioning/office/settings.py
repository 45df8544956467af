"""site.toml: what is the same for every unit of a hall, every mistake at once (pure)."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioning.errors import ProvisioningError
from provisioning.office.windows import HOST, UNIT

AREA = re.compile(r"[0-9]{6,12}")
PROTOCOLS = (5, 4)
SHOWN_LEN_MAX = 60
# A certificate of a year is renewed by `provision unit rotate` in the month before it ends; a list
# of three months leaves two and a half to notice that nobody makes the next.
UNIT_DAYS, LIST_DAYS, TOKEN_HOURS = 365, 90, 72


class BadSettings(ProvisioningError):
    """site.toml has mistakes."""

    def __init__(self, name: str, problems: list[str]) -> None:
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{name}:{lines}", "mend the file and run the same command again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names of files are relative to the site folder; a command that is empty is none."""

    area: str
    hall: str
    title: str
    broker_host: str
    broker_port: int
    protocol: int
    broker_authority: str
    broker_apply: tuple[str, ...]
    platform_key: str
    platform_apply: tuple[str, ...]
    unit_days: int
    list_days: int
    token_hours: int
    sign: tuple[str, ...]
    ssh: tuple[str, ...]
    ssh_user: str
    timezone: str
    gateway: str
    name_servers: tuple[str, ...]
    time_servers: tuple[str, ...]

    @property
    def source(self) -> str:
        """Area and hall, as the names of its units begin."""
        return f"/{self.area}/{self.hall}"

    @property
    def name(self) -> str:
        """Area and hall, as the names of its files begin."""
        return f"{self.area}-{self.hall}"


def read(name: str, text: str) -> Settings:
    """The settings in the text. Raises BadSettings."""
    try:
        tables = tomllib.loads(text)
    except RecursionError as error:
        raise BadSettings(name, ["not TOML: nested too deeply"]) from error
    except ValueError as error:
        # A number too long for Python is no error of TOML's.
        raise BadSettings(name, [f"not TOML: {error}"]) from error
    reader = _Reader(tables)
    settings = Settings(
        area=reader.text("site.area", AREA, "6 to 12 digits"),
        hall=reader.text("site.hall", UNIT, "1 to 32 of a-z, 0-9 and -"),
        title=reader.text("site.title", re.compile(r"[^\n]{1,60}"), "1 to 60 letters"),
        broker_host=reader.text("broker.host", HOST, "a host name or address"),
        broker_port=reader.number("broker.port", 1, 65535, 8883),
        protocol=reader.number("broker.protocol", min(PROTOCOLS), max(PROTOCOLS), 5),
        broker_authority=reader.file("broker.authority", "broker-ca.pem"),
        broker_apply=reader.words("broker.apply"),
        platform_key=reader.file("platform.key", "platform.pub.pem"),
        platform_apply=reader.words("platform.apply"),
        unit_days=reader.number("authority.unit_days", 30, 825, UNIT_DAYS),
        list_days=reader.number("authority.list_days", 30, 365, LIST_DAYS),
        token_hours=reader.number("authority.token_hours", 1, 720, TOKEN_HOURS),
        sign=reader.words("authority.sign"),
        ssh=reader.words("ssh.client") or ("ssh",),
        ssh_user=reader.text("ssh.user", re.compile(r"[a-z_][a-z0-9_-]{0,31}|"), "a user", ""),
        timezone=reader.text("image.timezone", re.compile(r"[A-Za-z0-9/_+-]{1,64}"), "a time zone",
                             "Asia/Shanghai"),
        gateway=reader.text("image.gateway", re.compile(r"[0-9a-fA-F.:]{0,45}"), "an address", ""),
        name_servers=reader.words("image.name_servers"),
        time_servers=reader.words("image.time_servers"),
    )  # fmt: skip
    problems = reader.finish()
    if problems:
        raise BadSettings(name, problems)
    return settings


class _Reader:
    """Takes values by their dotted names, and remembers what is wrong and what nobody asked for."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self._left: dict[str, Any] = {}
        for table, members in tables.items():
            if isinstance(members, dict):
                self._left |= {f"{table}.{key}": value for key, value in members.items()}
            else:
                self._left[table] = members
        self._problems: list[str] = []

    def text(
        self, name: str, fits: re.Pattern[str], allowed: str, default: str | None = None
    ) -> str:
        value = self._left.pop(name, default)
        if isinstance(value, str) and fits.fullmatch(value):
            return value
        said = "missing" if value is None else _shown(value)
        self._problems.append(f"{name}: {said}: {allowed}")
        return ""

    def file(self, name: str, default: str) -> str:
        return self.text(name, re.compile(r"[^\n\0]{1,250}"), "a file", default)

    def number(self, name: str, least: int, most: int, default: int) -> int:
        value = self._left.pop(name, default)
        if type(value) is int and least <= value <= most:
            return value
        self._problems.append(f"{name}: {_shown(value)}: a whole number from {least} to {most}")
        return default

    def words(self, name: str) -> tuple[str, ...]:
        value = self._left.pop(name, [])
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(value)
        self._problems.append(f"{name}: {_shown(value)}: a list of words in quotes")
        return ()

    def finish(self) -> list[str]:
        """What is wrong."""
        unknown = [f"{_key(name)}: there is no such key" for name in sorted(self._left)]
        return [*self._problems, *unknown]


def _shown(value: object) -> str:
    """A value in a sentence: one line, never long."""
    try:
        return _cut(repr(value))
    except (ValueError, RecursionError):
        # A number larger than Python prints, or tables in tables without end.
        return f"this {type(value).__name__}"


def _key(name: str) -> str:
    return _cut(name if name.isprintable() else repr(name))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_LEN_MAX else f"{text[: SHOWN_LEN_MAX - 1]}…"
