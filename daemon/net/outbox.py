"""The outbox (pure): which entries are sent now, and which are delivered.

The journal is the only queue. Here are four positions in it, and what lies between two of them:

    1 ──────── delivered ──────── sent ──────── held ──────── last_seq
     receipted          under way     in memory    on disk alone

Delivered means a receipt of the platform whose hash is that of our own entry: a PUBACK delivers
nothing. A backlog is fetched in pages as receipts make room. An entry that is committed meanwhile
is live, somebody may be waiting for it: it overtakes the backlog, and is passed over when the
window comes to it. Order is the entry's `sequence`, never that of its arrival.

How many may be under way grows as the platform answers and falls back when it is silent: it
doubles with each receipt, so a platform away or overrun costs WINDOW_LEN_LEAST entries a try.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from daemon.effects import Fetch, Publish
from daemon.events import Sealed
from daemon.snapshot import PUBLISH, RECEIPTS, UplinkView

# Entries under way without a receipt. The centre commits up to 512 at once: one batch is receipted
# while the next one arrives. Under a centre that answers each 50 ms, entries a second were 300 with
# a window of 16, 2 100 with 256, 2 700 with 512 and no more with 1024. A full one is 600 KB.
WINDOW_LEN = 512
# What a platform that does not answer costs at each try.
WINDOW_LEN_LEAST = 16
# Live entries ahead of the window on one connection: a busy window's morning, two to a case. What
# comes after them waits its turn; the centre keeps 4096 above a hole.
AHEAD_LEN_MAX = 256
# Entries read at once: a third of a millisecond between a press and its commit, never more.
PAGE_LEN = 64
# Entries asked for again that the broker has not acknowledged: half of what a connection sends.
REPLAY_LEN = 16
# What a broker acknowledged and dropped is sent again: first after twenty times the centre's
# slowest receipt (100 ms), then each time twice as late.
RECEIPT_WAIT_MS = 2000
RECEIPT_WAIT_MS_MAX = 60_000
# A slow platform is waited for twice: 2 and 4 s. More is a platform that does not hear us.
SILENCES_LEAST = 2
NO_RECEIPTS = (
    "the broker takes the entries and the platform sends no receipt: ask whether it runs, and "
    "whether it has this unit's key in its registry"
)
# A page that could not be read now is tried again after this.
FETCH_RETRY_MS = 1000


@dataclass(slots=True)
class _Replay:
    """Entries delivered once that the platform wants again."""

    next: int
    last: int


class Outbox:
    def __init__(self, epoch: str, delivered: int, last_seq: int) -> None:
        self._epoch = epoch
        self.delivered, self.last_seq = delivered, last_seq
        self._sent = self._held = delivered
        # Entries delivered + 1 to held, by seq.
        self._window: dict[int, Sealed] = {}
        self._window_len = WINDOW_LEN_LEAST
        # Live entries beyond held that this connection has had; seq and hash.
        self._ahead: dict[int, str] = {}
        self._live: list[Sealed] = []
        self._fetching: int | None = None
        self._fetch_at_ms = 0
        self._claim: tuple[int, str] | None = None
        self._replay: _Replay | None = None
        self._replaying: list[Sealed] = []
        self._untaken: set[int] = set()
        self._resend_at_ms: int | None = None
        self._silences = 0
        self.up = False
        self._trouble: str | None = None
        self._step: str | None = None
        # Of a connection that works: it stays for as long as that.
        self._warning: str | None = None
        self._receipts_refused_count = 0
        self._resend_count = 0
        self._overtaken_count = 0

    def view(self) -> UplinkView:
        return UplinkView(
            state="up" if self.up else "down",
            trouble=self._trouble or self._warning,
            step=self._step or (RECEIPTS if self._is_unheard else None),
            delivered=self.delivered,
            backlog=self.last_seq - self.delivered,
            receipts_refused=self._receipts_refused_count,
            resends=self._resend_count,
            overtaken=self._overtaken_count,
        )

    def why_silent(self) -> str | None:
        """Why the platform does not answer, in words; None while nothing speaks against it."""
        if self.up and self._trouble is None and self._is_unheard:
            return NO_RECEIPTS
        return self._trouble or self._warning

    @property
    def _is_unheard(self) -> bool:
        """The broker takes what is sent, and no receipt comes, however often."""
        return self.up and self._silences >= SILENCES_LEAST

    # -- what happened

    def committed(self, sealed: tuple[Sealed, ...]) -> None:
        for entry in sealed:
            self.last_seq = entry.seq
            if not self._hold(entry) and self.up and len(self._ahead) < AHEAD_LEN_MAX:
                self._ahead[entry.seq] = entry.hash
                self._live.append(entry)
                self._overtaken_count += 1

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
                self._judge(now_ms, first, sealed[0].hash, hash_)
            return
        for entry in sealed:
            if entry.seq > self.delivered:
                self._hold(entry)
            elif self._replay is not None and entry.seq >= self._replay.next:
                # What was pruned is passed over: the platform has had it once.
                self._replay.next = entry.seq + 1
                if entry.seq <= self._replay.last:
                    self._replaying.append(entry)
        if self._replay is not None and (not sealed or self._replay.next > self._replay.last):
            self._replay = None

    def broker_up(self, warning: str | None = None) -> None:
        """A new connection: whatever the old one carried may be lost."""
        self._warning = warning
        self.up, self._trouble, self._step, self._silences = True, None, None, 0
        self._untaken.clear()
        self._ahead.clear()
        self._live.clear()
        self._rewind()

    def broker_down(self, reason: str, step: str | None = None) -> None:
        self.up, self._trouble, self._resend_at_ms = False, reason, None
        self._step = step

    def taken(self, seqs: tuple[int, ...], refused: str) -> None:
        """The broker took entries, or said why not; either way unreceipted ones are sent again."""
        self._untaken.difference_update(seqs)
        self._trouble, self._step = refused or None, PUBLISH if refused else None

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
        elif upto in self._window:
            self._judge(now_ms, upto, self._window[upto].hash, hash_)
        elif upto in self._ahead:
            self._judge(now_ms, upto, self._ahead[upto], hash_)
        else:
            # Delivered before a restart that forgot it: the entry itself must be looked up.
            self._claim = (upto, hash_)

    def _judge(self, now_ms: int, upto: int, own_hash: str, hash_: str) -> None:
        if own_hash != hash_:
            self.receipt_refused(f"a receipt for entry {upto} quotes another hash")
            return
        for seq in range(self.delivered + 1, upto + 1):
            self._window.pop(seq, None)
            self._ahead.pop(seq, None)
        self.delivered = upto
        self._sent, self._held = max(self._sent, upto), max(self._held, upto)
        self._window_len = min(WINDOW_LEN, 2 * self._window_len)
        self._silences = 0
        under_way = self._sent > self.delivered or self._ahead
        self._resend_at_ms = now_ms + self._patience_ms if under_way else None

    def receipt_refused(self, reason: str) -> None:
        """Something on the receipt topic that is no receipt."""
        self._receipts_refused_count += 1
        self._trouble, self._step = reason, RECEIPTS

    def asked(self, epoch: str, first: int, last: int) -> None:
        """The platform misses entries; those without a receipt are on their way anyway."""
        last = min(last, self.delivered)
        if epoch == self._epoch and 1 <= first <= last and self._replay is None:
            self._replay = _Replay(first, last)

    # -- what to do

    def poll(self, now_ms: int) -> list[Publish | Fetch]:
        if not self.up:
            return []
        if self._resend_at_ms is not None and now_ms >= self._resend_at_ms:
            self._resend_count += 1
            self._silences += 1
            self._rewind()
        wanted: list[Publish | Fetch] = [Publish(entry, live=True) for entry in self._live]
        self._live.clear()
        wanted += self._advance()
        if wanted and self._resend_at_ms is None:
            self._resend_at_ms = now_ms + self._patience_ms
        while self._replaying and len(self._untaken) < REPLAY_LEN:
            entry = self._replaying.pop(0)
            self._untaken.add(entry.seq)
            wanted.append(Publish(entry))
        fetch = self._fetch() if now_ms >= self._fetch_at_ms else None
        if fetch is not None:
            self._fetching = fetch.first
            wanted.append(fetch)
        return wanted

    def wake_at_ms(self) -> int | None:
        if not self.up:
            return None
        fetch_at_ms = self._fetch_at_ms if self._fetch() is not None else None
        times = (self._resend_at_ms, fetch_at_ms)
        return min((at for at in times if at is not None), default=None)

    def _hold(self, entry: Sealed) -> bool:
        """Take the entry into the window, when it is the next one and there is room."""
        fits = entry.seq == self._held + 1 and len(self._window) < self._window_len
        if fits:
            self._window[entry.seq] = entry
            self._held = entry.seq
        return fits

    def _advance(self) -> Iterator[Publish]:
        """Send what the window holds, but for what overtook it."""
        while self._sent < min(self._held, self.delivered + self._window_len):
            self._sent += 1
            if self._ahead.pop(self._sent, None) is None:
                yield Publish(self._window[self._sent])

    @property
    def _patience_ms(self) -> int:
        return min(RECEIPT_WAIT_MS_MAX, RECEIPT_WAIT_MS << min(self._silences, 8))

    def _rewind(self) -> None:
        self._sent = self.delivered
        self._window_len = WINDOW_LEN_LEAST
        self._resend_at_ms = None

    def _fetch(self) -> Fetch | None:
        if self._fetching is not None:
            return None
        if self._claim is not None:
            return Fetch(self._claim[0], 1)
        # Half a window at least: a page for each receipt would be a query for each entry.
        page = min(PAGE_LEN, self._window_len // 2, self.last_seq - self._held)
        if 0 < page <= self._window_len - len(self._window):
            return Fetch(self._held + 1, page)
        if self._replay is not None and not self._replaying:
            left = self._replay.last - self._replay.next + 1
            return Fetch(self._replay.next, min(PAGE_LEN, left))
        return None
