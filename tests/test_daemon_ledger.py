"""The ledger: numbering, one commit at a time, act only after the commit."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.disk.ledger import DRAFTS_MAX, LAZY_MS, RETRY_MS, Ledger
from protocol.central.entry import Stamp

STAMP = Stamp("boot-1", 5, None, False, None)


def ledger() -> Ledger[str]:
    return Ledger("00000000000000aa", 7)


def test_write_numbers_on_from_what_is_on_disk() -> None:
    book = ledger()
    assert book.write("boot", "unit", {}, STAMP) == "00000000000000aa-8"
    commit = book.poll(0)
    assert commit is not None
    assert [draft.seq for draft in commit.drafts] == [8]


def test_what_is_decided_meanwhile_waits_for_the_next_commit() -> None:
    book = ledger()
    book.write("boot", "unit", {}, STAMP)
    book.then("first")
    first = book.poll(0)
    assert first is not None
    book.write("test", "unit", {}, STAMP)
    book.keep("pad", 1)
    book.then("second")
    assert book.poll(0) is None
    assert book.committed(first.number) == ("first",)
    second = book.poll(0)
    assert second is not None
    assert ([draft.seq for draft in second.drafts], second.state) == ([9], {"pad": "1"})
    assert book.committed(second.number) == ("second",)
    assert book.settled


def test_failed_commit_is_asked_for_again_unchanged_and_first() -> None:
    book = ledger()
    book.write("boot", "unit", {}, STAMP)
    book.then("act")
    first = book.poll(0)
    assert first is not None
    book.failed(0, first.number, "the disk is full")
    book.write("test", "unit", {}, STAMP)
    assert book.failure == "the disk is full"
    assert book.poll(RETRY_MS - 1) is None
    assert book.wake_at_ms() == RETRY_MS
    assert book.poll(RETRY_MS) == first
    assert book.poll(RETRY_MS) is None
    assert book.committed(first.number) == ("act",)
    assert book.failure is None


def test_answer_to_an_older_commit_lets_nothing_act() -> None:
    book = ledger()
    book.then("first")
    first = book.poll(0)
    assert first is not None
    assert book.committed(first.number) == ("first",)
    book.then("second")
    second = book.poll(0)
    assert second is not None
    assert book.committed(first.number) == ()
    assert not book.settled
    assert book.committed(second.number) == ("second",)


def test_state_that_did_not_change_is_not_written() -> None:
    book = ledger()
    book.keep("pad", {"seq": 1})
    first = book.poll(0)
    assert first is not None
    book.committed(first.number)
    book.keep("pad", {"seq": 1})
    assert book.poll(0) is None
    assert book.settled


def test_lazy_state_joins_the_next_commit_or_goes_alone_later() -> None:
    book = ledger()
    book.keep_lazily(0, "outbox", 1)
    assert book.poll(LAZY_MS - 1) is None
    alone = book.poll(LAZY_MS)
    assert alone is not None
    book.committed(alone.number)
    book.keep_lazily(0, "outbox", 2)
    book.keep("pad", 1)
    together = book.poll(0)
    assert together is not None
    assert together.state == {"outbox": "2", "pad": "1"}


def test_behind_and_full_say_when_the_disk_must_catch_up_and_when_it_fails() -> None:
    book = ledger()
    for _ in range(DRAFTS_MAX):
        assert not book.behind
        book.write("test", "unit", {}, STAMP)
    # A disk that is only slow makes those wait who can, and nobody is turned away.
    assert (book.behind, book.full) == (True, False)
    first = book.poll(0)
    assert first is not None
    assert (book.behind, book.full) == (False, False)
    book.failed(0, first.number, "the disk is full")
    for _ in range(DRAFTS_MAX):
        assert not book.full
        book.write("test", "unit", {}, STAMP)
    assert (book.behind, book.full) == (False, True)
    book.committed(first.number)
    assert (book.behind, book.full) == (True, False)


@given(st.lists(st.sampled_from(["write", "then", "poll", "ok", "fail", "wait"]), max_size=60))
def test_nothing_acts_before_everything_decided_earlier_is_on_disk(steps: list[str]) -> None:
    book, now_ms = ledger(), 0
    written, on_disk, asked = 7, 7, None
    waiting: list[int] = []
    for step in steps:
        if step == "write":
            book.write("test", "unit", {}, STAMP)
            written += 1
        elif step == "then":
            waiting.append(written)
            book.then(str(written))
        elif step == "poll":
            commit = book.poll(now_ms)
            asked = asked if commit is None else commit
        elif step == "wait":
            now_ms += RETRY_MS
        elif asked is not None and step == "fail":
            book.failed(now_ms, asked.number, "no")
            asked = None
        elif asked is not None:
            assert [draft.seq for draft in asked.drafts] == list(
                range(on_disk + 1, on_disk + 1 + len(asked.drafts))
            )
            on_disk += len(asked.drafts)
            for what in book.committed(asked.number):
                assert int(what) == waiting.pop(0) <= on_disk
            asked = None
