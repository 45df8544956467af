"""`python -m sim mutants`: plants each mutant and shows what killed it. Real I/O."""

import argparse
import queue
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sim.mutants import (
    KILLED,
    LEFT_OUT,
    ROOT,
    SEED_RANGE,
    SEEDS,
    UNPROVEN,
    Copy,
    Mutant,
    Verdict,
    belonging,
    read,
)

NAME = "mutants"
HELP = "one dangerous line made wrong at a time: is it noticed?"
AT_ONCE = 2
EXIT_TROUBLE = 2
PAGE = """\
# Planted mutants

Each is one dangerous line made wrong (`tests/mutants.toml`), and the test that fails of it. Whoever
changes such a line changes its mutant, too: one that nobody notices, or whose line is not there any
more, is red. This page is written by `python -m sim mutants --write docs/mutants.md`.

{count} mutants, {killed} killed.

| mutant | what it would do to a hall | the line | killed by | s |
|---|---|---|---|---:|
{rows}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("name", nargs="*", metavar="NAME", help="only these")
    parser.add_argument(
        "--world", nargs="?", const=SEED_RANGE, metavar="A:B",
        help=f"by the world's seeds instead of their tests ({SEED_RANGE})",
    )  # fmt: skip
    parser.add_argument("--write", type=Path, metavar="FILE", help="the table as a page, too")
    parser.add_argument(
        "--at-once", type=int, default=AT_ONCE, metavar="N", help=f"copies (default {AT_ONCE})"
    )


def run(asked: argparse.Namespace) -> int:
    """Carry the command out; the exit code."""
    mutants = read()
    unknown = set(asked.name) - {mutant.name for mutant in mutants}
    if unknown:
        sys.stderr.write(f"no such mutant: {', '.join(sorted(unknown))}\n")
        return EXIT_TROUBLE
    wanted = [mutant for mutant in mutants if not asked.name or mutant.name in asked.name]
    if asked.world is not None:
        wanted = [replace(mutant, killed_by=SEEDS) for mutant in wanted]
    verdicts = []
    for verdict in judged(wanted, asked.at_once, seeds=asked.world or SEED_RANGE):
        verdicts.append(verdict)
        sys.stdout.write(line(verdict) + "\n")
        sys.stdout.flush()
    killed = sum(verdict.is_killed for verdict in verdicts)
    sys.stdout.write(f"{len(verdicts)} mutants, {killed} killed\n")
    if asked.write is not None:
        asked.write.write_text(page(verdicts), "utf-8")
    return 0 if all(verdict.word in (KILLED, LEFT_OUT) for verdict in verdicts) else 1


def judged(
    mutants: Sequence[Mutant],
    at_once: int = AT_ONCE,
    root: Path = ROOT,
    seeds: str = SEED_RANGE,
) -> Iterator[Verdict]:
    """How each fares, in their order; killers that are unfit without a mutant kill none."""
    names = belonging(root)
    with ExitStack() as stack:
        copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for _ in range(at_once):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hcp-mutant-"))
            copies.put(Copy(Path(folder), root, names, seeds=seeds))
        pool = stack.enter_context(ThreadPoolExecutor(at_once))

        def judge(mutant: Mutant) -> Verdict:
            copy = copies.get()
            try:
                return copy.judge(mutant)
            finally:
                copies.put(copy)

        first = copies.get()
        unfit = first.unfit(mutant.killed_by for mutant in mutants)
        copies.put(first)
        for verdict in pool.map(judge, mutants):
            if verdict.mutant.killed_by in unfit:
                yield verdict._replace(word=UNPROVEN, shown="its killer fails without it, too")
            else:
                yield verdict


def line(verdict: Verdict) -> str:
    """A mutant in the table that is printed, with the end of what its killer said if it lives."""
    mutant = verdict.mutant
    said = f"{verdict.word:9} {mutant.name:28} {verdict.took_s:5.1f} s  {_killer(verdict)}"
    shown = "".join(f"\n    {part}" for part in verdict.shown.splitlines()[-12:])
    return said + shown


def page(verdicts: Sequence[Verdict]) -> str:
    """The table of docs/mutants.md."""
    rows = [
        f"| {mutant.name} | {mutant.harm} | `{mutant.file}` | {_killer(verdict)} | "
        f"{verdict.took_s:.1f} |"
        for verdict in verdicts
        for mutant in [verdict.mutant]
    ]
    killed = sum(verdict.is_killed for verdict in verdicts)
    return PAGE.format(count=len(rows), killed=killed, rows="\n".join(rows))


def _killer(verdict: Verdict) -> str:
    if not verdict.is_killed:
        return verdict.word
    if verdict.mutant.killed_by == SEEDS:
        return f"the world, seed {verdict.seed}"
    return verdict.mutant.killed_by.removeprefix("tests/").replace("|", "\\|")
