"""One campaign that has ended: when, where, how long, with what result. Pure."""

from dataclasses import dataclass
from datetime import datetime

from sim.campaign.outcome import Outcome
from sim.figures import Figure


@dataclass(frozen=True, slots=True)
class Machine:
    """What it ran on, in words for the page's head."""

    hardware: str
    system: str
    versions: str
    commit: str  # as git says it; empty where there is no repository
    is_changed: bool  # the files were not those of the commit


@dataclass(frozen=True, slots=True)
class Run:
    """One campaign, when it has ended."""

    command: str
    minutes: int
    began: datetime  # UTC
    load: float  # how many programs were at work before
    tests_s: float
    bench_s: float
    code: int
    machine: Machine
    passed: int
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    faults: tuple[str, ...]  # why it is not a good one, beside tests that failed
    outcomes: tuple[Outcome, ...]
    figures: tuple[Figure, ...]
