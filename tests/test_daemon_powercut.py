"""A1: what was promised survives a power cut at any instant, a second one, and kill -9."""

import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from daemon.disk.journal import Journal
from sim import promises
from sim.powercut import explore, states
from sim.strace import NotTraced, trace

ROOT = Path(__file__).resolve().parents[1]
Promise = Callable[..., None]
SEED = 1
# Commits until the WAL has been folded back into the database and begun anew several times.
STEPS = 18
STATES_MIN = 350
# The fast run checks every so many of them; a campaign checks all.
EACH = 8
SECOND_STATES_MIN = 300
KILLS, KILLS_MAX = 15, 1000

needs_strace = pytest.mark.needs("strace")


def python(*arguments: str | Path) -> list[str]:
    return [sys.executable, *map(str, arguments)]


def writes_a_session(directory: Path, steps: int) -> list[str]:
    return python("-m", "sim.promises", directory, str(steps))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "unit"
    made.mkdir()
    return made


@pytest.fixture
def begun(directory: Path) -> Path:
    """Where a journal has been made and holds a first case."""
    with Journal(directory / promises.DATABASE, promises.SOURCE, promises.KEY) as journal:
        session = promises.Session(journal)
        for _ in range(3):
            session.step()
    return directory


@needs_strace
@pytest.mark.promise
@pytest.mark.long
def test_every_power_cut_leaves_what_was_promised(
    tmp_path: Path, scale: int, promise: Promise
) -> None:
    """From the first start, which makes the file, to the last commit and the orderly close."""
    tried, bad = 0, list[str]()
    for seed in range(SEED, SEED + 1 + scale // 5):
        directory = tmp_path / str(seed)
        directory.mkdir()
        command = writes_a_session(directory, STEPS)
        each = EACH if scale == 1 else 1
        result = explore(command, directory, promises.check, random_states=2, seed=seed, each=each)
        assert result.tried >= STATES_MIN
        tried, bad = tried + result.tried, [*bad, *map(str, result.bad)]
    sys.stdout.write("\n".join(bad[:5]))
    promise("A1", "journal: states after a power cut", tried, len(bad))


@needs_strace
@pytest.mark.promise
def test_second_power_cut_during_recovery_leaves_what_was_promised(
    begun: Path, promise: Promise
) -> None:
    history = trace(writes_a_session(begun, 6), begun)
    tried = 0
    # Spread over commits and the folding back of the WAL.
    for number, state in enumerate(islice(states(history, 0, SEED), 50, None, 240)):
        again = begun.with_name(f"again{number}")
        again.mkdir()
        state.write(again)
        result = explore(
            writes_a_session(again, 1),
            again,
            promises.check,
            random_states=1,
            seed=SEED,
            promised=state.promised,
        )
        assert not result.bad, [f"after {state.left}: {bad}" for bad in result.bad[:5]]
        tried += result.tried
    assert tried >= SECOND_STATES_MIN
    promise("A1", "journal: states after a second cut during recovery", tried)


@pytest.mark.promise
def test_kill_at_any_moment_leaves_what_was_promised(
    directory: Path, scale: int, promise: Promise
) -> None:
    """One journal lives through all of them; the moment is a count of commits, not a time."""
    chance = random.Random(SEED)
    promised: list[str] = []
    kills = min(KILLS_MAX, KILLS * scale)
    for _ in range(kills):
        child = subprocess.Popen(
            writes_a_session(directory, 1_000_000), stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None
            promised += islice(child.stdout, chance.randrange(1, 12))
            child.send_signal(signal.SIGKILL)
            # What it still said before it died was promised too; half a line was not.
            promised += (line for line in child.stdout if line.endswith("\n"))
    assert promises.check(directory, tuple(promised)) is None
    promise("A2", "journal: kill -9 between or in commits", kills)


# -- the proof that these tests can fail


def mutant(place: Path, file: str, *changes: tuple[str, str]) -> Path:
    """The code with one thing wrong."""
    for package in ("daemon", "protocol", "sim"):
        shutil.copytree(
            ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    text = (place / file).read_text("utf-8")
    for right, wrong in changes:
        assert text.count(right) == 1, right
        text = text.replace(right, wrong)
    (place / file).write_text(text, "utf-8")
    return place


BEGIN = 'self._db.execute("begin immediate")'
COMMIT = 'self._db.execute("commit")'
STATE = "self._db.executemany(INSERT, [*rows, head.row()])"


@needs_strace
@pytest.mark.parametrize(
    ("found", "file", "changes"),
    [
        (
            "was set aside: the last commits are not there",
            "daemon/disk/database.py",
            [('"synchronous", "full", 2', '"synchronous", "normal", 1')],
        ),
        (
            "was set aside: the last commits are not there",
            "daemon/disk/journal.py",
            [(COMMIT, "pass"), (BEGIN, f"self._db.in_transaction and {COMMIT}; {BEGIN}")],
        ),
        (
            "was set aside: the last entry .* is not where it was written",
            "daemon/disk/journal.py",
            [(STATE, f"{COMMIT}; {BEGIN}; {STATE}")],
        ),
        (
            "was set aside",
            "daemon/disk/database.py",
            [('"journal_mode", "wal", "wal"', '"journal_mode", "off", "off"')],
        ),
    ],
    ids=["normal", "reported before the commit", "state after its entry", "no journal"],
)
def test_journal_with_one_thing_wrong_is_found_bad(
    tmp_path: Path, begun: Path, found: str, file: str, changes: list[tuple[str, str]]
) -> None:
    code = mutant(tmp_path / "code", file, *changes)
    command = ["env", f"PYTHONPATH={code}", *python("-P"), *writes_a_session(begun, 6)[1:]]
    result = explore(command, begun, promises.check, random_states=2, seed=SEED, bad_max=1)
    assert re.search(f"^cut .*({found})", str(result.bad[0])), str(result.bad[0])


# -- the explorer itself

# Replaces a file by another, number by number, and leaves out one of the steps.
WRITER = """
import os, sys
directory, left_out = sys.argv[1:]

def sync(path, what):
    descriptor = os.open(path, os.O_RDONLY)
    if what != left_out:
        os.fsync(descriptor)
    os.close(descriptor)

for number in range(1, 4):
    with open(f"{directory}/value.new", "w") as file:
        file.write(f"{number} " * 1000)
    sync(f"{directory}/value.new", "data")
    os.rename(f"{directory}/value.new", f"{directory}/value")
    sync(directory, "names")
    print(number, flush=True)
"""


def value_is_whole(directory: Path, promised: tuple[str, ...]) -> str | None:
    path = directory / "value"
    text = path.read_text("ascii") if path.exists() else "0 " * 1000
    number = text.partition(" ")[0]
    if text != f"{number} " * 1000:
        return "torn"
    if promised and int(number) < int(promised[-1]):
        return f"{promised[-1]} was promised, {number} is there"
    return None


@needs_strace
@pytest.mark.parametrize(
    ("left_out", "found"),
    [("nothing", set()), ("data", {"torn"}), ("names", {"1 was promised, 0 is there"})],
)
def test_writer_that_leaves_out_a_sync_is_found_bad(
    directory: Path, left_out: str, found: set[str]
) -> None:
    command = python("-c", WRITER, directory, left_out)
    result = explore(command, directory, value_is_whole, random_states=4, seed=SEED)
    assert result.tried > 30
    assert bool(result.bad) == (left_out != "nothing")
    assert found <= {bad.sentence for bad in result.bad}


@needs_strace
def test_same_seed_gives_the_same_states(directory: Path) -> None:
    history = trace(python("-c", WRITER, directory, "data"), directory)
    first, again, other = (
        [(state.point, state.left, state.files) for state in states(history, 9, seed)]
        for seed in (1, 1, 2)
    )
    assert first == again != other


@needs_strace
def test_change_by_a_call_that_is_not_followed_is_said(directory: Path) -> None:
    code = "import os, sys; os.truncate(sys.argv[1] + '/file', 7)"
    (directory / "file").write_bytes(b"more than seven")
    with pytest.raises(NotTraced, match=r"calls that are not followed: \['file'\]"):
        trace(python("-c", code, directory), directory)


@needs_strace
def test_second_process_is_not_followed(directory: Path) -> None:
    with pytest.raises(NotTraced, match="only threads are followed"):
        trace(python("-c", "import os; os.fork()"), directory)


@needs_strace
def test_command_that_fails_gives_no_history(directory: Path) -> None:
    with pytest.raises(NotTraced, match="exit code 3: sorry"):
        trace(python("-c", "import sys; print('sorry', file=sys.stderr); sys.exit(3)"), directory)


def test_machine_without_strace_is_told_what_to_install(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotTraced, match="apt install strace"):
        trace(python("-c", ""), directory)
