"""Dialects (pure): what a queue or case terminal says, translated into one vocabulary.

A dialect is an allow-list: it takes the fields it knows, bounds them, and forgets the rest. What
it cannot use is counted, not raised. It answers on the line only when the hall wants it to, and
then no more than that a window's prompt is closed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from daemon.config.signal_line import Signal as SignalConfig
from daemon.dialects.gate import Counts, Gate, record
from daemon.wire.signals import Signal


class Dialect(Protocol):
    """Turns bytes as they come, in any split, into signals for the windows of the line."""

    @property
    def counts(self) -> Counts: ...

    def received(self, now_ms: int, data: bytes) -> list[Signal]: ...

    def closed(self, window: str) -> bytes:
        """What tells the terminal that a window's prompt is closed, for whatever reason."""
        ...


class _Silent:
    """A dialect that never answers."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.received = dialect.received

    @property
    def counts(self) -> Counts:
        return self._dialect.counts

    def closed(self, _window: str) -> bytes:
        return b""


class _Gated:
    """Another package's dialect: whatever it did, its signals pass our gate as well."""

    def __init__(
        self, dialect: Dialect, windows: tuple[str, ...], conceal: Callable[[str], str]
    ) -> None:
        self._dialect = dialect
        self.closed = dialect.closed
        self._gate = Gate(windows, conceal)
        self._count = 0

    @property
    def counts(self) -> Counts:
        theirs, ours = self._dialect.counts, self._gate.counts
        return replace(
            theirs,
            good=ours.good,
            damaged=theirs.damaged + ours.damaged,
            unknown=theirs.unknown + ours.unknown,
            other_window=theirs.other_window + ours.other_window,
            trimmed=theirs.trimmed + ours.trimmed,
        )

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals: list[Signal] = []
        for signal in self._dialect.received(now_ms, data):
            # Repeats are its own affair: it may know them by a number.
            self._count += 1
            signals += self._gate.admit(now_ms, signal.say, record(signal), self._count)
        return signals


def dialect(
    config: SignalConfig, windows: tuple[str, ...], conceal: Callable[[str], str]
) -> Dialect:
    """The configured dialect for the windows of one line; none of them: for every window heard.

    conceal: replaces a case key that bears an ID number.
    """
    made = _made(config, windows, conceal)
    return made if config.reply else _Silent(made)


def _made(config: SignalConfig, windows: tuple[str, ...], conceal: Callable[[str], str]) -> Dialect:
    # Each is loaded when it is spoken: the four together are a megabyte.
    if config.line is not None:
        from daemon.dialects.line import Line

        return Line(config.line, windows, conceal)
    if config.jsonl is not None:
        from daemon.dialects.jsonl import Jsonl

        return Jsonl(config.jsonl, windows, conceal)
    if config.frame is not None:
        from daemon.dialects.frame import Frame

        return Frame(config.frame, windows, conceal)
    if config.other is not None:
        return _Gated(config.other(windows, conceal), windows, conceal)
    from daemon.dialects.native import Native

    return Native(windows, conceal)
