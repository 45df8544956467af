"""The alarms: what an operator has to look at, open until its cause is gone or somebody closes it.

An alarm opens with the first problem of its name at a unit and counts the others. Silence, a gap, a
head that does not arrive, a wrong clock and a list that runs out close by themselves; who tells the
truth about forged or doubled entries is for people to decide (real I/O).
"""

from typing import NamedTuple

from central.config import AlarmConfig
from central.database import Database
from central.judge import ALARM_OF
from protocol.central.entry import utc_text

OPEN = """
INSERT INTO alarms (source, name, opened_utc_ms, last_utc_ms, count, sentence, clears, told)
VALUES (?, ?, ?, ?, 1, ?, ?, 0)
ON CONFLICT (source, name) WHERE closed_utc_ms IS NULL DO UPDATE SET count = alarms.count + 1,
    last_utc_ms = excluded.last_utc_ms, sentence = excluded.sentence,
    clears = CASE WHEN excluded.clears = 0 THEN 0 ELSE alarms.clears END
"""
CLOSE = "UPDATE alarms SET closed_utc_ms = ?, told = 0 WHERE closed_utc_ms IS NULL"
ALARMS = """
SELECT id, source, name, opened_utc_ms, last_utc_ms, count, sentence, closed_utc_ms FROM alarms
"""
IS_NOT_OPEN = """
NOT EXISTS (SELECT 1 FROM alarms WHERE alarms.source = {table}.source AND alarms.name = '{name}'
    AND closed_utc_ms IS NULL)
"""
# Units that were retired, moved or revoked: all their keys are, and silence is what was meant.
GIVEN_UP = """
SELECT source FROM keys GROUP BY source
HAVING sum(CASE WHEN revoked IS NULL AND removed_utc_ms IS NULL THEN 1 ELSE 0 END) = 0
"""
SILENT = f"""
SELECT source, heard_utc_ms FROM units
WHERE heard_utc_ms < ? AND source NOT IN ({GIVEN_UP})
    AND {IS_NOT_OPEN.format(table="units", name="silent_unit")} ORDER BY source
"""
HEARD = f"""
{CLOSE} AND clears = 1 AND name = 'silent_unit'
    AND source IN (SELECT source FROM units WHERE heard_utc_ms >= ? UNION {GIVEN_UP})
"""
HOLES = """
SELECT source, epoch, hole_first, hole_last FROM epochs
WHERE hole_first IS NOT NULL AND hole_utc_ms < ? AND {which} AND {is_not_open} ORDER BY source
"""
FILLED = (
    CLOSE
    + """
    AND clears = 1 AND name = '{name}' AND NOT EXISTS (SELECT 1 FROM epochs
    WHERE epochs.source = alarms.source AND hole_first IS NOT NULL AND {which})
"""
)
# A hole is proved by an entry above it or by the epoch that follows; else only health speaks of it.
PROVED, TOLD = "proved_seq > upto", "proved_seq <= upto"


IS_SAID = """
SELECT 1 FROM alarms
WHERE source = ? AND name = ? AND sentence = ? AND closed_utc_ms IS NULL
"""
NOBODY = ""  # in place of a source, when no unit is meant


class Alarm(NamedTuple):
    """One row of the table; closed_utc_ms None: it is open."""

    id: int
    source: str
    name: str
    opened_utc_ms: int
    last_utc_ms: int
    seen_count: int
    sentence: str
    closed_utc_ms: int | None


class Alarms:
    """The table of alarms."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, source: str, problem: str, sentence: str, now: int, *, clears: bool) -> None:
        """Open the alarm a problem raises, or count it where it is open."""
        self._db.run(OPEN, (source, ALARM_OF[problem], now, now, sentence, int(clears)))

    def clear(self, name: str, source: object, now: int) -> None:
        """Close a unit's alarm whose cause is gone."""
        self._db.run(
            f"{CLOSE} AND clears = 1 AND name = ? AND source = ?", (now, name, str(source))
        )

    def close(self, number: int, now: int) -> bool:
        """Close an alarm by an operator's word; whether it was open."""
        return bool(self._db.run(f"{CLOSE} AND id = ?", (now, number)))

    def watch(self, now: int, limits: AlarmConfig) -> None:
        """Open and close what only time brings about."""
        heard = now - limits.silent_ms
        for source, last in self._db.rows(SILENT, (heard,)):
            sentence = f"nothing heard since {utc_text(last)}"
            self.find(source, "silent_unit", sentence, now, clears=True)
        self._db.run(HEARD, (now, heard))
        self._watch_holes("gap", PROVED, now, limits.gap_ms, "are missing and do not come")
        says = "exist, as the unit says, and do not come"
        self._watch_holes("withheld", TOLD, now, limits.withheld_ms, says)

    def watch_list(self, sentence: str | None, now: int) -> None:
        """Open the alarm about the broker's lists, or follow its sentence; None closes it."""
        if sentence is None:
            self.clear("stale_list", NOBODY, now)
        # Looked at each few seconds and by each worker: counted once for what is new.
        elif not self._db.rows(IS_SAID, (NOBODY, "stale_list", sentence)):
            self.find(NOBODY, "stale_list", sentence, now, clears=True)

    def untold(self) -> list[Alarm]:
        """Those that opened or closed and were not published yet."""
        rows = self._db.rows(f"{ALARMS} WHERE told = 0 ORDER BY id")
        return [Alarm(*row) for row in rows]

    def told(self, alarm: Alarm) -> None:
        """Note that an alarm was published as it was read."""
        closed = "IS NULL" if alarm.closed_utc_ms is None else "IS NOT NULL"
        self._db.run(f"UPDATE alarms SET told = 1 WHERE id = ? AND closed_utc_ms {closed}",
                     (alarm.id,))  # fmt: skip

    def all(self, *, closed: bool = False) -> list[Alarm]:
        """Those that are open, oldest first; with `closed` all there ever were."""
        where = "" if closed else "WHERE closed_utc_ms IS NULL"
        return [Alarm(*row) for row in self._db.rows(f"{ALARMS} {where} ORDER BY id")]

    def _watch_holes(self, name: str, which: str, now: int, limit_ms: int, says: str) -> None:
        is_not_open = IS_NOT_OPEN.format(table="epochs", name=name)
        sql = HOLES.format(which=which, is_not_open=is_not_open)
        for source, epoch, first, last in self._db.rows(sql, (now - limit_ms,)):
            sentence = f"entries {first} to {last} of epoch {epoch} {says}"
            self.find(source, name, sentence, now, clears=True)
        self._db.run(FILLED.format(name=name, which=which), (now,))
