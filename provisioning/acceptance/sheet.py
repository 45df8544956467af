"""The acceptance of a window on one A4 page, with a label for its housing (pure).

The page says what the signed entry says, and names it: whoever doubts it asks the platform for the
entry, or the unit, and compares the hash. It needs nothing but itself: no script, no other file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from provisioning.acceptance.qr import svg
from provisioning.acceptance.report import TITLES, Report, Step

TEMPLATE = "sheet.html"
OUTCOMES = {
    "good": ("合格", "good"),
    "bad": ("不合格", "bad"),
    "absent": ("未配置", "none here"),
    "skipped": ("未做", "left out"),
}
ACCEPTED, INCOMPLETE, REFUSED = (
    ("验收合格", "Accepted"),
    ("验收未完成", "Not complete"),
    ("验收不合格", "Not accepted"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What stands on it. `at`: in the hall's own time. `after_ms`: None while there is no receipt.

    verdict: ACCEPTED, INCOMPLETE or REFUSED.
    """

    title: str
    source: str
    window: str
    serial: str | None
    pad_uid: str | None
    unit_version: str | None
    pad_release: int | None
    pad_firmware: str | None
    verdict: tuple[str, str]
    steps: Sequence[Step]
    at: datetime
    by: str
    entry_id: str
    entry_hash: str
    kid: str | None
    after_ms: int | None

    @property
    def unit(self) -> str:
        """The unit's name in its hall."""
        return self.source.rpartition("/")[2]

    @property
    def is_accepted(self) -> bool:
        """Only then there is a label: nobody sticks one on what does not work."""
        return self.verdict == ACCEPTED

    @property
    def proof(self) -> str:
        """What the code on the label says: who it is, its key, the entry that accepted it."""
        return " ".join((self.source, self.kid or "-", self.entry_id))


def render(sheet: Sheet) -> str:
    """The page as HTML."""
    text = resources.files("provisioning.acceptance").joinpath(TEMPLATE).read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    # Ours alone, of numbers and fixed text: the only thing on the page that is not escaped.
    environment.filters["qr"] = lambda words: Markup(svg(words))
    shown: str = environment.from_string(text).render(
        sheet=sheet, rows=[_row(step) for step in sheet.steps]
    )
    return shown


def verdict(report: Report) -> tuple[str, str]:
    """What the page says at its head."""
    if report.is_accepted:
        return ACCEPTED
    return INCOMPLETE if report.is_ok else REFUSED


def _row(step: Step) -> dict[str, str]:
    zh, en = TITLES[step.step]
    outcome_zh, outcome_en = OUTCOMES[step.outcome]
    return {
        "zh": zh,
        "en": en,
        "outcome": step.outcome,
        "outcome_zh": outcome_zh,
        "outcome_en": outcome_en,
        "detail": step.detail,
    }
