"""What can be asked of the database: journals, units, quarantine, cases, counts (real I/O)."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from central.database import Database
from central.journal import Epoch, lived_order
from central.registry import Keys
from protocol.central.canonical import INT_MAX
from protocol.central.entry import Source
from protocol.central.signing import VerifyKey

EPOCHS = """
SELECT source, epoch, number, upto, hash, previous, ended_at, ended_hash, told_seq, moved_utc_ms,
    receipt
FROM epochs
"""
ENTRY = "SELECT source, epoch, seq, received_utc_ms, text FROM entries"
UNITS = """
SELECT source, heard_utc_ms, state, state_utc_ms, health, health_utc_ms FROM units ORDER BY source
"""
OPEN_ALARMS = "SELECT source, count(*) FROM alarms WHERE closed_utc_ms IS NULL GROUP BY source"
PROBLEMS = """
SELECT source, name, seq, sentence, first_utc_ms, last_utc_ms, count, text, epoch FROM problems
"""
QUARANTINE = """
SELECT id, name, source, count, first_utc_ms, last_utc_ms, length(text), sentence FROM problems
WHERE text IS NOT NULL ORDER BY id
"""
COUNTS = """
SELECT source, kind, outcome, satisfaction, count(*) FROM entries
WHERE kind IN ('service', 'rating') GROUP BY source, kind, outcome, satisfaction ORDER BY source
"""
# A rating is corrected or not, however often the desk says so.
CORRECTED = """
SELECT source, count(DISTINCT about) FROM entries WHERE kind = 'correction'
GROUP BY source ORDER BY source
"""
# With each message its service's latest binding, which may be written long after it.
TOLD = """
SELECT told.epoch, told.seq, told.kind, told.text,
    (SELECT text FROM entries WHERE source = told.source AND kind = 'binding'
        AND about = CASE told.kind WHEN 'service' THEN told.id_text ELSE told.about END
        ORDER BY seq DESC LIMIT 1),
    (SELECT count(*) FROM entries WHERE source = told.source AND kind = 'correction'
        AND about = told.id_text)
FROM (SELECT source, epoch, seq, kind, about, outcome, text,
    epoch || '-' || CAST(seq AS TEXT) AS id_text FROM entries) AS told
WHERE told.source = ? AND told.epoch = ?
    AND (told.kind = 'service' OR (told.kind = 'rating' AND told.outcome = 'rated'))
