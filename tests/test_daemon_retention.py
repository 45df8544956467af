"""Retention, the upgrade to it, and the disk: what goes, what stays, and what is said of it."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from daemon.disk.ballast import Ballast
from daemon.disk.database import SCHEMA_VERSION
from daemon.disk.journal import Journal
from daemon.disk.keeper import Keeper
from daemon.disk.quarantine import SETS_MAX
from daemon.disk.room import FULL, NEARLY_FULL, SOUND, Room
from daemon.effects import Tend
from daemon.errors import StoreFailed, StoreUnusable
from sim import caring
from sim.caring import ALL, DAMAGED, DELIVERED, ENTRY_COUNT, draft, state
from sim.full_disk import BEFORE
from sim.promises import DATABASE, KEY, SOURCE

DAY, KEEP_DAYS = 20_000, 400
MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of which the first entries are delivered, closed in good order."""
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        for seq in range(1, ENTRY_COUNT + 1):
            journal.commit((draft(seq),), state(seq))
    return tmp_path / DATABASE


def seqs(journal: Journal) -> list[int]:
    return [entry.seq for entry in journal.read(1, ALL)]


# -- retention


def test_entries_go_when_their_receipt_is_old_enough_a_slice_at_a_time(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        journal.note_receipts(DAY, DELIVERED)
        assert not journal.prune(DAY, 4)
        assert seqs(journal)[0] == 1
        assert journal.prune(DAY + 1, 4)
        assert (seqs(journal)[0], journal.pruned) == (5, 4)
        while journal.prune(DAY + 1, 4):
            pass
        assert seqs(journal) == list(range(DELIVERED + 1, ENTRY_COUNT + 1))
    with Journal(path, SOURCE, KEY) as journal:
        assert (journal.pruned, journal.restored.last_seq) == (DELIVERED, ENTRY_COUNT)
        assert journal.restored.salvage is None
        assert journal.commit((draft(ENTRY_COUNT + 1),), {})


def test_receipts_are_dated_once_a_day_and_a_clock_that_was_ahead_is_corrected(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        journal.note_receipts(DAY + 900, 3)
        journal.note_receipts(DAY, 3)
        journal.note_receipts(DAY, DELIVERED)
    with Journal(path, SOURCE, KEY) as journal:
        while journal.prune(DAY + 500, 9):
            pass
        assert journal.pruned == 3


def test_pruning_without_a_day_takes_all_that_is_delivered_and_nothing_else(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        while journal.prune(None, 99):
            pass
        assert seqs(journal) == list(range(DELIVERED + 1, ENTRY_COUNT + 1))


def test_last_entry_stays_even_with_a_receipt(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        journal.commit((), {"outbox": json.dumps({"delivered": ENTRY_COUNT})})
        journal.note_receipts(DAY, ENTRY_COUNT)
        while journal.prune(None, 99):
            pass
        assert seqs(journal) == [ENTRY_COUNT]
    with Journal(path, SOURCE, KEY) as journal:
        assert journal.restored.last_seq == ENTRY_COUNT


@pytest.mark.parametrize(
    "statement",
    [
        f"delete from entry where seq = {DELIVERED + 1}",
        f"delete from entry where seq <= {DELIVERED + 1}",
        "delete from entry where seq = 2",
        "delete from entry",
        f"delete from entry where seq = {ENTRY_COUNT}",
    ],
)
def test_only_a_delivered_prefix_may_go_by_whatever_program(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        with pytest.raises(sqlite3.IntegrityError, match="the journal is append-only"):
            db.execute(statement)
        assert db.execute("select count(*) from entry").fetchone() == (ENTRY_COUNT,)


@pytest.mark.parametrize(
    "statement", ["delete from remains", "update remains set body = '' where seq = 1"]
)
def test_remains_without_a_receipt_are_append_only_too(tmp_path: Path, statement: str) -> None:
    caring.begin(tmp_path)
    caring.damage(tmp_path)
    Journal(tmp_path / DATABASE, SOURCE, KEY).close()
    with (
        closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as db,
        pytest.raises(sqlite3.IntegrityError, match="the journal is append-only"),
    ):
        db.execute(statement)


def test_remains_go_when_their_receipt_is_old_enough(tmp_path: Path) -> None:
    caring.begin(tmp_path)
    caring.damage(tmp_path)
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        assert journal.restored.remains == ENTRY_COUNT - DELIVERED
        journal.date_remains(DAY)
        while journal.prune(DAY + 1, 3):
            pass
        assert journal.remain_count() == ENTRY_COUNT - DELIVERED
        (count,) = journal._db.execute("select count(*) from remains").fetchone()
        assert count == ENTRY_COUNT - DELIVERED


# -- upgrade


def test_journal_of_schema_1_is_upgraded_with_all_it_holds(tmp_path: Path) -> None:
    caring.begin(tmp_path)
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        entries = journal.read(1, ALL)
    caring.age(tmp_path)
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        assert journal.read(1, ALL) == entries
        assert journal.restored.salvage is None
        assert journal.restored.state["pad"] == {"boot_id": 7, "seq": ENTRY_COUNT}
        assert journal.commit((draft(ENTRY_COUNT + 1),), {"pad": "1"})
        journal.note_receipts(DAY, DELIVERED)
        while journal.prune(DAY + 1, 99):
            pass
        assert journal.pruned == DELIVERED
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db:
        assert db.execute("pragma user_version").fetchone() == (SCHEMA_VERSION,)


def test_journal_of_schema_1_that_is_damaged_is_set_aside(tmp_path: Path) -> None:
    caring.begin(tmp_path)
    caring.age(tmp_path)
    caring.damage(tmp_path)
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        assert journal.restored.salvage is not None
        assert journal.restored.salvage["missing"] == [[DAMAGED, DAMAGED]]


# -- quarantine


def test_quarantine_that_cannot_be_written_is_said_and_nothing_is_changed(tmp_path: Path) -> None:
    caring.begin(tmp_path)
    caring.damage(tmp_path)
    before = (tmp_path / DATABASE).read_bytes()
    (tmp_path / "quarantine").write_text("a file")
    for _ in range(2):
        with pytest.raises(
            StoreUnusable, match=r"it cannot be moved to .* by hand, and start again"
        ):
            Journal(tmp_path / DATABASE, SOURCE, KEY)
        assert (tmp_path / DATABASE).read_bytes() == before
    (tmp_path / "quarantine").unlink()
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        assert journal.restored.salvage is not None


def test_full_quarantine_is_said_and_its_oldest_file_stays(tmp_path: Path) -> None:
    caring.begin(tmp_path)
    caring.damage(tmp_path)
    (tmp_path / "quarantine").mkdir()
    for number in range(1, SETS_MAX + 1):
        (tmp_path / "quarantine" / f"{number:04}-unknown.db").write_text(str(number))
    with pytest.raises(StoreUnusable, match="holds 16 damaged journals already: replace the card"):
        Journal(tmp_path / DATABASE, SOURCE, KEY)
    assert (tmp_path / "quarantine" / "0001-unknown.db").read_text() == "1"


def test_second_damage_keeps_the_first_evidence_and_all_that_was_salvaged(tmp_path: Path) -> None:
    caring.begin(tmp_path)
    caring.damage(tmp_path)
    path = tmp_path / DATABASE
    with Journal(path, SOURCE, KEY) as journal:
        first = journal.restored.epoch
        remains = [one.sealed.hash for one in journal.remains(0, ALL)]
        journal.commit((draft(1), draft(2)), state(0))
    data = path.read_bytes()
    at = data.index(b'"epoch":"%s","id":"%s-1"' % (first.encode(), first.encode()))
    path.write_bytes(data[:at] + b"#" + data[at + 1 :])
    with Journal(path, SOURCE, KEY) as journal:
        told = journal.restored.salvage
        assert told is not None
        assert (told["file"], told["missing"]) == (f"0002-{first}.db", [[1, 1]])
        left = [one.sealed.hash for one in journal.remains(0, ALL)]
        assert left[:-1] == remains
    assert len(list((tmp_path / "quarantine").glob("*.db"))) == 2


@pytest.mark.parametrize("statement", ["hash = 'x'", "epoch = '0'", "receipted = 0", "kind = 'x'"])
def test_damage_to_what_is_left_of_an_epoch_is_noticed(tmp_path: Path, statement: str) -> None:
    caring.begin(tmp_path)
    caring.damage(tmp_path)
    Journal(tmp_path / DATABASE, SOURCE, KEY).close()
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as db:
        # As a card does it, past the triggers.
        (text,) = db.execute(
            "select sql from sqlite_master where name = 'remains_no_update'"
        ).fetchone()
        db.execute("drop trigger remains_no_update")
        db.execute(f"update remains set {statement} where seq = {ENTRY_COUNT}")
        db.execute(text)
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        told = journal.restored.salvage
        assert told is not None
        assert told["file"].startswith("0002-")
        assert "before" in told["why"]


def test_journal_that_is_gone_begins_an_epoch_that_names_its_end(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        ended = (journal.restored.epoch, journal.restored.last_seq, journal.restored.last_hash)
    path.unlink()
    with Journal(path, SOURCE, KEY) as journal:
        previous, told = journal.restored.previous, journal.restored.salvage
        assert previous is not None
        assert told is not None
        assert tuple(previous.values()) == ended
        assert (told["salvaged"], told["missing"]) == (0, [[1, ENTRY_COUNT]])


# -- the disk


def test_ballast_is_taken_given_by_halves_and_taken_again(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / DATABASE, 2 * MIB)
    assert ballast.is_spent
    ballast.take()
    assert (ballast.length, ballast.is_spent) == (2 * MIB, False)
    assert ballast.free()
    assert not ballast.free()
    assert (ballast.length, ballast.is_spent) == (MIB, True)
    assert ballast.free(is_last=True)
    ballast.take()
    assert not ballast.is_spent


def test_ballast_that_is_not_wanted_is_neither_taken_nor_spent(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / DATABASE, 0)
    ballast.take()
    assert (ballast.length, ballast.is_spent) == (0, False)


def test_room_says_full_when_the_ballast_is_spent(tmp_path: Path) -> None:
    room = Room(tmp_path / DATABASE)
    assert room.word(is_spent=False) in (SOUND, NEARLY_FULL)
    assert room.word(is_spent=True) == FULL


def test_written_bytes_are_counted_from_the_start_and_nothing_is_made_up(tmp_path: Path) -> None:
    told = [b"rchar: 5\nwrite_bytes: 100\n", b"rchar: 9\nwrite_bytes: 4196\n", b""]
    room = Room(tmp_path / DATABASE, lambda: told.pop(0))
    assert room.written_len == 4096
    assert Room(tmp_path / DATABASE, lambda: b"").written_len == 0


def test_keeper_looks_at_everything_prunes_and_counts(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        keeper = Keeper(journal, KEEP_DAYS, 2 * MIB)
        keeper.tend(Tend(DELIVERED, DAY))
        keeper.tend(Tend(DELIVERED, DAY + KEEP_DAYS))
        while keeper.has_work:
            keeper.work()
        assert journal.pruned == 0
        keeper.tend(Tend(DELIVERED, DAY + KEEP_DAYS + 1))
        while keeper.has_work:
            keeper.work()
        counters = keeper.measured().counters
        assert counters["pruned_upto"] == DELIVERED
        assert counters["kept"] == ENTRY_COUNT - DELIVERED
        assert counters["looked_upto"] == ENTRY_COUNT
        assert counters["ballast_len"] == 2 * MIB
        assert counters["database_len"] > 0 < counters["free_len"]


def test_keeper_without_a_known_time_removes_nothing(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        keeper = Keeper(journal, KEEP_DAYS, 0)
        keeper.tend(Tend(DELIVERED, None))
        while keeper.has_work:
            keeper.work()
        assert journal.pruned == 0


def test_pruning_that_fails_is_tried_again_and_loses_nothing(path: Path) -> None:
    with Journal(path, SOURCE, KEY) as journal:
        journal.note_receipts(DAY, DELIVERED)
        journal._db.execute("pragma query_only = on")
        with pytest.raises(StoreFailed):
            journal.prune(DAY + 1, 9)
        journal._db.execute("pragma query_only = off")
        assert journal.pruned == 0
        journal.prune(DAY + 1, ENTRY_COUNT)
        assert journal.pruned == DELIVERED


@pytest.mark.promise
def test_full_disk_is_said_swallows_nothing_and_is_pruned(
    tmp_path: Path, promise: Callable[..., None]
) -> None:
    """On a file system of two megabytes, in a name space of its own where anybody may mount one."""
    mount = f"mount -t tmpfs -o size=2m tmpfs {tmp_path}"
    run = f"{sys.executable} -m sim.full_disk {tmp_path}"
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{mount} && exec {run}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-800:]
    steps = {step.pop("step"): step for step in map(json.loads, ended.stdout.splitlines())}
    assert steps["begun"]["disk"] == SOUND
    assert steps["filled"]["said_full"]
    assert steps["still full"]["disk"] == FULL
    assert steps["still full"]["pruned_upto"] == BEFORE
    assert (steps["room again"]["disk"], steps["room again"]["committed"]) == (SOUND, 1)
    assert not steps["room again"]["ballast_len"] < steps["begun"]["ballast_len"]
    assert steps["reopened"]["last_seq"] == steps["reopened"]["wanted"]
    promise("C3", "journal: commits on a disk that fills up", steps["reopened"]["wanted"])
