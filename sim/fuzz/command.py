"""`python -m sim fuzz TARGET`: hunt for bytes that break a property; `all` takes them in turn."""

import argparse
import tempfile
from pathlib import Path

from sim.fuzz import kept
from sim.fuzz.catalogue import NAMES, find
from sim.fuzz.hunt import hunt, is_possible

NAME = "fuzz"
HELP = "hunt for bytes that break a property, guided by the lines they reach"

ALL = "all"
SECONDS = 10


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target", nargs="?", default=ALL, choices=(*NAMES, ALL), metavar="TARGET",
        help=f"default: {ALL}; {', '.join(NAMES)}",
    )  # fmt: skip
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="check these only")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"default: {SECONDS}")
    parser.add_argument("--seed", type=int, default=1, help="of the hunt's chance, default: 1")
    parser.add_argument(
        "--folder", type=Path, help="keeps what reached something new, for the next hunt"
    )


def run(asked: argparse.Namespace) -> int:
    names = NAMES if asked.target == ALL else (asked.target,)
    if asked.files:
        # What breaks a property says so itself, with its trace.
        for name in names:
            for path in asked.files:
                find(name).check(path.read_bytes())
                print(f"{name}: {path} is good")
        return 0
    if not is_possible():
        print("the engine is missing: pip install atheris (Linux and Mac, Python 3.11 to 3.13)")
        return 2
    return max(_hunted(name, asked) for name in names)


def _hunted(name: str, asked: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as own:
        folder = asked.folder / name if asked.folder else Path(own)
        caught = hunt(name, asked.seconds, folder, seed=asked.seed)
    print(f"{name:20} {caught.inputs:>10,} inputs {caught.edges:>6,} edges", flush=True)
    if caught.found is None:
        return 0
    path = kept.keep(name, caught.found)
    print(f"{caught.words}\nkept; repeat it: python -m sim fuzz {name} {path}")
    return 1
