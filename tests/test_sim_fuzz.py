"""What holds for any bytes: the examples, what broke it once, and hunts for what would."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.__main__ import main
from sim.fuzz import kept
from sim.fuzz.catalogue import NAMES, find
from sim.fuzz.hunt import hunt
from sim.fuzz.tape import Tape

# Of one target, for each step of the scale: 3 s with --minutes 10 and 18 s with --minutes 60.
SECONDS_PER_SCALE = 0.15
PLANTED_S_MAX = 60
# A target as anybody would write it, with a fault that bytes made by chance do not hit.
PLANTED = """
from sim.fuzz.target import Target

def check(data):
    if len(data) > 4 and data[0] == 0x48 and data[1] == 0x43:
        assert data[2] != 0x50 or data[3] != 0x21, "planted"

TARGET = Target(promise="B4", what="planted", seeds=lambda: [b"hello"], check=check, len_max=64)
"""


@pytest.mark.parametrize("name", NAMES)
def test_property_holds_for_the_examples_and_for_what_broke_it_once(name: str) -> None:
    target = find(name)
    seeds = list(target.seeds())
    assert seeds
    for data in (*seeds, *kept.inputs(name).values(), b"", b"\0" * 64, b"\xff" * 64):
        target.check(data[: target.len_max])
    assert max(map(len, seeds)) <= target.len_max


def test_every_kept_input_belongs_to_a_target() -> None:
    assert {path.name for path in kept.CORPUS.iterdir()} <= set(NAMES)


def test_tape_when_it_ends_then_says_nothing_for_ever() -> None:
    tape = Tape(b"\x02ab\x07")
    assert (tape.text(), tape.choice("xyz")) == (b"ab", "y")
    assert not tape
    assert (tape.byte(), tape.number(4), tape.text(), tape.splits()) == (0, 0, b"", [])
    assert b"".join(Tape(bytes(range(200))).splits()) == bytes(range(200))


def test_command_when_given_a_file_then_checks_that_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"\x05hello")
    assert main(["fuzz", "pad_frames", str(file)]) == 0
    assert capsys.readouterr().out == f"pad_frames: {file} is good\n"


@pytest.mark.campaign
@pytest.mark.needs("atheris")
def test_hunt_finds_a_planted_fault_that_chance_would_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "fault.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    caught = hunt("planted.fault", PLANTED_S_MAX, tmp_path / "hunt", seed=1)
    assert caught.found is not None
    assert caught.found[:4] == b"HCP!"
    assert "planted" in caught.words


@pytest.mark.promise
@pytest.mark.campaign
@pytest.mark.needs("atheris")
@pytest.mark.parametrize("name", NAMES)
def test_hunt_finds_nothing(
    tmp_path: Path, scale: int, promise: Callable[..., None], name: str
) -> None:
    target = find(name)
    caught = hunt(name, max(2, round(SECONDS_PER_SCALE * scale)), tmp_path, seed=scale)
    if caught.found is not None:
        sys.stdout.write(f"{caught.words}\nkept: {kept.keep(name, caught.found)}\n")
    what = f"fuzzed: {target.what}, {caught.edges} edges"
    promise(target.promise, what, caught.inputs, caught.found is not None)
