"""Lines of JSON learned from a capture (pure): how the vendor names fields and events."""

import json
from collections.abc import Iterator

from daemon.dialects.learned import (
    RECORDS_LEAST,
    Lesson,
    encoding_of,
    fields_of,
    quoted,
    said,
    vocabulary,
    words_table,
)

# Names that vendors give to our fields, in small letters.
NAMES = {
    "window": ("window", "windowno", "counter", "counterno", "win", "ck", "ckh", "desk"),
    "ticket": ("ticket", "ticketno", "number", "queueno", "no", "num", "pdh"),
    "ticketSerial": ("ticketserial", "serial", "serialno", "lsh"),
    "projectNo": ("projectno", "caseno", "case", "bjh"),
    "serviceNumber": ("servicenumber", "step"),
    "taskCode": ("taskcode", "itemcode"),
    "taskName": ("taskname", "itemname", "business", "item"),
    "staff": ("staff", "staffno", "operator", "userid", "gh"),
    "state": ("state", "status"),
}


def objects(data: bytes) -> Lesson | None:
    """Lines of JSON."""
    encoding = encoding_of(data)
    found: list[dict[str, str]] = []
    covered = 0
    for line in data.split(b"\n"):
        try:
            record = json.loads(line.decode(encoding))
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            found.append(dict(_flat(record)))
            covered += len(line) + 1
    if len(found) < RECORDS_LEAST:
        return None
    lesson = Lesson("jsonl", covered / len(data), len(found))
    columns = {name: [record.get(name, "") for record in found] for name in _names(found)}
    say = said(columns)
    lesson.sure.append(f"each line is a JSON object in {encoding}")
    lesson.toml = ["[signal.jsonl]", f"encoding = {quoted(encoding)}", "", "[signal.jsonl.fields]"]
    if say is None:
        lesson.asks.append("which name says what happened: none has a few words only")
        lesson.toml.append('# say = "?"')
    else:
        lesson.toml.append(f"say = {quoted(say)}")
    known = _named(columns, say)
    guessed = {
        name: column
        for name, column in fields_of(columns, say or "").items()
        if name not in known and column not in known.values()
    }
    lesson.toml += [f"{name} = {quoted(column)}" for name, column in known.items()]
    lesson.toml += [
        f"{name} = {quoted(column)}    # ? by its look" for name, column in guessed.items()
    ]
    if guessed:
        lesson.asks.append("whether the fields marked with ? are what they look like")
    used = {say, *known.values(), *guessed.values()}
    lesson.toml += [f"# {quoted(name)} is not used" for name in columns if name not in used]
    if say is not None:
        table = words_table(vocabulary(columns[say]), lesson)
        lesson.toml += ["", "[signal.jsonl.words]", *table]
    return lesson


def _flat(record: dict[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, dict) and before.count(".") < 3:
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, str | int) and not isinstance(value, bool):
            yield f"{before}{name}", str(value)


def _names(found: list[dict[str, str]]) -> list[str]:
    """Every name, in the order in which they came."""
    return list(dict.fromkeys(name for record in found for name in record))


def _named(columns: dict[str, list[str]], say: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for ours, theirs in NAMES.items():
        for name in columns:
            last = name.rpartition(".")[2].lower().replace("_", "")
            if last in theirs and name != say and name not in found.values():
                found.setdefault(ours, name)
    return found
