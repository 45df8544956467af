"""The outbox (pure): which entries are sent now, and which are delivered.

The journal is the only queue. Here is a window over it, from the first entry without a receipt; a
live entry enters as it is committed, a backlog is fetched in pages. Delivered means a receipt of
the platform whose hash is that of our own entry: a PUBACK delivers nothing.
"""

from collections import deque
from dataclasses import dataclass

from daemon.effects import Fetch, Publish
from daemon.events import Sealed
from daemon.snapshot import UplinkView

# Entries under way without a receipt: 16 x 1 KB hide a 10 ms round trip at 1 600 entries/s.
WINDOW_LEN = 16
# What a broker acknowledged and dropped is sent again: first after twenty times the centre's
# slowest receipt (100 ms), then each time twice as late, so that a platform away costs little.
RECEIPT_WAIT_MS = 2000
RECEIPT_WAIT_MS_MAX = 60_000
# A page that could not be read now is tried again after this.
FETCH_RETRY_MS = 1000


@dataclass(slots=True)
class _Waiting:
    entry: Sealed
    sent: bool = False


@dataclass(slots=True)
class _Replay:
    """Entries delivered once that the platform wants again."""

    next: int
    last: int


class Outbox:
    def __init__(self, epoch: str, delivered: int, last_seq: int) -> None:
        self._epoch = epoch
        self._window: deque[_Waiting] = deque()
        self._fetching: int | None = None
        self._fetch_at_ms = 0
        self._claim: tuple[int, str] | None = None
        self._replay: _Replay | None = None
        self._replaying: deque[Sealed] = deque()
        self._untaken: set[int] = set()
        self._resend_at_ms: int | None = None
        self.delivered, self.last_seq = delivered, last_seq
        self._up = False
        self._trouble: str | None = None
        self._receipts_refused_count = 0
        self._resend_count = 0
        self._silences = 0

    def view(self) -> UplinkView:
        return UplinkView(
            state="up" if self._up else "down",
            trouble=self._trouble,
            delivered=self.delivered,
            backlog=self.last_seq - self.delivered,
            receipts_refused=self._receipts_refused_count,
            resends=self._resend_count,
        )

    # -- what happened

    def committed(self, sealed: tuple[Sealed, ...]) -> None:
        for entry in sealed:
            self.last_seq = entry.seq
            self._enter(entry)

    def fetched(
        self, now_ms: int, first: int, sealed: tuple[Sealed, ...], trouble: str | None = None
    ) -> None:
        if self._fetching != first:
            return
        self._fetching = None
        self._fetch_at_ms = now_ms if sealed else now_ms + FETCH_RETRY_MS
        self._trouble = trouble or self._trouble
        if self._claim is not None and self._claim[0] == first:
            (_, hash_), self._claim = self._claim, None
            if sealed and first > self.delivered:
                self._judge(now_ms, sealed[0], hash_)
            return
        for entry in sealed:
            if entry.seq > self.delivered:
                self._enter(entry)
            elif self._replay is not None and entry.seq == self._replay.next:
                self._replay.next += 1
                self._replaying.append(entry)
        if self._replay is not None and (not sealed or self._replay.next > self._replay.last):
            self._replay = None

    def broker_up(self) -> None:
        """A new connection: whatever the old one carried may be lost."""
        self._up, self._trouble, self._silences = True, None, 0
        self._untaken.clear()
        self._rewind()

    def broker_down(self, reason: str) -> None:
        self._up, self._trouble, self._resend_at_ms = False, reason, None

    def taken(self, seq: int, refused: str) -> None:
        """The broker took a PUBLISH, or said why not; either way it is sent again unreceipted."""
        self._untaken.discard(seq)
        self._trouble = refused or None

    def receipt(self, now_ms: int, epoch: str, upto: int, hash_: str) -> None:
        """A receipt whose signature holds; it counts when its hash is that of our own entry."""
        if epoch != self._epoch or upto <= self.delivered:
            # The retained receipt of before: known, or of a journal this one follows.
            return
        if upto > self.last_seq:
            self.receipt_refused(
                f"the platform holds entries up to {upto}, this journal ends at {self.last_seq}: "
                "was an old card put back?"
            )
            return
        known = next((item.entry for item in self._window if item.entry.seq == upto), None)
        if known is None:
            # Delivered before a restart that forgot it: the entry itself must be looked up.
            self._claim = (upto, hash_)
        else:
            self._judge(now_ms, known, hash_)

    def _judge(self, now_ms: int, entry: Sealed, hash_: str) -> None:
        if entry.hash != hash_:
            self.receipt_refused(f"a receipt for entry {entry.seq} quotes another hash")
            return
        while self._window and self._window[0].entry.seq <= entry.seq:
            self._window.popleft()
        self.delivered, self._silences = entry.seq, 0
        sent = any(item.sent for item in self._window)
        self._resend_at_ms = now_ms + self._patience_ms if sent else None

    def receipt_refused(self, reason: str) -> None:
        """Something on the receipt topic that is no receipt."""
        self._receipts_refused_count += 1
        self._trouble = reason

    def asked(self, epoch: str, first: int, last: int) -> None:
        """The platform misses entries; those without a receipt are in the window anyway."""
        last = min(last, self.delivered)
        if epoch == self._epoch and 1 <= first <= last and self._replay is None:
            self._replay = _Replay(first, last)

    # -- what to do

    def poll(self, now_ms: int) -> list[Publish | Fetch]:
        wanted: list[Publish | Fetch] = []
        if not self._up:
            return wanted
        if self._resend_at_ms is not None and now_ms >= self._resend_at_ms:
            self._resend_count += 1
            self._silences += 1
            self._rewind()
        for item in self._window:
            if not item.sent:
                item.sent = True
                wanted.append(Publish(item.entry))
                if self._resend_at_ms is None:
                    self._resend_at_ms = now_ms + self._patience_ms
        while self._replaying and len(self._untaken) < WINDOW_LEN:
            entry = self._replaying.popleft()
            self._untaken.add(entry.seq)
            wanted.append(Publish(entry))
        fetch = self._fetch() if now_ms >= self._fetch_at_ms else None
        if fetch is not None:
            self._fetching = fetch.first
            wanted.append(fetch)
        return wanted

    def wake_at_ms(self) -> int | None:
        if not self._up:
            return None
        fetch_at_ms = self._fetch_at_ms if self._fetch() is not None else None
        times = (self._resend_at_ms, fetch_at_ms)
        return min((at for at in times if at is not None), default=None)

    def _enter(self, entry: Sealed) -> None:
        if entry.seq == self._window_end + 1 and len(self._window) < WINDOW_LEN:
            self._window.append(_Waiting(entry))

    @property
    def _window_end(self) -> int:
        return self._window[-1].entry.seq if self._window else self.delivered

    @property
    def _patience_ms(self) -> int:
        return min(RECEIPT_WAIT_MS_MAX, RECEIPT_WAIT_MS << min(self._silences, 8))

    def _rewind(self) -> None:
        for item in self._window:
            item.sent = False
        self._resend_at_ms = None

    def _fetch(self) -> Fetch | None:
        if self._fetching is not None:
            return None
        if self._claim is not None:
            return Fetch(self._claim[0], 1)
        room = WINDOW_LEN - len(self._window)
        if self._window_end < self.last_seq and room > 0:
            return Fetch(self._window_end + 1, room)
        if self._replay is not None and not self._replaying:
            left = self._replay.last - self._replay.next + 1
            return Fetch(self._replay.next, min(WINDOW_LEN, left))
        return None
