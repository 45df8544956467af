"""`provision unit`, on the unit itself: what the office has it do, and what a stick carries."""

import sys
from pathlib import Path
from typing import Any

import click

from provisioning.commands import plans, says
from provisioning.console import Console
from provisioning.errors import ProvisioningError

PAPER_FROM = click.argument("stick", metavar="STICK|-")


@click.command()
@PAPER_FROM
@click.option("--unit", "name", default="", help="Which, where the stick has several.")
@plans
@says
def request(stick: str, name: str, dry_run: bool, console: Console) -> None:
    """On the unit: make its keys and answer an invitation, from a stick or from standard input."""
    from provisioning.papers.invitation import Invitation
    from provisioning.reach.stick import Stick
    from provisioning.unit import requesting
    from provisioning.unit.machine import Machine

    carrier = None if stick == "-" else Stick(Path(stick))
    if carrier is not None:
        name = name or carrier.only("invitation")
    raw = sys.stdin.buffer.read() if carrier is None else carrier.read(name, "invitation")
    if dry_run:
        wanted = str(Invitation.read(raw).source)
        console.result({"source": wanted}, f"this machine would make keys and ask to be {wanted}")
        return
    paper = requesting.answer(Machine(), raw)
    if carrier is None:
        sys.stdout.buffer.write(paper)
        return
    path = str(carrier.put(name, "request", paper))
    console.result({"request": path}, f"{path}: take it to the office")


@click.command()
@PAPER_FROM
@click.option("--unit", "name", default="", help="Which, where the stick has several.")
@plans
@says
def install(stick: str, name: str, dry_run: bool, console: Console) -> None:
    """On the unit: install the grant, from a stick or from standard input, and serve."""
    from provisioning.reach.stick import Stick
    from provisioning.unit import installing
    from provisioning.unit.machine import Machine

    if stick == "-":
        raw = sys.stdin.buffer.read()
    else:
        carrier = Stick(Path(stick))
        raw = carrier.read(name or carrier.only("grant"), "grant")
    if dry_run:
        console.result({}, "this machine would take the grant, if it asked for it, and serve")
        return
    done = installing.install(Machine(), raw)
    console.result(done.told(), f"this machine is {done.source}, and serves")


@click.command()
@click.argument("settings", metavar="-", type=click.File("rb"))
@plans
@says
def configure(settings: Any, dry_run: bool, console: Console) -> None:
    """On the unit: put the office's settings into the daemon's file, and serve by them."""
    import json

    from provisioning.unit import installing
    from provisioning.unit.machine import Machine

    try:
        tables = json.loads(settings.read())
    except ValueError as error:
        raise ProvisioningError(f"no settings: {error}") from error
    if not dry_run:
        installing.configure(Machine(), tables)
    names = sorted(tables)
    console.result({"tables": names}, f"settings of the office: {', '.join(names)}")


@click.command()
@click.argument("source", metavar="/AREA/HALL/UNIT")
@plans
@says
def leave(source: str, dry_run: bool, console: Console) -> None:
    """On the unit: be it no longer. Its journal stays, its keys do not."""
    from provisioning.unit import installing
    from provisioning.unit.machine import Machine

    if not dry_run:
        installing.leave(Machine(), source)
    would = "would be" if dry_run else "is"
    console.result({"source": source}, f"this machine {would} {source} no longer")


COMMANDS = (request, install, configure, leave)
