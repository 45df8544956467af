"""What becomes known of a line (pure): each is worth an entry, and says why in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """`state` as in the entry: lost, back, faulty; `since_ms` is the boottime it holds from."""

    state: str
    reason: str
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """A self-test of the pad has ended."""

    ok: bool
    detail: str
