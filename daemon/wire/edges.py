"""The edges of the pad's keys as the unit takes them (pure)."""

from dataclasses import dataclass
from typing import Self

from protocol.pad.messages import Edge


@dataclass(frozen=True, slots=True)
class Position:
    """The last edge of a pad boot that is on disk."""

    boot_id: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEdge:
    """A key edge at boottime `at_ms`, and the position that is durable with it.

    A release says how long the key was held, by the pad's clock.
    """

    prompt: int
    key: int
    down: bool
    at_ms: int
    held_ms: int
    position: Position

    @classmethod
    def of(cls, edge: Edge, now_ms: int) -> Self:
        """The edge as it was heard at `now_ms`; its age tells when it was."""
        return cls(
            prompt=edge.prompt_id,
            key=edge.key,
            down=bool(edge.down),
            at_ms=max(0, now_ms - edge.age_ms),
            held_ms=edge.held_ms,
            position=Position(edge.boot_id, edge.seq),
        )
