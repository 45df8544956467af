"""`provision hall`: every unit of a hall."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioning.commands import at_site, open_site, plans, says
from provisioning.console import Console
from provisioning.errors import ProvisioningError

if TYPE_CHECKING:
    from provisioning.hall.change import Change
    from provisioning.hall.standing import Answer, Known
    from provisioning.hall.update import Outcome
    from provisioning.office.records import Unit
    from provisioning.office.sites import Site

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Every unit of a hall: how it is, new programs for it."""


@command.command()
@click.argument("names", nargs=-1, metavar="[UNIT]...")
@at_site
@says
def status(names: tuple[str, ...], folder: Path, console: Console) -> int:
    """Ask every unit at once how it is, or those that are named.

    A unit that is not reached is shown as it was seen last. Exit code 1 when one needs somebody.
    """
    from provisioning.hall.standing import COLUMNS, NOBODY, standing

    site = open_site(folder)
    units = site.units(*names)
    known = {unit.name: _known(site, unit) for unit in units}
    answers = _asked(site, units, console)
    now = site.now()
    rows = [standing(known[unit.name], answers.get(unit.name), now) for unit in units]
    warnings = site.warnings()
    needy = [row for row in rows if row.need != NOBODY]
    if console.is_json:
        console.result({"units": [row.as_json() for row in rows], "warnings": warnings}, "")
    else:
        console.table(COLUMNS, [row.row(now) for row in rows])
        for row in needy:
            console.say(f"{row.unit}: {row.trouble}. Do: {row.advice}")
        for warning in warnings:
            console.say(f"warning: {warning}")
    return 1 if needy or warnings else 0


@command.command()
@click.argument("names", nargs=-1, metavar="[UNIT]...")
@click.option("--wheel", type=FILE, help="New programs for the units.")
@click.option("--wheels", default="", metavar="DIR", help="On each unit: all packages it needs.")
@click.option("--pad-bundle", type=FILE, help="New firmware for the pads (provision pad bundle).")
@click.option("--key", type=FILE, help="With --pad-bundle: the public key of who made it.")
@click.option("--back", type=FILE, help="The wheel that a unit gets again that takes no new one.")
@plans
@at_site
@says
def update(
    names: tuple[str, ...],
    wheel: Path | None,
    wheels: str,
    pad_bundle: Path | None,
    key: Path | None,
    back: Path | None,
    dry_run: bool,
    folder: Path,
    console: Console,
) -> int:
    """Give the units new programs, or their pads new firmware: one, a tenth, then all.

    It stops by itself at the first unit that is worse afterwards. Run again, it goes on with those
    that have it not yet. A unit where a rating is asked for waits its turn.
    """
    from provisioning.hall.update import has

    change, old = _changes(wheel, wheels, pad_bundle, key, back)
    site = open_site(folder, alone=True)
    units = [unit for unit in site.units(*names) if unit.state == "enrolled"]
    done = [unit.name for unit in units if has(site.inventory.history(unit.name), change)]
    wanted = [unit for unit in units if unit.name not in done]
    if done:
        console.say(f"{change.title} is at {len(done)} of {len(units)} units already")
    if dry_run:
        return _plan(wanted, change, console)
    if not wanted:
        console.result({"title": change.title, "units": []}, "nothing to do")
        return 0
    answers = _asked(site, wanted, console)
    absent = [unit.name for unit in wanted if answers[unit.name].told is None]
    for name in absent:
        console.say(f"{name}: left out: {answers[name].trouble}")
    present = [unit for unit in wanted if unit.name not in absent]
    outcomes = _updated(site, present, change, old, console)
    return _told(outcomes, absent, len(present), change, console)


def _known(site: "Site", unit: "Unit") -> "Known":
    from provisioning.hall.standing import Known

    return Known(
        name=unit.name,
        windows=unit.numbers,
        state=unit.state,
        seen=site.inventory.seen(unit.name),
        until=unit.certificate_until,
    )


