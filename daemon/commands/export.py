"""export: the journal of the running daemon, one signed entry a line."""

import argparse

from daemon import config, control
from daemon.errors import DaemonError

NAME, HELP = "export", "print the running daemon's journal, one signed entry a line"


def configure(parser: argparse.ArgumentParser) -> None:
    config.ask_for(parser)
    parser.add_argument(
        "--from",
        dest="first",
        type=int,
        default=1,
        metavar="SEQ",
        help="the first entry wanted (default 1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the entries; the exit code. Raises DaemonError when the answer is cut off."""
    settings = config.load(arguments.config)
    request = {"ask": "export", "from": arguments.first}
    for answer in control.ask(settings.store.database, request):
        if "error" in answer:
            raise DaemonError(answer["error"])
        print(answer["text"])
    return 0
