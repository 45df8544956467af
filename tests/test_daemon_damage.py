"""C2: what a card does to the journal is noticed or harms nothing, and what is good is saved."""

import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.disk.journal import Journal
from daemon.disk.salvage import salvage
from daemon.disk.state_rows import HEAD, INSERT, MARKS, SALVAGE, Row, StateHead, trouble
from daemon.events import Restored, Sealed
from protocol.central.canonical import INT_MAX
from protocol.central.entry import Draft, Source, Stamp, digest
from protocol.central.signing import SigningKey
from sim import damage, memory
from sim.damage import Files

SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
DATABASE, WAL = "unit.db", "unit.db-wal"
SEED = 20_261
DAMAGES, DAMAGES_MAX = 24, 2000  # of each kind
SERVICE_S_MAX = 5.0
ALL = 1 << 20


def draft(seq: int) -> Draft:
    stamp = Stamp("boot-1", 1000 * seq, None, False, None)
    detail = "评" * (3000 if seq % 17 == 5 else 150 + seq % 90)
    return Draft(seq, "test", "w03", {"what": "test", "ok": True, "detail": detail}, stamp)


def state(seq: int, delivered: int) -> dict[str, str]:
    """Rows as the core has them; `recent` does not fit its page."""
    return {
        "3/pad": json.dumps({"boot_id": 7, "seq": seq}),
        "3/case": json.dumps({"ticket": f"A{seq:03}", "prompt": "x" * (40 * (seq % 7))}),
        "3/recent": json.dumps(["y" * 90] * (seq % 50)),
        "tally": json.dumps({"rated": seq}),
        "outbox": json.dumps({"delivered": delivered}),
    }


@dataclass(frozen=True)
class Journals:
    """A journal as a crash leaves it: its files, what was in it."""

    files: Files
    entries: tuple[Sealed, ...]
    restored: Restored


def written(directory: Path, count: int, delivered: int, checkpoint_pages: int) -> Journals:
    directory.mkdir()
    with Journal(directory / DATABASE, SOURCE, KEY, checkpoint_pages=checkpoint_pages) as journal:
        for seq in range(1, count + 1):
            journal.commit((draft(seq),), state(seq, min(seq, delivered)))
            if seq % 3 == 0:
                journal.commit((), {"3/pad": json.dumps({"boot_id": 7, "seq": seq + 1})})
        files = {
            path.name: path.read_bytes()
            for path in directory.iterdir()
            if not path.name.endswith(".lock")
        }
    with Journal(directory / DATABASE, SOURCE, KEY) as journal:
        return Journals(files, journal.read(1, ALL), journal.restored)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Journals, ...]:
    """One mostly in its database, one mostly in its log, one closed in good order."""
    home = tmp_path_factory.mktemp("journals")
    begun = (
        written(home / "folded", 60, 40, 12),
        written(home / "log", 40, 0, 1000),
        written(home / "closed", 25, 25, 1000),
    )
    closed = {
        path.name: path.read_bytes()
        for path in (home / "closed").iterdir()
        if not path.name.endswith(".lock")
    }
    return (*begun[:2], Journals(closed, begun[2].entries, begun[2].restored))


def intact(journals: Journals, files: Files) -> set[int]:
    """The entries whose row is still there, byte for byte."""
    bytes_left = [files.get(name, b"") for name in (DATABASE, WAL)]
    found = set()
    for entry in journals.entries:
        row = (entry.kind + entry.hash + entry.text).encode()
        if len(row) < 3900:
            size = 2 * len(entry.text.encode()) + 13
            header = bytes([7, 0, 13 + 2 * len(entry.kind), 0x81, 0x0D])
            header += bytes([0x80 | size >> 7, size & 0x7F])
            if any(header + row in data for data in bytes_left):
                found.add(entry.seq)
    return found


def wrong(directory: Path, journals: Journals, files: Files) -> str | None:
    """What a start on the files does wrong; None when the damage was noticed or harmed nothing."""
    for name, data in files.items():
        (directory / name).write_bytes(data)
    started = time.monotonic()
    with Journal(directory / DATABASE, SOURCE, KEY) as journal:
        took_s = time.monotonic() - started
        restored, entries = journal.restored, journal.read(1, ALL)
        remains = {one.sealed.seq: one.sealed for one in journal.remains(0, ALL)}
        seq = restored.last_seq + 1
        last = journal.commit((draft(seq),), state(seq, 0))[0]
    if took_s > SERVICE_S_MAX:
        return f"service after {took_s:.1f} s"
    with Journal(directory / DATABASE, SOURCE, KEY) as journal:
        if journal.restored.last_hash != last.hash or journal.restored.fresh:
            return "the next commit is not there"
    if restored.salvage is None:
        same = (restored.state, entries) == (journals.restored.state, journals.entries)
        return None if same else "not noticed"
    with closing(sqlite3.connect(directory / DATABASE)) as db:
        saved = dict(db.execute("select seq, hash from remains").fetchall())
    hashes = {entry.seq: entry.hash for entry in journals.entries}
    if any(hashes.get(seq) != hash_ for seq, hash_ in saved.items()):
        return "saved what was never written"
    if not intact(journals, files) <= saved.keys():
        return f"not saved: {sorted(intact(journals, files) - saved.keys())}"
    if any(digest(one.text) != one.hash for one in remains.values()):
        return "remains are damaged"
    told = restored.salvage
    missing = {seq for first, last in told["missing"] for seq in range(first, last + 1)}
    if missing & saved.keys() or (saved.keys() | missing) != set(hashes):
        return f"says that {told['missing']} is missing and has {sorted(saved)}"
    end = {"epoch": journals.restored.epoch, "seq": len(hashes), "hash": hashes[len(hashes)]}
    if restored.previous != end:
        return f"ended at {restored.previous}"
    if told["state"] == "kept":
        rows = {name: row for name, row in journals.restored.state.items() if name != "outbox"}
        return None if restored.state == rows else "another state"
    return "an unproved prompt" if "3/case" in restored.state and told["state"] == "none" else None


