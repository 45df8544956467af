"""What the unit says of itself each minute (pure): its counters, and where its journal ends.

It is no evidence. The head lets the platform see a journal whose end was cut off; the counters are
the same that the technician's page shows. No level and no key is among them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from daemon.snapshot import Snapshot
from protocol.central.chain import Head
from protocol.central.entry import Stamp

EVERY_MS = 60_000


def health(
    shown: Snapshot, stamp: Stamp, head: Head, versions: Mapping[str, str]
) -> dict[str, Any]:
    """The message on the health topic; `head` is the last entry that is on disk."""
    return {
        "source": shown.source,
        "stamp": stamp.to_json(),
        "head": asdict(head),
        "delivered": shown.uplink.delivered,
        "counters": {
            "pad": _counters(window.pad for window in shown.windows),
            "signal": _counters(shown.signals),
            "uplink": _counters([shown.uplink]),
            "journal": _counters([shown.journal]),
            "day": _counters([shown.day]),
        },
        "versions": dict(versions),
    }


def _counters(parts: Iterable[Any]) -> dict[str, int]:
    """Every whole number of some part of the picture, by its name; of several, their sum."""
    sums: dict[str, int] = {}
    for part in parts:
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        values |= values.pop("counters", {})
        for name, value in values.items():
            if type(value) is int:
                sums[name] = sums.get(name, 0) + value
    return sums
