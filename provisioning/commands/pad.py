"""`provision pad`: a pad's firmware."""

from pathlib import Path

import click

from provisioning.commands import says
from provisioning.console import Console


@click.group()
def command() -> None:
    """A pad's firmware: put on over USB, in a file for units."""


@command.command()
@click.option(
    "--key", type=click.Path(path_type=Path), required=True, help="The maker's private key, PEM."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to make.")
@click.option(
    "--release-min",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="The least release of a pad that may take it over the line.",
)
@says
def bundle(key: Path, out: Path, release_min: int, console: Console) -> None:
    """Put the firmware in this tree into one signed file for units."""
    from provisioning.pad.bundle import make

    made = make(key, out, release_min)
    console.result(made.as_json(), str(made))
