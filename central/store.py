"""What a worker asks of the database and tells it: one transaction for each batch (real I/O).

To `take` a batch is to `hold` its units, read their `standing`, decide, `keep` the outcome: nobody
else judges these units in between, on any worker. What is kept is on disk when it returns.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any

from central.alarms import Alarms
from central.asks import Ask, Asking, sent
from central.database import Database, Values, marks, row_marks
from central.ingest import (
    Admitted,
    Displaced,
    Finding,
    Key,
    Outcome,
    Standing,
    decide,
    keys,
    sources,
)
from central.journal import Epoch, Journal, Waiting
from central.judge import day_problem
from central.registry import Registry
from protocol.central import topics
from protocol.central.entry import TEXT_LEN_MAX, Entry, Source, read

Sign = Callable[[Source, Epoch], str]

PROBLEM_COUNT_MAX = 10_000  # per unit, so that a flood of rubbish cannot fill the disk
KEY_COUNT_MAX = 500  # of one question: three values each, SQLite takes 32 766
STRANGERS = ""
PROJECT_NO_LEN_MAX = 64  # as in the schema; what breaks it is stored and found by other means

HOLD = """
INSERT INTO units (source, heard_utc_ms) VALUES (?, ?)
ON CONFLICT (source) DO UPDATE SET heard_utc_ms = excluded.heard_utc_ms
"""
EPOCHS = """
SELECT source, epoch, number, upto, hash, previous, ended_at, ended_hash, told_seq, proved_seq,
    moved_utc_ms, receipt, hole_first, hole_last, hole_utc_ms, asked_upto, ask_retry_ms, ask_utc_ms
FROM epochs WHERE source IN ({marks})
"""
WAITING = """
SELECT seq, hash, prevhash, kind FROM entries WHERE source = ? AND epoch = ? AND seq > ?
"""
HASHES = """
SELECT source, epoch, seq, hash FROM entries WHERE (source, epoch, seq) IN (VALUES {rows})
"""
ENTRY_COLUMNS = (
    "source", "epoch", "seq", "kind", "hash", "prevhash", "received_utc_ms", "project_no", "about",
    "outcome", "satisfaction", "text",
)  # fmt: skip
KEEP_EPOCH = """
INSERT INTO epochs (source, epoch, number, upto, hash, previous, ended_at, ended_hash, told_seq,
    proved_seq, moved_utc_ms, receipt, hole_first, hole_last, hole_utc_ms, asked_upto,
    ask_retry_ms, ask_utc_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source, epoch) DO UPDATE SET upto = excluded.upto, hash = excluded.hash,
    previous = excluded.previous, ended_at = excluded.ended_at, ended_hash = excluded.ended_hash,
    told_seq = excluded.told_seq, proved_seq = excluded.proved_seq,
    moved_utc_ms = excluded.moved_utc_ms, receipt = excluded.receipt,
    hole_first = excluded.hole_first, hole_last = excluded.hole_last,
    hole_utc_ms = excluded.hole_utc_ms, asked_upto = excluded.asked_upto,
    ask_retry_ms = excluded.ask_retry_ms, ask_utc_ms = excluded.ask_utc_ms
"""
# What exists is counted up even when the share is used up.
COUNT_PROBLEM = """
UPDATE problems SET count = count + 1, last_utc_ms = ? WHERE source = ? AND name = ? AND digest = ?
"""
KEEP_PROBLEM = """
INSERT INTO problems
    (source, name, digest, charged, epoch, seq, sentence, first_utc_ms, last_utc_ms, count, text)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
ON CONFLICT (source, name, digest) DO UPDATE SET count = problems.count + 1
"""
SHARE = "SELECT count(*) FROM problems WHERE charged = ?"
DAY = """
SELECT outcome, satisfaction, count(*) FROM entries
WHERE source = ? AND epoch = ? AND kind = 'rating' AND seq < ? AND seq > (
    SELECT coalesce(max(seq), 0) FROM entries
    WHERE source = ? AND epoch = ? AND kind = 'daily' AND seq < ?)
