"""status: what the running daemon shows, as JSON."""

import argparse
import json

from daemon import config, control

NAME, HELP = "status", "show what the running daemon shows, as JSON"


def configure(parser: argparse.ArgumentParser) -> None:
    config.ask_for(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the answer of the running daemon; the exit code."""
    settings = config.load(arguments.config)
    for answer in control.ask(settings.store.database, {"ask": "status"}):
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    return 0
