"""What the page says (pure): the snapshot and the machine as labelled lines in one language.

A line has a mark when something can be wrong with it, and then says what to do. Values that change
by themselves (the time) are cut to the minute, so that a page at rest is the same page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from daemon.case.tally import local_time
from daemon.page.machine import (
    THROTTLED,
    UNDER_VOLTAGE,
    UNDER_VOLTAGE_SEEN,
    Machine,
)
from daemon.page.metrics import BROKER_UP
from daemon.page.verdict import PAD_UP, SIGNAL_OPEN
from daemon.page.words import Words
from daemon.snapshot import PadView, SignalView, Snapshot, UplinkView, WindowView

GOOD, WAIT, BAD = "good", "wait", "bad"
# What the store says before the disk is full.
NEARLY_FULL = "nearly_full"
# Below this a journal of years and the system's own updates no longer fit.
DISK_FREE_LEAST_MB = 500
# A Raspberry Pi slows itself down from 80 degrees on.
HEAT_C = 78
HASH_LEN = 12
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`mark` is GOOD, WAIT, BAD or nothing; `detail` the daemon's own sentence."""

    label: str
    value: str
    mark: str = ""
    advice: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What runs here, and the configuration it runs on."""

    programs: Mapping[str, str]
    config_hash: str


def links(shown: Snapshot, words: Words) -> list[Line]:
    """Everything the unit hangs on, in the order of a rating's way."""
    return [
        *(_pad(window, words) for window in shown.windows),
        *(_queue(signal, words) for signal in shown.signals),
        _journal(shown, words),
        _broker(shown.uplink, words),
        _receipts(shown.uplink, words),
    ]


def _pad(window: WindowView, words: Words) -> Line:
    pad = window.pad
    mark, advice = GOOD, ""
    if pad.state != PAD_UP:
        mark, advice = BAD, words.advice(f"pad_{pad.state}")
    elif pad.trouble is not None:
        mark, advice = WAIT, words.advice("pad_trouble")
    return Line(
        label=words.say("page", "pad_of", number=window.number),
        value=words.name("pad", pad.state),
        mark=mark,
        advice=advice,
        detail=pad.trouble or "",
    )


def _queue(signal: SignalView, words: Words) -> Line:
    is_good = signal.state == SIGNAL_OPEN
    numbers = words.say("page", "join").join(signal.windows)
    return Line(
        label=words.say("page", "queue_of", port=signal.port, windows=numbers),
        value=words.name("queue", signal.state),
        mark=GOOD if is_good else BAD,
        advice="" if is_good else words.advice(f"queue_{signal.state}"),
        detail=signal.trouble or "",
    )


def _journal(shown: Snapshot, words: Words) -> Line:
    trouble = shown.journal.trouble
    if trouble is None and shown.journal.disk == NEARLY_FULL:
        return Line(
            label=words.say("page", "journal"),
            value=words.say("journal", NEARLY_FULL),
            mark=WAIT,
            advice=words.advice("disk_low"),
        )
    return Line(
        label=words.say("page", "journal"),
        value=words.say("journal", "sound" if trouble is None else "failing"),
        mark=GOOD if trouble is None else BAD,
        advice="" if trouble is None else words.advice("journal_failing"),
        detail=trouble or "",
    )


def _broker(uplink: UplinkView, words: Words) -> Line:
    is_up = uplink.state == BROKER_UP
    return Line(
        label=words.say("page", "broker"),
        value=words.name("uplink", uplink.state),
        mark=GOOD if is_up else WAIT,
        advice="" if is_up else words.advice("uplink_down"),
        detail="" if is_up else uplink.trouble or "",
    )


def _receipts(uplink: UplinkView, words: Words) -> Line:
    is_up, trouble = uplink.state == BROKER_UP, uplink.trouble
    if not uplink.backlog:
        value = words.say("receipts", "all", seq=uplink.delivered)
    else:
        value = words.say("receipts", "under_way" if is_up else "kept", count=uplink.backlog)
    is_refused = is_up and trouble is not None
    return Line(
        label=words.say("page", "receipts"),
        value=value,
        mark=BAD if is_refused else WAIT if uplink.backlog else GOOD,
        advice=words.advice("receipts_trouble") if is_refused else "",
        detail=(trouble or "") if is_refused else "",
    )


def counters(shown: Snapshot, words: Words) -> dict[str, list[Line]]:
    """Every count, by what was counted."""
    tables = {
        words.say("page", "today"): [
            Line(label=words.name("day", name), value=str(count))
            for name, count in asdict(shown.day).items()
        ]
    }
    for window in shown.windows:
        title = words.say("page", "line_pad", number=window.number)
        tables[title] = _counts({**window.pad.counters, "queued": window.pad.queued}, words)
    for signal in shown.signals:
        tables[words.say("page", "line_queue", port=signal.port)] = _counts(signal.counters, words)
    uplink = asdict(shown.uplink)
    numbers = {name: value for name, value in uplink.items() if type(value) is int}
    tables[words.say("page", "uplink")] = _counts(
        {"last_seq": shown.journal.last_seq, **numbers}, words
    )
    tables[words.say("page", "journal")] = _counts(shown.journal.counters, words)
    return tables


