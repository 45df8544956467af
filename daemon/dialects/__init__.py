"""Dialects (pure): what a queue or case terminal says, translated into one vocabulary.

A dialect is an allow-list: it takes the fields it knows, bounds them, and forgets the rest. It
never answers on the line. What it cannot use is counted, not raised.
"""

from collections.abc import Callable
from typing import Protocol

from daemon.config.signal_line import Signal as SignalConfig
from daemon.dialects.gate import Counts
from daemon.dialects.line import Line
from daemon.dialects.native import Native
from daemon.signals import Signal


class Dialect(Protocol):
    """Turns bytes as they come, in any split, into signals for this window."""

    @property
    def counts(self) -> Counts: ...

    def closed(self, window: str) -> bytes: ...

    def received(self, now_ms: int, data: bytes) -> list[Signal]: ...


def dialect(
    config: SignalConfig, windows: tuple[str, ...], conceal: Callable[[str], str]
) -> Dialect:
    """The configured dialect; `conceal` replaces a case key that bears an ID number."""
    if config.line is not None:
        return Line(config.line, windows, conceal)
    return Native(windows, conceal)
