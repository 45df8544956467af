"""What the unit says of itself each minute: its head as committed, whole numbers, no level."""

import json
from dataclasses import replace
from itertools import pairwise

from daemon.events import BrokerDown, BrokerUp, ClockRead, StopRequested
from daemon.health import EVERY_MS, health
from protocol.central.canonical import canonical
from protocol.central.chain import Head
from protocol.central.entry import Stamp, read
from sim.desk import SOURCE, Desk
from sim.stores import MemoryJournal

UTC_MS = 1_795_000_000_000
# What the centre takes as a note; a quarter of it leaves room for years of new counters.
LEN_MAX = 2048


def said(desk: Desk) -> list[dict]:
    """The reports so far, oldest first; each is in its one canonical form."""
    values = [json.loads(report) for report in desk.reports]
    assert [canonical(value) for value in values] == desk.reports
    return values


def up(desk: Desk) -> Desk:
    desk.platform = True
    desk.give(BrokerUp())
    return desk


def rate(desk: Desk, key: int = 1) -> None:
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo=f"P{len(desk.ratings)}")
    desk.press(key)
    desk.run(4000)


def test_health_is_said_when_the_broker_is_there_and_then_each_minute() -> None:
    desk = Desk()
    desk.run(5 * EVERY_MS)
    assert desk.reports == []
    up(desk)
    assert len(desk.reports) == 1
    desk.run(EVERY_MS - 1)
    assert len(desk.reports) == 1
    desk.run(1)
    assert len(desk.reports) == 2
    desk.run(10 * EVERY_MS)
    times = [value["stamp"]["boottimeMs"] for value in said(desk)]
    assert [later - one for one, later in pairwise(times)] == [EVERY_MS] * 11
    desk.give(BrokerDown("gone"))
    desk.run(3 * EVERY_MS)
    assert len(desk.reports) == 12
    up(desk)
    assert len(desk.reports) == 13


def test_health_quotes_the_head_that_is_on_disk() -> None:
    desk = up(Desk())
    rate(desk)
    desk.journal.fail = "the disk is full"
    desk.say("called", ticket="A002")
    desk.say("completed", projectNo="P2")
    desk.run(EVERY_MS)
    last = read(desk.journal.entries[-1].text)
    assert said(desk)[-1]["head"] == {"epoch": last.epoch, "seq": last.seq, "hash": last.hash}
    assert said(desk)[-1]["source"] == str(SOURCE)


def test_health_after_a_commit_of_several_entries_quotes_the_last() -> None:
    desk = Desk()
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    count = len(desk.journal.entries)
    desk.say("completed", projectNo="P2")
    assert [entry.kind for entry in desk.journal.entries[count:]] == ["rating", "service"]
    up(desk)
    assert said(desk)[-1]["head"]["hash"] == desk.journal.entries[-1].hash


def test_health_after_a_restart_quotes_the_head_that_was_restored() -> None:
    desk = up(Desk())
    rate(desk)
    desk.journal.fail = "the disk is full"
    before = desk.journal.entries[-1]
    desk.crash()
    head = said(desk)[-1]["head"]
    assert (head["seq"], head["hash"]) == (before.seq, before.hash)


def test_health_of_a_journal_without_an_entry_waits_for_the_first() -> None:
    desk = Desk()
    desk.journal = MemoryJournal(SOURCE, desk.key)
    desk.journal.fail = "the disk is full"
    desk.platform = True
    desk.crash()
    desk.run(3 * EVERY_MS)
    assert desk.reports == []
    desk.journal.fail = None
    desk.run(2000)
    assert said(desk)[-1]["head"]["seq"] == 1


def test_health_says_when_it_is_by_the_units_own_clocks() -> None:
    desk = up(Desk())
    assert said(desk)[-1]["stamp"]["synced"] is False
    desk.give(ClockRead(UTC_MS - desk.now_ms, True, 20))
    desk.run(EVERY_MS)
    stamp = said(desk)[-1]["stamp"]
    assert stamp == {
        "bootId": "boot-1", "boottimeMs": desk.now_ms, "utcMs": UTC_MS + EVERY_MS,
        "synced": True, "errorMs": 20,
    }  # fmt: skip


def test_health_counts_what_every_part_went_through_in_whole_numbers() -> None:
    desk = up(Desk())
    rate(desk)
    desk.run(EVERY_MS)
    value = said(desk)[-1]
    counters = value["counters"]
    assert tuple(counters) == ("day", "journal", "pad", "signal", "uplink")
    assert all(type(count) is int for part in counters.values() for count in part.values())
    assert {"good", "damaged", "gaps", "queued"} <= counters["pad"].keys()
    assert counters["signal"].keys() == dict(desk.snapshot.signals[0].counters).keys()
    assert counters["uplink"] == {
        "backlog": 0, "delivered": value["delivered"], "overtaken": 0, "receipts_refused": 0,
        "resends": 0,
    }  # fmt: skip
    seq = value["head"]["seq"]
    assert counters["journal"] == {"last_seq": seq, "kept": seq}
    assert (counters["day"]["completed"], counters["day"]["rated"]) == (1, 1)
    assert value["delivered"] == value["head"]["seq"]
    assert value["versions"] == {"daemon": "0"}
    assert len(desk.reports[-1]) < LEN_MAX


def test_health_is_the_same_whichever_level_was_chosen() -> None:
    """As long as the head's hash is left out, which covers the rating itself."""
    reports = []
    for key in range(1, 6):
        desk = up(Desk())
        rate(desk, key)
        desk.run(EVERY_MS)
        reports.append([value | {"head": None} for value in said(desk)])
    assert all(report == reports[0] for report in reports)


def test_health_is_not_said_by_a_unit_that_is_stopping() -> None:
    desk = up(Desk())
    desk.journal.fail = "the disk is full"
    desk.run(EVERY_MS - 1000)
    count = len(desk.reports)
    desk.give(StopRequested("SIGTERM"))
    desk.run(2000)
    assert len(desk.reports) == count


def test_health_takes_no_number_that_is_not_whole() -> None:
    shown = Desk().core.snapshot(0)
    shown = replace(shown, journal=replace(shown.journal, writing=True))
    value = health(shown, Stamp("boot", 1, None, False, None), Head("e", 1, "h"), {})
    assert value["counters"]["journal"] == {"last_seq": 1, "kept": 1}
