"""The machine under the daemon, as far as it can be read: model, heat, power, memory, disk."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

# In whole megabytes: an entry's length, which differs with what was rated, cannot be told from it.
T = TypeVar("T")

MEGABYTE = 1_000_000
UNDER_VOLTAGE, UNDER_VOLTAGE_SEEN = 1 << 0, 1 << 16
THROTTLED, THROTTLED_SEEN = 1 << 2, 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """None where the machine does not say."""

    model: str | None
    system: str | None
    kernel: str
    up_s: int
    daemon_up_s: int
    temperature_c: int | None
    # The firmware's bits: what holds now, and 16 higher what held since the start.
    throttled: int | None
    memory_free_mb: int | None
    daemon_memory_mb: int | None
    disk_size_mb: int | None
    disk_free_mb: int | None
    journal_mb: int | None
    written_mb: int | None


def look(database: Path, started_s: float, root: Path = Path("/")) -> Machine:
    """What the machine says of itself now.

    started_s: when the daemon began, monotonic. root: where the machine's files are.
    """
    disk = _told(lambda: os.statvfs(database.parent))
    files = [database, database.with_name(database.name + "-wal")]
    heat = _number(root / "sys/class/thermal/thermal_zone0/temp")
    throttled = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    memory = _fields(root / "proc/meminfo")
    own = _fields(root / "proc/self/status")
    written = _fields(root / "proc/self/io").get("write_bytes")
    return Machine(
        model=_text(root / "proc/device-tree/model"),
        system=_system(root / "etc/os-release"),
        kernel=f"{os.uname().release} {os.uname().machine}",
        up_s=int(time.clock_gettime(time.CLOCK_BOOTTIME)),
        daemon_up_s=int(time.monotonic() - started_s),
        temperature_c=None if heat is None else round(heat / 1000),
        throttled=None if throttled is None else _told(lambda: int(throttled, 16)),
        memory_free_mb=_kilobytes(memory.get("MemAvailable")),
        daemon_memory_mb=_kilobytes(own.get("VmRSS")),
        disk_size_mb=None if disk is None else disk.f_blocks * disk.f_frsize // MEGABYTE,
        disk_free_mb=None if disk is None else disk.f_bavail * disk.f_frsize // MEGABYTE,
        journal_mb=_told(
            lambda: -(-sum(file.stat().st_size for file in files if file.exists()) // MEGABYTE)
        ),
        written_mb=None if written is None else _told(lambda: int(written) // MEGABYTE),
    )


def _told(say: Callable[[], T]) -> T | None:
    """What is said, None when the machine has no such thing or says nonsense."""
    try:
        return say()
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str | None:
    text = _told(lambda: path.read_bytes()[:200].decode(errors="replace").strip("\0\n "))
    return text or None


def _number(path: Path) -> int | None:
    text = _text(path)
    return None if text is None else _told(lambda: int(text))


def _fields(path: Path) -> Mapping[str, str]:
    """The lines `name: value` of one of the kernel's files."""
    text = _told(lambda: path.read_text(errors="replace")) or ""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _kilobytes(value: str | None) -> int | None:
    return None if value is None else _told(lambda: int(value.split()[0]) * 1024 // MEGABYTE)


def _system(path: Path) -> str | None:
    text = _told(lambda: path.read_text(errors="replace")) or ""
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"') or None
    return None