def _counts(counts: Mapping[str, int], words: Words) -> list[Line]:
    return [
        Line(label=words.name("counter", name), value=str(count)) for name, count in counts.items()
    ]


def clock(shown: Snapshot, machine: Machine, words: Words) -> list[Line]:
    view, unknown = shown.clock, words.say("page", "unknown")
    up_ms = machine.up_s * 1000
    now = booted = error = unknown
    if view.synced and view.offset_ms is not None:
        # The minute is enough: a unit is set up by hand, and judged by its stamps.
        now = local_time(up_ms + view.offset_ms)[:-3]
        booted = local_time(view.offset_ms)[:-3]
    if view.error_ms is not None:
        error = f"{view.error_ms} ms"
    return [
        Line(
            label=words.say("clock", "synced"),
            value=words.say("page", "yes" if view.synced else "no"),
            mark=GOOD if view.synced else WAIT,
            advice="" if view.synced else words.advice("clock_unsynced"),
        ),
        Line(label=words.say("clock", "offset"), value=now),
        Line(label=words.say("clock", "error"), value=error),
        Line(label=words.say("clock", "booted"), value=booted),
        Line(label=words.say("clock", "up"), value=_span(machine.up_s, words)),
        Line(label=words.say("clock", "daemon_up"), value=_span(machine.daemon_up_s, words)),
    ]


def disk(machine: Machine, words: Words) -> list[Line]:
    free_mb = machine.disk_free_mb
    is_low = free_mb is not None and free_mb < DISK_FREE_LEAST_MB
    return [
        Line(label=words.say("disk", "size"), value=_megabytes(machine.disk_size_mb, words)),
        Line(
            label=words.say("disk", "free"),
            value=_megabytes(free_mb, words),
            mark=WAIT if is_low else GOOD if free_mb is not None else "",
            advice=words.advice("disk_low") if is_low else "",
        ),
        Line(label=words.say("disk", "journal"), value=_megabytes(machine.journal_mb, words)),
        Line(label=words.say("disk", "written"), value=_megabytes(machine.written_mb, words)),
    ]


def machine(told: Machine, words: Words) -> Iterator[Line]:
    """What the machine says of itself; what it does not know is left out."""
    for name, text in (("model", told.model), ("system", told.system), ("kernel", told.kernel)):
        if text is not None:
            yield Line(label=words.say("machine", name), value=text)
    if told.temperature_c is not None:
        is_hot = told.temperature_c >= HEAT_C
        yield Line(
            label=words.say("machine", "temperature"),
            value=f"{told.temperature_c} °C",
            mark=WAIT if is_hot else GOOD,
            advice=words.advice("heat") if is_hot else "",
        )
    if told.throttled is not None:
        yield _power(told.throttled, words)
    for name, count in (
        ("memory_free", told.memory_free_mb),
        ("daemon_memory", told.daemon_memory_mb),
    ):
        if count is not None:
            yield Line(label=words.say("machine", name), value=_megabytes(count, words))


def _power(bits: int, words: Words) -> Line:
    name, advice = "power_good", ""
    if bits & UNDER_VOLTAGE:
        name, advice = "power_low", "power_low"
    elif bits & THROTTLED:
        name, advice = "throttled", "heat"
    elif bits & UNDER_VOLTAGE_SEEN:
        name, advice = "power_was_low", "power_low"
    return Line(
        label=words.say("machine", "power"),
        value=words.say("machine", name),
        mark=WAIT if advice else GOOD,
        advice=words.advice(advice),
    )


def versions(shown: Snapshot, told: Versions, words: Words) -> list[Line]:
    programs = [
        Line(label=words.name("versions", name), value=version)
        for name, version in told.programs.items()
    ]
    pads = [
        Line(
            label=words.say("versions", "pad", number=window.number),
            value=_firmware(window.pad, words),
        )
        for window in shown.windows
    ]
    config = Line(label=words.say("versions", "config"), value=told.config_hash[:HASH_LEN])
    return [*programs, *pads, config]


def _firmware(pad: PadView, words: Words) -> str:
    if pad.firmware is None:
        return words.say("page", "unknown")
    return words.say("versions", "pad_of", release=pad.release, hash=pad.firmware[:HASH_LEN])


def _span(seconds: int, words: Words) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return words.say("page", "span", days=hours // 24, hours=hours % 24, minutes=minutes)


def _megabytes(count: int | None, words: Words) -> str:
    if count is None:
        return words.say("page", "unknown")
    return f"{count / 1000:.1f} GB" if count >= 10_000 else f"{count} MB"
