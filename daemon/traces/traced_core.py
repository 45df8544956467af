"""A core whose every step is recorded (pure): what went in, what came out, so it can be replayed.

The core knows nothing of it. What is recorded is handed on as it is and does not change any more,
so that another thread can make the lines of it.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy

from daemon.core import Core
from daemon.dialects import Dialect
from daemon.effects import Effect
from daemon.events import Event, Restored
from daemon.setup import Setup
from daemon.traces.transcript import Heard, Record, RecordingDialect, Start, Step


class TracedCore(Core):
    """Made as a Core is; `record` is called with its start and after each step."""

    def __init__(
        self,
        record: Callable[[Record], None],
        now_ms: int,
        setup: Setup,
        dialects: Sequence[Dialect],
        restored: Restored,
    ) -> None:
        self._record, self._heard_now = record, list[Heard]()
        # The core's parts go on with the very lists and dicts that were restored.
        record(Start(now_ms=now_ms, setup=setup, restored=deepcopy(restored)))
        recording = [RecordingDialect(dialect, self._heard_now) for dialect in dialects]
        super().__init__(now_ms, setup, recording, restored)

    def step(self, now_ms: int, event: Event) -> tuple[Effect, ...]:
        self._heard_now.clear()
        try:
            effects = super().step(now_ms, event)
        except Exception as error:
            # Our own bug, which ends the process: its event is what a trace is for.
            self._record(Step(now_ms, event, tuple(self._heard_now), (), repr(error)))
            raise
        self._record(Step(now_ms, event, tuple(self._heard_now), effects))
        return effects
