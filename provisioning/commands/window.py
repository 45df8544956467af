"""`provision window`: a window at its counter."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioning.commands import at_site, open_site, plans, says
from provisioning.console import Console

if TYPE_CHECKING:
    from provisioning.office.records import Unit
    from provisioning.office.sites import Site


@click.group()
def command() -> None:
    """A window at its counter: tried, signed, accepted."""


@command.command()
@click.argument("unit")
@click.option("--window", "number", metavar="N", help="Which one, of a unit that has several.")
@click.option("--by", metavar="STAFF", help="Your staff number; asked for when left out.")
@plans
@at_site
@says
def test(
    unit: str, number: str | None, by: str | None, dry_run: bool, folder: Path, console: Console
) -> int:
    """Try the window of a UNIT at its counter: five minutes, you and the clerk.

    What the unit knows by itself is looked at first. Then you press its keys, and type what its
    display, lamp and buzzer show; the clerk calls a number; an entry goes to the platform and its
    receipt comes back. The unit signs the result; a page to print lies in the site's sheets/.
    A run that was interrupted is begun anew. Answers may also come from a pipe, one a line.

    Exit code 0 accepted, 1 not accepted or not all of it done, 2 trouble.
    """
    from provisioning.acceptance.report import TITLES

    site = open_site(folder)
    (found,) = site.units(unit)
    window = found.window(number)
    if dry_run:
        steps = "\n".join(f"{place}. {name}" for place, (_, name) in enumerate(TITLES.values(), 1))
        console.result(list(TITLES), steps)
        return 0
    return _visit(site, found, window, by, console)


def _visit(site: "Site", unit: "Unit", window: str, by: str | None, console: Console) -> int:
    from random import SystemRandom

    from provisioning.acceptance import record
    from provisioning.acceptance.steps import Plan, acceptance
    from provisioning.acceptance.visit import Visit
    from provisioning.doctor.facts import Facts
    from provisioning.doctor.look import configuration

    place = site.place(unit)
    facts = Facts(unit=unit.name, now=site.now(), configured=configuration(place))
    console.say(f"Window {window} of {unit.name}, over {place.name}")
    by = by or console.ask("Your staff number")
    plan = Plan(window=window, facts=facts, draw=SystemRandom().randint)
    with Visit(place, window, console) as visit:
        report = visit.through(acceptance(plan))
        status = visit.status()
        signed = visit.sign(report, by)
    made = record.keep(site, unit, record.Made(report=report, by=by, signed=signed, status=status))
    console.result(made.as_json(), made.text())
    return 0 if report.is_accepted else 1
