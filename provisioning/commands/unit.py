"""`provision unit`: a unit's life, from the office."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioning.commands import at_site, on_unit, open_site, plans, says
from provisioning.console import Console
from provisioning.errors import ProvisioningError

if TYPE_CHECKING:
    from provisioning.office.enrolment import Enrolled
    from provisioning.office.records import Unit
    from provisioning.office.sites import Site

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
# Each looks at a unit's backlog once a second.
DRAIN_S = 60


@click.group()
def command() -> None:
    """A unit's life, from the office; request, install, configure and leave: on the unit itself."""


@command.command()
@click.argument("names", nargs=-1, metavar="[UNIT]...")
@click.option("--all", "is_all", is_flag=True, help="Every unit that is not enrolled yet.")
@click.option("--host", default="", help="Where the unit is reached from now on.")
@at_site
@plans
@says
def enrol(
    names: tuple[str, ...], is_all: bool, host: str, folder: Path, dry_run: bool, console: Console
) -> int:
    """Make units that the platform trusts, over SSH; many at once."""
    from provisioning.office import enrolment

    site = open_site(folder, alone=True)
    units = _chosen(site, names, is_all=is_all)
    if host:
        _only(units, "--host")
        site.inventory.reach(units[0].name, host, site.now())
        units = site.units(units[0].name)
    if is_all:
        units = [unit for unit in units if unit.state != "enrolled"]
    if dry_run:
        rows = [
            {"unit": unit.name, "at": site.place(unit).name, "is": unit.state} for unit in units
        ]
        console.table(("unit", "at", "is"), rows)
        return 0
    with console.progress("enrolling", 2 * len(units)) as advance:
        done = enrolment.enrol(site, units, advance)
    return _tell(site, done, console)


@command.command()
@click.argument("names", nargs=-1, metavar="[UNIT]...")
@click.option("--all", "is_all", is_flag=True, help="Every unit that is not enrolled yet.")
@click.option(
    "--to", "stick", type=FOLDER, required=True, help="The stick, or a card's boot folder."
)
@at_site
@plans
@says
def invite(
    names: tuple[str, ...],
    is_all: bool,
    stick: Path,
    folder: Path,
    dry_run: bool,
    console: Console,
) -> None:
    """Put invitations on a stick, for units without a network."""
    from provisioning.office import enrolment
    from provisioning.reach.stick import Stick

    site, carrier = open_site(folder, alone=True), Stick(stick)
    units = _chosen(site, names, is_all=is_all)
    if is_all:
        units = [unit for unit in units if unit.state != "enrolled"]
    if dry_run:
        asked = [unit.name for unit in units]
        console.result({"units": asked}, f"would invite {', '.join(asked)}")
        return
    done = [
        str(carrier.put(unit.name, "invitation", enrolment.invite(site, unit))) for unit in units
    ]
    console.result({"done": done}, "\n".join(done))


@command.command()
@click.argument("stick", type=FOLDER)
@at_site
@plans
@says
def issue(stick: Path, folder: Path, dry_run: bool, console: Console) -> int:
    """Answer every request on a stick."""
    from provisioning.office import enrolment
    from provisioning.office.enrolment import Enrolled
    from provisioning.reach.stick import Stick

    site, carrier = open_site(folder, alone=True), Stick(stick)
    names = carrier.units("request") or [carrier.only("request")]
    if dry_run:
        console.result({"units": names}, f"would answer {', '.join(names)}")
        return 0
    done = []
    for name in names:
        try:
            unit, grant, warnings = enrolment.issue(site, carrier.read(name, "request"))
            carrier.put(unit.name, "grant", grant)
            after = site.units(unit.name)[0]
            done.append(
                Enrolled(
                    unit=unit.name,
                    kid=after.kid,
                    until=after.certificate_until,
                    warnings=tuple(warnings),
                )
            )
            # Whether it was carried there nobody here knows: an older certificate goes on.
            site.inventory.installed(unit.name, site.now(), ends_older=False)
        except ProvisioningError as error:
            done.append(Enrolled(unit=name, trouble=str(error), hint=error.hint))
    site.publish()
    return _tell(site, done, console)


@command.command()
@click.argument("names", nargs=-1, metavar="[UNIT]...")
@click.option("--all", "is_all", is_flag=True, help="Every unit that is enrolled.")
@click.option(
    "--days-left", type=int, metavar="N", help="Only those whose certificate ends so soon."
)
@click.option("--signing", is_flag=True, help="The key that signs the journal, too.")
@at_site
@plans
@says
def rotate(
    names: tuple[str, ...],
    is_all: bool,
    days_left: int | None,
    signing: bool,
    folder: Path,
    dry_run: bool,
    console: Console,
) -> int:
    """Give units new keys and certificates while they go on rating."""
    from provisioning.office import life

    site = open_site(folder, alone=True)
    units = [unit for unit in _chosen(site, names, is_all=is_all) if unit.state == "enrolled"]
    if days_left is not None:
        units = [unit for unit in units if site.days_left(unit) <= days_left]
    if dry_run:
        rows = [{"unit": unit.name, "until": unit.certificate_until} for unit in units]
        console.table(("unit", "until"), rows)
        return 0
    with console.progress("rotating", 2 * len(units)) as advance:
        done = life.rotate(site, units, advance, signing=signing)
    code = _tell(site, done, console)
    site.publish_list()
    if signing:
        for one in done:
            if one.trouble is None and not _settled(site, site.units(one.unit)[0]):
                console.say(
                    f"{one.unit}: the platform does not have all that the old key signed: it "
                    "counts until `provision hall status` sees that it has"
                )
    return code


