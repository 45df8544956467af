"""Look at a unit for everything the checks judge; the unit itself changes nothing by it. Real I/O.

It is looked at by short commands of the unit's own, over SSH or on the unit: what cannot be found
out is left open, so that a unit that is half broken is still told as far as it goes.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from provisioning.doctor.facts import Facts, tables
from provisioning.reach import daemon
from provisioning.reach.daemon import NotAnswering
from provisioning.reach.place import Place, Unreachable
from provisioning.reach.status import Status

# The journal's lock makes a second daemon's look as quick as the first one's.
LOOK_S = 20.0
SERVICE = "haochaping"
READ = 'cat "${HAOCHAPING_ROOT:-}/etc/haochaping/daemon.toml"'
WHICH = 'for port; do if [ -e "$port" ]; then printf "%s\\n" "$port"; fi; done'
STARTING = "the daemon is starting"


def look(
    place: Place,
    unit: str,
    now: datetime,
    *,
    host: str = "",
    registered: Sequence[str] | None = None,
) -> Facts:
    """What was found at the unit behind the place."""
    try:
        told, silence = _status(place)
        configured = configuration(place)
        return Facts(
            unit=unit,
            now=now,
            host=host,
            status=told,
            silence=silence,
            service=_service(place),
            mistakes=_mistakes(place),
            configured=configured,
            ports=_ports(place, configured),
            registered=None if registered is None else tuple(registered),
        )
    except Unreachable as error:
        return Facts(unit=unit, now=now, host=host, unreachable=str(error))


def _status(place: Place) -> tuple[Status | None, str | None]:
    try:
        told = daemon.status(place, LOOK_S)
        return (None, STARTING) if told.get("starting") else (Status.read(told), None)
    except (NotAnswering, ValueError) as error:
        return None, str(error)


def _service(place: Place) -> str | None:
    found = place.run(["systemctl", "is-active", SERVICE], timeout_s=LOOK_S).out.decode().strip()
    return found or None


def _mistakes(place: Place) -> str | None:
    done = place.run([daemon.COMMAND, "--check"], timeout_s=LOOK_S)
    if not done.code:
        return ""
    said = done.err.decode("utf-8", "replace").strip()
    # The shell's and sudo's own words are none of the daemon's.
    return None if "not found" in said else said or None


def glance(place: Place, unit: str, now: datetime) -> Facts:
    """What the daemon alone tells: enough to see whether a unit is as well as before."""
    try:
        told, silence = _status(place)
    except Unreachable as error:
        return Facts(unit=unit, now=now, unreachable=str(error))
    return Facts(unit=unit, now=now, status=told, silence=silence)


def configuration(place: Place) -> Mapping[str, Any] | None:
    """What the unit's configuration file says; None if it cannot be read. Raises Unreachable."""
    done = place.run(["sh", "-c", READ], timeout_s=LOOK_S)
    try:
        return None if done.code else tomllib.loads(done.out.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None


def _ports(place: Place, configured: Mapping[str, Any] | None) -> dict[str, bool]:
    wanted = [
        port
        for table in tables(configured)
        for name in ("pad", "signal")
        if isinstance(port := table.get(name), str)
    ]
    if not wanted:
        return {}
    done = place.run(["sh", "-c", WHICH, "sh", *wanted], timeout_s=LOOK_S)
    there = done.out.decode("utf-8", "replace").splitlines()
    return {port: port in there for port in wanted}
