"""A unit's journal as `python -m daemon export` wrote it, read like the database (real I/O)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from central.archive import KeyRow, ProblemRow, Row
from central.errors import CentralError
from central.registry import Registry
from central.registry_files import load
from protocol.central.entry import BadEntry, Entry, Source, read

# In place of those of an entry that cannot be read.
NO_EPOCH, NO_SEQ = "", 0


class JournalError(CentralError):
    """A file with a journal or a receipt cannot be read, or is of no known unit."""


class Exported:
    """One signed entry a line, the registry's keys, and a receipt if there is one."""

    def __init__(self, journal: Path, registry: Path, receipt: Path | None = None) -> None:
        self._journal = journal
        self._registry: Registry = load(registry)
        self._receipt = None if receipt is None else _text(receipt).strip()
        self._source = self._whose()

    def naming(self, project_no: str) -> list[Row]:
        """The entries that name a case."""
        return self._find(project_no, lambda entry: entry.data.get("projectNo") == project_no)

    def entry(self, source: Source, epoch: str, seq: int) -> list[Row]:
        """All that claims to be one entry."""
        wanted = f"{epoch}-{seq}"
        return self._find(wanted, lambda entry: entry.id == wanted and entry.source == source)

    def about(self, source: Source, entry_id: str) -> list[Row]:
        """The entries of the unit that belong to one of its entries."""
        return self._find(
            entry_id, lambda entry: entry.source == source and _about(entry) == entry_id
        )

    def journal(self, source: Source) -> Iterator[Row]:
        """Every line in its order, whatever it is."""
        epoch = NO_EPOCH
        for line in self._lines():
            try:
                entry = read(line)
            except BadEntry:
                yield Row(str(source), epoch, NO_SEQ, None, line)
            else:
                epoch = entry.epoch
                yield Row(str(source), epoch, entry.seq, None, line)

    def key_rows(self) -> list[KeyRow]:
        """Every key of the registry."""
        return [
            KeyRow(str(source), kid, key.to_text(), None, unit.revoked.get(kid), None)
            for source, unit in self._registry.items()
            for kid, key in unit.keys.items()
        ]

    def receipts(self, source: Source) -> list[str]:
        """The receipt, if it was given."""
        return [self._receipt] if self._receipt and source == self._source else []

    def problems_of(self, _source: Source, _epoch: str, _seq: int, /) -> list[ProblemRow]:
        """Nothing: an export knows no platform's findings."""
        return []

    def _whose(self) -> Source:
        for line in self._lines():
            try:
                source = read(line).source
            except BadEntry:
                continue
            if self._registry.get(source) is None:
                raise JournalError(f"{self._journal}: of {source}, which is not in the registry")
            return source
        raise JournalError(
            f"{self._journal}: no entry in it; it is made by python -m daemon export"
        )

    def _find(self, needle: str, is_wanted: Callable[[Entry], bool]) -> list[Row]:
        """Every readable entry of the unit that is wanted; each has the needle in its text."""
        found = []
        # As RFC 8785 writes it; most lines need not be read as JSON then.
        written = json.dumps(needle, ensure_ascii=False)[1:-1]
        for line in self._lines():
            if written not in line:
                continue
            try:
                entry = read(line)
            except BadEntry:
                continue
            if entry.source == self._source and is_wanted(entry):
                found.append(Row(str(entry.source), entry.epoch, entry.seq, None, line))
        return found

    def _lines(self) -> Iterator[str]:
        try:
            with self._journal.open(encoding="utf-8", errors="replace", newline="\n") as file:
                for line in file:
                    if line := line.rstrip("\r\n"):
                        yield line
        except OSError as error:
            raise JournalError(f"{self._journal}: {error.strerror}") from error


def _about(entry: Entry) -> object:
    return entry.data.get("rating" if entry.kind == "correction" else "service")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error
