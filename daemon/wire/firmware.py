"""New firmware for the pad (pure): the unit's side of PROTOCOL.md 5, one bundle, one pad at a time.

    NONE ──Hello──▶ OFFERING ──────▶ SENDING ──taken──▶ RESTARTING ──Hello──▶ CURRENT
                       ▲ ▲              │                   │                    │
                       │ └─ goes wrong ─┘                   │ Hello of another firmware:
                       └────────────────────────────────────┴──── its trial failed

One message is under way at a time. Its answer says what is wanted next, and the same answer twice
moves nothing, so a doubled frame does not go round for ever. Whatever goes wrong leads back to the
offer, which the pad answers with how far it has come; each time after a longer pause, because an
update that never ends would wear out the pad's flash. FAILED lasts until the pad starts anew, and
until the daemon does when the trial failed TRIALS_MAX times.
"""

from protocol.bundle import PIECE_LEN, Bundle
from protocol.pad.messages import (
    BUSY,
    DAMAGED,
    GOING_ON,
    NO_ROOM,
    NOT_OFFERED,
    TAKEN,
    Hello,
    Offer,
    Piece,
    Progress,
)

NONE, CURRENT, OFFERING, SENDING, RESTARTING, FAILED = (
    "none", "current", "offering", "sending", "restarting", "failed",
)  # fmt: skip

# A piece may wait for the erasing of a block: 400 ms at most (W25Q16JV, AC characteristics, tSE).
ANSWER_MS = 500
# While a citizen is asked, which the unit mostly knows itself, or while other firmware is on trial.
BUSY_MS = 1000
# Twenty tries, or ten heartbeats: not noise any more.
QUIET_MS = 10_000
# From one offer to the next after something went wrong; each time twice as long.
PAUSE_MS = 10_000
PAUSE_MS_MAX = 600_000
# The pad reads back what it got, restarts, and says hello: three seconds; a failed trial the same
# again, with two more of distress.
RESTART_MS = 15_000
# Of one start of the pad: what is damaged three times lies in a flash that is.
DAMAGES_MAX = 3
# Of one life of the daemon: a trial may end by a pulled plug, hardly twice.
TRIALS_MAX = 2


