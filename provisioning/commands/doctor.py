"""`provision doctor`: why is this window not working."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioning.commands import at_site, open_site, says
from provisioning.console import Console
from provisioning.errors import ProvisioningError

if TYPE_CHECKING:
    from provisioning.doctor.check import Check
    from provisioning.doctor.facts import Facts

STYLES = {"bad": "red", "warning": "yellow", "unknown": "dim", "absent": "dim"}


@click.command()
@click.argument("unit", required=False)
@click.option("--here", is_flag=True, help="This machine is the unit: needs no site folder.")
@click.option("--window", metavar="N", help="Look at this window alone.")
@click.option("--all", "is_all", is_flag=True, help="Everything looked at, not only what is wrong.")
@at_site
@says
def command(
    unit: str | None, here: bool, window: str | None, is_all: bool, folder: Path, console: Console
) -> int:
    """Say the first broken thing of a UNIT, from the pad upward, and what to do.

    Exit code 1 when something is broken or will be soon.
    """
    from provisioning.doctor import checks

    if here == (unit is not None):
        raise ProvisioningError(
            "name a unit of the hall, or say --here on the unit itself",
            "provision doctor w03, or sudo provision doctor --here",
        )
    facts = _here() if unit is None else _of(folder, unit)
    if window is not None and window not in facts.windows and facts.windows:
        raise ProvisioningError(
            f"window {window} is not this unit's: it has {', '.join(facts.windows)}"
        )
    found = checks.checks(facts, window)
    first = checks.first_broken(found)
    if console.is_json:
        console.result(
            {
                "unit": facts.unit,
                "first": None if first is None else first.as_json(),
                "checks": [check.as_json() for check in found],
            },
            "",
        )
    elif is_all:
        console.table(("looked at", "is", "found", "do"), [_row(check) for check in found])
    if not console.is_json:
        _tell(console, facts, found, first)
    return 0 if first is None else 1


def _here() -> "Facts":
    from provisioning.doctor.look import look
    from provisioning.reach.place import Here
    from provisioning.unit.machine import utc_now

    return look(Here(), "this unit", utc_now())


def _of(folder: Path, name: str) -> "Facts":
    from provisioning.doctor.look import look

    site = open_site(folder)
    (unit,) = site.units(name)
    place = site.place(unit)
    return look(
        place, name, site.now(), host=place.name, registered=unit.numbers if unit.kid else ()
    )


def _row(check: "Check") -> dict[str, str | None]:
    return {
        "looked at": check.title,
        "is": check.outcome,
        "found": check.finding,
        "do": check.advice,
        "style": STYLES.get(check.outcome),
    }


def _tell(
    console: Console, facts: "Facts", found: "tuple[Check, ...]", first: "Check | None"
) -> None:
    from provisioning.doctor.check import BAD, UNKNOWN, WARNING

    if first is not None:
        how = "broken" if first.outcome == BAD else "soon to be mended"
        console.result(None, f"{facts.unit}: {how}: {first.title}: {first.finding}")
        console.result(None, f"do: {first.advice}")
    else:
        console.result(None, f"{facts.unit}: nothing is broken")
    others = [check for check in found if check.outcome in (BAD, WARNING) and check is not first]
    if others:
        names = "; ".join(check.title for check in others)
        console.result(None, f"then look once more: also wrong, maybe by the same cause: {names}")
    if first is None:
        for check in found:
            if check.outcome == UNKNOWN:
                advice = f": {check.advice}" if check.advice else ""
                console.result(None, f"not known: {check.title}: {check.finding}{advice}")
