"""The unit itself (pure): its disk, its clock, its configuration, its service."""

from collections.abc import Iterator

from provisioning.doctor.check import BAD, DAEMON, WARNING, Check, good, unknown
from provisioning.doctor.facts import Facts
from provisioning.reach.status import FULL, NEARLY_FULL

# Below this a journal of years and the system's own updates no longer fit (the unit's page agrees).
DISK_FREE_LEAST_MB = 500


def disk(facts: Facts) -> Iterator[Check]:
    """Room for the journal, and whether it takes anything."""
    if facts.status is None:
        yield unknown("disk", DAEMON)
        return
    journal = facts.status.journal
    is_low = journal.free_mb is not None and journal.free_mb < DISK_FREE_LEAST_MB
    room = "" if journal.free_mb is None else f"{journal.free_mb} MB free"
    if journal.trouble is not None or journal.disk == FULL:
        yield Check(
            name="disk",
            outcome=BAD,
            finding=journal.trouble or f"it is full {room}".strip(),
            advice="df -h /var/lib/haochaping; make room, or exchange the card "
            "(provision unit restore)",
        )
    elif journal.disk == NEARLY_FULL or is_low:
        yield Check(
            name="disk",
            outcome=WARNING,
            finding=f"it is nearly full: {room}",
            advice="df -h /var/lib/haochaping; make room, or use a larger card",
        )
    else:
        yield good("disk", room or "sound")


def clock(facts: Facts) -> Iterator[Check]:
    """Whether a time server vouches for it."""
    if facts.status is None:
        yield unknown("clock", DAEMON)
    elif facts.status.clock.synced:
        error_ms = facts.status.clock.error_ms
        yield good("clock", "set" if error_ms is None else f"right to within {error_ms} ms")
    else:
        yield Check(
            name="clock",
            outcome=BAD,
            finding="no time server has set it",
            advice="timedatectl timesync-status names the server; ask the hall's network to let "
            "the unit out to it (UDP 123), or name the hall's own in "
            "/etc/systemd/timesyncd.conf",
        )


def configuration(facts: Facts) -> Iterator[Check]:
    """What the daemon's own look at it complains of."""
    if facts.mistakes is None:
        yield unknown("configuration", "haochaping --check is asked")
    elif facts.mistakes:
        yield Check(
            name="configuration",
            outcome=BAD,
            finding=facts.mistakes,
            advice="sudoedit /etc/haochaping/daemon.toml, then sudo haochaping --check",
        )
    else:
        yield good("configuration", "without a mistake")


def service(facts: Facts) -> Iterator[Check]:
    """Whether it runs, and answers."""
    if facts.service is None:
        yield unknown("service", "systemctl is asked")
    elif facts.service != "active":
        yield Check(
            name="service",
            outcome=BAD,
            finding=f"it is {facts.service}",
            advice="sudo systemctl restart haochaping; if it does not stay: "
            "journalctl -u haochaping -n 30",
        )
    else:
        yield good("service", "active")
    if facts.status is not None:
        yield good("answer", f"release {facts.status.version or 'unknown'}")
    elif facts.silence is not None:
        yield Check(
            name="answer",
            outcome=BAD,
            finding=facts.silence,
            advice="wait ten seconds and look once more; then journalctl -u haochaping -n 30",
        )
