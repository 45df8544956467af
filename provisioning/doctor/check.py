"""One thing looked at (pure), and how it stands.

GOOD      looked at, and as it should be
WARNING   works today, and needs somebody soon
BAD       broken: `finding` says what, `advice` what to do
ABSENT    this unit has no such thing
UNKNOWN   could not be looked at, or nothing has happened yet that would show it
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

GOOD, WARNING, BAD, ABSENT, UNKNOWN = "good", "warning", "bad", "absent", "unknown"
# Who could tell, in the words of `unknown`.
DAEMON = "the daemon answers"

TITLES = {
    "reach": "the unit itself",
    "pad_port": "pad's port",
    "pad_open": "pad's port opens",
    "pad": "pad speaks",
    "firmware": "pad's firmware",
    "keys": "pad's keys",
    "queue_port": "queue line's port",
    "queue": "queue line is understood",
    "display": "display",
    "lamp": "lamp and buzzer",
    "disk": "disk",
    "clock": "clock",
    "configuration": "configuration",
    "service": "service runs",
    "answer": "service answers",
    "files": "TLS files",
    "dns": "broker's name",
    "tcp": "way to the broker",
    "tls": "TLS with the broker",
    "certificate": "certificate",
    "connect": "broker lets it in",
    "subscribe": "broker lets it hear receipts",
    "publish": "broker takes entries",
    "receipts": "platform sends receipts",
    "registered": "hall's registry",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at: `name` is a word of TITLES, `finding` a sentence."""

    name: str
    outcome: str
    finding: str
    advice: str = ""
    window: str | None = None

    @property
    def title(self) -> str:
        """What was looked at, in words."""
        where = "" if self.window is None else f", window {self.window}"
        return TITLES[self.name] + where

    def as_json(self) -> dict[str, Any]:
        return {"title": self.title, **asdict(self)}


def span(ago: timedelta) -> str:
    """How long, for people: one unit is enough."""
    seconds = int(ago.total_seconds())
    for length, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"


def good(name: str, finding: str, window: str | None = None) -> Check:
    """It is as it should be."""
    return Check(name=name, outcome=GOOD, finding=finding, window=window)


def known(name: str, finding: str | None, window: str | None = None) -> Check:
    """It is as it should be, or nobody knows while `finding` is None."""
    if finding is None:
        return unknown(name, DAEMON, window)
    return good(name, finding, window)


def unknown(name: str, what: str, window: str | None = None) -> Check:
    """Nobody knows, until something is so."""
    return Check(name=name, outcome=UNKNOWN, finding=f"not known until {what}", window=window)
