"""The commands that look at what is kept: each gives lines to print and an exit code (real I/O)."""

import json
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from central import audit, evidence, export, statement, stats
from central.alarms import Alarm, Alarms
from central.archive import Archive, KeyRow, RefusedRow, UnitRow
from central.columns import aligned, document, hall_time, plain
from central.config import Config, StoreConfig, load
from central.errors import CentralError
from central.exported import Exported
from central.journal import Epoch
from central.tables import open_database
from protocol.central.signing import KeyUnreadable, SigningKey, VerifyKey

EXIT_GOOD = 0
EXIT_PROBLEMS = 1


class NotThere(CentralError):
    """What the operator named by its id does not exist, or not in the state it has to be in."""


class Answer(NamedTuple):
    """What a command prints, and how it ends."""

    lines: Iterable[str]
    code: int = EXIT_GOOD


def verify(options: Namespace) -> Answer:
    """Every stored journal, verified again."""
    with _archive(load(options.config).store) as archive:
        report = audit.report(archive)
    wrong = not report["chain_verified"] or any(unit["problems"] for unit in report["units"])
    return Answer([document(report)], EXIT_PROBLEMS if wrong else EXIT_GOOD)


def exported(options: Namespace) -> Answer:
    """Every entry as it was signed, or a province's messages."""
    return Answer(_exported(load(options.config), options.profile))


def _exported(config: Config, profile: str | None) -> Iterator[str]:
    with _archive(config.store) as archive:
        if profile is None:
            yield from export.entries(archive)
            return
        for message in export.messages(archive, profile):
            yield json.dumps(message, ensure_ascii=False)


def stated(options: Namespace) -> Answer:
    """What can be proved about one case."""
    if options.journal is not None:
        if options.registry is None:
            raise NotThere("--journal goes with --registry, which says whose keys count")
        records = Exported(options.journal, options.registry, options.receipt)
        return _stated(options, records, f"the journal {options.journal}", _platform_keys(options))
    config = load(options.config)
    keys = _platform_keys(options) or [_own_key(config)]
    with _archive(config.store) as archive:
        return _stated(options, archive, f"the platform's database {config.store.place}", keys)


def _stated(
    options: Namespace, records: evidence.Records, place: str, keys: list[VerifyKey]
) -> Answer:
    found = evidence.gather(records, options.case, {key.kid: key for key in keys})
    if options.json:
        lines = [document(statement.to_json(found, place, keys))]
    else:
        lines = list(statement.to_text(found, place))
    return Answer(lines, EXIT_GOOD if found.is_good else EXIT_PROBLEMS)


def _own_key(config: Config) -> VerifyKey:
    try:
        return SigningKey.load(config.platform_key).public
    except KeyUnreadable as error:
        raise NotThere(f"{error}; --platform-key takes its public half instead") from error


def _platform_keys(options: Namespace) -> list[VerifyKey]:
    return [VerifyKey.load(path) for path in options.platform_key or ()]


# -- units


def units(options: Namespace) -> Answer:
    """How each unit is and where its journal stands."""
    with _archive(load(options.config).store) as archive:
        rows, keys, journals = archive.units(), archive.key_rows(), archive.newest()
        alarm_counts = archive.open_alarms()
    if options.keys:
        return Answer(_keys(keys, options.json))
    found = [
        _unit(source, row, keys, journals.get(source, {}))
        | {"openAlarms": alarm_counts.get(source, 0)}
        for source, row in _known(rows, keys).items()
    ]
    if options.json:
        return Answer([document(found)])
    head = (
        "unit", "state", "last heard (UTC+8)", "head of chain", "behind", "open alarms", "keys"
    )  # fmt: skip
    cells = [
        (
            unit["source"], unit["state"], hall_time(unit["heardUtcMs"]), unit["head"],
            unit["behind"], unit["openAlarms"], " ".join(unit["keys"]) or None,
        )
        for unit in found
    ]  # fmt: skip
    return Answer(aligned(head, cells))


def _known(rows: list[UnitRow], keys: list[KeyRow]) -> dict[str, UnitRow | None]:
    """The units that were heard, and those that are registered and were not."""
    registered = {key.source for key in keys if key.removed_utc_ms is None}
    heard: dict[str, UnitRow | None] = {row.source: row for row in rows}
    return dict(sorted((dict.fromkeys(registered) | heard).items()))


def _unit(
    source: str,
    row: UnitRow | None,
    keys: list[KeyRow],
    epochs: Mapping[str, Epoch],
) -> dict[str, Any]:
    newest = list(epochs.values())[-1] if epochs else None
    current = [key for key in keys if key.source == source and not key.revoked]
    return {
        "source": source,
        "state": _state(row),
        "heardUtcMs": row.heard_utc_ms if row else None,
        "head": f"{newest.name}-{newest.upto}" if newest else None,
        "behind": _behind(row, epochs),
        "keys": [key.kid for key in current if key.removed_utc_ms is None],
    }


