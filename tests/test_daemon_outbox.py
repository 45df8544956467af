"""The outbox: a window over the journal, delivered by receipts alone."""

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.effects import Fetch, Publish
from daemon.events import Sealed
from daemon.net.outbox import (
    AHEAD_LEN_MAX,
    FETCH_RETRY_MS,
    PAGE_LEN,
    RECEIPT_WAIT_MS,
    RECEIPT_WAIT_MS_MAX,
    REPLAY_LEN,
    WINDOW_LEN,
    WINDOW_LEN_LEAST,
    Outbox,
)

EPOCH = "00000000000000aa"
# Before the platform has answered, half a window is read at once.
FIRST_PAGE_LEN = WINDOW_LEN_LEAST // 2


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
    outbox.taken((1,), "")
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
    outbox.taken((1,), "the broker refuses entries: Not authorized")
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
    assert outbox.poll(0) == [Fetch(81, 2 * FIRST_PAGE_LEN)]


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
    assert outbox.poll(0) == [Fetch(1, 5)]
    outbox.fetched(0, 1, (), "the disk fails")
    assert outbox.view().trouble == "the disk fails"
    assert outbox.poll(0) == []
    assert outbox.wake_at_ms() == FETCH_RETRY_MS
    assert outbox.poll(FETCH_RETRY_MS) == [Fetch(1, 5)]


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
                outbox.taken((effect.entry.seq,), "")
    assert sent == list(range(3, 41))
    assert outbox.delivered == 50


def test_replay_waits_for_the_broker_to_take_it() -> None:
    outbox = connected(500, 500)
    outbox.asked(EPOCH, 1, 500)
    fetch = outbox.poll(0)
    assert fetch == [Fetch(1, PAGE_LEN)]
    outbox.fetched(0, 1, page(Fetch(1, PAGE_LEN), 500))
    assert published(outbox.poll(0)) == list(range(1, REPLAY_LEN + 1))
    assert outbox.poll(0) == []
    outbox.taken((1, 2, 3), "")
    assert published(outbox.poll(0)) == [17, 18, 19]


# -- a backlog


def carry(outbox: Outbox, now_ms: int, last: int) -> list[Publish]:
    """Everything the outbox sends at this moment, pages read from a disk that answers at once."""
    sent: list[Publish] = []
    while wanted := outbox.poll(now_ms):
        for effect in wanted:
            if isinstance(effect, Fetch):
                assert effect.limit <= PAGE_LEN
                outbox.fetched(now_ms, effect.first, page(effect, last))
            else:
                sent.append(effect)
        assert len(sent) <= last, "the same again and again"
    return sent


def test_window_over_a_backlog_doubles_with_each_receipt() -> None:
    outbox = connected(0, 9999)
    lengths = []
    for now_ms in range(8):
        sent = published(carry(outbox, now_ms, 9999))
        lengths.append(sent[-1] - outbox.delivered)
        assert sent == list(range(sent[0], sent[-1] + 1))
        outbox.receipt(now_ms, EPOCH, sent[-1], f"hash-{sent[-1]}")
    assert lengths == [16, 32, 64, 128, 256, 512, 512, 512]
    assert outbox.delivered == sum(lengths)


def test_window_falls_back_when_the_platform_is_silent() -> None:
    outbox = connected(0, 9999)
    for now_ms in range(8):
        sent = published(carry(outbox, now_ms, 9999))
        outbox.receipt(now_ms, EPOCH, sent[-1], f"hash-{sent[-1]}")
    carry(outbox, 8, 9999)
    first = outbox.delivered + 1
    again = published(carry(outbox, 8 + RECEIPT_WAIT_MS, 9999))
    assert again == list(range(first, first + WINDOW_LEN_LEAST))
    # It had them all: what it has is not sent a third time.
    upto = first + WINDOW_LEN - 1
    outbox.receipt(8 + RECEIPT_WAIT_MS, EPOCH, upto, f"hash-{upto}")
    assert published(carry(outbox, 8 + RECEIPT_WAIT_MS, 9999))[0] == upto + 1


