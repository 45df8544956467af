"""What is put on a pad's flash, in which order, and what a cable pulled out halfway leaves."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device import firmware
from device.main import choose
from provisioning.pad.contents import (
    ENROLLED,
    MAIN,
    PART,
    SETTINGS,
    digests,
    firmware_digest,
    is_on_usb,
    is_pad,
    merged,
    wanted,
)
from provisioning.pad.errors import SettingsWrong
from provisioning.pad.plan import FOLDER, MakeFolder, Put, Remove, Step, plan
from sim.flash import Flash, LittleFiles, cuts
from sim.little_board import LittleBoard

ROOT = Path(__file__).resolve().parents[1]
USB = {"uart": -1}
HERE = {"source": "/330102/h01/w03", "window": "3"}
WANTED = wanted(USB, HERE)
FOLDERS = ("/lib", "/lib/device", "/lib/protocol", "/lib/protocol/pad")
GOOD = digests(WANTED) | dict.fromkeys(FOLDERS, FOLDER)
OTHER = sha256(b"something else").hexdigest()
Promise = Callable[..., None]
# Moments at which power fails, for each pad that was there before; a campaign has all of them.
CUTS = 12


def after(found: Mapping[str, str], steps: list[Step]) -> dict[str, str]:
    """What is there when the steps are done; each step must be possible where it stands."""
    files = dict(found)
    for step in steps:
        folder = step.path.rpartition("/")[0]
        assert folder == "" or files[folder] == FOLDER
        inside = [path for path in files if path.startswith(f"{step.path}/")]
        match step:
            case Put():
                assert files.get(step.path) != FOLDER
                files[step.path] = sha256(step.content).hexdigest()
            case Remove():
                assert (files.pop(step.path) == FOLDER) == step.is_folder
                assert not inside
            case MakeFolder():
                assert step.path not in files
                files[step.path] = FOLDER
    return files


# -- contents


def test_contents_then_the_firmware_its_loader_and_main_last() -> None:
    paths = [path.removeprefix("/lib/") for path in WANTED]
    assert set(paths[:-3]) == {*firmware.FILES, *firmware.LOADER_FILES}
    assert paths[-3:] == [SETTINGS, ENROLLED, MAIN]
    for path in paths[:-3]:
        assert WANTED[f"/lib/{path}"] == (ROOT / path).read_bytes()
    assert WANTED[MAIN] == (ROOT / "device/main.py").read_bytes()
    assert (WANTED[SETTINGS], WANTED[ENROLLED]) == (
        b'{"uart": -1}\n',
        b'{"source": "/330102/h01/w03", "window": "3"}\n',
    )


def test_contents_without_settings_and_window_then_these_files_are_not_among_them() -> None:
    assert set(WANTED) - set(wanted(None, None)) == {SETTINGS, ENROLLED}


def test_firmware_digest_then_what_the_firmware_says_of_itself() -> None:
    files = SimpleNamespace(open=lambda path, mode: (ROOT / path.removeprefix("/")).open(mode))
    assert firmware_digest(WANTED) == firmware.digest(files, "")


@pytest.mark.parametrize(
    ("before", "changes", "outcome"),
    [
        (None, None, None),
        (b'{"uart": 1, "tx_pin": 4}', None, None),
        (None, {}, {}),
        (None, USB, USB),
        (b'{"buzzer_pin": 16}', USB, {"buzzer_pin": 16, "uart": -1}),
        (b'{"uart": -1, "baud": 9600}', {"uart": None}, {"baud": 9600}),
        (b"no JSON", USB, USB),
        (b"[1]", USB, USB),
    ],
)
def test_settings_then_changes_over_what_is_there(before, changes, outcome) -> None:
    assert merged(before, changes) == outcome


def test_settings_the_firmware_would_not_take_then_its_own_sentences() -> None:
    with pytest.raises(SettingsWrong, match=r"baud: 1 is no whole number from 9600 to 921600; led"):
        merged(b'{"led": 3}', {"baud": 1})


def test_line_of_a_pad_then_its_uart_unless_settings_say_usb() -> None:
    assert [is_on_usb(raw) for raw in (None, b"{}", b"junk", b'{"uart": -1}')] == [
        False, False, False, True,
    ]  # fmt: skip


def test_pad_then_known_by_any_of_its_files() -> None:
    assert not is_pad(["/boot.py", "/main.py", "/lib/device/mine.py", SETTINGS])
    for path in (ENROLLED, "/lib/device/board.py.new", "/lib/protocol/pad/line.py"):
        assert is_pad(["/main.py", path])


# -- plan


def test_board_as_it_should_be_then_nothing_to_do() -> None:
    assert plan(WANTED, GOOD) == []
    assert plan(wanted(None, None), GOOD, [SETTINGS, ENROLLED]) == []


def test_empty_board_then_folders_and_files_in_order() -> None:
    steps = plan(WANTED, {})
    assert steps[:4] == [MakeFolder(path) for path in FOLDERS]
    assert steps[4:] == [Put(path, content) for path, content in WANTED.items()]


def test_damaged_file_then_only_it_and_main_anew() -> None:
    path = "/lib/device/pad.py"
    assert plan(WANTED, GOOD | {path: OTHER}) == [
        Remove(MAIN), Put(path, WANTED[path]), Put(MAIN, WANTED[MAIN]),
    ]  # fmt: skip


def test_only_main_differs_then_put_over_it() -> None:
    assert plan(WANTED, GOOD | {MAIN: OTHER}) == [Put(MAIN, WANTED[MAIN])]


def test_slots_of_updates_over_the_line_then_removed_so_that_the_cable_wins() -> None:
    slots = {"/a": FOLDER, "/a/device": FOLDER, "/a/device/pad.py": OTHER, "/slot": OTHER}
    steps = plan(WANTED, GOOD | slots)
    assert steps == [
        Remove(MAIN),
        Remove("/a/device/pad.py"),
        Remove("/slot"),
        Remove("/a/device", is_folder=True),
        Remove("/a", is_folder=True),
        Put(MAIN, WANTED[MAIN]),
    ]
    assert after(GOOD | slots, steps) == GOOD


def test_folder_in_the_place_of_a_file_and_a_file_in_that_of_a_folder_then_set_right() -> None:
    found = {MAIN: FOLDER, f"{MAIN}/x": OTHER, "/lib": OTHER}
    assert after(found, plan(WANTED, found)) == GOOD


STRANGE = (
    "/boot.py", "/json.py", "/slot", "/trial", "/a", "/a/device", "/a/device/pad.py", "/main",
    MAIN + PART, "/lib/device/old.py", "/lib/other", "/lib/other/x.py",
)  # fmt: skip
PATHS = st.sampled_from([*WANTED, *FOLDERS, *STRANGE])


@given(
    told=st.dictionaries(PATHS, st.sampled_from([FOLDER, OTHER, "right"])),
    keeps=st.booleans(),
)
def test_any_board_then_right_afterwards_and_main_there_only_with_all_else(told, keeps) -> None:
    found: dict[str, str] = {}
    for path in sorted(told):  # an upper folder first
        folder = path.rpartition("/")[0]
        if folder and found.get(folder) != FOLDER:
            continue
        found[path] = GOOD.get(path, OTHER) if told[path] == "right" else told[path]
    files, left = (wanted(None, None), [SETTINGS, ENROLLED]) if keeps else (WANTED, [])
    steps = plan(files, found, left)
    good = digests(files) | dict.fromkeys(FOLDERS, FOLDER)
    good |= {path: found[path] for path in left if found.get(path, FOLDER) != FOLDER}
    assert after(found, steps) == good
    assert plan(files, good, left) == []
    for count in range(1, len(steps)):
        there = after(found, steps[:count])
        assert there.get(MAIN, FOLDER) == FOLDER or there.items() == (good | {MAIN: there[MAIN]})


# -- the cable is pulled out at any moment


def chip_with(contents: Mapping[str, bytes]) -> Flash:
    flash = Flash(64)
    board = LittleBoard(LittleFiles(flash, fresh=True))
    for step in plan(contents, {}):
        board.do(step)
    return flash.copy()


OLDER = {
    path: content + b"# older\n" if path.endswith(".py") else content
    for path, content in wanted({}, {"source": "/330102/h01/w03", "window": "2"}).items()
}
ON_A_SLOT = OLDER | {f"/a/{path}": b"newer" for path in firmware.FILES} | {"/slot": b"a"}
BEFORE = {
    "empty": {},
    "older": OLDER,
    "on a slot": ON_A_SLOT,
    "somebody's": {"/boot.py": b"import main", "/main.py": b"print(1)", "/json.py": b""},
}


def tree(files: LittleFiles) -> dict[str, bytes]:
    board = LittleBoard(files)
    return {path: board.read(path) for path, digest in board.look().items() if digest != FOLDER}


def check_cuts(name: str, count: int | None) -> int:
    """Power fails at `count` moments of flashing (None: all), then it is done again."""
    before = chip_with(BEFORE[name])
    flash = before.copy()
    files = LittleFiles(flash)
    board = LittleBoard(files)
    for step in plan(WANTED, board.look()):
        board.do(step)
    assert tree(files) == WANTED
    tried = 0
    every = max(1, len(flash.operations) * 4 // count) if count else 1
    for cut in islice(cuts(before, flash.operations), 0, None, every):
        files = LittleFiles(cut.flash())
        left = tree(files)
        if MAIN in left and left != WANTED:
            assert left == BEFORE[name], f"{name}, {cut}: what starts there is neither"
        board = LittleBoard(files)
        for step in plan(WANTED, board.look()):
            board.do(step)
        assert tree(files) == WANTED, f"{name}, {cut}"
        assert choose(files, 0) == ("/lib", False)
        tried += 1
    return tried


@pytest.mark.promise
@pytest.mark.parametrize("name", BEFORE)
def test_power_fails_while_flashing_then_the_old_pad_or_a_prompt_or_the_new_one(
    name: str, promise: Promise
) -> None:
    promise("H4", "power cuts while a pad is flashed, then done again", check_cuts(name, CUTS))


@pytest.mark.campaign
@pytest.mark.promise
@pytest.mark.parametrize("name", BEFORE)
def test_power_fails_at_every_moment_of_flashing_then_the_same(name: str, promise: Promise) -> None:
    promise("H4", "power cuts while a pad is flashed, then done again", check_cuts(name, None))