GROUP BY outcome, satisfaction
"""
DUE = """
SELECT source, epoch, hole_first, hole_last, hole_utc_ms, asked_upto, ask_retry_ms, ask_utc_ms
FROM epochs WHERE hole_first IS NOT NULL AND ask_utc_ms <= ? ORDER BY ask_utc_ms
"""
ASKED = """
UPDATE epochs SET asked_upto = ?, ask_retry_ms = ?, ask_utc_ms = ?
WHERE source = ? AND epoch = ? AND ask_utc_ms = ? AND hole_first = ?
"""
KEEP_KEY = """
INSERT INTO keys (source, kid, public, added_utc_ms, revoked, removed_utc_ms)
VALUES (?, ?, ?, ?, ?, NULL)
ON CONFLICT (source, kid) DO UPDATE SET revoked = excluded.revoked, removed_utc_ms = NULL
"""
REMOVED_KEY = "UPDATE keys SET removed_utc_ms = ? WHERE source = ? AND kid = ?"


class Store:
    """The database as a worker sees it; one object, one connection, one thread."""

    def __init__(self, database: Database, problem_count_max: int = PROBLEM_COUNT_MAX) -> None:
        self._db = database
        self._problem_count_max = problem_count_max
        self.alarms = Alarms(database)

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All that is done in it is stored as a whole or not at all; raises StoreError."""
        return self._db.transaction()

    # -- a batch

    def take(self, admitted: Sequence[Admitted], now_utc_ms: int, sign: Sign) -> Outcome:
        """Decide about a batch and store what comes of it, all or nothing; raises StoreError.

        sign: makes the receipt of an epoch that has moved. It may leave the process afterwards.
        """
        held = sources(admitted)
        with self.transaction():
            self.hold(held, now_utc_ms)
            outcome = decide(now_utc_ms, admitted, self.standing(held, keys(admitted)))
            for source, epoch in outcome.receipts:
                epoch.receipt = epoch.receipt or sign(source, epoch)
            self.keep(outcome)
        return outcome

    def hold(self, sources: Sequence[Source], now_utc_ms: int) -> None:
        """Keep all others from judging these units until the transaction ends.

        sources: in their order, so that two workers never wait for each other.
        """
        self._db.run_many(HOLD, [(str(source), now_utc_ms) for source in sources])

    def standing(self, sources: Sequence[Source], keys: Sequence[Key]) -> Standing:
        """Where the units' journals stand, and the stored hashes of these entries."""
        epochs: dict[str, list[Epoch]] = {str(source): [] for source in sources}
        if sources:
            sql = EPOCHS.format(marks=marks(len(sources)))
            for source, *row in self._db.rows(sql, list(epochs)):
                epochs[source].append(self._epoch(source, *row))
        standing = Standing({source: Journal(epochs[str(source)]) for source in sources})
        for source in sources:
            for epoch in epochs[str(source)]:
                for seq, waiting in epoch.waiting.items():
                    standing.hashes[source, epoch.name, seq] = waiting.hash
        wanted = [key for key in keys if key[2] <= standing.journals[key[0]].upto(key[1])]
        for at in range(0, len(wanted), KEY_COUNT_MAX):
            some = wanted[at : at + KEY_COUNT_MAX]
            values = [value for source, name, seq in some for value in (str(source), name, seq)]
            for source, name, seq, hash_ in self._db.rows(
                HASHES.format(rows=row_marks(len(some), 3)), values
            ):
                standing.hashes[Source.parse(source), name, seq] = hash_
        return standing

    def keep(self, outcome: Outcome) -> None:
        """Store a batch's outcome."""
        now, db = outcome.received_utc_ms, self._db
        if outcome.kept:
            rows = [_entry_row(kept.entry, now) for kept in outcome.kept]
            db.insert("entries", ENTRY_COLUMNS, rows)
        findings = [*outcome.findings, *map(self._displace, outcome.displaced)]
        findings += filter(None, map(self._day_finding, outcome.days))
        self._keep_findings(findings, now)
        for source in outcome.cleared:
            self.alarms.clear("clock", source, now)
        if outcome.epochs:
            db.run_many(
                KEEP_EPOCH,
                [_epoch_row(source, epoch) for (source, _), epoch in outcome.epochs.items()],
            )
        for (source, name), text in outcome.notes.items():
            assert name in (topics.STATE, topics.HEALTH), name
            sql = f"UPDATE units SET {name} = ?, {name}_utc_ms = ? WHERE source = ?"
            db.run(sql, (text, now, str(source)))

    # -- asks

    def take_due_asks(self, now_utc_ms: int) -> list[Ask]:
        """The asks to send now; each is this worker's alone and comes again less and less often."""
        asks = []
        for source, epoch, first, last, *times in self._db.rows(DUE, (now_utc_ms,)):
            before = Asking(first, last, *times)
            after = sent(before, now_utc_ms)
            values = (after.asked_upto, after.retry_ms, after.due_utc_ms)
            place = (source, epoch, before.due_utc_ms, first)
            if self._db.run(ASKED, (*values, *place)):
                asks.append(Ask(Source.parse(source), epoch, first, after.asked_upto))
        return asks

    # -- keys

    def keep_keys(self, registry: Registry, now_utc_ms: int) -> None:
        """Remember every key that was ever registered, and since when it is not any more."""
        named = {
            (str(source), kid): (key.to_text(), unit.revoked.get(kid))
            for source, unit in registry.items()
            for kid, key in unit.keys.items()
        }
        with self._db.transaction():
            sql = "SELECT source, kid, revoked FROM keys WHERE removed_utc_ms IS NULL"
            known = {(source, kid): revoked for source, kid, revoked in self._db.rows(sql)}
            self._db.run_many(
                KEEP_KEY,
                [
                    (*place, public, now_utc_ms, revoked)
                    for place, (public, revoked) in sorted(named.items())
                    if place not in known or known[place] != revoked
                ],
            )
            gone = sorted(known.keys() - named.keys())
            self._db.run_many(REMOVED_KEY, [(now_utc_ms, *place) for place in gone])

    # -- how

    def _epoch(self, source: str, name: str, *row: Any) -> Epoch:
        (number, upto, hash_, previous, ended_at, ended_hash, told_seq, proved_seq, moved, receipt,
         *asking) = row  # fmt: skip
        epoch = Epoch(
            name, number, upto, hash_, previous, ended_at, ended_hash, told_seq, moved,
            None if asking[0] is None else Asking(*asking), receipt,
        )  # fmt: skip
        if proved_seq > upto:
            for seq, *waiting in self._db.rows(WAITING, (source, name, upto)):
                epoch.waiting[seq] = Waiting(*waiting)
        return epoch

    def _displace(self, displaced: Displaced) -> Finding:
        source, epoch, problem = displaced
        sql = "DELETE FROM entries WHERE source = ? AND epoch = ? AND seq = ? RETURNING text"
        ((text,),) = self._db.rows(sql, (str(source), epoch, problem.seq))
        return Finding(source, epoch, problem, text.encode())

    def _day_finding(self, key: Key) -> Finding | None:
        """What is wrong with the day that a `daily` entry closes."""
        source, epoch, seq = key
        place = (str(source), epoch, seq)
        sql = "SELECT text FROM entries WHERE source = ? AND epoch = ? AND seq = ?"
        ((text,),) = self._db.rows(sql, place)
        counted: dict[str, int] = {}
        for outcome, satisfaction, count in self._db.rows(DAY, (*place, *place)):
            counted[str(satisfaction or outcome)] = count
        problem = day_problem(seq, read(text).data, counted)
        return None if problem is None else Finding(source, epoch, problem)

    def _keep_findings(self, findings: Iterable[Finding], now: int) -> None:
        """Store what is wrong, and raise its alarms: a share that is used up raises no more."""
        # In one order on every worker: strangers are nobody's to hold.
        for finding in sorted(findings, key=_order):
            place, name = str(finding.source or ""), finding.problem.name
            epoch, seq, sentence = finding.epoch, finding.problem.seq, finding.problem.sentence
            payload = finding.payload
            subject = payload if payload is not None else f"{epoch}-{seq} {sentence}".encode()
            key = (place, name, sha256(subject).hexdigest())
            charged = place if finding.is_registered else STRANGERS
            if not self._db.run(COUNT_PROBLEM, (now, *key)):
                ((used,),) = self._db.rows(SHARE, (charged,))
                if used >= self._problem_count_max:
                    continue
                text = None if payload is None else payload[:TEXT_LEN_MAX]
                more: Values = (epoch, seq, sentence, now, now, text)
                self._db.run(KEEP_PROBLEM, (*key, charged, *more))
            self.alarms.find(place, name, sentence, now, clears=finding.clears)