@pytest.mark.promise
@pytest.mark.parametrize("kind", damage.KINDS)
def test_damage_is_noticed_or_harmless_and_the_intact_is_saved(
    journals: tuple[Journals, ...], scale: int, promise: Callable[..., None], kind: str
) -> None:
    chance = random.Random(f"{SEED} {kind}")
    bad = []
    count = min(DAMAGES_MAX, DAMAGES * scale)
    for number in range(count):
        made = chance.choice(journals)
        files = damage.damaged(made.files, (DATABASE, WAL), kind, chance)
        with tempfile.TemporaryDirectory(dir=memory.folder()) as directory:
            why = wrong(Path(directory), made, files)
        if why is not None:
            bad.append(f"{kind} {number}: {why}")
    sys.stdout.write("\n".join(bad[:20]))
    promise("C2", f"journal: {kind}", count, len(bad))


def test_late_salvage_leaves_what_has_a_receipt_and_says_nothing_false(
    journals: tuple[Journals, ...],
) -> None:
    """A large journal's delivered entries stay in the quarantined file."""
    files = journals[0].files
    finds = [
        salvage(Whole(files[DATABASE]), files[WAL], None, lambda late=late: late)
        for late in (False, True)
    ]
    assert finds[0].count == 60
    assert (finds[0].first, finds[0].missing) == (1, ())
    assert (finds[1].first, finds[1].missing) == (41, ())
    assert {one.seq for one in finds[1].entries if one.receipted is None} == set(range(41, 61))
    assert finds[1].state_word == "kept"


def test_sector_that_cannot_be_read_costs_no_more_than_itself(
    journals: tuple[Journals, ...],
) -> None:
    files = journals[0].files
    at = files[DATABASE].index(b'"sequence":"00000000000000000007"') // 512 * 512
    holed = files[DATABASE][:at] + bytes(512) + files[DATABASE][at + 512 :]
    found = salvage(Whole(holed), files[WAL], None, lambda: False)
    assert found.count >= 57
    assert [7, 7] in [list(gap) for gap in found.missing]


@pytest.mark.parametrize(
    "value",
    [
        '{"seq":null,"hash":"","pruned":0,"rows":{}}',
        '{"seq":3,"hash":"","pruned":0,"rows":[]}',
        '{"seq":3,"hash":"","pruned":4,"rows":{}}',
        '{"seq":1e999,"hash":"","pruned":0,"rows":{}}',
    ],
)
def test_head_that_is_written_soundly_and_says_nonsense_then_journal_is_set_aside(
    journals: tuple[Journals, ...], tmp_path: Path, value: str
) -> None:
    for name, data in journals[2].files.items():
        (tmp_path / name).write_bytes(data)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db:
        db.execute(INSERT, Row.of(HEAD, value, 99))
        db.commit()
    with Journal(tmp_path / DATABASE, SOURCE, KEY) as journal:
        assert journal.restored.salvage is not None
        assert journal.restored.salvage["salvaged"] == len(journals[2].entries)


TOLD = {"file": "a.db", "why": "x", "salvaged": 1, "first": 1, "missing": [], "state": "kept"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (MARKS, {}),
        (MARKS, [[1]]),
        (MARKS, [[1, None]]),
        (SALVAGE, []),
        (SALVAGE, {"previous": 1, "salvage": TOLD}),
        (SALVAGE, {"previous": {"epoch": "e", "seq": -1, "hash": ""}, "salvage": TOLD}),
        (SALVAGE, {"previous": None, "salvage": {**TOLD, "first": 1.5}}),
        (SALVAGE, {"previous": None, "salvage": {**TOLD, "missing": [7]}}),
    ],
    ids=str,
)
def test_row_of_its_own_that_says_nonsense_then_state_is_damaged(name: str, value: object) -> None:
    head = StateHead(number=1, rows={name: 1}).row()
    assert trouble([Row.of(name, json.dumps(value), 1), head]) == f"the state {name!r} is damaged"
    right = [[20_000, 7]] if name == MARKS else {"previous": None, "salvage": TOLD}
    assert trouble([Row.of(name, json.dumps(right), 1), head]) is None


def test_entry_with_a_number_that_no_journal_can_hold_then_left_where_it_is() -> None:
    def found(seq: int) -> list[int]:
        text = f'{{"detail":"{"x" * 60}","sequence":"{seq:020}","type":"hcp.test.v1"}}'
        size = 2 * len(text) + 13
        header = bytes((7, 0, 13 + 2 * 4, 0x81, 0x0D, 0x80 | size >> 7, size & 0x7F))
        row = b"test" + digest(text).encode() + text.encode()
        return [one.seq for one in salvage(Whole(header + row), b"", None, lambda: False).entries]

    assert found(INT_MAX) == [INT_MAX]
    assert found(10**19) == []


class Whole:
    """A file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.length, self._data = len(data), data

    def read(self, at: int, length: int) -> bytes:
        return self._data[at : at + length]