def _state(row: UnitRow | None) -> str:
    if row is None:
        return "never"
    return str(json.loads(row.state)["state"]) if row.state else "unknown"


def _behind(row: UnitRow | None, epochs: Mapping[str, Epoch]) -> int | None:
    """How many entries there are, as the unit's health says, that are not here."""
    if row is None or row.health is None:
        return None
    head = json.loads(row.health)["head"]
    epoch = epochs.get(head["epoch"])
    return max(0, int(head["seq"]) - (epoch.upto if epoch else 0))


def _keys(keys: list[KeyRow], as_json: bool) -> Iterable[str]:
    if as_json:
        return [document([_members(key) for key in keys])]
    cells = [
        (key.source, key.kid, hall_time(key.added_utc_ms), key.revoked,
         hall_time(key.removed_utc_ms))
        for key in keys
    ]  # fmt: skip
    return aligned(("unit", "key", "added (UTC+8)", "revoked (UTC)", "removed (UTC+8)"), cells)


# -- alarms


def alarms(options: Namespace) -> Answer:
    """The alarms that are open, or all; or close one."""
    store = load(options.config).store
    with closing(open_database(store, read_only=True)) as database:
        every = options.all or options.close is not None
        found = Alarms(database).all(closed=every)
    if options.close is not None:
        found = [_close(store, options.close, found)]
    if options.json:
        return Answer([document([_members(alarm) for alarm in found])])
    head = (
        "id", "unit", "alarm", "since (UTC+8)", "last (UTC+8)", "closed (UTC+8)", "count", "what"
    )  # fmt: skip
    cells = [
        (
            alarm.id, alarm.source or None, alarm.name, hall_time(alarm.opened_utc_ms),
            hall_time(alarm.last_utc_ms), hall_time(alarm.closed_utc_ms), alarm.seen_count,
            alarm.sentence,
        )
        for alarm in found
    ]  # fmt: skip
    return Answer(aligned(head, cells))


def _close(store: StoreConfig, number: int, known: list[Alarm]) -> Alarm:
    alarm = next((alarm for alarm in known if alarm.id == number), None)
    if alarm is None:
        raise NotThere(f"no alarm has the id {number}; `alarms --all` shows them")
    now = time.time_ns() // 1_000_000
    with closing(open_database(store)) as database, database.transaction():
        was_open = Alarms(database).close(number, now)
    if not was_open:
        raise NotThere(f"alarm {number} ({alarm.name} of {alarm.source or '-'}) is closed already")
    return alarm._replace(closed_utc_ms=now)


# -- quarantine and counts


def quarantine(options: Namespace) -> Answer:
    """The messages that were refused, or the text of one."""
    with _archive(load(options.config).store) as archive:
        if options.show is not None:
            return Answer([_refused_text(archive, options.show, options.json)])
        found = archive.refused()
    if options.json:
        return Answer([document([_members(row) for row in found])])
    head = (
        "id", "why", "unit", "count", "first (UTC+8)", "last (UTC+8)", "bytes", "what"
    )  # fmt: skip
    cells = [
        (
            row.id, row.name, row.source or None, row.seen_count, hall_time(row.first_utc_ms),
            hall_time(row.last_utc_ms), row.text_len, row.sentence,
        )
        for row in found
    ]  # fmt: skip
    return Answer(aligned(head, cells))


def _refused_text(archive: Archive, number: int, as_json: bool) -> str:
    text = archive.refused_text(number)
    if text is None:
        raise NotThere(f"no message in quarantine has the id {number}; `quarantine` lists them")
    shown = plain(text.decode("utf-8", "backslashreplace"))
    return document({"id": number, "text": shown}) if as_json else shown


def counted(options: Namespace) -> Answer:
    """Services and ratings by place."""
    with _archive(load(options.config).store) as archive:
        found = stats.count(archive, options.by)
    if options.json:
        return Answer([document({place: counts.to_json() for place, counts in found.items()})])
    cells = [[place, *counts.cells()] for place, counts in found.items()]
    return Answer(aligned(stats.HEAD, cells))


def _members(row: KeyRow | Alarm | RefusedRow) -> dict[str, Any]:
    """A row under the names of JSON: first_utc_ms is firstUtcMs."""
    return {
        name[0] + name.title().replace("_", "")[1:]: value for name, value in row._asdict().items()
    }


@contextmanager
def _archive(config: StoreConfig) -> Iterator[Archive]:
    with closing(open_database(config, read_only=True)) as database:
        yield Archive(database)
