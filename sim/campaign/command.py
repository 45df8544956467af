"""`python -m sim campaign`: all promises for some minutes, the bench, and the page of both.

    ./run campaign --minutes 60

The tests run beside each other, then the bench alone, and docs/figures.md gets their figures
between its markers: also when something failed, then the page says so. A page that shows a longer
campaign is left as it is, and the new part goes to build/campaign.md; `--publish` replaces it all
the same. With options for pytest behind `--` it is a part of a campaign: the tests alone, no page.

It ends with 0 when all tests passed and each promise that is shown by trying was tried; one of an
hour or more must have reached every number, too. A figure of speed that misses its bound is named,
and no failure: it says as much about the machine as about us.
"""

import argparse
import os
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sim.campaign import machine, page
from sim.campaign.heard import Heard
from sim.campaign.outcome import is_behind, left_out, outcomes, strangers
from sim.campaign.ran import Run
from sim.figures import Figure
from sim.processes import module

NAME = "campaign"
HELP = "every promise for some minutes, then the bench; writes docs/figures.md"
ROOT = Path(__file__).resolve().parents[2]
PAGE, BESIDE = ROOT / "docs/figures.md", ROOT / "build/campaign.md"
MINUTES = 10
# As ./run test: many tests wait for a broker, a database or a browser.
WORKERS_PER_CORE = 2


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=int, default=MINUTES, metavar="N", help="about how long")
    parser.add_argument(
        "--publish", action="store_true", help="replace the figures of a longer campaign, too"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="tests beside each other (default: 2 a core)"
    )
    parser.add_argument("pytest", nargs="*", help="options for pytest, behind --")


def run(asked: argparse.Namespace) -> int:
    """The campaign; its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "heard.json"
        began, load, started_s = datetime.now(UTC), os.getloadavg()[0], time.monotonic()
        code = subprocess.run(_tests(asked, report), cwd=ROOT, check=False).returncode
        tests_s = time.monotonic() - started_s
        heard = Heard.load(report)
    if asked.pytest:
        return code
    print("\nthe bench, when the tests are over", flush=True)
    started_s = time.monotonic()
    figures, bench_code = _bench()
    results = outcomes(heard.tried, figures)
    faults = [f"{name} is no promise" for name in strangers(heard.tried)]
    faults += left_out(results, asked.minutes)
    if code and not heard.failed:
        faults.append(f"the tests ended with exit code {code}")
    if bench_code:
        faults.append(f"the bench ended with exit code {bench_code}")
    done = Run(
        command=f"./run campaign --minutes {asked.minutes}",
        minutes=asked.minutes,
        began=began,
        load=load,
        tests_s=tests_s,
        bench_s=time.monotonic() - started_s,
        code=code or int(bool(faults)),
        machine=machine.this(ROOT),
        passed=heard.passed,
        failed=heard.failed,
        skipped=heard.skipped,
        faults=tuple(faults),
        outcomes=tuple(results),
        figures=figures,
    )
    _say(done)
    _write(done, is_wanted=asked.publish)
    return done.code


def _tests(asked: argparse.Namespace, report: Path) -> list[str]:
    workers = asked.workers or WORKERS_PER_CORE * (os.cpu_count() or 1)
    return [
        *module("pytest", "-n", str(workers), "--dist", "worksteal", "-m", "promise"),
        *("--minutes", str(asked.minutes), "--heard", str(report), *asked.pytest),
    ]


def _bench() -> tuple[tuple[Figure, ...], int]:
    """What it measured, also when it broke off; each line is said when it is there."""
    figures = []
    with subprocess.Popen(
        module("sim", "bench", "--json"), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as bench:
        assert bench.stdout is not None
        for line in bench.stdout:
            figure = Figure.of_json(line)
            print(figure.line(), flush=True)
            figures.append(figure)
    return tuple(figures), bench.returncode


def _say(done: Run) -> None:
    print()
    for figure in done.figures:
        if is_behind(figure, done.figures):
            print(f"not kept: {figure.promise} {figure.what}")
    for fault in done.faults:
        print(f"missing: {fault}")
    print(f"campaign: exit code {done.code}")


def _write(done: Run, *, is_wanted: bool) -> None:
    """Onto the page, or beside it when the page shows more than this."""
    shown = PAGE.read_text("utf-8")
    if is_wanted or page.minutes_of(shown) <= done.minutes:
        PAGE.write_text(page.with_run(shown, done), "utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
        return
    BESIDE.parent.mkdir(exist_ok=True)
    BESIDE.write_text(page.part(done) + "\n", "utf-8")
    print(
        f"written: {BESIDE.relative_to(ROOT)}. {PAGE.relative_to(ROOT)} shows a campaign of "
        f"{page.minutes_of(shown)} minutes; --publish replaces it"
    )
