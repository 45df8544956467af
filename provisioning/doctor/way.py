"""The way from the unit to the platform (pure), step by step, and who says no on it."""

from collections.abc import Iterator

from provisioning.doctor.check import ABSENT, BAD, DAEMON, WARNING, Check, good, unknown
from provisioning.doctor.facts import Facts
from provisioning.reach.status import STEPS, UP, Status

# A technician comes once a month.
CERTIFICATE_DAYS_LEAST = 30
ON_THE_WAY = {
    "files": "put the files there that `provision unit install` brings, or mend [uplink] tls_*",
    "dns": "on the unit: getent hosts {broker}; if nothing comes, ask the network for its name "
    "server, or mend [uplink] broker",
    "tcp": "is the network cable in, and does its socket blink? Then ask the hall's network to let "
    "the unit out to the broker's port, and the platform whether the broker runs",
    "tls": "look at the clock and the certificate below; `provision unit rotate` makes a new one",
    "connect": "it is the broker that says no: ask the platform to look at its log",
    "subscribe": "have the platform look at the broker's access list",
    "publish": "have the platform look at the broker's access list",
    "receipts": "ask the platform whether its centre runs and has this unit in its registry",
}


def uplink(facts: Facts) -> Iterator[Check]:
    """Each step from the unit to the receipts, and the certificate among them."""
    if facts.status is None:
        for name in STEPS:
            yield unknown(name, DAEMON)
        return
    uplink = facts.status.uplink
    # A daemon that does not say where: its sentence stands where a connection begins.
    broken = uplink.step or (None if uplink.state == UP else "tcp")
    is_after = False
    for name in STEPS:
        if name == "connect":
            yield from _certificate(facts, facts.status)
        if is_after:
            yield unknown(name, "what is before it is mended")
        elif name == broken:
            is_after = True
            yield Check(
                name=name,
                outcome=BAD,
                finding=uplink.trouble or "it is not connected yet",
                advice=ON_THE_WAY[name].format(
                    broker=(uplink.broker or "BROKER").partition(":")[0]
                ),
            )
        elif name == "receipts":
            yield good(name, _delivered(uplink.delivered, uplink.backlog))
        else:
            yield good(name, "as it should be")


def _delivered(delivered: int, backlog: int) -> str:
    if not backlog:
        return f"all {delivered} entries are delivered"
    return f"{delivered} entries are delivered, {backlog} on their way"


def _certificate(facts: Facts, status: Status) -> Iterator[Check]:
    life = status.certificate
    if life is None:
        yield Check(name="certificate", outcome=ABSENT, finding="none: the broker is called bare")
        return
    days = life.days_left(facts.now)
    anew = f"provision unit rotate {facts.unit}"
    until = f"until {life.until:%Y-%m-%d}"
    if facts.now < life.since:
        yield Check(
            name="certificate",
            outcome=BAD,
            finding=f"it begins to hold on {life.since:%Y-%m-%d %H:%M} UTC only",
            advice="is this machine's clock right? date -u",
        )
    elif days < 0:
        yield Check(
            name="certificate",
            outcome=BAD,
            finding=f"it has ended on {life.until:%Y-%m-%d}",
            advice=anew,
        )
    elif days <= CERTIFICATE_DAYS_LEAST:
        yield Check(
            name="certificate",
            outcome=WARNING,
            finding=f"it holds for {days} more days, {until}",
            advice=anew,
        )
    else:
        yield good("certificate", f"it holds for {days} more days, {until}")


def registered(facts: Facts) -> Iterator[Check]:
    """Whether the hall's registry gives the unit its windows."""
    if facts.registered is None:
        yield unknown("registered", "the hall's site folder is there")
        return
    missing = [number for number in facts.windows if number not in facts.registered]
    if missing:
        yield Check(
            name="registered",
            outcome=BAD,
            finding=f"window {', '.join(missing)} is not this unit's in the hall's registry",
            advice=f"provision unit enrol {facts.unit}, then give the registry to the platform",
        )
    else:
        yield good("registered", f"window {', '.join(facts.registered)}")
