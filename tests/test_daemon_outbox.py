"""The outbox: a window over the journal, delivered by receipts alone."""

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.effects import Fetch, Publish
from daemon.events import Sealed
from daemon.outbox import FETCH_RETRY_MS, RECEIPT_WAIT_MS, RECEIPT_WAIT_MS_MAX, WINDOW_LEN, Outbox

EPOCH = "00000000000000aa"


def sealed(seq: int) -> Sealed:
    return Sealed(seq, "test", f"hash-{seq}", f"text-{seq}")


def page(fetch: Fetch, last: int) -> tuple[Sealed, ...]:
    return tuple(map(sealed, range(fetch.first, min(last, fetch.first + fetch.limit - 1) + 1)))


def published(wanted: Iterable[Publish | Fetch]) -> list[int]:
    return [effect.entry.seq for effect in wanted if isinstance(effect, Publish)]


def connected(delivered: int, last: int) -> Outbox:
    outbox = Outbox(EPOCH, delivered, last)
    outbox.broker_up()
    return outbox


def test_live_entry_is_sent_as_it_is_committed() -> None:
    outbox = connected(0, 0)
    outbox.committed((sealed(1), sealed(2)))
    assert published(outbox.poll(0)) == [1, 2]
    outbox.receipt(0, EPOCH, 2, "hash-2")
    assert (outbox.delivered, outbox.view().backlog) == (2, 0)


def test_nothing_is_sent_while_the_broker_is_away() -> None:
    outbox = Outbox(EPOCH, 0, 0)
    outbox.committed((sealed(1),))
    assert outbox.poll(0) == []
    outbox.broker_up()
    assert published(outbox.poll(0)) == [1]


def test_puback_delivers_nothing_and_silence_sends_again() -> None:
    outbox = connected(0, 0)
    outbox.committed((sealed(1),))
    outbox.poll(0)
    outbox.taken(1, "")
    assert outbox.delivered == 0
    assert outbox.poll(RECEIPT_WAIT_MS - 1) == []
    assert published(outbox.poll(RECEIPT_WAIT_MS)) == [1]


def test_platform_that_stays_silent_is_asked_less_and_less_often() -> None:
    outbox = connected(0, 0)
    outbox.committed((sealed(1),))
    sent_ms = []
    for now_ms in range(0, 200_000, 500):
        sent_ms += [now_ms for _ in published(outbox.poll(now_ms))]
    assert sent_ms == [0, 2000, 6000, 14_000, 30_000, 62_000, 122_000, 182_000]
    outbox.receipt(200_000, EPOCH, 1, "hash-1")
    outbox.committed((sealed(2),))
    outbox.poll(200_000)
    assert outbox.wake_at_ms() == 200_000 + RECEIPT_WAIT_MS


def test_refusal_is_said_and_delivers_nothing() -> None:
    outbox = connected(0, 0)
    outbox.committed((sealed(1),))
    outbox.poll(0)
    outbox.taken(1, "the broker refuses entries: Not authorized")
    assert outbox.view().trouble is not None
    assert outbox.delivered == 0


def test_receipt_with_another_hash_or_epoch_delivers_nothing() -> None:
    outbox = connected(0, 0)
    outbox.committed((sealed(1),))
    outbox.poll(0)
    outbox.receipt(0, EPOCH, 1, "hash-of-another")
    outbox.receipt(0, "00000000000000bb", 1, "hash-1")
    outbox.receipt(0, EPOCH, 9, "hash-9")
    assert outbox.delivered == 0
    assert outbox.view().receipts_refused == 2


def test_receipt_from_before_a_restart_is_checked_against_the_journal() -> None:
    outbox = connected(10, 100)
    outbox.receipt(0, EPOCH, 80, "hash-80")
    assert outbox.delivered == 10
    wanted = outbox.poll(0)
    assert wanted == [Fetch(80, 1)]
    outbox.fetched(0, 80, (sealed(80),))
    assert outbox.delivered == 80
    assert outbox.poll(0) == [Fetch(81, WINDOW_LEN)]


def test_forged_receipt_ahead_of_the_window_delivers_nothing() -> None:
    outbox = connected(10, 100)
    outbox.receipt(0, EPOCH, 80, "hash-of-another")
    outbox.poll(0)
    outbox.fetched(0, 80, (sealed(80),))
    assert outbox.delivered == 10


def test_platform_that_knows_more_than_this_journal_is_named() -> None:
    outbox = connected(0, 5)
    outbox.receipt(0, EPOCH, 9, "hash-9")
    assert outbox.delivered == 0
    assert "old card" in (outbox.view().trouble or "")


