"""The vocabulary of the queue line (pure): what a terminal can say of a window (domain.md 5)."""

from dataclasses import dataclass

SAYS = (
    "called", "recalled", "skipped", "transferred", "suspended", "resumed",
    "served", "completed", "prompt", "bound", "staff",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing the terminal said of one window; texts are bounded and printable.

    window: its number in the unit's own spelling.
    """

    say: str
    window: str
    ticket: str | None = None
    ticket_serial: str | None = None
    project_no: str | None = None
    service_number: int | None = None
    task_code: str | None = None
    task_name: str | None = None
    staff: str | None = None
    state: str | None = None
