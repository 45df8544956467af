"""Journals checked again from the texts alone, by every key that was ever registered."""

from collections.abc import Container, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from central.archive import Archive, KeyRow, ProblemRow, Row
from protocol.central.chain import Problem, Verifier
from protocol.central.entry import Entry, Source, digest, read, utc_text
from protocol.central.schema import data_problems
from protocol.central.signing import VerifyKey
from protocol.central.truetime import Anchor

PROBLEM_COUNT_MAX = 1_000  # per unit, in the report
REMARKS = ("schema", "revoked_key")  # what says nothing against the chain


class Found(NamedTuple):
    """A problem, and the epoch in which it was met."""

    epoch: str
    problem: Problem


class Audit:
    """One unit's journal, taken text by text."""

    def __init__(
        self, source: Source, keys: Iterable[KeyRow], boots: Container[str] = frozenset()
    ) -> None:
        """boots: those whose clock anchors are wanted."""
        self.problems: list[Found] = []
        self.problem_count = 0
        self.upto: dict[str, int] = {}  # by epoch: entries 1 to this are there and chained
        self.clocks: list[Entry] = []
        self.source = source
        self._keys = {row.kid: VerifyKey.from_text(row.public) for row in keys}
        self._revoked = {row.kid: row.revoked for row in keys if row.revoked is not None}
        self._boots = boots
        self._broken: set[str] = set()
        self._verifier = Verifier(
            self._keys, source, lambda entry: data_problems(entry.kind, entry.data)
        )

    @property
    def entry_count(self) -> int:
        """How many authentic entries there were."""
        return self._verifier.entry_count

    @property
    def epochs(self) -> tuple[str, ...]:
        """The epochs in their order."""
        return self._verifier.epochs

    @property
    def anchors(self) -> list[Anchor]:
        """What the wanted boots' clock entries say."""
        return [Anchor.of(entry) for entry in self.clocks]

    def hash_at(self, epoch: str, seq: int) -> str | None:
        """The hash of an authentic entry, computed from its text."""
        return self._verifier.hash_at(epoch, seq)

    def take(self, row: Row) -> None:
        """Check the next text of the journal."""
        problems = self._verifier.push(row.text)
        if not any(problem.name == "schema" for problem in problems):
            problems += self._with_revoked(row)
            self._keep_clock(row)
        for problem in problems:
            self._note(row.epoch, problem)
        if row.epoch not in self._broken:
            self.upto[row.epoch] = row.seq

    def _note(self, epoch: str, problem: Problem) -> None:
        self.problem_count += 1
        if len(self.problems) < PROBLEM_COUNT_MAX:
            self.problems.append(Found(epoch, problem))
        if problem.name not in REMARKS:
            self._broken.add(epoch)

    def _with_revoked(self, row: Row) -> list[Problem]:
        """That an entry came after its key was revoked."""
        for kid, revoked in self._revoked.items():
            # Most journals know no revoked key, and most entries another: spare the reading.
            if row.received_utc_ms is None or kid not in row.text:
                continue
            if row.received_utc_ms < utc_ms(revoked):
                continue
            entry = self._authentic(row)
            if entry is not None and entry.kid == kid:
                came = utc_text(row.received_utc_ms)
                sentence = f"key {kid} was revoked {revoked}, the entry came {came}"
                return [Problem("revoked_key", row.seq, sentence)]
        return []

    def _keep_clock(self, row: Row) -> None:
        entry = self._authentic(row) if '"type":"hcp.clock.v1"' in row.text else None
        if entry is not None and entry.kind == "clock" and entry.stamp.boot_id in self._boots:
            self.clocks.append(entry)

    def _authentic(self, row: Row) -> Entry | None:
        """The entry of a text that was pushed, when it is the one that counts."""
        known = self.hash_at(row.epoch, row.seq)
        return read(row.text) if known == digest(row.text) else None


def utc_ms(time: str) -> int:
    """A time of the registry or of a receipt, which are RFC 3339 in UTC."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def report(archive: Archive) -> dict[str, Any]:
    """Verify every stored journal again, and add what was quarantined."""
    found, keys = archive.problems(), archive.key_rows()
    units = [_unit(archive, source, keys, found) for source in archive.sources()]
    known = {unit["source"] for unit in units}
    return {
        "units": units,
        "strangers": sum(row.seen_count for row in found if row.source not in known),
        "chain_verified": all(unit.pop("chain_verified") for unit in units),
    }


def _unit(
    archive: Archive, source: Source, keys: list[KeyRow], found: list[ProblemRow]
) -> dict[str, Any]:
    audit = Audit(source, [row for row in keys if row.source == str(source)])
    for row in archive.journal(source):
        audit.take(row)
    epochs = archive.epochs(source)
    quarantined = [
        Problem(row.name, row.seq, row.sentence)
        for row in found
        if row.source == str(source) and row.text is not None
    ]
    problems = [each.problem for each in audit.problems] + quarantined
    return {
        "source": str(source),
        "epochs": [epoch.name for epoch in epochs],
        "entries": audit.entry_count,
        "upto": epochs[-1].upto,
        "problems": [problem._asdict() for problem in problems[:PROBLEM_COUNT_MAX]],
        "chain_verified": not audit.problem_count,
    }