def test_new_connection_sends_everything_unreceipted_again() -> None:
    outbox = connected(0, 0)
    outbox.committed((sealed(1), sealed(2), sealed(3)))
    outbox.poll(0)
    outbox.receipt(0, EPOCH, 1, "hash-1")
    outbox.broker_down("gone")
    outbox.broker_up()
    assert published(outbox.poll(0)) == [2, 3]


def test_page_that_cannot_be_read_is_tried_again_later() -> None:
    outbox = connected(0, 5)
    assert outbox.poll(0) == [Fetch(1, WINDOW_LEN)]
    outbox.fetched(0, 1, (), "the disk fails")
    assert outbox.view().trouble == "the disk fails"
    assert outbox.poll(0) == []
    assert outbox.wake_at_ms() == FETCH_RETRY_MS
    assert outbox.poll(FETCH_RETRY_MS) == [Fetch(1, WINDOW_LEN)]


def test_replay_sends_what_was_delivered_and_moves_nothing() -> None:
    outbox = connected(50, 50)
    outbox.asked(EPOCH, 3, 40)
    sent: list[int] = []
    for now_ms in range(20):
        for effect in outbox.poll(now_ms):
            if isinstance(effect, Fetch):
                outbox.fetched(now_ms, effect.first, page(effect, 50))
            else:
                sent.append(effect.entry.seq)
                outbox.taken(effect.entry.seq, "")
    assert sent == list(range(3, 41))
    assert outbox.delivered == 50


class Delivery(RuleBasedStateMachine):
    """Any order of commits, outages and receipts: the window stays bounded, in order, truthful."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.last = self.platform = 0
        self.lost_from = 1
        self.outbox = Outbox(EPOCH, 0, 0)
        self.fetch: Fetch | None = None

    @rule(count=st.integers(1, 40))
    def commit(self, count: int) -> None:
        first = self.last + 1
        self.last += count
        self.outbox.committed(tuple(map(sealed, range(first, self.last + 1))))

    @rule()
    def connect(self) -> None:
        self.outbox.broker_up()

    @rule()
    def disconnect(self) -> None:
        self.outbox.broker_down("gone")

    @rule(keep=st.integers(0, WINDOW_LEN), ms=st.sampled_from([0, 50, RECEIPT_WAIT_MS_MAX]))
    def carry(self, keep: int, ms: int) -> None:
        self.now_ms += ms
        wanted = self.outbox.poll(self.now_ms)
        for seq in published(wanted)[:keep]:
            assert seq <= self.last
            self.platform = max(self.platform, seq) if seq <= self.platform + 1 else self.platform
        self.fetch = next((one for one in wanted if isinstance(one, Fetch)), self.fetch)

    @precondition(lambda self: self.fetch is not None)
    @rule()
    def read(self) -> None:
        fetch, self.fetch = self.fetch, None
        assert fetch is not None
        self.outbox.fetched(self.now_ms, fetch.first, page(fetch, self.last))

    @precondition(lambda self: self.platform > 0)
    @rule()
    def receipt(self) -> None:
        self.outbox.receipt(self.now_ms, EPOCH, self.platform, f"hash-{self.platform}")

    @rule(upto=st.integers(1, 200))
    def forge(self, upto: int) -> None:
        self.outbox.receipt(self.now_ms, EPOCH, upto, "hash-of-another")

    @invariant()
    def delivered_is_what_the_platform_holds(self) -> None:
        assert self.outbox.delivered <= self.platform <= self.last
        assert len(self.outbox._window) <= WINDOW_LEN

    def teardown(self) -> None:
        """Once all is well, everything arrives."""
        self.outbox.broker_up()
        for _ in range(4 * self.last + 10):
            self.now_ms += RECEIPT_WAIT_MS_MAX
            for effect in self.outbox.poll(self.now_ms):
                if isinstance(effect, Fetch):
                    self.outbox.fetched(self.now_ms, effect.first, page(effect, self.last))
                elif effect.entry.seq == self.platform + 1:
                    self.platform += 1
            if self.fetch is not None:
                self.outbox.fetched(self.now_ms, self.fetch.first, page(self.fetch, self.last))
                self.fetch = None
            if self.platform:
                self.outbox.receipt(self.now_ms, EPOCH, self.platform, f"hash-{self.platform}")
            if self.outbox.delivered == self.last:
                break
        assert self.outbox.delivered == self.platform == self.last


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=40)
