"""A session that says what it promises, written to a real journal, and its check. Real I/O.

`python -m sim.promises DIRECTORY STEPS` goes on where the journal stands. A case is three commits:
the service, before the lamp; the press, before the pad's ack; the rating, before the thanks. After
each commit one line on stdout promises what a power cut may not take back. A commit that fails is
said on stderr and asked for again.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from daemon.disk.journal import Journal
from daemon.errors import DaemonError, StoreFailed
from daemon.events import Sealed
from protocol.central.canonical import canonical
from protocol.central.chain import verify
from protocol.central.entry import Draft, Source, Stamp
from protocol.central.signing import SigningKey

DATABASE = "unit.db"
SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
# So that a short session is folded back into the database several times.
CHECKPOINT_PAGES = 12
# A disk that is full for longer than this stays so.
TRIES_MAX = 100
PAGE_LEN = 1 << 20
IDLE, PROMPTED, PRESSED = "idle", "prompted", "pressed"


@dataclass(frozen=True, slots=True)
class Promise:
    """The last entry on disk, and the last pad edge that is."""

    seq: int
    hash: str
    edge: int

    @classmethod
    def read(cls, line: str) -> Self:
        return cls(**json.loads(line))

    def line(self) -> str:
        return json.dumps(asdict(self))


class Session:
    """Goes on with whatever case the journal was left with."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        restored = journal.restored
        self._promise = Promise(
            restored.last_seq, restored.last_hash, restored.state.get("pad", {"seq": 0})["seq"]
        )
        self._phase: str = restored.state.get("case", {"phase": IDLE})["phase"]

    def step(self) -> Promise:
        """Make the next commit; what now holds for good."""
        edge, data = self._promise.edge, self._data()
        if self._phase == IDLE:
            return self._commit("service", PROMPTED, edge, data)
        if self._phase == PROMPTED:
            return self._commit(None, PRESSED, edge + 1, {})
        return self._commit("rating", IDLE, edge + 1, data)

    def _commit(self, kind: str | None, phase: str, edge: int, data: dict[str, Any]) -> Promise:
        stamp = Stamp("boot-1", 1000 * self._promise.seq, None, False, None)
        drafts = () if kind is None else (Draft(self._promise.seq + 1, kind, "w03", data, stamp),)
        state = {
            "pad": canonical({"boot_id": 7, "seq": edge}).decode(),
            "case": canonical({"phase": phase}).decode(),
        }
        sealed = self._until_it_holds(drafts, state)
        seq, hash_ = self._promise.seq, self._promise.hash
        if sealed:
            seq, hash_ = sealed[-1].seq, sealed[-1].hash
        self._phase, self._promise = phase, Promise(seq, hash_, edge)
        return self._promise

    def _until_it_holds(
        self, drafts: tuple[Draft, ...], state: dict[str, str]
    ) -> tuple[Sealed, ...]:
        for _ in range(TRIES_MAX):
            try:
                return self._journal.commit(drafts, state)
            except StoreFailed as error:
                failure = error
                sys.stderr.write(f"{error}\n")
        raise failure

    def _data(self) -> dict[str, Any]:
        """About as long as a real entry's."""
        number = self._promise.edge // 2 + 1
        return {
            "window": "3",
            "ticketSerial": f"20261122-1-A{number:03d}",
            "projectNo": f"330102202611220{number:05d}",
            "serviceNumber": 1,
            "taskCode": "11330100002489559F400011701700A",
            "staff": "0317",
            "satisfaction": number % 5 + 1,
            "edges": [{"key": 1, "down": down, "msFromPrompt": 2000} for down in (True, False)],
        }


def check(directory: Path, promised: tuple[str, ...]) -> str | None:
    """What is wrong with a session's journal after a cut; None when it kept what it promised."""
    try:
        with Journal(directory / DATABASE, SOURCE, KEY) as journal:
            return _broken(journal, promised) or _stuck(journal)
    except DaemonError as error:
        return str(error)


def _broken(journal: Journal, promised: tuple[str, ...]) -> str | None:
    if journal.restored.salvage is not None:
        return f"was set aside: {journal.restored.salvage['why']}"
    entries = journal.read(1, PAGE_LEN)
    hashes = {entry.seq: entry.hash for entry in entries}
    promises = [Promise.read(line) for line in promised]
    for promise in promises:
        if promise.seq and hashes.get(promise.seq) != promise.hash:
            return f"entry {promise.seq} was promised and is not there"
    problems = verify((entry.text for entry in entries), {KEY.kid: KEY.public}, SOURCE).problems
    if problems:
        return problems[0].sentence
    edge = journal.restored.state.get("pad", {"seq": 0})["seq"]
    if promises and edge < promises[-1].edge:
        return f"pad edge {promises[-1].edge} was acknowledged, {edge} is on disk"
    kinds = [entry.kind for entry in entries]
    ratings, prompted = kinds.count("rating"), kinds.count("service") - kinds.count("rating")
    if not 2 * ratings <= edge <= 2 * ratings + prompted or prompted not in (0, 1):
        return f"pad edge {edge} does not go with {ratings} ratings, {prompted} open"
    return None


def _stuck(journal: Journal) -> str | None:
    promise = Session(journal).step()
    last = journal.read(promise.seq, 1)
    return None if last and last[0].hash == promise.hash else "the next commit is not there"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.promises", description="Write a session.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("steps", type=int)
    asked = parser.parse_args()
    with Journal(
        asked.directory / DATABASE, SOURCE, KEY, checkpoint_pages=CHECKPOINT_PAGES
    ) as journal:
        session = Session(journal)
        for _ in range(asked.steps):
            sys.stdout.write(session.step().line() + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
