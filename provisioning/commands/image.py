"""`provision image`: a fresh card made ready for a unit."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioning.commands import at_site, open_site, plans, says
from provisioning.console import Console
from provisioning.errors import ProvisioningError

if TYPE_CHECKING:
    from provisioning.image.boot_partition import BootPartition
    from provisioning.image.making import Made
    from provisioning.office.records import Unit
    from provisioning.office.sites import Site

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
LOGIN = "technician"


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="UNIT...")
@click.option("--boot", type=FOLDER, required=True, help="The card's boot partition, mounted.")
@click.option("--wheels", type=FOLDER, help="A folder with every package, for units without index.")
@click.option("--wheel", type=FILE, help="Our own wheel, where it is not in that folder.")
@click.option("--ssh-key", type=FILE, help="Who may log in (else ~/.ssh/id_*.pub).")
@click.option("--login", default="", help=f"As whom (else the site's [ssh] user, else {LOGIN}).")
@click.option("--again", is_flag=True, help="The card was made for another unit: take it.")
@at_site
@plans
@says
def command(
    names: tuple[str, ...],
    boot: Path,
    wheels: Path | None,
    wheel: Path | None,
    ssh_key: Path | None,
    login: str,
    again: bool,
    folder: Path,
    dry_run: bool,
    console: Console,
) -> None:
    """First-boot files for a fresh card, so that it comes up as UNIT and asks to be enrolled.

    Write Raspberry Pi OS 12 or 13 to the card with Raspberry Pi Imager, without customisation, and
    plug it in again. With several units it asks for one card after the other.
    """
    from provisioning.image import making, public_key

    site = open_site(folder)
    units = site.units(*names)
    is_asking = len(units) > 1 and not dry_run
    if is_asking and not sys.stdin.isatty():
        raise ProvisioningError(
            "one card is one unit, and nobody is here to exchange the cards",
            "name one unit; or run it at a terminal, where it asks for the next card",
        )
    keys = public_key.read(ssh_key, Path.home())
    ours, carried = making.packages(wheel, wheels)
    size = sum(file.stat().st_size for file in carried)
    login = login or site.settings.ssh_user
    if not login:
        login = LOGIN
        console.say(f'its login is {LOGIN}: let [ssh] of the site.toml say user = "{LOGIN}"')
    done: list[Made] = []
    for unit in units:
        if is_asking:
            console.ask(f"The card of {unit.name}: plug it in and press Enter")
        partition = _partition(boot, unit, console if is_asking else None, again=again)
        paper, until = _invitation(site, unit, dry_run=dry_run)
        card = making.wanted(
            site.settings,
            unit,
            keys=keys,
            login=login,
            invitation=paper,
            wheel=ours,
        )
        with console.progress(f"writing the card of {unit.name}", size) as advance:
            made = making.make(card, partition, carried, until, advance=advance, is_dry=dry_run)
        done.append(made)
        if not console.is_json:
            console.result({}, str(made))
    if console.is_json:
        console.result([each.as_json() for each in done], "")


def _partition(boot: Path, unit: "Unit", asking: Console | None, *, again: bool) -> "BootPartition":
    """The card in the reader. `asking`: who asks for another one when it is not the right one."""
    from provisioning.image.boot_partition import BootPartition

    while True:
        try:
            found = BootPartition(boot)
            if found.unit in (None, unit.name) or again:
                return found
            raise ProvisioningError(
                f"{boot} is the card of {found.unit}, not of {unit.name}",
                "plug in the right card; or give --again to make it another unit's",
            )
        except ProvisioningError as error:
            if asking is None:
                raise
            asking.trouble(str(error), error.hint)
            asking.ask(f"The card of {unit.name}: plug it in and press Enter")


def _invitation(site: "Site", unit: "Unit", *, dry_run: bool) -> tuple[bytes, datetime]:
    """The unit's invitation and its end; in a dry run none is made."""
    from provisioning.office import enrolment
    from provisioning.papers.invitation import Invitation

    if dry_run:
        return b"", site.now() + timedelta(hours=site.settings.token_hours)
    paper = enrolment.invite(site, unit)
    return paper, Invitation.read(paper).until
