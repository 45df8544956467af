"""The registry on disk: one file or a hall's file each, replaced while the centre runs."""

import os
from pathlib import Path

import pytest

from central.centre import Centre
from central.config import parse
from central.errors import RegistryError
from central.registry import Unit, dump
from central.registry_files import Refreshed, RegistryFiles, load
from protocol.central.entry import Source
from sim.centres import PLATFORM
from sim.journals import key

ONE, TWO, THREE = (Source("330102", f"h0{hall}", "w03") for hall in (1, 2, 3))
NOTHING_NEW = Refreshed(False, ())
READ = Refreshed(True, ())


def put(path: Path, *units: Source, number: int = 1) -> Path:
    """Let the file name these units, with this key, in one step."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(dump({source: Unit.of(key(number).public) for source in units}))
    return new.rename(path)


def known(files: RegistryFiles) -> dict[Source, str]:
    """The key of each unit."""
    return {source: next(iter(unit.keys)) for source, unit in files.registry.items()}


def kids(*units: Source, number: int = 1) -> dict[Source, str]:
    return dict.fromkeys(units, key(number).kid)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two halls."""
    put(tmp_path / "330102-h01.json", ONE)
    put(tmp_path / "330102-h02.json", TWO)
    return tmp_path


# -- one file


def test_file_when_replaced_then_is_read_again_once(tmp_path: Path) -> None:
    path = put(tmp_path / "registry.json")
    files = RegistryFiles(path)
    assert files.refresh() == READ
    assert files.refresh() == NOTHING_NEW
    put(path, ONE)
    assert files.refresh() == READ
    assert files.refresh() == NOTHING_NEW
    assert known(files) == kids(ONE)


def test_file_when_it_turns_bad_then_says_so_once_and_keeps_the_units(tmp_path: Path) -> None:
    path = put(tmp_path / "registry.json", ONE)
    files = RegistryFiles(path)
    files.refresh()
    path.write_text("{")
    is_changed, (sentence,) = files.refresh()
    assert not is_changed
    assert sentence.startswith(f"{path}: not JSON")
    assert files.refresh() == NOTHING_NEW
    path.unlink()
    assert files.refresh() == Refreshed(False, (f"{path}: No such file or directory",))
    assert files.refresh() == NOTHING_NEW
    assert known(files) == kids(ONE)


# -- a folder


def test_folder_when_read_then_knows_every_hall_and_passes_over_what_is_no_registry(
    folder: Path,
) -> None:
    (folder / ".330102-h03.json").write_text("half of")
    (folder / "unit.crl").write_text("a list")
    files = RegistryFiles(folder)
    assert files.refresh() == READ
    assert known(files) == kids(ONE, TWO)
    assert files.refresh() == NOTHING_NEW


def test_folder_when_a_hall_comes_changes_or_goes_then_it_is_followed(folder: Path) -> None:
    files = RegistryFiles(folder)
    files.refresh()
    third = put(folder / "330106-h03.json", THREE)
    assert files.refresh() == READ
    put(folder / "330102-h01.json", ONE, number=2)
    assert files.refresh() == READ
    assert known(files) == kids(TWO, THREE) | kids(ONE, number=2)
    third.unlink()
    assert files.refresh() == READ
    assert known(files) == kids(TWO) | kids(ONE, number=2)


def test_folder_when_a_file_turns_bad_then_its_units_stay_and_others_are_followed(
    folder: Path,
) -> None:
    files = RegistryFiles(folder)
    files.refresh()
    bad = folder / "330102-h01.json"
    bad.write_text("{")
    put(folder / "330102-h02.json", TWO, number=2)
    is_changed, (sentence,) = files.refresh()
    assert (is_changed, sentence[: len(str(bad))]) == (True, str(bad))
    assert known(files) == kids(ONE) | kids(TWO, number=2)
    assert files.refresh() == NOTHING_NEW
    put(bad, ONE, number=3)
    assert files.refresh() == READ
    assert known(files) == kids(ONE, number=3) | kids(TWO, number=2)
    # What was mended and breaks again is told again.
    bad.write_text("{")
    assert len(files.refresh().troubles) == 1


