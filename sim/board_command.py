"""`python -m sim board`: a virtual board at a port, for `provision pad flash --virtual` and people.

Lives until its input ends. Each line there is an order: hold (both outer keys), release, unplug,
plug, cut N (unplug after N bytes more).
"""

import argparse
import sys
from pathlib import Path

from sim.board import OUTER_KEYS, VirtualBoard
from sim.wire import Wire

NAME = "board"
HELP = "a virtual Raspberry Pi Pico with stock MicroPython at a port, until the input ends"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port-file", type=Path, required=True, help="the port to make")


def run(asked: argparse.Namespace) -> int:
    """Serve; the exit code."""
    try:
        with Wire(asked.port_file) as wire, VirtualBoard(wire).running() as board:
            sys.stdout.write(f"{asked.port_file}\n")
            sys.stdout.flush()
            for line in sys.stdin:
                obey(board, line.split())
    except (RuntimeError, OSError) as error:
        sys.stderr.write(f"no virtual board: {error}\n")
        return 2
    return 0


def obey(board: VirtualBoard, words: list[str]) -> None:
    """Carry out one order."""
    match words:
        case ["hold"]:
            board.keys = OUTER_KEYS
        case ["release"]:
            board.keys = 0
        case ["unplug"]:
            board.unplug()
        case ["plug"]:
            board.plug()
        case ["cut", count] if count.isdigit():
            board.cut_after(int(count))
        case _:
            sys.stderr.write(f"no such order: {' '.join(words)}\n")
