"""The last entries at the window: two ratings that differ only in how one rated are one text."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.disk.sealing import sealed
from daemon.page.entries import KINDS, UNREADABLE, rows, seen
from daemon.page.words import LANGUAGES, Words
from protocol.central import entry
from protocol.central.entry import GENESIS, Draft, Source, Stamp
from protocol.central.signing import SigningKey

EXAMPLES = Path(__file__).resolve().parents[1] / "protocol/central/examples/journal.jsonl"
SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
EPOCH = "00000000000000aa"
STAMP = Stamp("boot-1", 2_009_186, 1_789_952_539_186, True, 12)
SERVICE = {
    "window": "3", "ticket": "A023", "ticketSerial": "20261122-1-A023", "projectNo": None,
    "serviceNumber": None, "taskCode": None, "taskName": "营业执照变更", "staff": "1007",
    "promptId": 1, "calledAt": None, "completedAt": {"bootId": "boot-1", "boottimeMs": 1},
}  # fmt: skip


def texts(*drafts):
    """Entries signed and chained, as they stand on disk."""
    made = sealed(drafts, after=(0, GENESIS), epoch=EPOCH, source=SOURCE, key=KEY)
    return [(each.seq, each.text) for each in made]


def rating(**how):
    data = {
        "service": f"{EPOCH}-1", "window": "3", "ticketSerial": "20261122-1-A023",
        "projectNo": None, "serviceNumber": None, "staff": "1007", "outcome": "rated",
        "keyTable": "k5-1", "promptAt": {"bootId": "boot-1", "boottimeMs": 2}, "isDefault": False,
    }  # fmt: skip
    return Draft(2, "rating", "20261122-1-A023", data | how, STAMP)


edges = st.fixed_dictionaries(
    {
        "key": st.integers(1, 5),
        "down": st.booleans(),
        "msFromPrompt": st.integers(0, 30_000),
    }
)
how = st.fixed_dictionaries(
    {
        "satisfaction": st.integers(1, 5),
        "key": st.integers(1, 5),
        "reasons": st.lists(st.from_regex("[1-5][0-9]{2}", fullmatch=True), max_size=5),
        "reasonKey": st.none() | st.integers(1, 5),
        "reasonTable": st.none() | st.just("r1"),
        "public": st.booleans(),
        "pressedAt": st.fixed_dictionaries(
            {"bootId": st.just("boot-1"), "boottimeMs": st.integers(2, 40_000)}
        ),
        "msFromPrompt": st.integers(0, 30_000),
        "presses": st.integers(1, 99),
        "corrections": st.integers(0, 99),
        "edges": st.lists(edges, max_size=8),
    }
)


def shown(found):
    return repr(rows(seen(*each) for each in found)).encode()


@given(one=how, other=how)
def test_rows_when_ratings_differ_only_in_how_one_rated_are_the_same(one, other):
    service = Draft(1, "service", "20261122-1-A023", SERVICE, STAMP)
    first, second = texts(service, rating(**one)), texts(service, rating(**other))
    assert shown(first) == shown(second)
    assert "rating_rated" in shown(first).decode()


def test_rows_of_the_example_journal_say_what_happened_and_nothing_else():
    found = []
    for line in EXAMPLES.read_text("utf-8").splitlines():
        found.append(seen(entry.read(line).seq, line))
    table = rows(found[:14])
    assert [(row.kind, row.window, row.ticket, row.what) for row in table] == [
        ("correction", None, None, "correction"),
        ("rating", "3", "A003", "rating_rated"),
        ("service", "3", "A003", "service"),
        ("signal", None, None, "signal_back"),
        ("signal", None, None, "signal_lost"),
        ("pad", "3", None, "pad_back"),
        ("pad", "3", None, "pad_lost"),
        ("binding", "3", "A002", "binding"),
        ("rating", "3", "A002", "rating_timeout"),
        ("service", "3", "A002", "service"),
        ("rating", "3", "A001", "rating_rated"),
        ("service", "3", "A001", "service"),
        ("clock", None, None, "clock"),
        ("boot", None, None, "boot_new_epoch"),
    ]
    assert table[-1].time is None
    assert table[1].time == "2026-09-21 11:05:36"
    assert {row.detail for row in table} == {
        None,
        "nothing heard for 3000 ms",
        "heard again",
        "the port went away: plug the cable in again",
        "the port is open again",
    }


def test_row_when_a_key_is_held_down_says_so_without_the_key():
    data = {"state": "faulty", "reason": "key 3 is held down: free it", "since": None}
    ((_, text),) = texts(Draft(1, "pad", "pad-faulty", data | {"counters": {}}, STAMP))
    assert (seen(1, text).what, seen(1, text).detail) == ("pad_faulty", None)


@given(text=st.one_of(st.text(), st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda each: st.dictionaries(
        st.sampled_from(["type", "id", "data", "stamp", "utcMs", "service", "window"]), each
    ),
).map(json.dumps)))  # fmt: skip
def test_text_when_it_is_no_entry_is_a_row_of_its_own(text):
    (row,) = rows([seen(7, text)])
    assert (row.seq, row.what) == (7, UNREADABLE)


def test_every_kind_of_entry_has_its_row_and_its_words():
    assert set(KINDS) == set(entry.KINDS)
    names = {
        "rating": ["rated", "timeout", "superseded", "cancelled", "pad_lost", "interrupted"],
        "pad": ["lost", "back", "faulty"],
        "signal": ["lost", "back", "faulty"],
        "boot": ["start", "new_epoch", "quarantine"],
        "test": ["true", "false"],
    }
    for language in LANGUAGES:
        words = Words(language)
        for kind in KINDS:
            for what in [f"{kind}_{name}" for name in names.get(kind, [])] or [kind]:
                assert words.name("what", what) != what.replace("_", " ")
