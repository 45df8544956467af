"""The part of docs/figures.md that a campaign writes, between its two markers. Pure.

Whatever stands outside them is written by people and stays.
"""

import re
from collections.abc import Iterable, Sequence

from sim.campaign.bounds import bound_of
from sim.campaign.outcome import Outcome
from sim.campaign.ran import Run
from sim.figures import Figure

BEGIN = re.compile(r"<!-- campaign: (\d+) minutes.*? -->\n")
END = "<!-- campaign: end -->"
GENERATED = "written by ./run campaign, not by hand"


class NoMarkers(Exception):
    """The page has no place for a campaign; the text is a sentence for people."""


def minutes_of(page: str) -> int:
    """How long the campaign was whose figures the page shows."""
    return int(_begin(page)[1])


def with_run(page: str, run: Run) -> str:
    """The page with this run's figures in place of those it had."""
    begin = _begin(page)
    _, end, after = page[begin.end() :].partition(END)
    if not end:
        raise NoMarkers(f"the page does not say where a campaign's part ends: {END}")
    return page[: begin.start()] + part(run) + after


def part(run: Run) -> str:
    """Both markers and what is between them."""
    return "\n".join(
        [
            f"<!-- campaign: {run.minutes} minutes, {GENERATED} -->",
            *_head(run),
            "",
            "### Promises",
            "",
            "| id | promise | what was tried | how often | asked for | bad | result |",
            "|---|---|---|---:|---:|---:|---|",
            *(line for each in run.outcomes for line in _promise(each)),
            "",
            "### Speed and size",
            "",
            "| id | figure | measured | floor | ratio | bound | result |",
            "|---|---|---:|---:|---:|---|---|",
            *(_figure(figure, run.figures) for figure in run.figures),
            END,
        ]
    )


def _begin(page: str) -> re.Match[str]:
    found = BEGIN.search(page)
    if found is None:
        raise NoMarkers("the page does not say where a campaign's part begins")
    return found


def _head(run: Run) -> list[str]:
    here = run.machine
    state = ", with changes that are not committed" if here.is_changed else ""
    lines = [
        f"`{run.command}` on {run.began:%Y-%m-%d %H:%M} UTC: **exit code {run.code}** after "
        f"{_minutes(run.tests_s)} of tests ({run.passed} passed, {len(run.failed)} failed) and "
        f"{_minutes(run.bench_s)} of bench.",
        "",
        f"* Sources: commit {here.commit or 'unknown'}{state}",
        f"* Machine: {here.hardware}; load before it began {run.load:.1f}",
        f"* System: {here.system}",
        f"* Versions: {here.versions}",
    ]
    lines += [f"* **Failed**: `{name}`" for name in run.failed]
    lines += [f"* **Missing**: {fault}" for fault in run.faults]
    lines += [f"* Left out: {why}" for why in run.skipped]
    return lines


def _promise(each: Outcome) -> Iterable[str]:
    """One line of the sum, then one for each thing tried; one alone when there is but one."""
    name, asked = each.promise.id, each.promise.asked
    numbers = f"{asked:,}" if asked else "each" if each.rows else ""
    if len(each.rows) == 1 and each.counted:
        row = each.rows[0]
        yield _row(name, each.promise.words, row.what, f"{row.tried:,}", numbers, row.bad,
                   each.verdict)  # fmt: skip
        return
    summed = f"*{each.promise.of or 'in all'}*" if asked and each.rows else ""
    tried = f"{each.tried:,}" if asked else ""
    yield _row(name, each.promise.words, summed, tried, numbers, each.bad if each.rows else "",
               each.verdict)  # fmt: skip
    for row in each.rows:
        yield _row("", "", row.what, f"{row.tried:,}", "", row.bad, "")


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _figure(figure: Figure, beside: Sequence[Figure]) -> str:
    bound = bound_of(figure)
    floor = "" if figure.floor is None else f"{figure.floor:,.2f}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    words = result = ""
    if bound is not None:
        words = bound.words(figure)
        result = "kept" if bound.kept_by(figure, beside) else "**not kept**"
    measured = f"{figure.ours:,.2f} {figure.unit}"
    return _row(figure.promise, figure.what, measured, floor, ratio, words, result)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
