"""What is kept of an acceptance: the inventory's report and the page (real I/O)."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from provisioning import files
from provisioning.acceptance.report import BAD, TITLES, Report
from provisioning.acceptance.sheet import Sheet, render, verdict
from provisioning.acceptance.visit import Signed
from provisioning.errors import ProvisioningError
from provisioning.office.records import Unit
from provisioning.office.sites import Site
from provisioning.reach.status import Status

SHEETS = "sheets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An acceptance that was signed; `path` is its page, once there is one."""

    report: Report
    by: str
    signed: Signed
    status: Status | None
    path: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """As the inventory keeps it."""
        return {
            "ok": self.report.is_accepted,
            "verdict": verdict(self.report)[1].lower(),
            "window": self.report.window,
            "by": self.by,
            "steps": self.report.as_json(),
            "entry": asdict(self.signed),
            "sheet": None if self.path is None else str(self.path),
        }

    def text(self) -> str:
        """For whoever stands at the window."""
        lines = [f"{verdict(self.report)[1]}: window {self.report.window}"]
        for step in self.report.bad:
            how = "bad" if step.outcome == BAD else "left out"
            lines.append(f"  {TITLES[step.step][1]} ({how}): {step.detail}")
        lines.append(f"signed: entry {self.signed.id}")
        if self.signed.after_ms is None:
            lines.append(f"its receipt is still to come: {self.signed.detail}")
        lines.append(f"print: {self.path}")
        return "\n".join(lines)


def keep(site: Site, unit: Unit, made: Made) -> Made:
    """Write the page and the inventory's report. Raises ProvisioningError; the entry stays."""
    at = site.now()
    hall_time = at.astimezone(ZoneInfo(site.settings.timezone))
    name = f"{unit.name}-{made.report.window}-{hall_time:%Y-%m-%d}.html"
    path = site.folder / SHEETS / name
    window = None if made.status is None else made.status.window(made.report.window)
    pad = None if window is None else window.pad
    sheet = Sheet(
        title=site.settings.title,
        source=unit.source,
        window=made.report.window,
        serial=unit.serial,
        pad_uid=None if pad is None else pad.uid,
        unit_version=None if made.status is None else made.status.version,
        pad_release=None if pad is None else pad.release,
        pad_firmware=None if pad is None else pad.firmware,
        verdict=verdict(made.report),
        steps=made.report.steps,
        at=hall_time,
        by=made.by,
        entry_id=made.signed.id,
        entry_hash=made.signed.hash,
        kid=unit.kid if made.status is None else made.status.journal.kid or unit.kid,
        after_ms=made.signed.after_ms,
    )
    kept = replace(made, path=path)
    site.inventory.accept(unit.name, made.report.window, kept.as_json(), at)
    try:
        path.parent.mkdir(exist_ok=True)
        files.put(path, render(sheet).encode())
    except OSError as error:
        raise ProvisioningError(
            f"{path}: cannot be written ({error.strerror}); the acceptance itself is kept",
            "make room, and run the test again for a page",
        ) from error
    return kept
