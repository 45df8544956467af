"""What waits for the disk (pure): handed to the ledger, given back once the decision holds."""

from dataclasses import dataclass

from daemon.wire.edges import Position


@dataclass(frozen=True, slots=True)
class Safe:
    """The edges of this window's pad up to this position are on disk."""

    window: str
    position: Position


@dataclass(frozen=True, slots=True)
class Lit:
    """The service entry of this window's prompt is on disk: the lamp may go on."""

    window: str
    prompt: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A press of this prompt is on disk."""

    window: str
    prompt: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The record of this prompt is on disk; if it is a rating, the citizen may be thanked."""

    window: str
    prompt: int
    rated: bool


Milestone = Safe | Lit | Heard | Closed
