"""C4: what a rated case costs the card, and how a journal of a million entries starts. Real I/O."""

import json
import mmap
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from daemon.disk import database
from daemon.disk.journal import Journal
from daemon.disk.state_rows import INSERT, Row, StateHead
from protocol.central.entry import GENESIS, Draft, Source, Stamp, digest, seal
from protocol.central.signing import SigningKey
from sim.figures import Figure

CASES = 300
ENTRY_COUNT = 1_000_000
PAGE_LEN = 2000
SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
EPOCH = "0a1b2c3d4e5f6071"
STAMP = Stamp("bench", 1, None, False, None)
# The daemon's rows at a busy window: 32 services remembered, a prompt with a few key edges.
ROWS = {"tally": 420, "3/case": 700, "3/recent": 3000}


def figures(data: dict[str, object], written_len: Callable[[], int]) -> Iterator[Figure]:
    """`data`: a rating's; `written_len`: bytes this process has handed to the block layer."""
    with tempfile.TemporaryDirectory() as name:
        yield _case(Path(name), data, written_len)
        yield from _start(Path(name), data)


def _case(directory: Path, data: dict[str, object], written_len: Callable[[], int]) -> Figure:
    """Three commits a case, as the core makes them: service, press, rating."""
    seq, before = 0, written_len()
    with Journal(directory / "cases.db", SOURCE, KEY) as journal:
        for number in range(CASES):
            rows = {row: json.dumps("x" * length + str(number)) for row, length in ROWS.items()}
            pad = {"3/pad": json.dumps({"boot_id": 1, "seq": number})}
            journal.commit((Draft(seq + 1, "service", "bench", data, STAMP),), rows)
            journal.commit((), {"3/case": rows["3/case"] + " "} | pad)
            case = {"tally": rows["tally"] + " ", "3/case": rows["3/case"] + "  "}
            delivered = {"outbox": json.dumps({"delivered": seq})}
            journal.commit(
                (Draft(seq + 2, "rating", "bench", data, STAMP),), case | pad | delivered
            )
            seq += 2
    written = written_len() - before
    return Figure("C4", "written for one rated case", "KiB", written / CASES / 1024, None)


def _start(directory: Path, data: dict[str, object]) -> Iterator[Figure]:
    path = directory / "million.db"
    _fill(path, data)
    started_s = time.perf_counter()
    with Journal(path, SOURCE, KEY) as journal:
        start_s = time.perf_counter() - started_s
        started_s = time.perf_counter()
        slices_ms = []
        while True:
            began_s = time.perf_counter()
            is_done = journal.look()
            slices_ms.append((time.perf_counter() - began_s) * 1000)
            if is_done:
                break
        walk_s = time.perf_counter() - started_s
    yield Figure("C4", "start on a journal of 1 000 000", "ms", start_s * 1000, None)
    yield Figure("C4", "all of it looked at, beside the work", "s", walk_s, None)
    yield Figure(
        "C4", "of that at once, p99", "ms", sorted(slices_ms)[-len(slices_ms) // 100], None
    )
    _damage(path)
    started_s = time.perf_counter()
    with Journal(path, SOURCE, KEY) as journal:
        rescue_s = time.perf_counter() - started_s
        assert journal.restored.salvage is not None
    yield Figure("C2", "start on it with its end damaged", "s", rescue_s, None)


def _damage(path: Path) -> None:
    """The last entry's own page."""
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.rfind(f'"sequence":"{ENTRY_COUNT:020}"'.encode())
        file.seek(at)
        file.write(b"#")


def _fill(path: Path, data: dict[str, object]) -> None:
    """Chained as the daemon does it, but for the signature: signing a million takes minutes."""
    with closing(database.connect(path, database.CHECKPOINT_PAGES)) as db:
        db.execute("insert into journal values (1, ?, ?)", (EPOCH, str(SOURCE)))
        rows = _rows(data)
        for _ in range(ENTRY_COUNT // PAGE_LEN):
            page = [next(rows) for _ in range(PAGE_LEN)]
            db.execute("begin")
            db.executemany("insert into entry values (?, ?, ?, ?)", page)
            db.execute("commit")
        seq, _, hash_, _ = page[-1]
        outbox = Row.of("outbox", json.dumps({"delivered": seq - 100}), 0)
        head = StateHead(0, seq, hash_, 0, {"outbox": 0})
        db.executemany(INSERT, [outbox, head.row()])


def _rows(data: dict[str, object]) -> Iterator[tuple[int, str, str, str]]:
    number, prevhash, mark = 1, GENESIS, "1" * 15
    text = seal(
        Draft(int(mark), "rating", "bench", dict(data), STAMP),
        epoch=EPOCH, source=SOURCE, prevhash=GENESIS, key=KEY,
    )  # fmt: skip
    before, after = text.split(f'"prevhash":"{GENESIS}"')
    sequence = f'"sequence":"{int(mark):020}"'
    before, after = before.replace(mark, "{n}"), after.replace(sequence, "{s}")
    while True:
        body = (
            before.replace("{n}", str(number))
            + f'"prevhash":"{prevhash}"'
            + after.replace("{s}", f'"sequence":"{number:020}"')
        )
        hash_ = digest(body)
        yield number, "rating", hash_, body
        number, prevhash = number + 1, hash_
