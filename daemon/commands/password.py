"""password: the line for [page] that opens the technician's page to the hall's network."""

import argparse
import getpass
import sys

from daemon.errors import DaemonError
from daemon.page.password import LEN_MAX, Password, why_not

NAME, HELP = "password", "ask for the page's password and print the line for [page]"


def configure(_parser: argparse.ArgumentParser) -> None:
    return


def run(_arguments: argparse.Namespace) -> int:
    """Print the line; the exit code. A terminal is asked twice, a pipe is read."""
    if sys.stdin.isatty():
        text = getpass.getpass("the page's password: ")
        if getpass.getpass("once more: ") != text:
            raise DaemonError("the two are not the same: try again")
    else:
        text = sys.stdin.readline(LEN_MAX + 2).rstrip("\r\n")
    if (trouble := why_not(text)) is not None:
        raise DaemonError(trouble)
    print(f'password = "{Password.make(text)}"')
    return 0
