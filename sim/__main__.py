"""`python -m sim`: what can be shown and measured without hardware."""

import argparse
import sys
from types import ModuleType

from sim import bench, board_command, mutants_command, replay, units_command
from sim.campaign import command as campaign
from sim.demo import command as demo
from sim.fuzz import command as fuzz
from sim.world import command as world

# A command is a module with NAME, HELP, configure(parser) and run(arguments) -> exit code.
COMMANDS: tuple[ModuleType, ...] = (
    demo, world, bench, campaign, replay, mutants_command, units_command, board_command, fuzz,
)  # fmt: skip

WORLDLY = ("--seed", "--seeds", "--hours", "--trace")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands = {command.NAME: command for command in COMMANDS}
    for name, command in commands.items():
        command.configure(subparsers.add_parser(name, help=command.HELP, description=command.HELP))
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] == "--replay":
        # What one tries who does not know it for a command.
        given[0] = replay.NAME
    elif given and given[0].partition("=")[0] in WORLDLY:
        # The world is what `sim` is for: it needs no name.
        given.insert(0, world.NAME)
    asked = parser.parse_args(given)
    code: int = commands[asked.command].run(asked)
    return code


if __name__ == "__main__":
    sys.exit(main())
