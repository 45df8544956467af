"""The store: the thread that owns the journal. Jobs in order; answers come back as events.

Between jobs it works for the journal itself (the keeper), a slice at a time. Damage that is found
in use is marked and ends the process: the start that follows sets the file aside.
"""

import logging
import queue
from collections.abc import Callable
from concurrent.futures import Future

from daemon.disk.journal import Journal
from daemon.disk.keeper import KEEP_DAYS, PAUSE_S, Keeper
from daemon.disk.rescue import condemn
from daemon.effects import Commit, Fetch, FetchRemains, Settle, StoreJob, Tend
from daemon.errors import DaemonError, DamageFound, StoreFailed, StoreFull
from daemon.events import (
    CommitFailed,
    Committed,
    Event,
    Fetched,
    RemainsFetched,
    RemainsSettled,
    Sealed,
)
from daemon.worker import Worker

log = logging.getLogger(__name__)

# One of each kind of the core's jobs at a time, and what the control socket asks.
QUEUE_LEN_MAX = 32
# Longer than any write of a card that still works.
READ_S = 20.0


class _Read:
    """A page for someone who waits for it outside the core."""

    def __init__(self, first: int, limit: int) -> None:
        self.first, self.limit = first, limit
        self.answer: Future[tuple[Sealed, ...]] = Future()


class Store(Worker):
    """`ballast_len`: bytes kept for a full disk; 0 keeps none."""

    job_s_max = READ_S

    def __init__(
        self,
        journal: Journal,
        post: Callable[[Event], None],
        died: Callable[[str], None],
        *,
        keep_days: int = KEEP_DAYS,
        ballast_len: int = 0,
    ) -> None:
        super().__init__("store", died)
        self._journal, self._post = journal, post
        self._keeper = Keeper(journal, keep_days, ballast_len)
        self._jobs: queue.Queue[StoreJob | _Read | None] = queue.Queue(QUEUE_LEN_MAX)

    def do(self, effect: StoreJob) -> None:
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
            try:
                self._serve()
            except DamageFound as damage:
                log.error("journal state=damaged trouble=%r", str(damage))
                self._condemn(damage)
                self._died(self.name)

    def _condemn(self, damage: DamageFound) -> None:
        """Before it is closed: see daemon.disk.database.connect."""
        try:
            condemn(self._journal.path, damage)
        except DaemonError as error:
            log.error("journal trouble=%r", str(error))

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            with self.job():
                self._do(job)

    def _do(self, job: StoreJob | _Read) -> None:
        if isinstance(job, Commit):
            self._commit(job)
        elif isinstance(job, Fetch):
            self._fetch(job)
        elif isinstance(job, FetchRemains):
            self._fetch_remains(job)
        elif isinstance(job, Settle):
            self._settle(job)
        elif isinstance(job, Tend):
            self._post(self._keeper.tend(job))
        else:
            self._answer(job)

    def _next(self) -> StoreJob | _Read | None:
        """The next job; while there is none, a slice of the keeper's work at a time."""
        while self._keeper.has_work:
            try:
                return self._jobs.get(timeout=PAUSE_S)
            except queue.Empty:
                with self.job():
                    self._keeper.work()
        return self._jobs.get()

    def _commit(self, job: Commit) -> None:
        try:
            try:
                sealed = self._journal.commit(job.drafts, job.state)
            except StoreFull:
                if not self._keeper.make_room():
                    raise
                sealed = self._journal.commit(job.drafts, job.state)
                self._post(self._keeper.measured())
        except StoreFailed as error:
            self._post(CommitFailed(job.number, str(error)))
            _raise_damage(error)
            return
        self._keeper.committed(sealed)
        self._post(Committed(job.number, sealed))

    def _fetch(self, job: Fetch) -> None:
        try:
            self._post(Fetched(job.first, self._journal.read(job.first, job.limit)))
        except StoreFailed as error:
            self._post(Fetched(job.first, (), str(error)))
            _raise_damage(error)

    def _fetch_remains(self, job: FetchRemains) -> None:
        try:
            self._post(RemainsFetched(self._journal.remains(job.after, job.limit, job.asked)))
        except StoreFailed as error:
            self._post(RemainsFetched(()))
            _raise_damage(error)

    def _settle(self, job: Settle) -> None:
        try:
            self._post(RemainsSettled(self._journal.settle(job.epoch, job.upto, job.hash, job.day)))
        except StoreFailed as error:
            # It is receipted again with the next entry that is sent again.
            log.warning("receipt trouble=%r", str(error))
            _raise_damage(error)

    def _answer(self, job: _Read) -> None:
        try:
            job.answer.set_result(self._journal.read(job.first, job.limit))
        except StoreFailed as error:
            job.answer.set_exception(error)
            _raise_damage(error)


def _raise_damage(error: StoreFailed) -> None:
    if isinstance(error, DamageFound):
        raise error
