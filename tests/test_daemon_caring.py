"""A1 while the store cares for itself: a cut during rescue, pruning or migration loses nothing."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim import caring
from sim.powercut import explore, states
from sim.strace import trace

SEED = 1
# Each how many states of the history is checked in the fast run; a campaign checks all.
EACH = 60
STATES_MIN = 20

needs_strace = pytest.mark.needs("strace")


def command(directory: Path, what: str) -> list[str]:
    return [sys.executable, "-m", "sim.caring", str(directory), what]


def begun(directory: Path, what: str) -> Path:
    directory.mkdir()
    caring.begin(directory)
    if what == "rescue":
        caring.damage(directory)
    if what == "migrate":
        caring.age(directory)
    return directory


@needs_strace
@pytest.mark.promise
@pytest.mark.parametrize(
    "what",
    [
        "rescue",
        pytest.param("prune", marks=pytest.mark.campaign),
        pytest.param("migrate", marks=pytest.mark.campaign),
    ],
)
def test_every_power_cut_while_the_store_cares_loses_nothing(
    tmp_path: Path, scale: int, promise: Callable[..., None], what: str
) -> None:
    tried, bad = 0, list[str]()
    # A history of a rescue has three thousand states, and another seed few new ones.
    for seed in range(SEED, SEED + 1 + scale // 50):
        directory = begun(tmp_path / str(seed), what)
        result = explore(
            command(directory, what), directory, caring.check, seed=seed,
            random_states=min(1, scale - 1), each=EACH if scale == 1 else 1,
        )  # fmt: skip
        assert result.tried >= STATES_MIN
        tried, bad = tried + result.tried, [*bad, *map(str, result.bad)]
    sys.stdout.write("\n".join(bad[:5]))
    promise("A1", f"journal: states after a cut while it does {what}", tried, len(bad))


@needs_strace
@pytest.mark.promise
@pytest.mark.campaign
def test_second_cut_during_a_rescue_loses_nothing(
    tmp_path: Path, promise: Callable[..., None]
) -> None:
    directory = begun(tmp_path / "first", "rescue")
    history = trace(command(directory, "rescue"), directory)
    every = list(states(history, 0, SEED))
    tried = 0
    cuts = 4
    for number, state in enumerate(every[len(every) // 2 :: len(every) // 2 // cuts][:cuts]):
        again = tmp_path / f"again{number}"
        again.mkdir()
        state.write(again)
        result = explore(
            command(again, "rescue"), again, caring.check, random_states=0, seed=SEED,
            promised=state.promised, each=4,
        )  # fmt: skip
        assert not result.bad, [f"after {state.left}: {bad}" for bad in result.bad[:5]]
        tried += result.tried
    promise("A1", "journal: states after a second cut during a rescue", tried)
