"""The unit's configuration: one TOML file, read once, every mistake reported at once.

A key nobody asks for is a mistake too: a typo in a hall must not become a default.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemon.errors import ConfigError
from daemon.night import Look, Looks
from daemon.signals import SAYS
from daemon.table import Table, did_you_mean, is_path

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
DIALECTS = ("native", "line")
FIELDS = (
    "say", "window", "ticket", "ticketSerial", "projectNo", "serviceNumber",
    "taskCode", "taskName", "staff", "state",
)  # fmt: skip
# What a vendor's word may mean; login and logout are `staff` with its state.
WORDS = (*SAYS, "login", "logout")
LEVELS = (5, 4, 3, 2, 1)
POSITION_COUNT = 64
# The second byte of a GBK character is 0x40 or more.
GBK_HALF_LEAST = "@"
# One level of an MQTT topic, a file name and a certificate name: the common subset of the three.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
NIGHT = re.compile(r"([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d")
# The example is 3 KB; what is longer was not written by a technician.
FILE_LEN_MAX = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    area: str
    hall: str
    unit: str
    window: str
    signing_key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    database: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    port: str
    keys: tuple[int, ...]
    key_table: str
    looks: Looks
    firmware: Path | None
    firmware_key: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """How a vendor's delimited text is cut: see config.example.toml."""

    encoding: str
    start: str
    end: str
    separator: str
    checksum: str
    fields: Mapping[str, int]
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPort:
    port: str
    baud: int
    dialect: str
    line: LineFormat | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    prompt_ms: int
    correction_ms: int
    not_public_hold_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    broker: str
    port: int
    protocol: int
    redial_ms: int
    platform_key: Path
    tls_ca: Path | None
    tls_certificate: Path | None
    tls_key: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    trust: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    display: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the technician decides; `digest` is what a boot entry quotes."""

    path: Path
    digest: str
    unit: Unit
    store: Store
    pad: Pad
    signal: SignalPort
    case: Case
    uplink: Uplink
    clock: Clock
    panel: Panel
    page: Page


def load(path: Path) -> Config:
    """Read the configuration. Raises ConfigError with every mistake in it."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LEN_MAX + 1)
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    if len(raw) > FILE_LEN_MAX:
        raise ConfigError(str(path), [f"longer than {FILE_LEN_MAX} bytes: not a configuration"])
    try:
        values = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(str(path), [f"not UTF-8 (line {line}): save it as UTF-8"]) from error
    except RecursionError as error:
        raise ConfigError(str(path), ["not TOML: nested too deeply"]) from error
    except ValueError as error:
        # tomllib says the line; a number too long for Python is a ValueError as well.
        raise ConfigError(str(path), [f"not TOML: {error}"]) from error
    problems: list[str] = []
    config = _config(path, hashlib.sha256(raw).hexdigest(), Table("", values, problems))
    if problems:
        raise ConfigError(str(path), problems)
    return config


def _config(path: Path, digest: str, top: Table) -> Config:
    base = path.resolve().parent
    config = Config(
        path=path,
        digest=digest,
        unit=_unit(top.table("unit"), base),
        store=_store(top.table("store"), base),
        pad=_pad(top.table("pad"), base),
        signal=_signal(top.table("signal")),
        case=_case(top.table("case")),
        uplink=_uplink(top.table("uplink"), base),
        clock=_clock(top.table("clock")),
        panel=_panel(top.table("panel")),
        page=_page(top.table("page")),
    )
    top.done()
    return config


def _unit(table: Table, base: Path) -> Unit:
    name = "1 to 32 of a-z, 0-9 and -, not beginning with -"
    unit = Unit(
        area=table.text(
            "area", fits=re.compile(r"[0-9]{6,12}").fullmatch, allowed="an areaCode, 6 to 12 digits"
        ),
        hall=table.text("hall", fits=NAME.fullmatch, allowed=name),
        unit=table.text("unit", fits=NAME.fullmatch, allowed=name),
        window=table.text(
            "window",
            fits=re.compile(r"[0-9A-Za-z-]{1,8}").fullmatch,
            allowed="1 to 8 of 0-9, A-Z, a-z and -",
        ),
        signing_key=table.path("signing_key", base),
    )
    table.done()
    return unit


def _store(table: Table, base: Path) -> Store:
    store = Store(database=table.path("database", base))
    table.done()
    return store


def _pad(table: Table, base: Path) -> Pad:
    keys = table.value("keys", list(LEVELS))
    is_list = isinstance(keys, list) and all(type(level) is int for level in keys)
    if not is_list or sorted(keys) != sorted(LEVELS):
        table.wrong("keys", keys, "the levels 1 to 5, each once, from the left key to the right")
        keys = LEVELS
    pad = Pad(
        port=table.text("port", fits=is_path, allowed="a device path: /dev/haochaping/pad"),
        keys=tuple(keys),
        key_table=table.text(
            "key_table",
            "k5-1",
            fits=re.compile(r"[0-9A-Za-z._-]{1,32}").fullmatch,
            allowed="1 to 32 of 0-9, A-Z, a-z, . _ and -",
        ),
        looks=_looks(table),
        firmware=table.path_or_none("firmware", base),
        firmware_key=table.path_or_none("firmware_key", base),
    )
    if pad.firmware is not None:
        table.needs("firmware_key", "the key of who makes the firmware: firmware needs it")
    table.done()
    return pad


