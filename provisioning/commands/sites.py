"""`provision site`: the site folder of a hall."""

from pathlib import Path

import click

from provisioning.commands import at_site, open_site, plans, says
from provisioning.console import Console

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """The site folder of a hall: its windows, its authority, what others need of it."""


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--area", required=True, metavar="CODE", help="areaCode, 6 to 12 digits.")
@click.option("--hall", required=True, metavar="NAME", help="The hall's name: a-z 0-9 -.")
@click.option("--title", default="", help="What the hall is called on sheets and labels.")
@click.option("--broker", required=True, metavar="HOST[:PORT]", help="The broker (port 8883).")
@click.option("--broker-ca", type=FILE, required=True, help="Who signed its certificate, PEM.")
@click.option("--platform-key", type=FILE, required=True, help="The platform's public key, PEM.")
@click.option("--windows", "list_file", type=FILE, help="The hall's windows, CSV.")
@click.option("--authority-certificate", type=FILE, help="An authority there is already, PEM.")
@click.option("--authority-key", type=FILE, help="Its key, PEM.")
@click.option(
    "--authority-passphrase-file", type=FILE, help="What that key opens with, if it is encrypted."
)
@plans
@says
def init(
    folder: Path,
    area: str,
    hall: str,
    title: str,
    broker: str,
    broker_ca: Path,
    platform_key: Path,
    list_file: Path | None,
    authority_certificate: Path | None,
    authority_key: Path | None,
    authority_passphrase_file: Path | None,
    dry_run: bool,
    console: Console,
) -> None:
    """Make FOLDER the site of a hall; run again, it goes on where it was cut off."""
    from provisioning.office import founding

    if (authority_certificate is None) != (authority_key is None):
        raise click.UsageError("--authority-certificate and --authority-key go together")
    host, _, port = broker.partition(":") if broker.count(":") == 1 else (broker, "", "")
    values = {"area": area, "hall": hall, "title": title or hall, "host": host}
    values |= {"port": port or "8883"}
    if dry_run:
        done = founding.plan(folder, values, list_file)
        console.result({"done": done}, "\n".join(done))
        return
    done = founding.found(
        folder,
        values,
        {"broker-ca.pem": broker_ca, "platform.pub.pem": platform_key},
        list_file,
        founding.Given(authority_certificate, authority_key, authority_passphrase_file),
    )
    console.result({"done": done}, "\n".join(done) or "nothing to do")


@command.command()
@click.argument("list_file", type=FILE, metavar="CSV")
@at_site
@plans
@says
def windows(list_file: Path, folder: Path, dry_run: bool, console: Console) -> None:
    """Take the hall's windows over from a CSV file: all of it or, with a mistake, nothing."""
    from provisioning.office import windows as lists

    site = open_site(folder, alone=True)
    wanted = lists.read(str(list_file), list_file.read_bytes())
    inventory = site.inventory
    changes = inventory.changes(wanted) if dry_run else inventory.plan(wanted, site.now())
    console.result({"changes": changes}, "\n".join(changes) or "nothing to do")


@command.command(name="list")
@at_site
@plans
@says
def revocation_list(folder: Path, dry_run: bool, console: Console) -> None:
    """Make the revocation list and the registry anew, and take them where they belong."""
    site = open_site(folder, alone=True)
    if dry_run:
        count, days = len(site.inventory.taken_back()), site.settings.list_days
        says_so = f"a list of {count} certificates would hold for {days} days"
        console.result({"count": count, "days": days}, says_so)
        return
    done = site.publish()
    until = site.list_until()
    if until is not None:
        done.append(f"the list holds until {until:%Y-%m-%d}")
    console.result(
        {"done": done, "until": None if until is None else until.isoformat()}, "\n".join(done)
    )
