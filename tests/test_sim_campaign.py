"""What a campaign makes of what was tried and measured: verdicts, faults, the page."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sim.campaign import machine, page, table
from sim.campaign.bounds import BOUNDS, bound_of
from sim.campaign.heard import Heard
from sim.campaign.outcome import Outcome, Tried, left_out, outcomes, strangers
from sim.campaign.promised import PROMISES
from sim.campaign.ran import Machine, Run
from sim.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
# What other tests than those of tests/ report, or what they make up while they run.
BENCH = ROOT / "sim"
SIEGE = PROMISES["A3"].of
RATED = Figure("C4", "written for one rated case", "KiB", 40.0, None)
STARTED = Figure("C4", "start on a journal of 1 000 000", "ms", 9.0, None)
ACKED = Figure("G1", "press on disk and acked, p50", "ms", 1.5, 1.0)
ACKED_LATE = Figure("G1", "press on disk and acked, p99", "ms", 2.1, 1.0)


def outcome(name: str, *rows: Tried, figures: tuple[Figure, ...] = ()) -> Outcome:
    return next(each for each in outcomes(rows, figures) if each.promise.id == name)


def run(*rows: Tried, figures: tuple[Figure, ...] = (), minutes: int = 10, code: int = 0) -> Run:
    results = outcomes(rows, figures)
    return Run(
        command=f"./run campaign --minutes {minutes}",
        minutes=minutes,
        began=datetime(2026, 11, 29, 8, 30, tzinfo=UTC),
        load=0.25,
        tests_s=605.4,
        bench_s=61.0,
        code=code,
        machine=Machine("2 cores", "Debian", "Python 3.11.7", "0123456789ab", False),
        passed=80,
        failed=(),
        skipped=(),
        faults=tuple(left_out(results, minutes)),
        outcomes=tuple(results),
        figures=figures,
    )


# -- what came of a promise


def test_outcome_when_as_much_was_tried_as_asked_for_then_is_kept() -> None:
    assert outcome("A3", Tried("A3", SIEGE, 10_000)).verdict == "kept"


def test_outcome_when_less_was_tried_then_says_how_much_never_rounded_up() -> None:
    verdict = outcome("A3", Tried("A3", SIEGE, 9_999)).verdict
    assert verdict == "kept in 99.9 % of the number"


def test_outcome_when_other_things_were_tried_too_then_they_do_not_make_the_number() -> None:
    found = outcome("A3", Tried("A3", SIEGE, 900), Tried("A3", "entries to two workers", 50_000))
    assert (found.tried, found.is_short) == (900, True)


def test_outcome_when_anything_was_bad_then_is_broken() -> None:
    rows = Tried("A3", SIEGE, 10_000), Tried("A3", "entries to two workers", 500, 1)
    assert outcome("A3", *rows).verdict == "broken"


def test_outcome_when_a_thing_was_tried_by_several_tests_then_holds_the_sum() -> None:
    rows = Tried("B1", "damaged frames (flip)", 3, 0), Tried("B1", "damaged frames (flip)", 4, 1)
    assert outcome("B1", *rows).rows == (Tried("B1", "damaged frames (flip)", 7, 1),)


@pytest.mark.parametrize("name", ["A3", "A7", "A5b", "C2", "H5"])
def test_outcome_when_nothing_was_tried_then_says_so(name: str) -> None:
    found = outcome(name)
    assert found.is_untried
    assert found.verdict == "not tried"


def test_outcome_when_only_what_does_not_count_was_tried_then_is_untried() -> None:
    assert outcome("A3", Tried("A3", "entries to two workers", 500)).is_untried


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ((), "not measured"),
        ((RATED,), "not measured"),
        ((RATED, STARTED), "kept"),
        ((replace(RATED, ours=48.1), STARTED), "not kept"),
    ],
)
def test_outcome_when_it_is_measured_then_the_bounds_decide(
    figures: tuple[Figure, ...], verdict: str
) -> None:
    found = outcome("C4", figures=figures)
    assert not found.is_untried
    assert found.verdict == verdict


def test_bound_when_of_a_ratio_then_the_floor_decides() -> None:
    for figure, is_kept in ((ACKED, True), (ACKED_LATE, False)):
        bound = bound_of(figure)
        assert bound is not None
        assert bound.kept_by(figure, ()) is is_kept


@pytest.mark.parametrize(("rate", "is_kept"), [(2600.0, True), (2400.0, False)])
def test_bound_when_beside_another_figure_then_is_held_to_that(rate: float, is_kept: bool) -> None:
    one = Figure("G4", "entries/s into PostgreSQL, one worker", "/s", 2500.0, None)
    two = Figure("G4", "entries/s into PostgreSQL, two workers", "/s", rate, None)
    bound = bound_of(two)
    assert bound is not None
    assert bound.kept_by(two, (one, two)) is is_kept
    assert not bound.kept_by(two, (two,))
    assert bound.words(two) == "at least 1 x entries/s into PostgreSQL, one worker"


# -- what makes a campaign one


def test_campaign_when_a_promise_was_not_tried_or_measured_then_names_it() -> None:
    rows = [Tried(name, each.of, each.asked or 1) for name, each in PROMISES.items()]
    measured = {bound.promise for bound in BOUNDS}
    said = left_out(outcomes([row for row in rows if row.promise != "A5b"]), 10)
    assert said == ["A5b: nothing was tried"] + [
        f"{name}: not all was measured" for name in sorted(measured)
    ]


@pytest.mark.parametrize(("minutes", "is_said"), [(10, False), (59, False), (60, True)])
def test_campaign_when_a_number_is_not_reached_then_only_a_whole_one_fails(
    minutes: int, is_said: bool
) -> None:
    rows = [Tried(name, each.of, 1) for name, each in PROMISES.items()]
    said = left_out(outcomes(rows), minutes)
    assert ("A3: 1 of 10,000 were tried" in said) is is_said


def test_id_that_is_no_promise_is_a_stranger() -> None:
    assert strangers([Tried("A3", SIEGE, 1), Tried("Z9", "anything", 1)]) == ["Z9"]


def test_number_asked_for_is_reported_by_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in sorted(ROOT.glob("tests/test_*.py")))
    assert [each.of for each in PROMISES.values() if f'"{each.of}' not in tests] == []


def test_bound_is_of_a_figure_that_the_bench_prints() -> None:
    bench = "".join(path.read_text("utf-8") for path in sorted(ROOT.glob("sim/*.py")))
    assert [each.what for each in BOUNDS if each.what.rpartition(",")[0] not in bench] == []


# -- on the way


def test_heard_when_saved_then_loads_the_same(tmp_path: Path) -> None:
    heard = Heard((Tried("A3", "cases “so”", 5, 1),), 7, ("tests/test_a.py::test_a",), ("no go",))
    heard.save(tmp_path / "heard.json")
    assert Heard.load(tmp_path / "heard.json") == heard


def test_heard_when_the_run_did_not_end_then_is_nothing(tmp_path: Path) -> None:
    assert Heard.load(tmp_path / "heard.json") == Heard()


@pytest.mark.parametrize("figure", [RATED, ACKED])
def test_figure_when_written_as_json_then_reads_the_same(figure: Figure) -> None:
    assert Figure.of_json(figure.json()) == figure


def test_table_names_each_thing_tried_and_the_ids_without_any() -> None:
    results = outcomes([Tried("A3", SIEGE, 900), Tried("A3", "entries to two workers", 500, 2)])
    first, second = table.lines(results)
    assert re.fullmatch(rf"A3   {SIEGE} +900 tried +of 10,000 +0 bad", first)
    assert re.fullmatch(r"A3   entries to two workers +500 tried +2 bad", second)
    assert table.untried(results).startswith("nothing was tried: A1, A2, A4, A5, A5b,")


# -- the page


PAGE = """# Figures

