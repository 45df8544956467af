"""How threads reach the loop: a wake pipe, and the inbox of events behind one."""

import contextlib
import socket
from collections import deque

from daemon.events import Asked, Event, ReceiptReceived, ReceiptRefused

# What the platform says may be lost: it says it again, or the outbox asks for it. Everything else
# in the inbox answers something of ours and is bounded by it.
LOSSY = (ReceiptReceived, ReceiptRefused, Asked)
# A broker that floods us meets this; a platform in good health has one receipt under way.
LOSSY_LEN_MAX = 256


class Waker:
    """A pipe in a selector: `wake` from any thread makes it readable until `drain`."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)

    def fileno(self) -> int:
        return self._here.fileno()

    def wake(self) -> None:
        # A full pipe wakes as well as one more byte, and a closed one has nobody left to wake.
        with contextlib.suppress(OSError):
            self._there.send(b"w")

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._here.recv(4096):
                pass

    def close(self) -> None:
        self._here.close()
        self._there.close()


class Inbox:
    """Events from the workers, in the order in which they were posted."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self.waker = Waker()
        self.lost_count = 0
        self.dead_worker: str | None = None

    def post(self, event: Event) -> None:
        if len(self._events) >= LOSSY_LEN_MAX and isinstance(event, LOSSY):
            self.lost_count += 1
            return
        self._events.append(event)
        self.waker.wake()

    def died(self, worker: str) -> None:
        """A worker ended by our own bug: the loop is to end too."""
        self.dead_worker = worker
        self.waker.wake()

    def take(self) -> list[Event]:
        self.waker.drain()
        return [self._events.popleft() for _ in range(len(self._events))]