def _order(finding: Finding) -> tuple[str, str]:
    return str(finding.source or ""), finding.problem.name


def _entry_row(entry: Entry, now: int) -> Values:
    facets = _facets(entry.kind, entry.data)
    return (
        str(entry.source), entry.epoch, entry.seq, entry.kind, entry.hash, entry.prevhash, now,
        *facets, entry.text,
    )  # fmt: skip


def _facets(kind: str, data: dict[str, Any]) -> tuple[str | int | None, ...]:
    """projectNo, what it is about, outcome, satisfaction: each only when it is what it should."""
    about = data.get("rating" if kind == "correction" else "service")
    outcome = data.get("outcome") if kind == "rating" else None
    satisfaction = data.get("satisfaction") if kind == "rating" else None
    return (
        _word(data.get("projectNo")),
        _word(about),
        _word(outcome),
        satisfaction if type(satisfaction) is int and 1 <= satisfaction <= 5 else None,
    )


def _word(value: Any) -> str | None:
    good = isinstance(value, str) and len(value) <= PROJECT_NO_LEN_MAX and value.isprintable()
    return value if good else None


def _epoch_row(source: Source, epoch: Epoch) -> Values:
    asking = epoch.asking
    hole = (None,) * 6 if asking is None else (
        asking.first, asking.last, asking.since_utc_ms, asking.asked_upto, asking.retry_ms,
        asking.due_utc_ms,
    )  # fmt: skip
    return (
        str(source), epoch.name, epoch.number, epoch.upto, epoch.hash, epoch.previous,
        epoch.ended_at, epoch.ended_hash, epoch.told_seq, epoch.proved_seq, epoch.moved_utc_ms,
        epoch.receipt, *hole,
    )  # fmt: skip