def test_live_entry_overtakes_a_backlog_and_is_not_sent_twice() -> None:
    outbox = connected(0, 100)
    carry(outbox, 0, 100)
    outbox.committed((sealed(101),))
    assert outbox.poll(0) == [Publish(sealed(101), live=True)]
    sent: list[int] = []
    for upto in (16, 48, 100):
        outbox.receipt(0, EPOCH, upto, f"hash-{upto}")
        sent += published(carry(outbox, 0, 101))
    assert sent == list(range(17, 101))
    outbox.receipt(0, EPOCH, 101, "hash-101")
    assert (outbox.delivered, outbox.view().overtaken) == (101, 1)
    assert outbox.wake_at_ms() is None


def test_receipt_for_an_entry_that_overtook_needs_no_look_at_the_disk() -> None:
    outbox = connected(0, 16)
    carry(outbox, 0, 16)
    outbox.committed((sealed(17), sealed(18)))
    assert [effect.live for effect in carry(outbox, 0, 18)] == [True, True]
    outbox.receipt(0, EPOCH, 18, "hash-of-another")
    assert outbox.delivered == 0
    outbox.receipt(0, EPOCH, 18, "hash-18")
    assert outbox.delivered == 18
    assert outbox.poll(0) == []
    # What is delivered takes no place among the live ones any more.
    outbox.committed(tuple(map(sealed, range(19, 19 + 32 + AHEAD_LEN_MAX))))
    assert len(published(outbox.poll(0))) == 32 + AHEAD_LEN_MAX


def test_entry_that_overtook_and_was_lost_is_sent_again_in_its_place() -> None:
    outbox = connected(0, 16)
    carry(outbox, 0, 16)
    outbox.committed((sealed(17),))
    carry(outbox, 0, 17)
    outbox.receipt(0, EPOCH, 16, "hash-16")
    assert carry(outbox, 0, 17) == []
    assert published(carry(outbox, RECEIPT_WAIT_MS, 17)) == [17]


def test_no_more_than_the_named_number_overtakes_and_the_rest_comes_in_order() -> None:
    outbox = connected(0, 16)
    carry(outbox, 0, 16)
    last = 16 + AHEAD_LEN_MAX + 5
    outbox.committed(tuple(map(sealed, range(17, last + 1))))
    assert published(carry(outbox, 0, last)) == list(range(17, 17 + AHEAD_LEN_MAX))
    upto = 16 + AHEAD_LEN_MAX
    outbox.receipt(0, EPOCH, upto, f"hash-{upto}")
    assert published(carry(outbox, 0, last)) == list(range(upto + 1, last + 1))


def test_what_overtook_on_a_connection_that_is_gone_takes_its_turn() -> None:
    outbox = connected(0, 100)
    carry(outbox, 0, 100)
    outbox.committed((sealed(101),))
    outbox.poll(0)
    outbox.broker_down("gone")
    outbox.committed((sealed(102),))
    assert outbox.view().overtaken == 1
    outbox.broker_up()
    sent = published(carry(outbox, 0, 102))
    assert sent == list(range(1, WINDOW_LEN_LEAST + 1))
    for upto in (16, 48):
        outbox.receipt(0, EPOCH, upto, f"hash-{upto}")
        sent += published(carry(outbox, 0, 102))
    assert sent == list(range(1, 103))


def test_live_entry_never_takes_the_place_of_one_that_is_still_on_disk() -> None:
    outbox = connected(0, 100)
    carry(outbox, 0, 100)
    outbox.receipt(0, EPOCH, 16, "hash-16")
    outbox.committed((sealed(101),))
    assert outbox.poll(0) == [Publish(sealed(101), live=True), Fetch(17, FIRST_PAGE_LEN * 2)]