class Firmware:
    """The caller polls after every step; `trouble` and `words` are for the technician's page."""

    def __init__(self, bundle: Bundle | None) -> None:
        self.state = NONE
        self.trouble: str | None = None
        self._bundle = bundle
        self._hello: Hello | None = None
        self._offset = 0  # of the piece under way
        self._is_asked = False  # something is under way, so that its answer is believed
        self._may_run = False  # the pad may have all of it, and try it at its next start
        self._may = False
        self._due_at_ms = self._moved_at_ms = 0
        self._pause_count = self._damage_count = self._trial_count = 0

    @property
    def percent(self) -> int:
        """How much of the bundle the pad has."""
        if self._bundle is None or self.state not in (SENDING, RESTARTING, CURRENT):
            return 0
        return self._offset * 100 // len(self._bundle.stream) if self.state == SENDING else 100

    @property
    def words(self) -> str | None:
        """How it stands; None without a bundle or a pad."""
        if self._bundle is None or self.state == NONE:
            return None
        number = self._bundle.release
        return {
            CURRENT: f"the pad has release {number}",
            OFFERING: f"release {number} is offered to the pad",
            SENDING: f"release {number} is sent to the pad",
            RESTARTING: f"the pad restarts with release {number}",
            FAILED: f"release {number} cannot be put on the pad",
        }[self.state]

    # -- what the pad said

    def hello(self, now_ms: int, hello: Hello) -> None:
        """A pad of this unit's version started; to hear it twice changes nothing."""
        bundle, before = self._bundle, self._hello
        if bundle is None or (before is not None and before.boot_id == hello.boot_id):
            return
        self._hello = hello
        self._damage_count = 0
        if before is not None and before.uid != hello.uid:
            self._may_run, self._pause_count, self._trial_count = False, 0, 0
        elif self._may_run and hello.firmware != bundle.firmware:
            self._may_run = False
            self._trial_count += 1
        trouble = self._unfit(bundle, hello)
        if hello.firmware == bundle.firmware:
            self._enter(CURRENT)
            self._pause_count = 0
        elif trouble is not None:
            self._enter(FAILED, trouble)
        elif self.state == NONE:
            self._enter(OFFERING, due_at_ms=now_ms)
        else:
            self._offer_later(now_ms)

    def progress(self, now_ms: int, progress: Progress) -> None:
        """The pad answered an offer or a piece."""
        bundle, hello = self._bundle, self._hello
        if bundle is None or hello is None or progress.boot_id != hello.boot_id:
            return
        if not self._is_asked:
            return
        self.trouble = None
        if progress.state == BUSY:
            self._due_at_ms, self._moved_at_ms = now_ms + BUSY_MS, now_ms
        elif progress.state == NOT_OFFERED or progress.digest != bundle.digest:
            if self.state == SENDING:
                self._enter(OFFERING, due_at_ms=now_ms)
        elif progress.state == GOING_ON:
            is_moved = self.state == OFFERING or progress.offset > self._offset
            if is_moved and progress.offset < len(bundle.stream):
                self.state, self._offset = SENDING, progress.offset
                self._due_at_ms = self._moved_at_ms = now_ms
        elif progress.state == TAKEN:
            self._may_run = True
            self._enter(RESTARTING, due_at_ms=now_ms + RESTART_MS)
        else:
            self._refused(now_ms, bundle, progress.state)

    # -- what to do

    def poll(self, now_ms: int, may: bool) -> Offer | Piece | None:
        """What to send to the pad now, if it may be: the pad is heard and no citizen is asked."""
        if may and not self._may:
            self._moved_at_ms = now_ms  # it was not the pad that was waited for
        self._may = may
        bundle, hello = self._bundle, self._hello
        if bundle is None or hello is None or now_ms < self._due_at_ms:
            return None
        if self.state == RESTARTING:
            self._enter(
                FAILED,
                f"the pad took release {bundle.release} and has not come back for "
                f"{RESTART_MS // 1000} s: unplug it and plug it in again",
            )
        if not may or self.state not in (OFFERING, SENDING):
            return None
        if self._is_asked and now_ms - self._moved_at_ms >= QUIET_MS:
            self._offer_later(now_ms)
            self.trouble = (
                f"the pad has said nothing about release {bundle.release} for "
                f"{QUIET_MS // 1000} s: it is offered again; if that goes on, look at the cable"
            )
            return None
        self._due_at_ms = now_ms + ANSWER_MS
        if self.state == SENDING:
            is_last = self._offset + PIECE_LEN >= len(bundle.stream)
            self._may_run = self._may_run or is_last
            return Piece(hello.boot_id, 0, self._offset, bundle.piece(self._offset))
        if not self._is_asked:
            self._is_asked, self._moved_at_ms = True, now_ms
        return Offer(hello.boot_id, 0, bundle.digest, bundle.manifest_len, len(bundle.stream))

    def wake_at_ms(self) -> int | None:
        """When `poll` has something to do without further input; the past means now."""
        is_sending = self._may and self.state in (OFFERING, SENDING)
        return self._due_at_ms if is_sending or self.state == RESTARTING else None

    def _enter(self, state: str, trouble: str | None = None, due_at_ms: int = 0) -> None:
        self.state, self.trouble, self._due_at_ms = state, trouble, due_at_ms
        self._is_asked = False

    def _offer_later(self, now_ms: int) -> None:
        pause_ms = min(PAUSE_MS_MAX, PAUSE_MS << min(self._pause_count, 8))
        self._pause_count += 1
        self._enter(OFFERING, due_at_ms=now_ms + pause_ms)

    def _refused(self, now_ms: int, bundle: Bundle, state: int) -> None:
        self._may_run = False
        self._damage_count += 1
        if state == NO_ROOM:
            self._enter(
                FAILED,
                f"the pad has no room for release {bundle.release}: unplug it and plug it in "
                "again; if that does not help, remove from its flash with a cable what is not its "
                "own",
            )
        elif self._damage_count < DAMAGES_MAX:
            self._offer_later(now_ms)
        else:
            assert state == DAMAGED, state
            self._enter(
                FAILED,
                f"the pad read back release {bundle.release} damaged, {DAMAGES_MAX} times: "
                "exchange the pad, its flash is worn out",
            )

    def _unfit(self, bundle: Bundle, hello: Hello) -> str | None:
        """Why this pad is not offered the bundle."""
        number, pads = bundle.release, hello.release
        if self._trial_count >= TRIALS_MAX:
            return (
                f"the pad tried release {number} {TRIALS_MAX} times and went back to {pads}: "
                "tell its maker, and take `firmware` out of [pad]"
            )
        if pads > number:
            return (
                f"the pad has release {pads}, this unit the older {number}: give the unit the "
                f"bundle of {pads}; to go back the pad needs a cable"
            )
        if pads < bundle.release_min:
            return (
                f"the pad has release {pads}, and {number} can follow on "
                f"{bundle.release_min} at least: the pad needs a cable"
            )
        return None
