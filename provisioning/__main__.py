"""`provision`, also `python -m provisioning`: the technician's command line."""

import os
import sys
from importlib import import_module

import click

from provisioning.console import Console
from provisioning.errors import ProvisioningError

EXIT_GOOD, EXIT_BAD, EXIT_TROUBLE, EXIT_INTERRUPTED = 0, 1, 2, 130
ENDS = """\b
Exit code: 0 good; 1 what was looked at is not good, or a part of it was not done;
2 trouble, said in a sentence, nothing half done; 130 interrupted: run it again.
"""
# What each group is for; its module in provisioning.commands has its name, but for those below.
GROUPS = {
    "site": "the site folder of a hall: its windows, its authority, what others need of it",
    "unit": "a unit's life: enrolled, moved, rotated, replaced, revoked, retired, restored",
    "image": "a fresh card made ready for a unit",
    "pad": "a pad's firmware: put on over USB, in a file for units",
    "window": "a window at its counter: tried, signed, accepted",
    "hall": "every unit of a hall: how it is, new programs for it",
    "doctor": "why a window does not work, and what to do",
}

# `site` is a module of Python's own.
MODULES = {"site": "sites"}


class Commands(click.Group):
    """The groups, each imported when it is asked for: --help answers at once."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in GROUPS:
            return None
        found = import_module(f"provisioning.commands.{MODULES.get(cmd_name, cmd_name)}").command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(GROUPS.items()))


@click.group(cls=Commands, epilog=ENDS, context_settings={"help_option_names": ["-h", "--help"]})
def provision() -> None:
    """From an empty card to a unit the platform trusts, and for its whole life after that."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. Trouble is one sentence, what to do next, and 2."""
    try:
        code = provision.main(arguments, prog_name="provision", standalone_mode=False)
        # Here, not at the interpreter's end, where a reader that left is a traceback.
        sys.stdout.flush()
        return code if isinstance(code, int) else EXIT_GOOD
    except ProvisioningError as error:
        Console().trouble(str(error), error.hint)
        return EXIT_TROUBLE
    except click.ClickException as error:
        error.show()
        return EXIT_TROUBLE
    except (click.Abort, KeyboardInterrupt):
        Console().trouble("interrupted", "run the same command again: it goes on where it was")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # What is still buffered must not meet the closed pipe again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_TROUBLE


if __name__ == "__main__":
    sys.exit(main())