@command.command()
@click.argument("name", metavar="UNIT")
@click.option("--host", default="", help="Where the new machine is reached.")
@at_site
@plans
@says
def replace(name: str, host: str, folder: Path, dry_run: bool, console: Console) -> int:
    """Give a unit's name to another machine: the old one's keys end, the new one makes its own."""
    return _exchange(folder, name, host, "another machine", dry_run, console)


@command.command()
@click.argument("name", metavar="UNIT")
@click.option("--host", default="", help="Where the unit is reached.")
@click.option("--window", "numbers", multiple=True, metavar="N", help="For one that had ended.")
@at_site
@plans
@says
def restore(
    name: str, host: str, numbers: tuple[str, ...], folder: Path, dry_run: bool, console: Console
) -> int:
    """Bring a unit back under its name: with a new card, or after it was revoked or retired."""
    return _exchange(folder, name, host, "its card was exchanged", dry_run, console, numbers)


@command.command()
@click.argument("name", metavar="UNIT")
@click.option(
    "--window", "numbers", multiple=True, required=True, metavar="N", help="Its new window."
)
@at_site
@plans
@says
def move(
    name: str, numbers: tuple[str, ...], folder: Path, dry_run: bool, console: Console
) -> None:
    """Take a unit to another window of the hall."""
    from provisioning.office import life

    site = open_site(folder, alone=True)
    unit = site.units(name)[0]
    if len(numbers) != len(unit.numbers):
        raise click.UsageError(
            f"{name} serves {len(unit.numbers)} window(s): say --window for each"
        )
    if dry_run:
        console.say(f"{name}: window {', '.join(unit.numbers)} becomes {', '.join(numbers)}")
        return
    done = life.move(site, unit, numbers)
    if unit.state == "enrolled" and not _settled(site, site.units(name)[0]):
        done.append("the old window stays registered until the platform has all of it")
    console.result({"done": done}, "\n".join(done))


@command.command()
@click.argument("name", metavar="UNIT")
@click.option("--why", default="lost or stolen", show_default=True, help="For the history.")
@at_site
@plans
@says
def revoke(name: str, why: str, folder: Path, dry_run: bool, console: Console) -> None:
    """End a unit's right to speak, now, wherever it is: lost, stolen, opened."""
    from provisioning.office import life

    site = open_site(folder, alone=True)
    unit = site.units(name)[0]
    if dry_run:
        console.say(f"{name}: its keys and certificates end, its windows become free")
        return
    done = life.revoke(site, unit, why)
    console.result({"done": done}, "\n".join(done))


@command.command()
@click.argument("name", metavar="UNIT")
@click.option("--why", default="taken down", show_default=True, help="For the history.")
@at_site
@plans
@says
def retire(name: str, why: str, folder: Path, dry_run: bool, console: Console) -> None:
    """End a unit in good order: the platform has everything, then its service and keys end."""
    from provisioning.office import life

    site = open_site(folder, alone=True)
    unit = site.units(name)[0]
    if dry_run:
        console.say(f"{name}: ends when the platform has all of it; its windows become free")
        return
    done = life.retire(site, unit, why, _Patience())
    console.result({"done": done}, "\n".join(done))


for one in on_unit.COMMANDS:
    command.add_command(one)


def _chosen(site: "Site", names: Sequence[str], *, is_all: bool) -> "list[Unit]":
    if bool(names) == is_all:
        raise click.UsageError("name the units, or --all")
    return site.units(*names)


def _only(units: "Sequence[Unit]", option: str) -> None:
    if len(units) != 1:
        raise click.UsageError(f"{option} is for one unit")


def _exchange(
    folder: Path,
    name: str,
    host: str,
    why: str,
    dry_run: bool,
    console: Console,
    numbers: Sequence[str] = (),
) -> int:
    from provisioning.office import life
    from provisioning.office.windows import planned

    site = open_site(folder, alone=True)
    unit = site.units(name)[0]
    if dry_run:
        console.say(f"{name}: its keys end ({why}), then it is enrolled anew")
        return 0
    if numbers:
        unit = life.come_back(site, unit, planned(numbers))
    with console.progress("enrolling", 2) as advance:
        done = life.exchange(site, unit, host, why, advance)
    return _tell(site, [done], console)


def _settled(site: "Site", unit: "Unit") -> bool:
    """Whether all that was left open is over, after a short wait."""
    patience = _Patience()
    while not _settle(site, unit):
        if not patience():
            return False
    return True


def _settle(site: "Site", unit: "Unit") -> bool:
    from provisioning.office import life

    try:
        return life.settle(site, unit, life.shown(site.place(unit)))
    except ProvisioningError:
        # A daemon that just begins anew is not there for a moment; one that stays away is told by
        # whoever looks at the hall.
        return False


class _Patience:
    """Waits a second at each call, and says whether to go on waiting."""

    def __init__(self) -> None:
        self._left = DRAIN_S

    def __call__(self) -> bool:
        import time

        time.sleep(1)
        self._left -= 1
        return self._left > 0


def _tell(site: "Site", done: "Sequence[Enrolled]", console: Console) -> int:
    from dataclasses import asdict

    if console.is_json:
        console.result([asdict(one) for one in done], "")
    else:
        rows = [
            {
                "unit": one.unit,
                "is": "enrolled" if one.trouble is None else "not enrolled",
                "certificate until": (one.until or "")[:10],
                "signing key": one.kid,
                "style": None if one.trouble is None else "red",
            }
            for one in done
        ]
        console.table(("unit", "is", "certificate until", "signing key"), rows)
    for one in done:
        for sentence in one.warnings:
            console.say(f"look: {sentence}")
        if one.trouble is not None:
            console.trouble(f"{one.unit}: {one.trouble}", one.hint)
    for sentence in site.warnings():
        console.say(f"look: {sentence}")
    return 0 if all(one.trouble is None for one in done) else 1
