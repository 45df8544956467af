"""The unit's daemon: `python -m daemon --config FILE`, and what may be asked of a running one."""

import argparse
import os
import sys
from importlib import import_module
from types import ModuleType

from daemon.errors import DaemonError

EXIT_TROUBLE = 2
# What a unit is started with: no name at all.
DEFAULT = "run"
# The module of each command; the process that serves for years holds its own alone.
COMMANDS = {
    DEFAULT: "serve",
    "status": "status",
    "test": "test",
    "export": "export",
    "listen": "listen",
    "learn": "learn",
    "bundle": "bundle",
    "password": "password",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. Trouble is one sentence and 2."""
    arguments = _with_default(sys.argv[1:] if arguments is None else arguments)
    known = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
    commands = {name: import_module(f"daemon.commands.{COMMANDS[name]}") for name in known}
    asked = _parser(commands).parse_args(arguments)
    try:
        code: int = commands[asked.command].run(asked)
        # Here, not at the interpreter's end, where a reader that left is a traceback.
        sys.stdout.flush()
        return code
    except DaemonError as error:
        print(error, file=sys.stderr)
        return EXIT_TROUBLE
    except BrokenPipeError:
        # The reader of an export has enough; nothing more may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_TROUBLE


def _with_default(arguments: list[str]) -> list[str]:
    """A unit is started without a command's name."""
    is_run = arguments[:1] and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")
    return [DEFAULT, *arguments] if is_run else arguments


def _parser(commands: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m daemon", description="The daemon of a window's rating pad."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in commands.items():
        command.configure(subparsers.add_parser(name, help=command.HELP, description=command.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
