"""`provision unit`, on the unit itself: what the office has it do, and what a stick carries."""

import sys
from pathlib import Path
from typing import Any

import click

from provisioning.commands import says
from provisioning.console import Console
from provisioning.errors import ProvisioningError

PAPER_FROM = click.argument("stick", metavar="STICK|-")


@click.command()
@PAPER_FROM
@click.option("--unit", "name", default="", help="Which, where the stick has several.")
def request(stick: str, name: str) -> None:
    """On the unit: make its keys and answer an invitation, from a stick or from standard input."""
    from provisioning.reach.stick import Stick
    from provisioning.unit import requesting
    from provisioning.unit.machine import Machine

    machine = Machine()
    if stick == "-":
        sys.stdout.buffer.write(requesting.answer(machine, sys.stdin.buffer.read()))
        return
    carrier = Stick(Path(stick))
    name = name or carrier.only("invitation")
    paper = requesting.answer(machine, carrier.read(name, "invitation"))
    Console().say(f"{carrier.put(name, 'request', paper)}: take it to the office")


@click.command()
@PAPER_FROM
@click.option("--unit", "name", default="", help="Which, where the stick has several.")
@says
def install(stick: str, name: str, console: Console) -> None:
    """On the unit: install the grant, from a stick or from standard input, and serve."""
    from provisioning.reach.stick import Stick
    from provisioning.unit import installing
    from provisioning.unit.machine import Machine

    if stick == "-":
        raw = sys.stdin.buffer.read()
    else:
        carrier = Stick(Path(stick))
        raw = carrier.read(name or carrier.only("grant"), "grant")
    done = installing.install(Machine(), raw)
    console.result(done.told(), f"this machine is {done.source}, and serves")


@click.command()
@click.argument("settings", metavar="-", type=click.File("rb"))
def configure(settings: Any) -> None:
    """On the unit: put the office's settings into the daemon's file, and serve by them."""
    import json

    from provisioning.unit import installing
    from provisioning.unit.machine import Machine

    try:
        tables = json.loads(settings.read())
    except ValueError as error:
        raise ProvisioningError(f"no settings: {error}") from error
    installing.configure(Machine(), tables)


@click.command()
@click.argument("source", metavar="/AREA/HALL/UNIT")
def leave(source: str) -> None:
    """On the unit: be it no longer. Its journal stays, its keys do not."""
    from provisioning.unit import installing
    from provisioning.unit.machine import Machine

    installing.leave(Machine(), source)


COMMANDS = (request, install, configure, leave)
