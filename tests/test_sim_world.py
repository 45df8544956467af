"""The deterministic world: seeds keep every promise, and a check that should fail does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from sim.__main__ import main
from sim.world import command
from sim.world.day import Day
from sim.world.hall import Hall
from sim.world.plan import CITIZENS, CLERKS, TROUBLES, draw

Promise = Callable[..., None]

# Those that once broke a promise, each with what it found.
KEPT = Path(__file__).parent / "seeds.txt"
FAST_SEEDS = 4
SOURCE = Source("330102", "h01", "w01")
KEY = SigningKey.from_seed(bytes(32))


def lived(seed: int, hours: float) -> command.Run:
    one = command.live(seed, hours)
    assert one.day is not None, f"{one.broken}\nrepeat it: {command.again(seed, hours)} --trace"
    return one


@pytest.mark.promise
@pytest.mark.long
def test_seeds_keep_every_promise(promise: Promise, scale: int) -> None:
    hours = command.HOURS if scale > 1 else 1.0
    days = [lived(seed, hours).day for seed in range(FAST_SEEDS * scale)]
    halls = [day for day in days if day is not None]
    rated = sum(sum(day.ratings.values()) for day in halls)
    struck = sum(sum(day.troubles.values()) for day in halls)
    promise("A3", f"cases in the world, {len(halls)} seeds, any trouble", rated)
    promise("A3", "troubles during these cases", struck)
    promise(
        "A4", "entries in the world, brokers that lie, drop, forge", sum(d.entries for d in halls)
    )
    promise("A6", "steps of cores in the world, each looked at", sum(day.steps for day in halls))


def test_seeds_that_once_broke_a_promise_keep_it() -> None:
    for line in KEPT.read_text().splitlines():
        seed, hours = line.partition("#")[0].split()
        lived(int(seed), float(hours))


def history(seed: int, hours: float, folder: Path, *, dozes: bool = True) -> tuple[list[str], int]:
    """Every entry of every unit, and how often a core was stepped."""
    hall = Hall(draw(seed), folder, dozes=dozes)
    Day(hall).live(hours)
    hall.close()
    journals = [machine.disk.journal for machine in hall.machines]
    return [one.text for journal in journals for one in journal.entries], hall.checks.step_count


def test_same_seed_is_the_same_history(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    first = history(3, 0.5, tmp_path / "a")
    assert len(first[0]) > 10
    assert first == history(3, 0.5, tmp_path / "b")


def calm_seeds(count: int) -> list[int]:
    return [seed for seed in range(200) if draw(seed).is_calm][:count]


@pytest.mark.parametrize("seed", calm_seeds(2))
def test_doze_and_rest_leave_no_trace_in_any_journal(tmp_path: Path, seed: int) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    slow, slow_count = history(seed, 0.25, tmp_path / "a", dozes=False)
    fast, fast_count = history(seed, 0.25, tmp_path / "b")
    assert len(slow) > 5
    assert slow == fast
    assert 10 * fast_count < slow_count


def test_plans_have_every_trouble_and_every_habit_and_each_is_left_out_somewhere() -> None:
    plans = [draw(seed) for seed in range(300)]
    for name in TROUBLES:
        assert {name in plan.troubles for plan in plans} == {True, False}, name
    for names, of in ((CITIZENS, "citizens"), (CLERKS, "clerks")):
        assert {name for plan in plans for name in getattr(plan, of)} == set(names)
    assert {len(plan.windows) for plan in plans} == {1, 2, 3, 4}
    assert {len(plan.units) for plan in plans} == {1, 2}


def test_command_runs_a_seed_and_says_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--hours", "0.2"]) == 0
    said = capsys.readouterr().out
    assert "ratings: {'rated':" in said
    assert "1 seed, no promise broken" in said


def test_command_traces_every_event_and_effect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--hours", "0.1", "--trace"]) == 0
    said = capsys.readouterr().out
    for word in ('{"trace":1,"start":', '"event":"PadReceived"', '{"effect":"Commit"', "-- "):
        assert word in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seeds", "5:3"], "'5:3' is not A:B with A < B"),
        (["--seeds", "7"], "'7' is not A:B"),
        (["--seed", "x"], "invalid int value: 'x'"),
        (["--hours", "0"], "'0' is no number of hours"),
        (["--hours", "nan"], "'nan' is no number of hours"),
        (["--seed", "1", "--seeds", "1:2"], "not allowed with"),
    ],
)
def test_command_with_a_wrong_word_says_which(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
