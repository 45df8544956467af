"""Planted mutants: each still fits the tree, is in the docs, and is killed by what it names."""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sim.mutants import (
    KILLED,
    LEFT_OUT,
    ROOT,
    SEEDS,
    STALE,
    SURVIVED,
    UNPROVEN,
    Copy,
    Mutant,
    Stale,
    Verdict,
    belonging,
    read,
)
from sim.mutants_command import judged, line, page

Promise = Callable[..., None]

MUTANTS = read()
PAGE = ROOT / "docs" / "mutants.md"
# One at each end of the unit, whose killers take no second.
QUICK = ("dedup-forgotten", "receipt-of-other-text")


def report(promise: Promise, verdicts: Sequence[Verdict]) -> None:
    tried = [verdict for verdict in verdicts if verdict.word != LEFT_OUT]
    lives = [line(verdict) for verdict in tried if not verdict.is_killed]
    sys.stdout.write("\n".join(lives))
    promise("H5", "planted mutants, each killed by its named test", len(tried), len(lives))


# -- the list


def test_list_has_twenty_mutants_at_least_and_each_has_its_own_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20


def test_mutants_fit_the_tree() -> None:
    """Their lines are there, once, and what takes their place compiles."""
    stale = []
    for mutant in MUTANTS:
        try:
            mutant.applied((ROOT / mutant.file).read_text("utf-8"))
        except (OSError, Stale) as error:
            stale.append(f"{mutant.name}: {error}")
    assert stale == []


@pytest.mark.parametrize("killer", sorted({mutant.killed_by for mutant in MUTANTS} - {SEEDS}))
def test_killer_is_a_test_that_is_there(killer: str) -> None:
    file, _, test = killer.partition("::")
    test = re.escape(test.partition("[")[0])
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text("utf-8"), re.M)


def test_page_lists_exactly_the_mutants() -> None:
    rows = [row.split(" | ") for row in PAGE.read_text("utf-8").splitlines() if row[:2] == "| "]
    told = [(name.removeprefix("| "), harm, file.strip("`")) for name, harm, file, *_ in rows[1:]]
    assert told == [(mutant.name, mutant.harm, mutant.file) for mutant in MUTANTS]


# -- planted


@pytest.mark.promise
def test_some_mutants_when_planted_are_killed(promise: Promise, tmp_path: Path) -> None:
    copy = Copy(tmp_path, ROOT, belonging(ROOT))
    report(promise, [copy.judge(mutant) for mutant in MUTANTS if mutant.name in QUICK])


@pytest.mark.promise
@pytest.mark.campaign
def test_all_mutants_when_planted_are_killed(promise: Promise) -> None:
    report(promise, list(judged(MUTANTS)))


# -- the runner itself, on a tree of three files

CODE = "import math\n\ndef doubled(number):\n    return 2 * number\n"
TESTS = """\
import code_under_test
import pytest

def test_doubled():
    assert code_under_test.doubled(3) == 6

def test_nothing():
    pass

def test_that_fails_anyhow():
    assert False

def test_of_another_machine():
    pytest.skip()
"""
# Its seed 15 is broken anyhow.
WORLD = """\
import sys
import code_under_test
found = code_under_test.doubled(3)
if found != 6 or sys.argv[1:] == ["--seed", "15"]:
    raise SystemExit(f"repeat it: python -m sim --seed {found + 8}")
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "sim").mkdir(parents=True)
    (folder / "code_under_test.py").write_text(CODE)
    (folder / "test_it.py").write_text(TESTS)
    (folder / "sim" / "__init__.py").touch()
    (folder / "sim" / "__main__.py").write_text(WORLD)
    return folder


def planted(
    name: str, after: str, killed_by: str, before: str = "return 2 * number", *, hangs: bool = False
) -> Mutant:
    if killed_by != SEEDS:
        killed_by = f"test_it.py::{killed_by}"
    return Mutant(
        name=name, harm="None.", file="code_under_test.py",
        before=before, after=after, killed_by=killed_by, hangs=hangs,
    )  # fmt: skip


def test_runner_tells_the_killed_from_all_others(tree: Path) -> None:
    wanted = {
        planted("noticed", "return 3 * number", "test_doubled"): KILLED,
        planted("unnoticed", "return 2 * number + 0", "test_doubled"): SURVIVED,
        planted("not_there", "return 0", "test_doubled", "return 4 * number"): STALE,
        planted("not_compiled", "return 2 *", "test_doubled"): STALE,
        planted("not_imported", "import not_there", "test_nothing", "import math"): UNPROVEN,
        planted("broken", "return 3 * number", "test_that_fails_anyhow"): UNPROVEN,
        planted("skipped", "return 3 * number", "test_of_another_machine"): LEFT_OUT,
        planted("seeded", "return 3 * number", SEEDS): KILLED,
        planted("broken_seed", "return 2 * number + 1", SEEDS): UNPROVEN,
        planted("seedless", "return 2 * nothing", SEEDS): UNPROVEN,
    }  # fmt: skip
    verdicts = list(judged(tuple(wanted), 2, tree))
    assert {verdict.mutant: verdict.word for verdict in verdicts} == wanted
    assert [verdict.seed for verdict in verdicts if verdict.seed] == ["17", "15"]
    assert (tree / "code_under_test.py").read_text() == CODE
    assert "10 mutants, 2 killed.\n" in page(verdicts)


@pytest.mark.parametrize(("hangs", "word"), [(True, KILLED), (False, UNPROVEN)])
def test_killer_that_never_ends_kills_only_when_that_is_meant(
    tree: Path, tmp_path: Path, *, hangs: bool, word: str
) -> None:
    copy = Copy(tmp_path / "copy", tree, belonging(tree), test_s_max=0.5)
    after = "import threading; threading.Event().wait()"
    assert copy.judge(planted("hung", after, "test_doubled", hangs=hangs)).word == word


def test_copy_imports_its_own_packages(tmp_path: Path) -> None:
    names = [name for name in belonging(ROOT) if name.startswith("protocol/")]
    copy = Copy(tmp_path, ROOT, names)
    assert copy.origin("protocol") == tmp_path / "protocol" / "__init__.py"