def _looks(table: Table) -> Looks:
    night = table.text(
        "night",
        "",
        fits=NIGHT.fullmatch,
        allowed='from when to when it is night, as in "21:00-06:30"',
    )
    start, end = (tuple(map(int, time.split(":"))) for time in (night or "0:0-0:0").split("-"))
    return Looks(
        day=Look(
            brightness=table.integer("brightness", 1, 100, 100),
            volume=table.integer("volume", 0, 100, 100),
        ),
        night=(start[0] * 60 + start[1], end[0] * 60 + end[1]) if night else None,
    )


def _signal(table: Table) -> SignalPort:
    dialect = table.choice("dialect", DIALECTS, "native")
    described = table.table("line")
    # A description that is not in use is looked at as well: it will be.
    line = _line(described) if described or dialect == "line" else None
    signal = SignalPort(
        port=table.text("port", fits=is_path, allowed="a device path: /dev/haochaping/signal"),
        baud=table.choice("baud", BAUDS, 9600),
        dialect=dialect,
        line=line if dialect == "line" else None,
    )
    table.done()
    return signal


def _line(table: Table) -> LineFormat:
    encoding = table.choice("encoding", ("utf-8", "gbk"), "utf-8")
    line = LineFormat(
        encoding=encoding,
        start=_mark(table, "start", "", encoding),
        end=_mark(table, "end", "\n", encoding),
        separator=table.text(
            "separator",
            ",",
            fits=partial(_encodes, encoding),
            allowed=f"a text of characters that {encoding} has",
        ),
        checksum=table.choice("checksum", ("none", "sum8"), "none"),
        fields=_fields(table.table("fields")),
        words=_words(table.table("words")),
    )
    if not line.words:
        table.wrong("words", {}, "at least one word of the vendor and what it means")
    table.done()
    return line


def _mark(table: Table, key: str, default: str, encoding: str) -> str:
    """What a record begins or ends with; never what could be the half of a GBK character."""
    if encoding == "utf-8":
        return table.text(key, default)
    return table.text(
        key,
        default,
        fits=lambda text: text[:1] < GBK_HALF_LEAST and _encodes(encoding, text),
        allowed="in gbk a text that begins with a control character, a digit or one of !#$*+,-/:;",
    )


def _encodes(encoding: str, text: str) -> bool:
    try:
        return bool(text.encode(encoding))
    except UnicodeEncodeError:
        return False


def _fields(table: Table) -> dict[str, int]:
    fields = {}
    for name, position in table.items():
        if type(position) is not int or not 0 <= position < POSITION_COUNT:
            table.wrong(name, position, f"a position from 0 to {POSITION_COUNT - 1}")
        else:
            fields[name] = position
    table.needs("say", "the position of the word that says what happened, from 0")
    table.only(FIELDS)
    return fields


def _words(table: Table) -> dict[str, str]:
    words = {}
    for theirs, ours in table.items():
        if ours not in WORDS:
            table.wrong(theirs, ours, "one of " + ", ".join(WORDS) + did_you_mean(ours, WORDS))
        else:
            words[theirs] = ours
    return words


def _case(table: Table) -> Case:
    case = Case(
        # 10 s on key pads to 60 s on tablets are in use (domain.md 4).
        prompt_ms=table.milliseconds("prompt_s", 1, 120, 30.0),
        correction_ms=table.milliseconds("correction_s", 0, 10, 3.0),
        not_public_hold_ms=table.milliseconds("not_public_hold_s", 0, 5, 1.2),
    )
    table.done()
    return case


def _uplink(table: Table, base: Path) -> Uplink:
    uplink = Uplink(
        broker=table.text(
            "broker",
            fits=re.compile(r"[0-9A-Za-z.:_-]{1,253}").fullmatch,
            allowed="a host name or address",
        ),
        port=table.integer("port", 1, 65535, 8883),
        protocol=table.choice("protocol", (5, 4), 5),
        redial_ms=table.milliseconds("redial_s", 1, 600, 120.0),
        platform_key=table.path("platform_key", base),
        tls_ca=table.path_or_none("tls_ca", base),
        tls_certificate=table.path_or_none("tls_certificate", base),
        tls_key=table.path_or_none("tls_key", base),
    )
    if uplink.tls_certificate is not None:
        for key in ("tls_key", "tls_ca"):
            table.needs(key, "tls_certificate needs it")
    elif uplink.tls_key is not None:
        table.needs("tls_certificate", "tls_key needs it")
    table.done()
    return uplink


def _clock(table: Table) -> Clock:
    clock = Clock(trust=table.choice("trust", ("kernel", "host"), "kernel"))
    table.done()
    return clock


def _panel(table: Table) -> Panel:
    panel = Panel(
        display=table.choice("display", ("none", "ssd1306", "sh1106"), "none"),
        language=table.choice("language", ("zh", "en"), "zh"),
    )
    table.done()
    return panel


def _page(table: Table) -> Page:
    page = Page(
        host=table.choice("host", ("127.0.0.1", "::1"), "127.0.0.1"),
        port=table.integer("port", 0, 65535, 8787),
    )
    table.done()
    return page
