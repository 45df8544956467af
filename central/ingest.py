"""From messages to what is stored and what is told: the centre's decision, without I/O (pure).

    arrivals ── judge.admit ──▶ entry ── journal.place ──▶ kept, or quarantined
                                      └─ seen before ────▶ receipt again, or `fork`

`decide` turns a batch into one Outcome. It remembers nothing: where the units' journals stand comes
from the store, which lets nobody else judge these units until the outcome is stored. So any number
of workers may share one database, and a batch that could not be stored is simply decided again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from central import asks
from central.journal import Epoch, Journal
from central.judge import Kept, Note, Refusal
from protocol.central.chain import NAMES, Head, Problem
from protocol.central.entry import Entry, Source

Key = tuple[Source, str, int]
Admitted = Kept | Note | Refusal

# A unit's health names the end of its journal as of now. What arrived later than this long ago may
# have overtaken it on another worker.
SETTLED_MS = 30_000


class Finding(NamedTuple):
    """A named problem; with a payload when that is to be kept in quarantine."""

    source: Source | None
    epoch: str | None
    problem: Problem
    payload: bytes | None = None
    is_registered: bool = True
    clears: bool = False  # whether the alarm closes by itself when the cause is gone


class Displaced(NamedTuple):
    """A stored entry that waited above a hole and has to go to the quarantine after all."""

    source: Source
    epoch: str
    problem: Problem


@dataclass(slots=True)
class Standing:
    """What the store holds of the units a batch is about.

    hashes: of all that wait, and of what the batch brings again or names.
    """

    journals: dict[Source, Journal] = field(default_factory=dict)
    hashes: dict[Key, str] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """All that one batch leads to: first to be stored, then to be told."""

    received_utc_ms: int
    kept: list[Kept] = field(default_factory=list)
    displaced: list[Displaced] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: dict[tuple[Source, str], str] = field(default_factory=dict)
    epochs: dict[tuple[Source, str], Epoch] = field(default_factory=dict)
    receipts: list[tuple[Source, Epoch]] = field(default_factory=list)
    days: list[Key] = field(default_factory=list)
    cleared: list[Source] = field(default_factory=list)
    repeated_count: int = 0


def sources(admitted: Iterable[Admitted]) -> list[Source]:
    """The registered units a batch is about, in the one order in which they are held."""
    found = {item.entry.source if isinstance(item, Kept) else item.source
             for item in admitted if not isinstance(item, Refusal)}  # fmt: skip
    return sorted(found)


def keys(admitted: Iterable[Admitted]) -> list[Key]:
    """The entries whose stored hashes `decide` may want to know."""
    found: dict[Key, None] = {}
    for item in admitted:
        if isinstance(item, Kept):
            found[item.entry.source, item.entry.epoch, item.entry.seq] = None
        elif isinstance(item, Note) and item.head is not None:
            found[item.source, item.head.epoch, item.head.seq] = None
    return list(found)


def decide(now_utc_ms: int, admitted: Iterable[Admitted], standing: Standing) -> Outcome:
    """Decide about a batch of messages, in their order."""
    batch = _Batch(now_utc_ms, standing)
    for item in admitted:
        batch.take(item)
    return batch.settle()


class _Batch:
    """One batch on its way to an outcome."""

    def __init__(self, now_utc_ms: int, standing: Standing) -> None:
        self._now_utc_ms = now_utc_ms
        self._standing = standing
        self._outcome = Outcome(now_utc_ms)
        self._touched: dict[tuple[Source, str], None] = {}  # entries came
        self._changed: dict[Source, None] = {}  # something is to be stored

    def take(self, item: Admitted) -> None:
        match item:
            case Note():
                self._take_note(item)
            case Refusal(source, epoch, problem, payload, is_registered):
                self._find(Finding(source, epoch, problem, payload, is_registered))
            case Kept():
                self._take_entry(item)

    def settle(self) -> Outcome:
        """Note where the units stand now; the newest epoch's receipt is told last and stays."""
        outcome = self._outcome
        for source in self._changed:
            for epoch in self._journal(source):
                epoch.asking = asks.follow(epoch.asking, epoch.hole, self._now_utc_ms)
                outcome.epochs[source, epoch.name] = epoch
        for source in dict.fromkeys(source for source, _ in self._touched):
            epochs = list(self._journal(source))
            for epoch in epochs:
                if epoch.upto and (epoch is epochs[-1] or (source, epoch.name) in self._touched):
                    outcome.receipts.append((source, epoch))
        return outcome

    def _take_entry(self, kept: Kept) -> None:
        entry, outcome = kept.entry, self._outcome
        self._touched[entry.source, entry.epoch] = None
        known = self._known_hash(entry.source, entry.epoch, entry.seq)
        if known == entry.hash:
            outcome.repeated_count += 1
            return
        if known is not None:
            fork = Problem("fork", entry.seq, f"{entry.id}: {NAMES['fork']}")
            self._find(Finding(entry.source, entry.epoch, fork, entry.text.encode()))
            return
        journal = self._journal(entry.source)
        before = journal.upto(entry.epoch)
        placed = journal.place(entry)
        if not placed.kept:
            # Too many wait above this hole: the unit has no receipt for it and sends it again.
            payload = None if placed.problems[0].name == "gap" else entry.text.encode()
            self._find(Finding(entry.source, entry.epoch, placed.problems[0], payload))
            return
        self._changed[entry.source] = None
        self._standing.hashes[entry.source, entry.epoch, entry.seq] = entry.hash
        problems = [*kept.problems, *placed.problems]
        outcome.kept.append(Kept(entry, problems))
        for problem in problems:
            self._find(Finding(entry.source, entry.epoch, problem))
        self._follow(entry, before, placed.displaced, placed.days)

    def _follow(self, entry: Entry, before: int, displaced: list[int], days: list[int]) -> None:
        """What else a new entry brings about in its epoch."""
        source, name = entry.source, entry.epoch
        epoch = self._journal(source).get(name)
        if epoch is not None and epoch.upto > before:
            epoch.moved_utc_ms, epoch.receipt = self._now_utc_ms, None
        for seq in displaced:
            self._standing.hashes.pop((source, name, seq), None)
            wrong = Problem("broken_chain", seq, f"{name}-{seq}: {NAMES['broken_chain']}")
            self._outcome.displaced.append(Displaced(source, name, wrong))
        self._outcome.days += [(source, name, seq) for seq in days]

    def _take_note(self, note: Note) -> None:
        self._outcome.notes[note.source, note.name] = note.text
        if note.problem is not None:
            self._find(Finding(note.source, None, note.problem, clears=True))
        elif note.head is not None:
            self._outcome.cleared.append(note.source)
        if note.head is not None:
            self._take_head(note.source, note.head)

    def _take_head(self, source: Source, head: Head) -> None:
        """Compare where a unit says its journal ends with what is here of it."""
        journal = self._journal(source)
        epoch = journal.hear(head)
        if epoch is None:
            return
        newest = list(journal)[-1]
        wrong: Problem | None = None
        if head.seq <= epoch.upto:
            if self._known_hash(source, head.epoch, head.seq) != head.hash:
                sentence = f"health names another entry {head.seq} than the one that is stored"
                wrong = Problem("fork", head.seq, sentence)
            elif head.seq < epoch.upto and self._is_settled(epoch):
                sentence = f"health says the journal ends at {head.seq}, {epoch.upto} are stored"
                wrong = Problem("rollback", head.seq, sentence)
        if newest is not epoch and newest.upto and self._is_settled(newest):
            sentence = f"health speaks of epoch {head.epoch}, which {newest.name} follows"
            wrong = wrong or Problem("rollback", head.seq, sentence)
        if wrong is not None:
            self._find(Finding(source, head.epoch, wrong))
        self._changed[source] = None

    def _is_settled(self, epoch: Epoch) -> bool:
        return self._now_utc_ms - epoch.moved_utc_ms >= SETTLED_MS

    def _find(self, finding: Finding) -> None:
        self._outcome.findings.append(finding)

    def _known_hash(self, source: Source, name: str, seq: int) -> str | None:
        """The hash of what is there under a number, stored or about to be."""
        epoch = self._journal(source).get(name)
        if epoch is None:
            return None
        if seq > epoch.upto:
            waiting = epoch.waiting.get(seq)
            return waiting.hash if waiting else None
        known = self._standing.hashes.get((source, name, seq))
        assert known is not None, f"{source} {name}-{seq} is below upto and not stored"
        return known

    def _journal(self, source: Source) -> Journal:
        return self._standing.journals.setdefault(source, Journal())
