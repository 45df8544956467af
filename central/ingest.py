"""From messages to what is stored and what is told: the centre's decision, without I/O (pure).

    arrivals ── judge.admit ──▶ entry ── journal.place ──▶ kept, or quarantined
                                      └─ seen before ────▶ receipt again, or `fork`

`take` turns a batch into one Outcome. The caller commits it as a whole and only then tells anyone:
acknowledges the messages, publishes the receipts. When the commit fails the process must end,
because what is remembered here is then ahead of the store.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from central.asks import Ask, Asks
from central.journal import Epoch, Journal, Waiting
from central.judge import Note, Refusal, admit, remarks
from central.registry import Registry
from protocol.central.chain import NAMES, Head, Problem
from protocol.central.entry import Entry, Source, read

HashAt = Callable[[Source, str, int], str | None]


class Arrival(NamedTuple):
    """One message as it came."""

    topic: str
    payload: bytes


class Kept(NamedTuple):
    """An entry to store, with what is remarked about it."""

    entry: Entry
    problems: list[Problem]


class Finding(NamedTuple):
    """A named problem; with a payload when that is to be kept in quarantine."""

    source: Source | None
    epoch: str | None
    problem: Problem
    payload: bytes | None = None


class Displaced(NamedTuple):
    """A stored entry that waited above a hole and has to go to the quarantine after all."""

    source: Source
    epoch: str
    problem: Problem


@dataclass(slots=True)
class Outcome:
    """All that one batch leads to: first to be stored, then to be told."""

    received_utc_ms: int
    kept: list[Kept] = field(default_factory=list)
    displaced: list[Displaced] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: dict[tuple[Source, str], str] = field(default_factory=dict)
    epochs: dict[tuple[Source, str], Epoch] = field(default_factory=dict)
    receipts: list[tuple[Source, Head]] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.kept or self.findings or self.notes)


class Ingest:
    """The journals of all units, and what to do with the next messages."""

    def __init__(self, hash_at: HashAt) -> None:
        """hash_at: the stored hash of an entry, from whoever keeps the entries."""
        self._hash_at = hash_at
        self._journals: dict[Source, Journal] = {}
        self._asks = Asks()
        self._fresh: dict[tuple[Source, str, int], str] = {}

    def restore(self, now_ms: int, source: Source, epoch: Epoch, waiting: Iterable[str]) -> None:
        """Take over an epoch as it was stored, with the texts that wait above its hole."""
        for text in waiting:
            entry = read(text)
            epoch.waiting[entry.seq] = Waiting(entry.hash, entry.prevhash)
        self._journal(source).restore(epoch)
        self._asks.note(now_ms, source, epoch.name, epoch.hole)

    def take(
        self, now_ms: int, now_utc_ms: int, arrivals: Iterable[Arrival], registry: Registry
    ) -> Outcome:
        """Decide about a batch of messages, in their order."""
        outcome = Outcome(now_utc_ms)
        touched: dict[tuple[Source, str], None] = {}
        self._fresh.clear()
        for topic, payload in arrivals:
            match admit(topic, payload, registry):
                case Note(source, name, text):
                    outcome.notes[source, name] = text
                case Refusal(source, epoch, problem):
                    outcome.findings.append(Finding(source, epoch, problem, payload))
                case entry:
                    self._take_entry(entry, payload, outcome)
                    touched[entry.source, entry.epoch] = None
        self._settle(now_ms, touched, outcome)
        return outcome

    def due(self, now_ms: int) -> list[Ask]:
        """The asks for missing entries to send now."""
        return self._asks.due(now_ms)

    def wake_at_ms(self) -> int | None:
        """When due() has something next."""
        return self._asks.wake_at_ms()

    def _take_entry(self, entry: Entry, payload: bytes, outcome: Outcome) -> None:
        known = self._known_hash(entry)
        if known == entry.hash:
            return
        if known is not None:
            fork = Problem("fork", entry.seq, f"{entry.id}: {NAMES['fork']}")
            outcome.findings.append(Finding(entry.source, entry.epoch, fork, payload))
            return
        placed = self._journal(entry.source).place(entry)
        if not placed.kept:
            # Too many wait above this hole: the unit has no receipt for it and sends it again.
            text = None if placed.problems[0].name == "gap" else payload
            outcome.findings.append(Finding(entry.source, entry.epoch, placed.problems[0], text))
            return
        self._fresh[entry.source, entry.epoch, entry.seq] = entry.hash
        problems = [*remarks(entry), *placed.problems]
        outcome.kept.append(Kept(entry, problems))
        outcome.findings += [Finding(entry.source, entry.epoch, problem) for problem in problems]
        for seq in placed.displaced:
            self._fresh.pop((entry.source, entry.epoch, seq), None)
            wrong = Problem("broken_chain", seq, f"{entry.epoch}-{seq}: {NAMES['broken_chain']}")
            outcome.displaced.append(Displaced(entry.source, entry.epoch, wrong))

    def _known_hash(self, entry: Entry) -> str | None:
        """The hash of what is there under this entry's number, stored or about to be."""
        epoch = self._journal(entry.source).get(entry.epoch)
        if epoch is None:
            return None
        if entry.seq > epoch.upto:
            waiting = epoch.waiting.get(entry.seq)
            return waiting.hash if waiting else None
        fresh = self._fresh.get((entry.source, entry.epoch, entry.seq))
        known = fresh or self._hash_at(entry.source, entry.epoch, entry.seq)
        assert known is not None, f"{entry.source} {entry.id} is below upto and not stored"
        return known

    def _settle(
        self, now_ms: int, touched: Collection[tuple[Source, str]], outcome: Outcome
    ) -> None:
        """Note where the units stand now; the newest epoch's receipt is told last and stays."""
        changed = {kept.entry.source for kept in outcome.kept}
        for source in dict.fromkeys(source for source, _ in touched):
            epochs = list(self._journal(source))
            for epoch in epochs:
                if source in changed:
                    outcome.epochs[source, epoch.name] = epoch
                    self._asks.note(now_ms, source, epoch.name, epoch.hole)
                told = epoch is epochs[-1] or (source, epoch.name) in touched
                if told and epoch.upto:
                    outcome.receipts.append((source, epoch.head))

    def _journal(self, source: Source) -> Journal:
        return self._journals.setdefault(source, Journal())
