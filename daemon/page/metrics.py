"""What Prometheus reads of the unit (pure), text format 0.0.4: counters without a level in them.

Written here: prometheus_client costs 4 MB of the 40 that the daemon may take (promise G3).
Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from daemon.page.machine import MEGABYTE, Machine
from daemon.page.verdict import PAD_UP, SIGNAL_OPEN, reasons
from daemon.snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GAUGE, COUNTER = "gauge", "counter"
BROKER_UP = "up"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[Mapping[str, str], float | int | None]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples; a sample without a value is left out."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def metrics(shown: Snapshot | None, machine: Machine, versions: Mapping[str, str]) -> str:
    """The whole text; before the first snapshot only that the unit is not serving."""
    families = [Family("serving", GAUGE, "1: nothing is in the way of a rating", (_is(shown),))]
    families += _machine(machine)
    if shown is not None:
        info = {"source": shown.source, **versions}
        families.append(Family("info", GAUGE, "What runs here", ((info, 1),)))
        families += [*_links(shown), *_journal(shown), *_store(shown), *_counts(shown)]
    return "".join(map(_text, families))


def _is(shown: Snapshot | None) -> Sample:
    return {}, int(not reasons(shown))


def _links(shown: Snapshot) -> Iterator[Family]:
    pads = [
        ({"link": "pad", "of": each.number}, int(each.pad.state == PAD_UP))
        for each in shown.windows
    ]
    lines = [
        ({"link": "queue", "of": each.port}, int(each.state == SIGNAL_OPEN))
        for each in shown.signals
    ]
    broker = ({"link": "broker", "of": ""}, int(shown.uplink.state == BROKER_UP))
    yield Family("link_up", GAUGE, "1: the link is there", (*pads, *lines, broker))
    yield Family(
        "pad_update_percent",
        GAUGE,
        "Firmware on its way to the pad",
        tuple(({"window": each.number}, each.pad.update_percent) for each in shown.windows),
    )


def _journal(shown: Snapshot) -> Iterator[Family]:
    journal, uplink, clock = shown.journal, shown.uplink, shown.clock
    error_s = None if clock.error_ms is None else clock.error_ms / 1000
    for name, kind, help_, value in (
        ("journal_sound", GAUGE, "1: the last write succeeded", int(journal.trouble is None)),
        ("journal_last_seq", GAUGE, "The last entry on disk", journal.last_seq),
        ("delivered_seq", GAUGE, "The last entry with a receipt", uplink.delivered),
        ("backlog_entries", GAUGE, "Entries without a receipt", uplink.backlog),
        ("receipts_refused_total", COUNTER, "Receipts not believed", uplink.receipts_refused),
        ("resends_total", COUNTER, "Times the platform was silent", uplink.resends),
        ("overtaken_total", COUNTER, "Live entries ahead of a backlog", uplink.overtaken),
        ("clock_synced", GAUGE, "1: the wall clock is vouched for", int(clock.synced)),
        ("clock_error_seconds", GAUGE, "The wall clock's error bound", error_s),
    ):
        yield Family(name, kind, help_, (({}, value),))


def _store(shown: Snapshot) -> Iterator[Family]:
    yield Family(
        "store",
        GAUGE,
        "What the store keeps and writes: entries, and bytes where the name ends in _len",
        tuple(({"what": name}, count) for name, count in shown.journal.counters.items()),
    )


def _counts(shown: Snapshot) -> Iterator[Family]:
    yield Family(
        "today",
        GAUGE,
        "Today's counts of all windows",
        tuple(({"what": name}, count) for name, count in asdict(shown.day).items()),
    )
    yield Family(
        "pad_line",
        GAUGE,
        "What the pad's line went through",
        tuple(
            ({"window": each.number, "what": name}, count)
            for each in shown.windows
            for name, count in each.pad.counters.items()
        ),
    )
    yield Family(
        "queue_line",
        GAUGE,
        "What the queue line went through",
        tuple(
            ({"port": each.port, "what": name}, count)
            for each in shown.signals
            for name, count in each.counters.items()
        ),
    )


def _machine(machine: Machine) -> Iterator[Family]:
    for name, kind, help_, value, unit in (
        ("up_seconds", GAUGE, "Since the machine started", machine.up_s, 1),
        ("temperature_celsius", GAUGE, "Of the processor", machine.temperature_c, 1),
        ("throttled_bits", GAUGE, "The Raspberry Pi's own word", machine.throttled, 1),
        ("memory_free_bytes", GAUGE, "Of the machine", machine.memory_free_mb, MEGABYTE),
        ("memory_bytes", GAUGE, "Of the daemon", machine.daemon_memory_mb, MEGABYTE),
        ("disk_size_bytes", GAUGE, "Where the journal is", machine.disk_size_mb, MEGABYTE),
        ("disk_free_bytes", GAUGE, "Where the journal is", machine.disk_free_mb, MEGABYTE),
        ("journal_bytes", GAUGE, "Of the journal's files", machine.journal_mb, MEGABYTE),
        ("written_bytes_total", COUNTER, "By this process", machine.written_mb, MEGABYTE),
    ):
        yield Family(name, kind, help_, (({}, None if value is None else value * unit),))


def _text(family: Family) -> str:
    name = f"hcp_unit_{family.name}"
    lines = [
        f"{name}{_labels(labels)} {value}\n"
        for labels, value in family.samples
        if value is not None
    ]
    if not lines:
        return ""
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n{''.join(lines)}"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = [f'{name}="{value.translate(ESCAPES)}"' for name, value in labels.items()]
    return f"{{{','.join(pairs)}}}" if pairs else ""
