"""The store: the thread that owns the journal. Jobs in order; answers come back as events."""

import queue
from collections.abc import Callable
from concurrent.futures import Future

from daemon.effects import Commit, Fetch
from daemon.errors import StoreFailed
from daemon.events import CommitFailed, Committed, Event, Fetched, Sealed
from daemon.journal import Journal
from daemon.worker import Worker

# One commit and one fetch of the core at a time, and what the control socket asks.
QUEUE_LEN_MAX = 16
# Longer than any write of a card that still works.
READ_S = 20.0


class _Read:
    """A page for someone who waits for it outside the core."""

    def __init__(self, first: int, limit: int) -> None:
        self.first, self.limit = first, limit
        self.answer: Future[tuple[Sealed, ...]] = Future()


class Store(Worker):
    job_s_max = READ_S

    def __init__(
        self, journal: Journal, post: Callable[[Event], None], died: Callable[[str], None]
    ) -> None:
        super().__init__("store", died)
        self._journal, self._post = journal, post
        self._jobs: queue.Queue[Commit | Fetch | _Read | None] = queue.Queue(QUEUE_LEN_MAX)

    def do(self, effect: Commit | Fetch) -> None:
        self._jobs.put_nowait(effect)

    def read(self, first: int, limit: int) -> tuple[Sealed, ...]:
        """Read a page from any thread. Raises StoreFailed, also when nobody answers."""
        if not self.is_alive():
            raise StoreFailed("the journal is closed: start the daemon")
        job = _Read(first, limit)
        try:
            self._jobs.put(job, timeout=READ_S)
            return job.answer.result(READ_S)
        except (queue.Full, TimeoutError) as error:
            raise StoreFailed("the disk does not answer: try again, or replace the card") from error

    def stop(self) -> None:
        """Finish what is queued, then close the journal."""
        if self.is_alive():
            self._jobs.put(None)
            self.join()

    def work(self) -> None:
        with self._journal:
            while (job := self._jobs.get()) is not None:
                with self.job():
                    self._do(job)

    def _do(self, job: Commit | Fetch | _Read) -> None:
        if isinstance(job, Commit):
            self._post(self._commit(job))
        elif isinstance(job, Fetch):
            self._post(self._fetch(job))
        else:
            self._answer(job)

    def _commit(self, job: Commit) -> Event:
        try:
            return Committed(job.number, self._journal.commit(job.drafts, job.state))
        except StoreFailed as error:
            return CommitFailed(job.number, str(error))

    def _fetch(self, job: Fetch) -> Event:
        try:
            return Fetched(job.first, self._journal.read(job.first, job.limit))
        except StoreFailed as error:
            return Fetched(job.first, (), str(error))

    def _answer(self, job: _Read) -> None:
        try:
            job.answer.set_result(self._journal.read(job.first, job.limit))
        except StoreFailed as error:
            job.answer.set_exception(error)