def test_folder_when_a_file_is_bad_from_the_start_then_the_others_are_known(folder: Path) -> None:
    (folder / "330102-h01.json").write_text("{")
    files = RegistryFiles(folder)
    is_changed, troubles = files.refresh()
    assert (is_changed, len(troubles)) == (True, 1)
    assert known(files) == kids(TWO)


@pytest.mark.parametrize(("late", "early"), [("330102-h02", "330102-h01"), ("a", "330102-h01")])
def test_folder_when_a_unit_is_in_two_files_then_both_are_named_and_the_first_counts(
    folder: Path, late: str, early: str
) -> None:
    files = RegistryFiles(folder)
    files.refresh()
    put(folder / f"{late}.json", ONE, THREE, number=2)
    is_changed, (sentence,) = files.refresh()
    assert is_changed
    assert sentence == (
        f"{folder}/{late}.json: /330102/h01/w03 is in {early}.json as well, which counts;"
        " take it out of one of the two"
    )
    # What else the file says is not in dispute.
    assert known(files)[ONE] == key(1).kid
    assert known(files)[THREE] == key(2).kid
    assert files.refresh() == NOTHING_NEW
    # The unit may go over to the other file.
    put(folder / f"{early}.json")
    assert files.refresh() == READ
    assert known(files)[ONE] == key(2).kid


def test_folder_when_a_new_file_of_an_earlier_name_claims_a_unit_then_it_stays_where_it_was(
    folder: Path,
) -> None:
    files = RegistryFiles(folder)
    files.refresh()
    put(folder / "0.json", ONE, number=2)
    assert len(files.refresh().troubles) == 1
    assert known(files) == kids(ONE, TWO)


def test_folder_when_it_is_empty_or_away_then_the_units_stay_and_it_is_said_once(
    folder: Path,
) -> None:
    files = RegistryFiles(folder)
    files.refresh()
    away = folder.with_name("away")
    folder.rename(away)
    assert files.refresh() == Refreshed(False, (f"{folder}: No such file or directory",))
    folder.mkdir()
    sentence = f"{folder}: no *.json is in it; put a hall's registry there"
    assert files.refresh() == Refreshed(False, (sentence,))
    assert files.refresh() == NOTHING_NEW
    assert known(files) == kids(ONE, TWO)
    folder.rmdir()
    away.rename(folder)
    assert files.refresh() == NOTHING_NEW


def test_folder_when_a_link_leads_nowhere_then_its_units_stay(folder: Path) -> None:
    path = folder / "330102-h01.json"
    target = path.rename(folder / "elsewhere")
    os.symlink(target, path)
    files = RegistryFiles(folder)
    files.refresh()
    target.unlink()
    assert files.refresh() == Refreshed(False, (f"{path}: No such file or directory",))
    assert known(files) == kids(ONE, TWO)


def test_load_when_anything_is_wrong_then_says_all_of_it(folder: Path) -> None:
    assert len(load(folder)) == 2
    (folder / "330102-h01.json").write_text("{")
    (folder / "330102-h02.json").write_text("[]")
    with pytest.raises(RegistryError, match=r"h01\.json: not JSON.*\n.*h02\.json: "):
        load(folder)


# -- the centre's start


def centre(folder: Path) -> Centre:
    PLATFORM.save(folder / "platform.pem")
    return Centre(parse('registry = "."\nplatform.key = "platform.pem"', folder))


def test_centre_when_one_file_is_bad_at_the_start_then_serves_the_others_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "330102-h01.json").write_text("{")
    centre(folder)
    (record,) = caplog.records
    assert "330102-h01.json: not JSON" in record.getMessage()
    assert record.getMessage().endswith("; the units known before stay known")


def test_centre_when_it_would_know_nobody_then_does_not_start(folder: Path) -> None:
    for name in ("330102-h01.json", "330102-h02.json"):
        (folder / name).write_text("{")
    with pytest.raises(RegistryError, match=r"h01\.json: not JSON.*\n.*h02\.json: not JSON"):
        centre(folder)
