"""What the hall decided about its windows (pure)."""

from dataclasses import dataclass

from daemon.case.reasons import Reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the hall decided, for every window of the unit."""

    keys: tuple[int, ...]
    key_table: str
    prompt_ms: int
    correction_ms: int
    not_public_hold_ms: int
    reasons: Reasons | None = None
