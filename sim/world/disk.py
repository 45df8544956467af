"""The machine's disk: does one job after the other, takes its time, stalls, is full."""

import random
from collections import deque
from collections.abc import Callable, Mapping

from daemon.effects import Commit, Fetch, FetchRemains, Settle, StoreJob, Tend
from daemon.errors import StoreFailed
from daemon.events import (
    CommitFailed,
    Committed,
    Event,
    Fetched,
    RemainsFetched,
    RemainsSettled,
    Sealed,
    StoreMeasured,
)
from protocol.central.entry import Draft
from sim.stores import MemoryJournal
from sim.world.agenda import Agenda

COMMIT_MS = 3  # a synced write on a good card
READ_MS = 1


class Disk:
    """Holds the journal, and answers as the store's worker does; `wrote` hears of new entries."""

    def __init__(
        self,
        agenda: Agenda,
        drawn: random.Random,
        journal: MemoryJournal,
        wrote: Callable[[tuple[Sealed, ...]], None],
    ) -> None:
        self._agenda, self._random, self.journal, self._wrote = agenda, drawn, journal, wrote
        self._jobs: deque[StoreJob] = deque()
        self._process = 0
        self._answer: Callable[[Event], None] = lambda _: None
        self.stalls_until_ms = 0

    def start(self, answer: Callable[[Event], None]) -> None:
        """A new process asks from now on."""
        self._answer = answer

    def kill(self) -> None:
        """The process is no more: what it asked for is done, or is not, and nobody hears of it."""
        if self._jobs and isinstance(self._jobs[0], Commit) and self._random.random() < 0.5:
            self._done(self._jobs[0])
        self._jobs.clear()
        self._process += 1

    def do(self, job: StoreJob) -> None:
        """Do it after all that was asked before."""
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._begin()

    def _begin(self) -> None:
        takes_ms = COMMIT_MS if isinstance(self._jobs[0], Commit) else READ_MS
        stall_ms = max(0, self.stalls_until_ms - self._agenda.now_ms)
        process = self._process

        def end() -> None:
            if self._process == process:
                answer = self._done(self._jobs.popleft())
                if self._jobs:
                    self._begin()
                self._answer(answer)

        self._agenda.after(stall_ms + takes_ms, end)

    def _done(self, job: StoreJob) -> Event:
        match job:
            case Commit(number, drafts, state):
                return self._commit(number, drafts, state)
            case Fetch(first, limit):
                return Fetched(first, self.journal.read(first, limit))
            case FetchRemains():
                return RemainsFetched(())
            case Tend():
                return StoreMeasured("sound", {"kept": self.journal.last_seq})
            case Settle():
                # A journal in memory has no epoch before its own.
                return RemainsSettled(0)

    def _commit(self, number: int, drafts: tuple[Draft, ...], state: Mapping[str, str]) -> Event:
        try:
            sealed = self.journal.commit(drafts, state)
        except StoreFailed as error:
            return CommitFailed(number, str(error))
        self._wrote(sealed)
        return Committed(number, sealed)
