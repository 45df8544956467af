"""What the running daemon says of itself when it is asked on the control socket. Real I/O.

Everything a technician's own program needs to name the first broken thing, from the pad upward. No
level stands in it, and no key but public ones.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from daemon import VERSION
from daemon.config import Config
from daemon.front.lamp import Lamp
from daemon.front.panel import Panel
from daemon.net.certificate import Life
from daemon.net.uplink import Uplink
from daemon.page.page import Page
from daemon.snapshot import Snapshot
from daemon.wallclock import boot_id, boottime_ms


def status(
    settings: Config,
    page: Page,
    uplink: Uplink,
    panels: Mapping[str, Panel],
    lamps: Mapping[str, Lamp],
) -> dict[str, Any]:
    """The snapshot, and what stands around it, as it is now."""
    shown = page.snapshot
    if shown is None:
        return {"starting": True, "version": VERSION}
    told = shown.as_json()
    for window, configured in zip(told["windows"], settings.windows, strict=True):
        number = configured.number
        window["pad"] |= {"port": configured.pad, "exists": os.path.exists(configured.pad)}
        window["display"] = {
            "kind": settings.panel.display,
            "trouble": panels[number].trouble,
        }
        window["lamp"] = {
            "kind": settings.lamp.kind,
            "trouble": lamps[number].trouble if number in lamps else None,
        }
    for signal, view in zip(told["signals"], shown.signals, strict=True):
        signal["exists"] = os.path.exists(view.port)
    told["uplink"] |= {
        "broker": f"{settings.uplink.broker}:{settings.uplink.port}",
        "tls": settings.uplink.tls_ca is not None,
    }
    machine = page.machine()
    return told | {
        "signals": _aged(told["signals"], boottime_ms()),
        "version": VERSION,
        "kid": shown.journal.signer.kid,
        "boot": {"id": boot_id(), "up_s": machine.up_s, "daemon_up_s": machine.daemon_up_s},
        "machine": asdict(machine),
        "disk": _disk(settings, shown),
        "certificate": _certificate(uplink.certificate),
    }


def _aged(signals: list[dict[str, Any]], now_ms: int) -> list[dict[str, Any]]:
    """Who asks has a clock of his own: how long ago something was said."""
    for signal in signals:
        if signal["last"] is not None:
            signal["last"]["age_ms"] = now_ms - signal["last"].pop("at_ms")
    return signals


def _disk(settings: Config, shown: Snapshot) -> dict[str, Any]:
    """How it stands with the disk under the journal; what it does not say is None."""
    free_len = size_len = None
    with suppress(OSError):
        found = os.statvfs(settings.store.database.parent)
        free_len = found.f_bavail * found.f_frsize
        size_len = found.f_blocks * found.f_frsize
    return {"state": shown.journal.disk, "free_len": free_len, "size_len": size_len}


def _certificate(life: Life | None) -> dict[str, str] | None:
    return None if life is None else {"from": _utc(life[0]), "until": _utc(life[1])}


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