class Delivery(RuleBasedStateMachine):
    """Any order of commits, outages and receipts: bounded, truthful, and nothing twice in vain.

    The model: a platform that keeps what arrives and vouches for what is below its first hole.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.last = 0
        self.held: set[int] = set()
        self.upto = 0
        # Sent on this connection, and of that since the last resend.
        self.sent: set[int] = set()
        self.sent_once: set[int] = set()
        self.resends = 0
        self.fetch: Fetch | None = None

    @initialize(backlog=st.sampled_from([0, 1, 20, 700]))
    def start(self, backlog: int) -> None:
        self.last = backlog
        self.outbox = Outbox(EPOCH, 0, backlog)

    @rule(count=st.sampled_from([1, 2, 7, 40, 300]))
    def commit(self, count: int) -> None:
        first = self.last + 1
        self.last += count
        self.outbox.committed(tuple(map(sealed, range(first, self.last + 1))))

    @rule()
    def connect(self) -> None:
        self.sent.clear()
        self.sent_once.clear()
        self.outbox.broker_up()

    @rule()
    def disconnect(self) -> None:
        self.outbox.broker_down("gone")

    @rule(
        lost=st.sets(st.integers(0, 40), max_size=4),
        keep=st.sampled_from([0, 5, 1000]),
        ms=st.sampled_from([0, 50, RECEIPT_WAIT_MS_MAX]),
    )
    def carry(self, lost: set[int], keep: int, ms: int) -> None:
        self.now_ms += ms
        wanted = self.outbox.poll(self.now_ms)
        self.look(wanted)
        sent = published(wanted)[:keep]
        self.arrive(seq for index, seq in enumerate(sent) if index not in lost)

    @precondition(lambda self: self.fetch is not None)
    @rule()
    def read(self) -> None:
        fetch, self.fetch = self.fetch, None
        assert fetch is not None
        self.outbox.fetched(self.now_ms, fetch.first, page(fetch, self.last))

    @precondition(lambda self: self.upto > 0)
    @rule()
    def receipt(self) -> None:
        self.outbox.receipt(self.now_ms, EPOCH, self.upto, f"hash-{self.upto}")

    @rule(upto=st.integers(1, 1000))
    def forge(self, upto: int) -> None:
        self.outbox.receipt(self.now_ms, EPOCH, upto, "hash-of-another")

    def look(self, wanted: Iterable[Publish | Fetch]) -> None:
        """Hold what is wanted against what may be."""
        if self.outbox.view().resends > self.resends:
            self.resends = self.outbox.view().resends
            self.sent_once.clear()
        for effect in wanted:
            if isinstance(effect, Fetch):
                assert 0 < effect.limit <= PAGE_LEN
                self.fetch = effect
            else:
                seq = effect.entry.seq
                assert self.outbox.delivered < seq <= self.last
                assert seq not in self.sent_once, "sent twice without need"
                self.sent_once.add(seq)
                self.sent.add(seq)

    def arrive(self, seqs: Iterable[int]) -> None:
        self.held.update(seqs)
        while self.upto + 1 in self.held:
            self.upto += 1

    @invariant()
    def delivered_is_what_the_platform_holds(self) -> None:
        assert self.outbox.delivered <= self.upto <= self.last
        assert self.outbox.last_seq == self.last

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.outbox._window) <= WINDOW_LEN
        assert len(self.outbox._live) <= len(self.outbox._ahead) <= AHEAD_LEN_MAX

    @invariant()
    def positions_are_in_order(self) -> None:
        outbox = self.outbox
        assert outbox.delivered <= outbox._sent <= outbox._held <= outbox.last_seq
        assert sorted(outbox._window) == list(range(outbox.delivered + 1, outbox._held + 1))
        assert all(seq > outbox._sent for seq in outbox._ahead)

    @invariant()
    def what_counts_as_sent_was_sent_on_this_connection(self) -> None:
        outbox = self.outbox
        if outbox.view().state == "up":
            assert self.sent.issuperset(range(outbox.delivered + 1, outbox._sent + 1))

    def teardown(self) -> None:
        """Once all is well, everything arrives."""
        self.connect()
        for _ in range(4 * self.last + 10):
            wanted = self.outbox.poll(self.now_ms)
            self.look(wanted)
            self.arrive(published(wanted))
            if self.fetch is not None:
                self.read()
            elif not wanted:
                self.now_ms = self.outbox.wake_at_ms() or self.now_ms
            if self.upto:
                self.receipt()
            if self.outbox.delivered == self.last:
                break
        assert self.outbox.delivered == self.upto == self.last


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=100, stateful_step_count=40)
