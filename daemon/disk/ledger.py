"""The ledger (pure): numbers what is decided, and brings it to disk one commit at a time.

Commit, then act: what must wait for the disk is given along with `then`, and comes back from
`committed`. While one commit is under way, everything decided since is gathered into the next, so
a slow card makes larger transactions, never a longer queue. A commit that failed is asked for
again, unchanged and before anything newer, until it holds.
"""

import json
from typing import Any, Generic, TypeVar

from daemon.effects import Commit
from protocol.central.entry import Draft, Stamp

# A full card is looked at again each second: pruning or a swap must show at once.
RETRY_MS = 1000
# What no one waits for (the delivered position) joins the next commit, or goes alone after this.
LAZY_MS = 5000
# Entries waiting for the disk. The pad itself holds back at 8 edges; 64 is an hour of cases at a
# busy window, or what a terminal says at once that makes up for a silence.
DRAFTS_MAX = 64

Then = TypeVar("Then")


class Ledger(Generic[Then]):
    def __init__(self, epoch: str, last_seq: int) -> None:
        self._epoch, self._seq = epoch, last_seq
        self._number = 0
        self._drafts: list[Draft] = []
        self._state: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        self._then: list[Then] = []
        self._under_way: tuple[Commit, tuple[Then, ...]] | None = None
        self._retry_at_ms: int | None = None
        self._lazy_at_ms: int | None = None
        self._urgent = False
        self.failure: str | None = None
        self._failing_since_ms: int | None = None

    @property
    def last_seq(self) -> int:
        return self._seq

    @property
    def behind(self) -> bool:
        """The disk has enough to write: what can wait outside should, until it has caught up."""
        return self.failure is None and len(self._drafts) >= DRAFTS_MAX

    @property
    def full(self) -> bool:
        """The disk fails and enough waits for it: no further entry should be decided."""
        return self.failure is not None and len(self._drafts) >= DRAFTS_MAX

    @property
    def settled(self) -> bool:
        """Everything decided so far that matters is on disk."""
        return self._under_way is None and not self._urgent

    def write(self, kind: str, subject: str, data: dict[str, Any], stamp: Stamp) -> str:
        """Add an entry; its id."""
        self._seq += 1
        self._drafts.append(Draft(self._seq, kind, subject, data, stamp))
        self._urgent = True
        return f"{self._epoch}-{self._seq}"

    def keep(self, name: str, value: object) -> None:
        """Replace a state row that changed, in one transaction with what is decided with it."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if self._kept.get(name) != text:
            self._kept[name] = self._state[name] = text
            self._urgent = True

    def keep_lazily(self, now_ms: int, name: str, value: object) -> None:
        """Replace a state row whose loss costs only work."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if self._kept.get(name) == text:
            return
        self._kept[name] = self._state[name] = text
        if self._lazy_at_ms is None:
            self._lazy_at_ms = now_ms + LAZY_MS

    def then(self, what: Then) -> None:
        """Hand `what` back once everything decided up to now is on disk."""
        self._then.append(what)
        self._urgent = True

    def poll(self, now_ms: int) -> Commit | None:
        """The commit to ask for now, if any."""
        if self._under_way is not None:
            if self._retry_at_ms is None or now_ms < self._retry_at_ms:
                return None
            self._retry_at_ms = None
            return self._under_way[0]
        if not self._urgent and (self._lazy_at_ms is None or now_ms < self._lazy_at_ms):
            return None
        self._number += 1
        commit = Commit(self._number, tuple(self._drafts), dict(self._state))
        self._under_way = (commit, tuple(self._then))
        self._drafts, self._state, self._then = [], {}, []
        self._urgent, self._lazy_at_ms = False, None
        return commit

    def committed(self, number: int) -> tuple[Then, ...]:
        """What may happen now that the commit is on disk."""
        if self._under_way is None or self._under_way[0].number != number:
            return ()
        _, then = self._under_way
        self._under_way, self._retry_at_ms, self.failure = None, None, None
        return then

    def failed(self, now_ms: int, number: int, reason: str) -> None:
        if self._under_way is not None and self._under_way[0].number == number:
            self._retry_at_ms, self.failure = now_ms + RETRY_MS, reason
            if self._failing_since_ms is None:
                self._failing_since_ms = now_ms

    def recovered(self, now_ms: int) -> int | None:
        """For how long nothing could be written, told once, when something was again."""
        if self.failure is not None or self._failing_since_ms is None:
            return None
        failed_ms, self._failing_since_ms = now_ms - self._failing_since_ms, None
        return failed_ms

    def wake_at_ms(self) -> int | None:
        return self._retry_at_ms if self._under_way is not None else self._lazy_at_ms
