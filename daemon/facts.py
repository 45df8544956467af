"""What becomes of a line (pure): lost, back or faulty, each worth an entry, and why, in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """`state` as in the entry: lost, back, faulty; `since_ms` is the boottime it holds from."""

    state: str
    reason: str
    since_ms: int | None = None
