"""bundle: the running daemon's support bundle, for somebody who helps from afar."""

import argparse
import base64
import sys

from daemon import config, control
from daemon.errors import DaemonError

NAME, HELP = "bundle", "write the running daemon's support bundle: ... bundle > bundle.zip"


def configure(parser: argparse.ArgumentParser) -> None:
    config.ask_for(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the whole zip to stdout, or nothing; the exit code."""
    if sys.stdout.isatty():
        raise DaemonError("a bundle is a zip: send it to a file, `... bundle > bundle.zip`")
    settings = config.load(arguments.config)
    pieces = []
    for answer in control.ask(settings.store.database, {"ask": "bundle"}):
        if "error" in answer:
            raise DaemonError(answer["error"])
        pieces.append(base64.b64decode(answer["piece"]))
    sys.stdout.buffer.write(b"".join(pieces))
    return 0
