"""The judges: threads that admit messages while the store takes the batch before (real I/O).

Signatures are most of the work, and checking one needs no interpreter lock. Each judge is handed
its part of a batch at once; the parts come back in their order.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from central.broker import Message
from central.ingest import Admitted
from central.judge import Arrival, admit
from central.registry import Registry

COUNT = 2
ALONE_MAX = 8  # fewer messages than this are not worth handing over


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that arrived together, and what they were judged to be."""

    messages: list[Message]
    received_utc_ms: int
    received_s: float
    parts: list[Future[list[Admitted]]]

    @property
    def is_large(self) -> bool:
        """Whether judging it takes longer than looking for more."""
        return len(self.parts) > 1

    def admitted(self) -> list[Admitted]:
        """Wait for the judges."""
        return [each for part in self.parts for each in part.result()]


class Judges:
    """A few threads; small batches are judged where they are."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(COUNT, thread_name_prefix="judge")

    def judge(self, messages: list[Message], registry: Registry) -> Batch:
        """Begin to judge; messages are of now."""
        now = time.time_ns() // 1_000_000
        count = 1 if len(messages) < ALONE_MAX else COUNT
        length = -(-len(messages) // count)
        some = [messages[at : at + length] for at in range(0, len(messages), length)]
        if count == 1:
            only: Future[list[Admitted]] = Future()
            only.set_result(_admitted(messages, registry, now))
            parts = [only]
        else:
            parts = [self._pool.submit(_admitted, part, registry, now) for part in some]
        return Batch(messages, now, time.monotonic(), parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def _admitted(messages: Sequence[Message], registry: Registry, now: int) -> list[Admitted]:
    return [admit(Arrival(each.topic, each.payload), registry, now) for each in messages]