def _asked(site: "Site", units: "Sequence[Unit]", console: Console) -> "dict[str, Answer]":
    """What the enrolled ones told; the inventory keeps it."""
    from provisioning.hall.asking import ask

    places = {unit.name: site.place(unit) for unit in units if unit.state == "enrolled"}
    with console.progress("asking the units", len(places)) as advance:
        answers = ask(places, advance)
    at = site.now()
    for unit in units:
        told = answers[unit.name].told if unit.name in answers else None
        if told is not None:
            site.inventory.saw(unit.name, told, at)
            _settle(site, unit, told)
    return answers


def _settle(site: "Site", unit: "Unit", told: "Mapping[str, Any]") -> None:
    """Old keys and windows end as soon as somebody sees that the platform has all of them."""
    from provisioning.office import life
    from provisioning.reach.status import Status

    # A daemon that just starts says less: another look will tell.
    with contextlib.suppress(ValueError):
        life.settle(site, unit, Status.read(told))


def _changes(
    wheel: Path | None,
    wheels: str,
    pad_bundle: Path | None,
    key: Path | None,
    back: Path | None,
) -> "tuple[Change, Change | None]":
    from provisioning.hall.change import Bundle, Wheel

    if (wheel is None) == (pad_bundle is None):
        raise click.UsageError("name --wheel or --pad-bundle")
    if wheel is not None:
        return Wheel.open(wheel, wheels), None if back is None else Wheel.open(back, wheels)
    assert pad_bundle is not None
    if key is None:
        raise click.UsageError("--pad-bundle needs --key: the public key of who made it")
    if back is not None:
        raise ProvisioningError(
            "a pad takes no older firmware over its line, so there is no --back for it",
            "a pad whose new firmware fails goes back to its old one by itself",
        )
    return Bundle.open(pad_bundle, key), None


def _plan(units: "Sequence[Unit]", change: "Change", console: Console) -> int:
    from provisioning.hall.stages import stages

    found = stages([unit.name for unit in units])
    lines = [f"{place}. {', '.join(names)}" for place, names in enumerate(found, 1)]
    text = "\n".join([f"{change.title} would go to {len(units)} units:", *lines])
    console.result({"title": change.title, "stages": [list(names) for names in found]}, text)
    return 0


def _updated(
    site: "Site",
    units: "Sequence[Unit]",
    change: "Change",
    old: "Change | None",
    console: Console,
) -> "list[Outcome]":
    from provisioning.hall.update import UPDATED, Update, facts_of

    outcomes = []
    places = {unit.name: site.place(unit) for unit in units}
    with console.progress(change.title, len(units)) as advance:
        for outcome in Update(change, old, site.now).run(places):
            outcomes.append(outcome)
            if outcome.is_done:
                site.inventory.note(outcome.unit, UPDATED, facts_of(change), site.now())
            elif outcome.is_touched:
                facts = {**facts_of(change), "trouble": outcome.sentence}
                site.inventory.note(outcome.unit, "not updated", facts, site.now())
            console.say(f"{outcome.unit}: {outcome.sentence}")
            advance(1)
    return outcomes


def _told(
    outcomes: "Sequence[Outcome]", absent: list[str], count: int, change: "Change", console: Console
) -> int:
    bad = [outcome for outcome in outcomes if not outcome.is_done]
    waiting = count - len(outcomes)
    lines = [f"{change.title}: {len(outcomes) - len(bad)} of {count} units run it"]
    for outcome in bad:
        lines.append(f"stopped at {outcome.unit}: {outcome.sentence}")
    if bad:
        lines.append(f"{waiting} units were not begun and go on as before")
        lines.append(f"look why: provision doctor {bad[0].unit}; then run the same command again")
    if bad and bad[0].is_touched and change.what == "daemon":
        lines.append(f"back by hand: provision hall update --wheel OLD.whl {bad[0].unit}")
    if absent:
        lines.append(f"not reached, so left out: {', '.join(absent)}")
    value = {
        "title": change.title,
        "units": [asdict(outcome) for outcome in outcomes],
        "absent": absent,
        "not_begun": waiting,
    }
    console.result(value, "\n".join(lines))
    return 1 if bad or absent else 0
