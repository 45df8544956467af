"""`provision pad`: a pad's firmware."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from provisioning.commands import at_site, plans, says
from provisioning.console import Console
from provisioning.errors import ProvisioningError

if TYPE_CHECKING:
    from provisioning.pad.flashing import Flashed
    from provisioning.pad.whose import Window

FILE = click.Path(dir_okay=False, path_type=Path)
_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group()
def command() -> None:
    """A pad's firmware: put on over USB, in a file for units."""


def _on_a_board(function: _Command) -> _Command:
    """Add what both ways of making a board a pad are asked with."""
    options = (
        click.option(
            "--window", "number", metavar="N", help="The window, if its unit has several."
        ),
        click.option("--port", help="The board's port (else the only board plugged in)."),
        click.option(
            "--usb/--uart",
            "is_usb",
            default=None,
            help="The line it will speak on (else its unit's, or as its settings are).",
        ),
        click.option("--settings", "file", type=FILE, help="Changes to its settings, JSON."),
        click.option("--line", metavar="PORT", help="Where its UART arrives, to hear it there."),
        click.option("--uf2", type=FILE, help="MicroPython's image, for a board in BOOTSEL mode."),
        click.option(
            "--take-over",
            "force_move",
            is_flag=True,
            help="Also another window's pad, or a board with another program.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command()
@click.argument("unit", required=False)
@click.option("--source", metavar="/AREA/HALL/UNIT", help="In place of a UNIT of this site.")
@click.option("--virtual", is_flag=True, help="A simulated board, to see how it goes.")
@_on_a_board
@at_site
@plans
@says
def flash(
    unit: str | None,
    source: str | None,
    virtual: bool,
    number: str | None,
    folder: Path,
    console: Console,
    **given: Any,
) -> int:
    """Make the board on the cable a pad; what is right on it stays."""
    from provisioning.pad import virtual as simulator
    from provisioning.pad import whose

    window = whose.window(folder, unit, source, number)
    if not virtual:
        return _flash(window, console, **given)
    with simulator.board() as port:
        given |= {"port": port, "is_usb": given["is_usb"] is not False}
        # What is only played with belongs into no inventory.
        return _flash(window, console, is_noted=False, **given)


@command.command()
@click.argument("unit")
@_on_a_board
@at_site
@plans
@says
def replace(unit: str, number: str | None, folder: Path, console: Console, **given: Any) -> int:
    """Make the board on the cable the pad of a window that has one; the old one is put away."""
    from provisioning.pad import whose

    window = whose.window(folder, unit, None, number)
    return _flash(window, console, replaces=True, **given)


def _flash(
    window: "Window | None",
    console: Console,
    *,
    is_usb: bool | None,
    file: Path | None,
    force_move: bool,
    dry_run: bool,
    replaces: bool = False,
    is_noted: bool = True,
    **given: Any,
) -> int:
    from provisioning.pad.flashing import flash

    old = window.pad if window and is_noted else None
    if is_usb is None and window is not None:
        is_usb = window.is_usb
    done = 0.0

    def check(uid: str) -> None:
        if window is not None and is_noted:
            window.check(uid, replaces=replaces, force_move=force_move)

    def on_progress(_path: str, written: int, total: int) -> None:
        nonlocal done
        advance(written / total - done)
        done = written / total

    with console.progress("flashing", 1.0) as advance:
        flashed = flash(
            settings=_settings(file, is_usb),
            enrolled=window.enrolled if window else None,
            force_move=force_move,
            check=check,
            on_progress=on_progress,
            dry_run=dry_run,
            **given,
        )
    is_whole = flashed.is_read or (window is not None and old == flashed.uid)
    if window is not None and is_noted and is_whole and not dry_run:
        window.note(flashed.uid, flashed.facts)
    console.result(flashed.as_json(), _told(flashed, is_whole, old if replaces else None))
    return 0 if is_whole or (window is None and is_usb is None and file is None) else 1


def _settings(file: Path | None, is_usb: bool | None) -> dict[str, Any] | None:
    from device.settings import UART_USB

    if file is None and is_usb is None:
        return None
    try:
        values = json.loads(file.read_text("utf-8")) if file else {}
    except (OSError, ValueError) as error:
        raise ProvisioningError(
            f"{file}: {error}", "give a file of JSON, as docs/pad.md"
        ) from error
    if not isinstance(values, dict):
        raise ProvisioningError(f"{file}: no JSON object", "give a file of JSON, as docs/pad.md")
    if is_usb is not None:
        values["uart"] = UART_USB if is_usb else None
    return values


def _told(flashed: "Flashed", is_whole: bool, old: str | None) -> str:
    pad = f"{flashed.port}: pad {flashed.uid}, release {flashed.release} ({flashed.firmware})"
    if flashed.is_dry:
        return "\n".join((pad, *flashed.steps)) if flashed.is_changed else f"{pad}: nothing to do"
    lines = [f"{pad}: it had this already, nothing was changed"]
    if flashed.is_changed:
        lines = [
            f"{pad}: {len(flashed.put)} files put, {flashed.kept} kept, "
            f"{len(flashed.removed)} removed, in {flashed.seconds:.1f} s"
        ]
    if flashed.hello:
        lines.append("it runs, and said hello")
    else:
        lines.append("its line is its UART, so its hello is heard there; for a pad on USB: --usb")
    if not is_whole:
        lines.append(
            "whose pad it is and its settings were not looked at: for that hold both outer keys "
            "while you plug it in, and run the same command again"
        )
    if old is not None and old != flashed.uid:
        lines.append(f"put the old pad away: {old}")
    return "\n".join(lines)


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
@plans
@says
def bundle(key: Path, out: Path, release_min: int, dry_run: bool, console: Console) -> None:
    """Put the firmware in this tree into one signed file for units."""
    from provisioning.pad.bundle import make

    made = make(key, out, release_min, dry_run=dry_run)
    console.result(made.as_json(), str(made))
