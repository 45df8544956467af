"""The unit's configuration: one TOML file, read once, every mistake reported at once.

A key nobody asks for is a mistake too: a typo in a hall must not become a default. Each file here
is one table of the TOML file: what it may hold, and what of it the daemon gets.
"""

import argparse
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.config.case import Case
from daemon.config.clock import Clock
from daemon.config.lamp import Lamp
from daemon.config.pad import Pad
from daemon.config.page import Page
from daemon.config.panel import Panel
from daemon.config.reasons import Reasons
from daemon.config.signal_line import Signal
from daemon.config.store import Store
from daemon.config.table import Problems, Table
from daemon.config.tracing import Trace
from daemon.config.unit import Unit
from daemon.config.uplink import Uplink
from daemon.config.voice import Voice
from daemon.config.window import Window, windows
from daemon.errors import ConfigError

# The example is 5 KB; what is longer was not written by a technician.
FILE_LEN_MAX = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the technician decides; `digest` is what a boot entry quotes."""

    path: Path
    digest: str
    unit: Unit
    windows: tuple[Window, ...]
    store: Store
    pad: Pad
    signal: Signal
    case: Case
    reasons: Reasons
    uplink: Uplink
    clock: Clock
    panel: Panel
    lamp: Lamp
    voice: Voice
    page: Page
    trace: Trace


def ask_for(parser: argparse.ArgumentParser) -> None:
    """Let a command take the configuration's path as `config`."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")


def load(path: Path) -> Config:
    """Read the configuration. Raises ConfigError with every mistake in it."""
    raw, values, problems = _read(path)
    config = _config(path, hashlib.sha256(raw).hexdigest(), Table.top(values, problems))
    _refuse(path, problems)
    return config


def load_signal(path: Path | None, **said: object) -> tuple[Signal, tuple[Window, ...]]:
    """[signal] and the windows that are named, of a file that may hold nothing else yet.

    said: keys of [signal] that come before those of the file; without a file they are all.
    """
    _, values, problems = _read(path) if path is not None else (b"", {}, Problems())
    if isinstance(values.setdefault("signal", {}), dict):
        values["signal"].update(said)
    top = Table.top(values, problems)
    found = Signal.read(top.table("signal")), windows(top) if "window" in top else ()
    _refuse(path or "the command line", problems)
    return found


def _read(path: Path) -> tuple[bytes, dict[str, Any], Problems]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LEN_MAX + 1)
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    if len(raw) > FILE_LEN_MAX:
        raise ConfigError(str(path), [f"longer than {FILE_LEN_MAX} bytes: not a configuration"])
    try:
        text = raw.decode()
        return raw, tomllib.loads(text), Problems(text)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(str(path), [f"not UTF-8 (line {line}): save it as UTF-8"]) from error
    except RecursionError as error:
        raise ConfigError(str(path), ["not TOML: nested too deeply"]) from error
    except ValueError as error:
        # tomllib says the line; a number too long for Python is a ValueError as well.
        raise ConfigError(str(path), [f"not TOML: {error}"]) from error


def _refuse(path: Path | str, problems: Problems) -> None:
    sentences = problems.sentences()
    if sentences:
        raise ConfigError(str(path), sentences)


def _config(path: Path, digest: str, top: Table) -> Config:
    base = path.resolve().parent
    panel = Panel.read(top.table("panel"), base)
    served = windows(top, panel)
    config = Config(
        path=path,
        digest=digest,
        unit=Unit.read(top.table("unit"), base),
        windows=served,
        store=Store.read(top.table("store"), base),
        pad=Pad.read(top.table("pad"), base),
        signal=Signal.read(top.table("signal")),
        case=Case.read(top.table("case")),
        reasons=Reasons.read(top.table("reasons")),
        uplink=Uplink.read(top.table("uplink"), base),
        clock=Clock.read(top.table("clock")),
        panel=panel,
        lamp=Lamp.read(top.table("lamp"), served),
        voice=Voice.read(top.table("voice"), base),
        trace=Trace.read(top.table("trace"), base),
        page=Page.read(top.table("page"), base),
    )
    top.done()
    return config
