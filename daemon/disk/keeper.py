"""The keeper: what the store does for its journal when nobody waits for it.

It looks at the entries, prunes what is old enough, keeps the ballast and measures; each in slices
that a press may wait for. Retention is `keep_days` after the receipt. On a disk that is nearly full
it is shorter, for what goes makes room in the file for what comes, and the platform has it.
"""

import logging
from contextlib import suppress

from daemon.disk import quarantine
from daemon.disk.ballast import Ballast
from daemon.disk.journal import Journal
from daemon.disk.room import FULL, NEARLY_FULL, SOUND, Room
from daemon.effects import Tend
from daemon.errors import StoreFailed
from daemon.events import Sealed, StoreMeasured

log = logging.getLogger(__name__)

KEEP_DAYS = 400
KEEP_DAYS_NEARLY_FULL = 30
# The other half of the ballast is given for so many entries with a receipt, 300 KB and more.
GAIN_LEAST = 200
# One transaction, so one sync: a few milliseconds.
PRUNED_AT_ONCE = 200
# On a full disk: removing 20 entries takes 40 KB of it first. A press waits for room anyway.
PRUNED_WHEN_FULL, SLICES_WHEN_FULL = 20, 20
# After a slice of 2 ms: a fifth of one core, until all was looked at.
PAUSE_S = 0.01


class Keeper:
    def __init__(self, journal: Journal, keep_days: int, ballast_len: int) -> None:
        self._journal, self._keep_days = journal, keep_days
        self._ballast = Ballast(journal.path, ballast_len)
        self._room = Room(journal.path)
        self._day: int | None = None
        self._delivered = 0
        self._looking = True
        self._pruning = False
        self._rated_count = 0
        self._disk = SOUND

    @property
    def has_work(self) -> bool:
        return self._looking or self._pruning

    def work(self) -> None:
        """Do one slice. Raises DamageFound."""
        if self._pruning:
            try:
                self._pruning = self._journal.prune(self._prune_before(), PRUNED_AT_ONCE)
            except StoreFailed as error:
                self._pruning = False
                log.warning("pruning trouble=%r", str(error))
        elif self._looking:
            self._looking = not self._journal.look()

    def _prune_before(self) -> int | None:
        """The day before which receipts are old enough; None: any."""
        if self._disk == FULL:
            return None
        days = self._keep_days
        if self._disk == NEARLY_FULL:
            days = min(days, KEEP_DAYS_NEARLY_FULL)
        return 0 if self._day is None else self._day - days

    def tend(self, tend: Tend) -> StoreMeasured:
        """What the core asks for each minute. Raises DamageFound."""
        self._delivered = tend.delivered
        if tend.day is not None:
            self._date(tend.day, tend.delivered)
        self._ballast.take()
        return self.measured()

    def make_room(self) -> bool:
        """A commit found the disk full: give of the ballast; whether there was any."""
        is_worth = self._delivered - self._journal.pruned >= GAIN_LEAST
        if not (self._ballast.free() or (is_worth and self._ballast.free(is_last=True))):
            return False
        # At once: what comes next may take all of it.
        with suppress(StoreFailed):
            for _ in range(SLICES_WHEN_FULL if is_worth else 0):
                self._journal.prune(None, PRUNED_WHEN_FULL)
        return True

    def committed(self, sealed: tuple[Sealed, ...]) -> None:
        self._rated_count += sum(entry.kind == "rating" for entry in sealed)

    def measured(self) -> StoreMeasured:
        journal, room = self._journal, self._room
        disk = room.word(is_spent=self._ballast.is_spent)
        if disk != self._disk:
            free_mib = room.free_len >> 20
            log.log(
                logging.INFO if disk == SOUND else logging.WARNING,
                "disk state=%s free_mib=%d", disk, free_mib,
            )  # fmt: skip
            self._disk = disk
        self._pruning = self._pruning or disk != SOUND
        return StoreMeasured(
            disk,
            {
                "database_len": room.database_len,
                "free_len": room.free_len,
                "ballast_len": self._ballast.length,
                "written_len": room.written_len,
                "written_per_case_len": room.written_len // max(1, self._rated_count),
                "kept": journal.last_seq - journal.pruned,
                "pruned_upto": journal.pruned,
                "looked_upto": journal.looked_upto,
                "remains": journal.remain_count(),
                "quarantined": quarantine.set_count(journal.path),
            },
        )

    def _date(self, day: int, delivered: int) -> None:
        if self._day == day:
            return
        try:
            self._journal.note_receipts(day, delivered)
            self._journal.date_remains(day)
        except StoreFailed as error:
            # A full disk: the next minute tries again.
            log.warning("retention trouble=%r", str(error))
            return
        if self._day is not None:
            self._journal.look_anew()
            self._looking = True
        self._day, self._pruning = day, True
