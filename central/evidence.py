"""What the database can prove: a report of every unit's journal, and the entries themselves."""

import json
from collections.abc import Iterator
from typing import Any

from central.registry import Registry
from central.store import ProblemRow, Store
from protocol.central.chain import Problem, Verifier
from protocol.central.entry import Source
from protocol.central.schema import data_problems

PROBLEM_COUNT_MAX = 1_000  # per unit, in the report


def report(store: Store, registry: Registry) -> dict[str, Any]:
    """Verify every stored journal again, from the texts alone, and add what was quarantined."""
    found = store.problems()
    units = [_unit(store, registry, source, found) for source in store.sources()]
    known = {unit["source"] for unit in units}
    return {
        "units": units,
        "strangers": sum(row.seen_count for row in found if row.source not in known),
        "chain_verified": all(unit.pop("chain_verified") for unit in units),
    }


def lines(store: Store) -> Iterator[str]:
    """Each stored entry as a line of JSON, in the order of the journals."""
    for row in store.rows():
        value = {
            "source": row.source,
            "epoch": row.epoch,
            "seq": row.seq,
            "receivedUtcMs": row.received_utc_ms,
            "text": row.text,
        }
        yield json.dumps(value, ensure_ascii=False)


def _unit(
    store: Store, registry: Registry, source: Source, found: list[ProblemRow]
) -> dict[str, Any]:
    verifier = Verifier(
        registry.keys_of(source) or {},
        source,
        lambda entry: data_problems(entry.kind, entry.data),
    )
    epochs = store.epochs(source)
    problems: list[Problem] = []
    for epoch in epochs:
        for text in store.texts(source, epoch.name):
            problems += verifier.push(text)
    quarantined = [
        Problem(row.name, row.seq, row.sentence)
        for row in found
        if row.source == str(source) and row.text is not None
    ]
    newest = epochs[-1]
    return {
        "source": str(source),
        "epochs": [epoch.name for epoch in epochs],
        "entries": verifier.entry_count,
        "upto": newest.upto,
        "problems": [
            problem._asdict() for problem in [*problems, *quarantined][:PROBLEM_COUNT_MAX]
        ],
        "chain_verified": not problems,
    }
