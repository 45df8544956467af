"""Planted mutants: one dangerous line made wrong, and whether its killer notices. Real I/O.

A mutant says what it would do to a hall, and which test must fail of it, or that the world's seeds
must. It is applied to a copy of the tree whose packages are the ones imported there. A killer that
cannot even begin there proves nothing: only a test that ran and failed counts.
"""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from shutil import copy2
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mutants.toml"
SEEDS = "seeds"
SEED_RANGE = "0:300"
# A killer takes seconds; one that a mutant keeps from ending has not noticed it.
TEST_S_MAX, SEEDS_S_MAX = 60.0, 600.0
KILLED, SURVIVED, LEFT_OUT, STALE, UNPROVEN = "killed", "SURVIVED", "left out", "STALE", "UNPROVEN"
# pytest(1): assertions failed.
TESTS_FAILED = 1
COUNTS = re.compile(r"\b(\d+) (passed|failed|errors?|skipped)\b")
NOT_OURS = re.compile(r"\.|(node_modules|__pycache__|build|dist)$|.*\.egg-info$")
SEED = re.compile(r"--seed[ =](\d+)")


class Stale(Exception):
    """The tree has moved on: str() says what about the mutant is to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """Lines are compared without their indentation, which the wrong one takes over.

    harm: what it would do to a hall; killed_by: a test's node, or SEEDS; hangs: the killer notices
    by never ending.
    """

    name: str
    harm: str
    file: str
    before: str
    after: str
    killed_by: str
    hangs: bool = False

    def applied(self, text: str) -> str:
        """The file's text with the wrong line. Raises Stale."""
        lines = text.splitlines(keepends=True)
        places = [index for index, line in enumerate(lines) if line.strip() == self.before]
        if len(places) != 1:
            raise Stale(f"{self.file} has the line {len(places)} times: {self.before}")
        (place,) = places
        lines[place] = lines[place].replace(self.before, self.after)
        changed = "".join(lines)
        if changed == text:
            raise Stale(f"{self.file} does not change")
        if self.file.endswith(".py"):
            try:
                compile(changed, self.file, "exec")
            except SyntaxError as error:
                raise Stale(f"{self.file} does not compile: {error}") from error
        return changed


class Verdict(NamedTuple):
    """How a mutant fared; shown: what is to be read of the killer when it did not die."""

    mutant: Mutant
    word: str
    took_s: float
    seed: str | None = None
    shown: str = ""

    @property
    def is_killed(self) -> bool:
        return self.word == KILLED


def read(path: Path = LIST) -> tuple[Mutant, ...]:
    """All mutants, in their order."""
    with path.open("rb") as file:
        return tuple(Mutant(**row) for row in tomllib.load(file)["mutant"])


def belonging(root: Path) -> tuple[str, ...]:
    """The files of the tree, without what is made from them or installed in it."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not NOT_OURS.match(name)]
        ours = (name for name in files if not NOT_OURS.match(name))
        found += [str(Path(folder, name).relative_to(root)) for name in ours]
    return tuple(sorted(found))


class _Ran(NamedTuple):
    """A killer that was run; code None: it did not end."""

    code: int | None
    out: str

    def counts(self) -> dict[str, int]:
        """What pytest counted, by its words."""
        return {word.rstrip("s"): int(count) for count, word in COUNTS.findall(self.out[-400:])}


class Copy:
    """A copy of the tree in which one mutant at a time is tried."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        names: Iterable[str],
        *,
        test_s_max: float = TEST_S_MAX,
        seeds: str = SEED_RANGE,
    ) -> None:
        self._folder, self._test_s_max, self._seeds = folder, test_s_max, seeds
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy2(root / name, target)
        if (root / "node_modules").exists():
            (folder / "node_modules").symlink_to((root / "node_modules").resolve())
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        # The tests need no plugin of pytest, and loading those that are there takes a second.
        self._environment = {
            **kept, "PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }  # fmt: skip

    def origin(self, package: str) -> Path:
        """From where a package is imported in this copy."""
        program = f"import {package}; print({package}.__file__)"
        found = self._run([sys.executable, "-c", program], self._test_s_max)
        return Path(found.out.strip())

    def unfit(self, killers: Iterable[str]) -> set[str]:
        """Those that do not pass on the unchanged tree, and so could not kill anything.

        Of the world's seeds this is asked when one has killed.
        """
        nodes = sorted({*killers} - {SEEDS})
        if not nodes:
            return set()
        ran = self._run(_pytest(*nodes), self._test_s_max * len(nodes))
        told = [line for line in ran.out.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        bad = {node for node in nodes if any(node in line for line in told)}
        return bad if bad or ran.code == 0 else set(nodes)

    def judge(self, mutant: Mutant) -> Verdict:
        """Apply it, run its killer, restore."""
        path, began_s = self._folder / mutant.file, time.monotonic()
        try:
            text = path.read_text("utf-8")
            changed = mutant.applied(text)
        except (OSError, Stale) as error:
            return Verdict(mutant, STALE, 0.0, shown=str(error))
        self._write(path, changed)
        try:
            if mutant.killed_by == SEEDS:
                ran = self._run(_world("--seeds", self._seeds), SEEDS_S_MAX)
            else:
                ran = self._run(_pytest("-x", mutant.killed_by), self._test_s_max)
        finally:
            self._write(path, text)
        word, seed = _judged(mutant, ran)
        shown = "" if word == KILLED else ran.out[-2000:]
        if seed is not None and self._run(_world("--seed", seed), SEEDS_S_MAX).code != 0:
            word, shown = UNPROVEN, f"seed {seed} breaks a promise without it, too"
        return Verdict(mutant, word, time.monotonic() - began_s, seed, shown)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, "utf-8")
        # Python knows a changed source by second and length, which may both be the same.
        if path.suffix == ".py":
            Path(cache_from_source(str(path))).unlink(missing_ok=True)

    def _run(self, command: list[str], most_s: float) -> _Ran:
        process = subprocess.Popen(
            command, cwd=self._folder, env=self._environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            out, _ = process.communicate(timeout=most_s)
        except subprocess.TimeoutExpired:
            # With all it has started.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return _Ran(None, f"did not end within {most_s:.0f} s")
        return _Ran(process.returncode, out)


def _pytest(*asked: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked]


def _world(*asked: str) -> list[str]:
    return [sys.executable, "-m", "sim", *asked]


def _judged(mutant: Mutant, ran: _Ran) -> tuple[str, str | None]:
    if ran.code is None:
        return (KILLED if mutant.hangs else UNPROVEN), None
    if ran.code == 0:
        return (LEFT_OUT if ran.counts().get("skipped") else SURVIVED), None
    if mutant.killed_by == SEEDS:
        # Without a seed it is the world that broke, and no promise.
        found = SEED.search(ran.out) if ran.code == 1 else None
        return (UNPROVEN, None) if found is None else (KILLED, found[1])
    is_failed = ran.code == TESTS_FAILED and "failed" in ran.counts()
    return (KILLED if is_failed else UNPROVEN), None
