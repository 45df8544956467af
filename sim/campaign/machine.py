"""This machine, its programs and the state of the sources, as a campaign's page names them.

Real I/O.
"""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sim import browser
from sim.campaign.ran import Machine

ANSWER_S = 20.0
SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
POSTGRES_PLACES = "/usr/lib/postgresql"
# Its own command takes seconds to say its version, and insists on root.
RABBITMQ_PLACES = "/usr/lib/rabbitmq/lib"
# What says its own version: a name, and what asks it.
PROGRAMS = (
    ("mosquitto", ("mosquitto", "-h")),
    ("Node.js", ("node", "--version")),
    ("strace", ("strace", "--version")),
)
VERSION = re.compile(r"\d+(?:\.\d+)+")
# The page is what a campaign itself changes.
ALL_BUT_THE_PAGE = ("--", ".", ":!docs/figures.md")


def this(root: Path) -> Machine:
    """This one, with the sources in `root`."""
    return Machine(_hardware(), _system(root), _versions(), *_sources(root))


def _hardware() -> str:
    cpu = _line_of("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    is_virtual = "hypervisor" in (_line_of("/proc/cpuinfo", "flags") or "").split()
    memory_kib = int((_line_of("/proc/meminfo", "MemTotal") or "0 kB").split()[0])
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores of {cpu} ({platform.machine()}{', virtual' if is_virtual else ''}), "
        f"{memory_kib / 1024**2:.0f} GiB"
    )


def _system(root: Path) -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    sources, work = _file_system(root), _file_system(Path(tempfile.gettempdir()))
    return f"{name}, Linux {platform.release()}, sources on {sources}, work on {work}"


def _file_system(path: Path) -> str:
    """The type below the longest mount point that holds the path."""
    found, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, type_, *_ = line.split()
        if path.resolve().is_relative_to(point) and len(point) >= len(found):
            found, kind = point, type_
    return kind


def _versions() -> str:
    told = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    told += [f"{name} {version}" for name, asks in _programs() if (version := _version(*asks))]
    told += [path.name.replace("rabbitmq_server-", "RabbitMQ ") for path in _rabbitmq()]
    return ", ".join(told)


def _programs() -> Iterator[tuple[str, tuple[str, str]]]:
    yield from PROGRAMS
    postgres = Path(POSTGRES_PLACES).glob("*/bin/postgres")
    for path in sorted(postgres, key=lambda path: int(path.parts[-3]))[-1:]:
        yield "PostgreSQL", (str(path), "--version")
    if chromium := browser.path():
        yield "Chromium", (chromium, "--version")


def _rabbitmq() -> list[Path]:
    return sorted(Path(RABBITMQ_PLACES).glob("rabbitmq_server-*"))[-1:]


def _version(*asks: str) -> str | None:
    program = shutil.which(asks[0], path=SBIN)
    if program is None:
        return None
    said = subprocess.run(
        [program, *asks[1:]], capture_output=True, text=True, timeout=ANSWER_S, check=False
    ).stdout
    found = VERSION.search(said)
    return found and found[0]


def _sources(root: Path) -> tuple[str, bool]:
    commit = _git(root, "rev-parse", "--short=12", "HEAD").strip()
    return commit, bool(_git(root, "status", "--porcelain", *ALL_BUT_THE_PAGE).strip())


def _git(root: Path, *arguments: str) -> str:
    """What git says, or nothing: sources may come without their repository."""
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True, text=True, timeout=ANSWER_S, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""


def _line_of(path: str, name: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
