"""How each unit of a hall stands, and who needs somebody (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from provisioning.doctor.check import BAD, WARNING, span
from provisioning.doctor.checks import checks, first_broken
from provisioning.doctor.facts import Facts
from provisioning.reach.status import Status, when

NOW, SOON, NOBODY = "now", "soon", ""
ENROLLED = "enrolled"
COLUMNS = (
    "unit", "windows", "state", "seen", "daemon", "pad", "certificate", "backlog", "trouble",
)  # fmt: skip
STYLES = {NOW: "red", SOON: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking one unit: what its daemon told, or why it told nothing."""

    told: Mapping[str, Any] | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the inventory knows of a unit; `seen`: what it said last, and when."""

    name: str
    windows: Sequence[str]
    state: str
    seen: tuple[Mapping[str, Any], str] | None
    until: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One row: `need` is when somebody has to see to it, `advice` what he does.

    seen: when it was heard last before now; None for never.
    """

    unit: str
    windows: tuple[str, ...]
    state: str
    is_reached: bool
    seen: str | None
    daemon: str | None
    pads: tuple[str, ...]
    days_left: int | None
    backlog: int | None
    trouble: str | None
    advice: str
    need: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def row(self, now: datetime) -> dict[str, Any]:
        """For the table."""
        if self.is_reached:
            seen = "now"
        elif self.seen is None:
            seen = "never"
        else:
            seen = f"{span(now - when(self.seen))} ago"
        return {
            "unit": self.unit,
            "windows": ", ".join(self.windows),
            "state": self.state,
            "seen": seen,
            "daemon": self.daemon,
            "pad": ", ".join(self.pads),
            "certificate": None if self.days_left is None else f"{self.days_left} d",
            "backlog": self.backlog,
            "trouble": self.trouble,
            "style": STYLES.get(self.need, "dim" if self.state != ENROLLED else None),
        }


def standing(known: Known, answer: Answer | None, now: datetime) -> Standing:
    """How a unit stands; no answer: it was not asked, because it is not enrolled."""
    if answer is None:
        return _row(known, now, None, None)
    if answer.told is None:
        return _row(known, now, None, answer.trouble or "it told nothing")
    if answer.told.get("starting"):
        return _row(known, now, None, "its daemon is starting")
    try:
        return _row(known, now, Status.read(answer.told), None)
    except ValueError as error:
        return _row(known, now, None, f"it answers what cannot be read: {error}")


def _row(known: Known, now: datetime, status: Status | None, silence: str | None) -> Standing:
    shown = status or _last(known)
    trouble, advice, need = silence, f"provision doctor {known.name}", NOW if silence else NOBODY
    if status is not None:
        trouble, advice, need = _need(known, status, now)
    elif silence is None:
        advice = f"provision unit enrol {known.name}"
    life = None if shown is None else shown.certificate
    days_left = None if life is None else life.days_left(now)
    if life is None and known.until is not None:
        days_left = (when(known.until) - now).days
    return Standing(
        unit=known.name,
        windows=tuple(known.windows),
        state=known.state,
        is_reached=status is not None,
        seen=None if known.seen is None else known.seen[1],
        daemon=None if shown is None else shown.version,
        pads=() if shown is None else tuple(_pads(shown)),
        days_left=days_left,
        backlog=None if shown is None else shown.uplink.backlog,
        trouble=trouble,
        advice=advice,
        need=need,
    )


def _need(known: Known, status: Status, now: datetime) -> tuple[str | None, str, str]:
    """What the doctor would say first of a unit that answers."""
    first = first_broken(checks(Facts(unit=known.name, now=now, status=status)))
    if first is None:
        return None, "", NOBODY
    need = {BAD: NOW, WARNING: SOON}[first.outcome]
    return f"{first.title}: {first.finding}", first.advice, need


def _pads(status: Status) -> list[str]:
    return [
        "?" if window.pad.release is None else str(window.pad.release) for window in status.windows
    ]


def _last(known: Known) -> Status | None:
    """What an absent unit said when it was heard last."""
    if known.seen is None:
        return None
    try:
        return Status.read(known.seen[0])
    except ValueError:
        return None
