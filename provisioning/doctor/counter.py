"""What stands at the counter (pure): the pad, the queue line, display, lamp and buzzer."""

from collections.abc import Iterator
from datetime import timedelta

from provisioning.doctor.check import (
    ABSENT,
    BAD,
    DAEMON,
    UNKNOWN,
    Check,
    good,
    known,
    span,
    unknown,
)
from provisioning.doctor.facts import Facts, tables
from provisioning.reach.status import FOREIGN, NO_PART, OPEN, UP, Pad, Part, Queue

# How a daemon says that a key is down, without saying which.
HELD_DOWN = "held down"
DIGEST_LEN = 12
PARTS = ("display", "lamp")


def pad(facts: Facts, number: str) -> Iterator[Check]:
    """The pad of a window, from its plug to its keys."""
    window = None if facts.status is None else facts.status.window(number)
    seen = None if window is None else window.pad
    port = facts.port_of(number, "pad") if seen is None or seen.port is None else seen.port
    exists = facts.ports.get(port or "") if seen is None else seen.exists
    if seen is not None and seen.state == UP:
        yield good("pad_port", port or "there", number)
        yield good("pad_open", "it is open", number)
        yield good("pad", "heard each second", number)
        yield _firmware(seen, number)
        yield _keys(seen, number)
        return
    if exists is False:
        yield Check(
            name="pad_port",
            outcome=BAD,
            finding=f"{port} does not exist: no pad is plugged in",
            advice="plug the pad's cable in at both ends; ls /dev/haochaping shows what is there; "
            "if the pad is another one of these, mend [[window]] pad",
            window=number,
        )
        return
    yield known("pad_port", port if exists else None, number)
    if seen is None:
        yield unknown("pad", DAEMON, number)
        return
    if seen.is_open is False:
        yield Check(
            name="pad_open",
            outcome=BAD,
            finding=seen.trouble or "it cannot be opened",
            advice="pull the plug out, put it in again, and look once more",
            window=number,
        )
        return
    yield known("pad_open", "it is open" if seen.is_open else None, number)
    if seen.state == FOREIGN:
        yield good("pad", "it is heard", number)
        yield _firmware(seen, number)
        return
    yield Check(
        name="pad",
        outcome=BAD,
        finding=seen.trouble or "nothing has been heard of it since the daemon started",
        advice="do its lamps wink? If not, it has no power: another cable, another socket. If they "
        "do: unplug it, plug it in again; then exchange it (provision pad replace)",
        window=number,
    )


def _firmware(pad: Pad, number: str) -> Check:
    name = f"release {pad.release}, {(pad.firmware or 'unknown')[:DIGEST_LEN]}"
    trouble = None if pad.trouble is None or HELD_DOWN in pad.trouble else pad.trouble
    if pad.state == FOREIGN or trouble is not None:
        return Check(
            name="firmware",
            outcome=BAD,
            finding=trouble or f"{name}: another version of the line",
            advice="put the right firmware on it with a cable: provision pad flash",
            window=number,
        )
    update = "" if pad.update is None else f"; {pad.update}"
    return good("firmware", name + update, number)


def _keys(pad: Pad, number: str) -> Check:
    if pad.trouble is not None and HELD_DOWN in pad.trouble:
        return Check(
            name="keys",
            outcome=BAD,
            finding=pad.trouble,
            advice="look what presses on it; if nothing does, exchange the pad "
            "(provision pad replace)",
            window=number,
        )
    return good("keys", "none is held down", number)


# -- the queue line


def queues(facts: Facts, windows: tuple[str, ...]) -> Iterator[Check]:
    """Every queue line that speaks of one of the windows."""
    if facts.status is None:
        for port in dict.fromkeys(facts.port_of(number, "signal") for number in windows):
            yield from _queue_unseen(facts, port)
        return
    for queue in facts.status.queues:
        of = [number for number in windows if number in queue.windows]
        if of:
            yield from _queue(queue, ", ".join(of))


def _queue_unseen(facts: Facts, port: str | None) -> Iterator[Check]:
    if port is not None and facts.ports.get(port) is False:
        yield _no_queue(f"{port} does not exist: no adapter is plugged in", None)
    else:
        yield unknown("queue_port", DAEMON)


def _no_queue(finding: str, of: str | None) -> Check:
    return Check(
        name="queue_port",
        outcome=BAD,
        finding=finding,
        advice="plug the adapter of the queue terminal's cable into the Pi; ls /dev/haochaping "
        "shows what is there; if it is another one of these, mend [[window]] signal",
        window=of,
    )


def _queue(queue: Queue, of: str) -> Iterator[Check]:
    if queue.state != OPEN:
        yield _no_queue(queue.trouble or f"{queue.port} is not open", of)
        return
    yield good("queue_port", f"{queue.port} is open", of)
    strange = sum(queue.counters.get(name, 0) for name in ("damaged", "unknown"))
    elsewhere = sum(queue.counters.get(name, 0) for name in ("other_window", "no_window"))
    if queue.heard is not None:
        said = f"{queue.heard.say} {queue.heard.ticket or ''}".strip()
        ago = span(timedelta(milliseconds=queue.heard.age_ms))
        yield good("queue", f"the last thing was {said}, {ago} ago", of)
    elif elsewhere:
        yield Check(
            name="queue",
            outcome=BAD,
            finding=f"{elsewhere} things were understood, and all of other windows",
            advice="is the window's number in [[window]] the one the queue terminal uses?",
            window=of,
        )
    elif strange:
        yield Check(
            name="queue",
            outcome=BAD,
            finding=f"{strange} things came, and none could be understood",
            advice="look at them: haochaping listen; haochaping learn writes their description",
            window=of,
        )
    else:
        yield Check(
            name="queue",
            outcome=UNKNOWN,
            finding="nothing has come since the daemon started",
            advice="ask the clerk to call the next number, and look once more; if nothing comes "
            "then, the cable of the queue terminal is to look at",
            window=of,
        )


def parts(facts: Facts, number: str) -> Iterator[Check]:
    """What hangs at a window beside its pad."""
    window = None if facts.status is None else facts.status.window(number)
    for name in PARTS:
        part: Part | None = None if window is None else getattr(window, name)
        if part is None:
            yield unknown(name, DAEMON if window is None else "a newer release tells", number)
        elif part.kind == NO_PART:
            yield Check(name=name, outcome=ABSENT, finding="none is configured", window=number)
        elif part.trouble is not None:
            yield Check(
                name=name,
                outcome=BAD,
                finding=part.trouble,
                advice="look at its wires (docs/hardware.md), then try it: sudo haochaping test "
                f"signs --window {number} --number 4711 --lamp 3 --buzzer 2",
                window=number,
            )
        else:
            yield good(name, f"{part.kind}, no trouble", number)


def has_part(facts: Facts, number: str, name: str) -> bool:
    """Whether the configuration gives the window a display, a lamp or a buzzer."""
    configured = facts.configured or {}
    if name == "display":
        return _of(configured, "panel", "display", "none") != "none"
    if _of(configured, "lamp", "kind", "none") == "none":
        return False
    if name == "buzzer" and _of(configured, "lamp", "buzzer", "passive") == "none":
        return False
    table = next(
        (each for each in tables(facts.configured) if str(each.get("number")) == number), {}
    )
    return bool(table.get(f"{name}_pin", 0))


def _of(configured: object, table: str, key: str, default: str) -> object:
    found = configured.get(table, {}) if isinstance(configured, dict) else {}
    return found.get(key, default) if isinstance(found, dict) else default
