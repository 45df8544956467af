"""A unit's life after its enrolment: moved, rotated, exchanged, taken back, ended. Real I/O.

Each is a few steps of which every one is in the inventory before it is done elsewhere; the same
command goes on where it was cut off.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from provisioning.errors import ProvisioningError
from provisioning.office.enrolment import CLOCKS_APART_MAX, Enrolled, enrol, good, settings_of
from provisioning.office.inventory import Conflict
from provisioning.office.records import ENROLLED, IN_USE, RETIRED, REVOKED, Unit
from provisioning.office.sites import Site
from provisioning.office.windows import Window
from provisioning.papers.invitation import BEGIN, ENROL, RENEW
from provisioning.reach import daemon
from provisioning.reach.place import Place
from provisioning.reach.status import Status

Wait = Callable[[], bool]


def revoke(site: Site, unit: Unit, why: str) -> list[str]:
    """Take the unit's keys and certificates back, now, without asking it; what was done."""
    if unit.state in IN_USE:
        site.inventory.end(unit.name, REVOKED, why, site.now())
    return site.publish(unit)


def retire(site: Site, unit: Unit, why: str, has_waited: Wait) -> list[str]:
    """Stop the unit when the platform has all it recorded, and end its keys; what was done.

    has_waited: waits a moment and says whether to go on waiting. Raises ProvisioningError.
    """
    if unit.state in IN_USE:
        place = site.place(unit)
        if unit.state == ENROLLED:
            _drain(place, unit, has_waited)
            good(place, place.run(("provision", "unit", "leave", unit.source)))
        site.inventory.end(unit.name, RETIRED, why, site.now())
    return site.publish(unit)


def _drain(place: Place, unit: Unit, has_waited: Wait) -> None:
    """Wait until the platform has every entry of the unit."""
    while left := shown(place).left:
        if not has_waited():
            raise ProvisioningError(
                f"{unit.name} still has {left} entries the platform has not: nothing was ended",
                f"mend its connection (provision doctor {unit.name}) and run this again; if the "
                f"unit is lost: provision unit revoke {unit.name}",
            )


def shown(place: Place) -> Status:
    """What the unit's daemon shows. Raises ProvisioningError, also while it starts."""
    try:
        return Status.read(daemon.status(place))
    except ValueError as error:
        raise ProvisioningError(f"{place.name}: {error}", "ask it again in a minute") from error


def exchange(
    site: Site, unit: Unit, host: str, why: str, advance: Callable[[float], None]
) -> Enrolled:
    """Give a unit's name to another machine, or to a new card; how that went.

    The old keys end when the new one has asked, and not before. A machine that serves under this
    name with keys that count stays as it is, so the command may be said again.
    """
    if unit.state not in IN_USE:
        raise Conflict(
            f"{unit.name} was {unit.state} and has no window any more",
            f"say which it gets: provision unit restore {unit.name} --window N",
        )
    if host and host != unit.host:
        site.inventory.reach(unit.name, host, site.now())
    site.inventory.note(unit.name, "exchange", {"why": why}, site.now())
    (one,) = enrol(site, site.units(unit.name), advance, BEGIN)
    if one.is_answered:
        # The card that answered is gone, too.
        site.inventory.end_invitations(unit.name)
        (one,) = enrol(site, site.units(unit.name), advance, BEGIN)
    return one


def come_back(site: Site, unit: Unit, windows: Sequence[Window]) -> Unit:
    """Plan a revoked or retired unit again, with these windows."""
    if unit.state in (REVOKED, RETIRED):
        site.inventory.return_to_plan(unit.name, windows, site.now())
    return site.units(unit.name)[0]


def move(site: Site, unit: Unit, numbers: Sequence[str]) -> list[str]:
    """Give the unit other windows, which may be free ones only; what was done.

    What it recorded at the old one stays true: until the platform has that, both are registered.
    """
    windows = [
        replace(window, number=number) for window, number in zip(unit.windows, numbers, strict=True)
    ]
    before = unit.numbers
    if before != tuple(numbers):
        site.inventory.move(unit.name, windows, site.now())
        site.inventory.leaving(unit.name, before)
    done = [site.publish_registry()]
    moved = site.units(unit.name)[0]
    if unit.state == ENROLLED:
        place, given = site.place(unit), json.dumps(settings_of(site, moved)).encode()
        good(place, place.run(("provision", "unit", "configure", "-"), given=given))
        done.append(f"{unit.name} serves window {', '.join(numbers)}")
    return done


def settle(site: Site, unit: Unit, told: Status) -> bool:
    """End what an earlier step left open, if the unit's status says that it is over.

    Old windows and old signing keys count until the platform has what was recorded with them.
    Returns whether nothing is left open.
    """
    has_old_keys, left = site.inventory.has_old_keys(unit.name), site.inventory.left(unit.name)
    if not has_old_keys and not left:
        return True
    # Before its reload a unit shows what it was: its last entries by the old key are still to come.
    if told.left or told.journal.kid != unit.kid:
        return False
    if has_old_keys:
        # The centre takes nothing more of it as soon as it reads the registry. What it took before
        # is not to look late, whosever clock is ahead.
        site.inventory.end_old_keys(unit.name, site.now() + CLOCKS_APART_MAX)
    site.inventory.leaving(unit.name, ())
    site.publish_registry()
    return True


def rotate(
    site: Site, units: Sequence[Unit], advance: Callable[[float], None], *, signing: bool
) -> list[Enrolled]:
    """Give the units new certificates with new keys, and with `signing` new signing keys, too.

    The unit goes on meanwhile. An old signing key counts until the platform has what it signed.
    """
    if signing:
        for unit in units:
            site.inventory.old_keys_until(unit.name)
    return enrol(site, units, advance, RENEW if signing else ENROL)
