"""What `provision` can do, one file a group.

What a command needs is imported when it runs: --help answers at once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from provisioning.console import Console

if TYPE_CHECKING:
    from provisioning.office.sites import Site

_Command = TypeVar("_Command", bound=Callable[..., Any])


def says(command: _Command) -> _Command:
    """Add --json; the command gets its `console`."""

    def console(_ctx: click.Context, _parameter: click.Parameter, is_json: bool) -> Console:
        return Console(is_json=is_json)

    option = click.option(
        "--json", "console", is_flag=True, callback=console, help="JSON instead of a text."
    )
    return option(command)


def plans(command: _Command) -> _Command:
    """Add --dry-run as `dry_run`."""
    option = click.option("--dry-run", is_flag=True, help="Say what would be done, do nothing.")
    return option(command)


def at_site(command: _Command) -> _Command:
    """Add --site as `folder`, the site folder of a hall."""
    option = click.option(
        "--site",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="HAOCHAPING_SITE",
        default=Path(),
        help="The hall's site folder (else HAOCHAPING_SITE, else this folder).",
    )
    return option(command)


def open_site(folder: Path, *, alone: bool = False) -> "Site":
    """The site in the folder until the command ends; `alone`, for a command that changes it."""
    from provisioning.office.sites import Site

    site = Site.open_alone(folder) if alone else Site.open(folder)
    click.get_current_context().call_on_close(site.close)
    return site