Before.

<!-- campaign: 60 minutes, of yesterday -->
of yesterday, too
<!-- campaign: end -->

After.
"""


def test_page_when_a_campaign_has_ended_then_only_its_part_is_another() -> None:
    written = page.with_run(PAGE, run(minutes=10))
    assert written.startswith("# Figures\n\nBefore.\n\n<!-- campaign: 10 minutes")
    assert written.endswith("<!-- campaign: end -->\n\nAfter.\n")
    assert "yesterday" not in written
    assert (page.minutes_of(PAGE), page.minutes_of(written)) == (60, 10)


def test_page_when_written_twice_is_the_same() -> None:
    once = page.with_run(PAGE, run())
    assert page.with_run(once, run()) == once


@pytest.mark.parametrize("text", ["", PAGE.replace("60 minutes", "long"), PAGE.replace("end", "")])
def test_page_without_markers_is_refused(text: str) -> None:
    with pytest.raises(page.NoMarkers):
        page.with_run(text, run())


def test_page_names_the_run_and_what_went_wrong() -> None:
    done = replace(
        run(code=1), failed=("tests/test_a.py::test_a",), faults=("H5: nothing was tried",),
        skipped=("go is left out",),
    )  # fmt: skip
    text = page.part(done)
    assert "`./run campaign --minutes 10` on 2026-11-29 08:30 UTC: **exit code 1**" in text
    assert "10 min 5 s of tests (80 passed, 1 failed) and 1 min 1 s of bench" in text
    assert "commit 0123456789ab\n" in text
    assert "* Machine: 2 cores; load before it began 0.2\n" in text
    assert "**Failed**: `tests/test_a.py::test_a`" in text
    assert "**Missing**: H5: nothing was tried" in text
    assert "Left out: go is left out" in text


def test_page_when_the_sources_were_changed_then_says_so() -> None:
    done = run()
    changed = replace(done, machine=replace(done.machine, is_changed=True))
    assert "0123456789ab, with changes that are not committed" in page.part(changed)


def test_page_has_a_row_for_every_promise_and_every_figure() -> None:
    rows = Tried("B1", "damaged frames (cut)", 4), Tried("B1", "damaged frames (flip)", 5)
    text = page.part(run(*rows, Tried("H5", "mutants", 20), figures=(ACKED, ACKED_LATE)))
    for name in PROMISES:
        assert f"\n| {name} | " in text
    words = PROMISES["B1"].words
    assert f"| B1 | {words} | *damaged frames* | 9 | 10,000,000 | 0 | kept in 0.0 %" in text
    assert "\n|  |  | damaged frames (flip) | 5 |  | 0 |  |\n" in text
    assert f"| H5 | {PROMISES['H5'].words} | mutants | 20 | 20 | 0 | kept |" in text
    assert f"| A7 | {PROMISES['A7'].words} |  |  |  |  | not tried |" in text
    row = "| G1 | press on disk and acked, p50 | 1.50 ms | 1.00 | 1.50 | at most 1.5 x floor |"
    assert f"{row} kept |" in text
    assert "| at most 2 x floor | **not kept** |" in text


def test_page_of_this_repository_has_a_place_for_a_campaign() -> None:
    assert page.minutes_of((ROOT / "docs/figures.md").read_text("utf-8")) > 0


def test_machine_says_what_it_is() -> None:
    here = machine.this(ROOT)
    assert re.fullmatch(r"\d+ cores of .+ \(.+\), \d+ GiB", here.hardware)
    assert "sources on " in here.system
    assert "Python 3." in here.versions
    assert "SQLite 3." in here.versions
