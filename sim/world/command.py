"""`python -m sim --seed N`: a day in a hall of the deterministic world, as this seed draws it.

Without --seed or --seeds the first hundred seeds are run, up to the first that breaks a promise:
then the exit code is 1, and the line that is printed repeats it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sim import memory
from sim.world.broken import Broken
from sim.world.day import Account, Day
from sim.world.hall import Hall
from sim.world.plan import HOUR_MS, Plan, draw

NAME = "world"
HELP = "a hall in virtual time, with people and faults drawn from a seed"
SEEDS, HOURS = range(100), 2.0
HOURS_MAX = 240  # ten days


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one seed: its day, or why it is none."""

    plan: Plan
    day: Account | None
    broken: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", type=int, metavar="N", help="run this one")
    which.add_argument("--seeds", type=_seeds, metavar="A:B", help="run A to B - 1")
    parser.add_argument("--hours", type=_hours, default=HOURS, metavar="H", help="of each (2)")
    parser.add_argument("--trace", action="store_true", help="print every event and effect")


def run(asked: argparse.Namespace) -> int:
    seeds = SEEDS if asked.seeds is None else asked.seeds
    if asked.seed is not None:
        seeds = range(asked.seed, asked.seed + 1)
    started_s, window_ms = time.process_time(), 0
    for seed in seeds:
        try:
            one = live(seed, asked.hours, trace=_print if asked.trace else None)
        except Exception:
            _print(f"seed {seed}: our own bug\nrepeat it: {again(seed, asked.hours)} --trace")
            raise
        if one.day is None:
            _print(f"seed {seed}: {one.broken}\nrepeat it: {again(seed, asked.hours)} --trace")
            return 1
        window_ms += one.day.window_ms
    if asked.seed is not None and one.day is not None:
        _print(_described(one.plan, one.day))
    hours, spent_min = window_ms / HOUR_MS, (time.process_time() - started_s) / 60
    _print(
        f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}, no promise broken; "
        f"{hours:,.0f} window-hours, "
        f"{hours / max(spent_min, 1e-9):,.0f} a minute of one core"
    )
    return 0


def live(
    seed: int, hours: float, *, dozes: bool = True, trace: Callable[[str], None] | None = None
) -> Run:
    """Run one seed. Anything but a broken promise is our own bug, and raised."""
    plan = draw(seed)
    with tempfile.TemporaryDirectory(dir=memory.folder()) as folder:
        hall = Hall(plan, Path(folder), dozes=dozes, trace=trace)
        try:
            return Run(plan, Day(hall).live(hours))
        except Broken as broken:
            return Run(plan, None, f"after {hall.agenda.now_ms / 1000:.3f} s: {broken}")
        finally:
            hall.close()


def again(seed: int, hours: float) -> str:
    """The command that repeats one."""
    return f"python -m sim --seed {seed} --hours {hours:g}"


def _described(plan: Plan, day: Account) -> str:
    said = asdict(day) | {"windows": plan.units, "troubles": day.troubles or "none"}
    return "\n".join(f"{name}: {value}" for name, value in said.items())


def _seeds(text: str) -> range:
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not A:B with A < B, as in 0:300")
    return range(int(first), int(last))


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= HOURS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours up to {HOURS_MAX}")
    return hours


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