ORDER BY told.seq
"""
CLOCKS = f"{ENTRY} WHERE source = ? AND epoch = ? AND kind = 'clock'"


class Row(NamedTuple):
    """One stored entry; received_utc_ms None: nobody noted when it came."""

    source: str
    epoch: str
    seq: int
    received_utc_ms: int | None
    text: str


class Told(NamedTuple):
    """A service or a given rating, with what other entries say of it."""

    epoch: str
    seq: int
    kind: str
    text: str
    binding: str | None  # of the service it belongs to
    correction_count: int


class ProblemRow(NamedTuple):
    """One problem as it was recorded; `text` is set when the message is in quarantine."""

    source: str
    name: str
    seq: int | None
    sentence: str
    first_utc_ms: int
    last_utc_ms: int
    seen_count: int
    text: bytes | None
    epoch: str | None


class RefusedRow(NamedTuple):
    """One message in quarantine, without its text."""

    id: int
    name: str
    source: str
    seen_count: int
    first_utc_ms: int
    last_utc_ms: int
    text_len: int
    sentence: str


class UnitRow(NamedTuple):
    """What is known of a unit beside its journal."""

    source: str
    heard_utc_ms: int
    state: str | None
    state_utc_ms: int | None
    health: str | None
    health_utc_ms: int | None


class KeyRow(NamedTuple):
    """A key that is or was registered."""

    source: str
    kid: str
    public: str
    added_utc_ms: int | None
    revoked: str | None
    removed_utc_ms: int | None


class Archive:
    """Everything the centre keeps, to be read while workers go on."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- journals

    def sources(self) -> list[Source]:
        """The units whose entries are kept."""
        rows = self._db.rows("SELECT DISTINCT source FROM epochs ORDER BY source")
        return [Source.parse(source) for (source,) in rows]

    def epochs(self, source: Source) -> list[Epoch]:
        """A unit's epochs in their order, without what waits."""
        rows = self._db.rows(f"{EPOCHS} WHERE source = ?", (str(source),))
        return lived_order([_epoch(*row[1:]) for row in rows])

    def newest(self) -> dict[str, dict[str, Epoch]]:
        """All epochs by unit and name; each unit's newest is the last."""
        rows = self._db.rows(f"{EPOCHS} ORDER BY source")
        return {
            source: {epoch.name: epoch for epoch in lived_order([_epoch(*row[1:]) for row in some])}
            for source, some in groupby(rows, key=lambda row: str(row[0]))
        }

    def texts(self, source: Source, epoch: str) -> Iterator[str]:
        """An epoch's entries in their order."""
        return (row.text for row in self._of_epoch(source, epoch))

    def rows(self) -> Iterator[Row]:
        """All entries: unit by unit, epoch by epoch, in the order of their numbers."""
        for source in self.sources():
            yield from self.journal(source)

    def journal(self, source: Source) -> Iterator[Row]:
        """One unit's entries: epoch by epoch, in the order of their numbers."""
        for epoch in self.epochs(source):
            yield from self._of_epoch(source, epoch.name)

    def told(self, source: Source, epoch: str) -> Iterator[Told]:
        """An epoch's services and the ratings that were given, in their order."""
        return (Told(*row) for row in self._db.stream(TOLD, (str(source), epoch)))

    def clocks(
        self, source: Source, seq: int, epochs: Sequence[str], count: int, *, back: bool
    ) -> list[Row]:
        """The nearest `clock` entries before or after a number of the first of these epochs.

        epochs: where to look, one after the other, in the direction of the search.
        """
        found: list[Row] = []
        step = "seq < ? ORDER BY seq DESC" if back else "seq > ? ORDER BY seq"
        for epoch in epochs:
            values = (str(source), epoch, seq, count - len(found))
            found += [Row(*row) for row in self._db.rows(f"{CLOCKS} AND {step} LIMIT ?", values)]
            if len(found) == count:
                break
            seq = INT_MAX if back else 0
        return found

    def receipts(self, source: Source) -> list[str]:
        """The latest receipt of each of a unit's epochs that has one."""
        return [epoch.receipt for epoch in self.epochs(source) if epoch.receipt is not None]

    # -- cases

    def naming(self, project_no: str) -> list[Row]:
        """The entries that name a case."""
        return self._rows("project_no = ?", project_no)

    def entry(self, source: Source, epoch: str, seq: int) -> list[Row]:
        """One entry, when it is there."""
        return self._rows("source = ? AND epoch = ? AND seq = ?", str(source), epoch, seq)

    def about(self, source: Source, entry_id: str) -> list[Row]:
        """The entries of a unit that belong to one of its entries."""
        return self._rows("source = ? AND about = ?", str(source), entry_id)

    # -- what was found wrong

    def problems(self) -> list[ProblemRow]:
        """Everything that was ever found wrong, oldest first."""
        return [ProblemRow(*row) for row in self._db.rows(f"{PROBLEMS} ORDER BY id")]

    def problems_of(self, source: Source, epoch: str, seq: int) -> list[ProblemRow]:
        """What was found wrong about one number of a journal."""
        sql = f"{PROBLEMS} WHERE source = ? AND epoch = ? AND seq = ? ORDER BY id"
        return [ProblemRow(*row) for row in self._db.rows(sql, (str(source), epoch, seq))]

    def refused(self) -> list[RefusedRow]:
        """The messages in quarantine, oldest first."""
        return [RefusedRow(*row) for row in self._db.rows(QUARANTINE)]

    def refused_text(self, number: int) -> bytes | None:
        """What a refused message said, to the byte."""
        sql = "SELECT text FROM problems WHERE id = ? AND text IS NOT NULL"
        rows = self._db.rows(sql, (number,))
        return rows[0][0] if rows else None

    # -- units and keys

    def units(self) -> list[UnitRow]:
        """What is known of each unit."""
        return [UnitRow(*row) for row in self._db.rows(UNITS)]

    def open_alarms(self) -> dict[str, int]:
        """How many alarms are open at each unit that has one, also at those never heard."""
        return {row[0]: row[1] for row in self._db.rows(OPEN_ALARMS)}

    def key_rows(self) -> list[KeyRow]:
        """Every key that was ever registered."""
        sql = "SELECT source, kid, public, added_utc_ms, revoked, removed_utc_ms FROM keys"
        return [KeyRow(*row) for row in self._db.rows(f"{sql} ORDER BY source, added_utc_ms, kid")]

    def keys(self, source: Source) -> Keys:
        """All keys a unit ever had: an old entry is judged by the key of its time."""
        return {
            row.kid: VerifyKey.from_text(row.public)
            for row in self.key_rows()
            if row.source == str(source)
        }

    # -- counts

    def counts(self) -> list[tuple[str, str, str | None, int | None, int]]:
        """How many services and ratings: source, kind, outcome, satisfaction, count."""
        return [(row[0], row[1], row[2], row[3], row[4]) for row in self._db.rows(COUNTS)]

    def corrected(self) -> list[tuple[str, int]]:
        """How many of each unit's ratings were reported as mis-presses."""
        return [(row[0], row[1]) for row in self._db.rows(CORRECTED)]

    # -- how

    def _of_epoch(self, source: Source, epoch: str) -> Iterator[Row]:
        sql = f"{ENTRY} WHERE source = ? AND epoch = ? ORDER BY seq"
        return (Row(*row) for row in self._db.stream(sql, (str(source), epoch)))

    def _rows(self, where: str, *values: str | int) -> list[Row]:
        sql = f"{ENTRY} WHERE {where} ORDER BY source, epoch, seq"
        return [Row(*row) for row in self._db.rows(sql, values)]


def _epoch(
    name: str,
    number: int,
    upto: int,
    hash_: str,
    previous: str | None,
    ended_at: int | None,
    ended_hash: str | None,
    told_seq: int,
    moved_utc_ms: int,
    receipt: str | None,
) -> Epoch:
    ended = (previous, ended_at, ended_hash)
    return Epoch(name, number, upto, hash_, *ended, told_seq, moved_utc_ms, None, receipt)
