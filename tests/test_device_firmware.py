"""What goes on a board: the files, their fingerprint, the settings, the loop that runs them."""

import ast
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from device import firmware
from device.main import run
from device.settings import UART_USB, Settings, load

ROOT = Path(__file__).parent.parent


def imports_of(path: str) -> set[str]:
    """Our files that `path` imports at run time, with the packages around them."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        module = node.module if isinstance(node, ast.ImportFrom) else None
        names = [module, *(f"{module}.{alias.name}" for alias in node.names)] if module else []
        for name in names:
            file = name.replace(".", "/") + ".py"
            if (ROOT / file).is_file():
                found |= {file, *(f"{at}/__init__.py" for at in map(str, Path(file).parents[:-1]))}
    return found - {"device/hardware.py"}


def test_files_then_are_what_the_loop_imports_and_nothing_else():
    seen: set[str] = set()
    ahead = {"device/main.py"}
    while ahead:
        seen |= ahead
        ahead = set().union(*map(imports_of, ahead)) - seen
    assert list(firmware.FILES) == sorted(seen)


def test_manifest_then_freezes_the_same_files_and_main_as_the_first_to_run():
    frozen: list[str] = []
    includes: list[str] = []

    def package(name, files, base_path):
        assert base_path == ".."
        frozen.extend(f"{name}/{file}" for file in files)

    script = (ROOT / "device/manifest.py").read_text()
    exec(script, {"package": package, "module": frozen.append, "include": includes.append})
    assert sorted(frozen) == sorted((*firmware.FILES, "main.py"))
    assert includes == ["$(PORT_DIR)/boards/manifest.py"]


def test_digest_then_changes_with_any_file_and_falls_back_when_frozen(tmp_path):
    for path in firmware.FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    here = firmware.digest(str(ROOT))
    assert (len(here), firmware.digest(str(tmp_path))) == (firmware.DIGEST_LEN, here)
    text = b"".join(path.encode() + b"\x00" + (ROOT / path).read_bytes() for path in firmware.FILES)
    assert hashlib.sha256(text).digest()[: firmware.DIGEST_LEN] == here
    with (tmp_path / firmware.FILES[-1]).open("a") as file:
        file.write("\n")
    assert firmware.digest(str(tmp_path)) != here
    (tmp_path / firmware.FILES[0]).unlink()
    assert firmware.digest(str(tmp_path)) == firmware.digest("/nowhere") != here


def test_settings_when_nothing_is_said_then_the_wiring_of_the_document():
    settings = Settings({})
    assert settings.problems == []
    assert (settings.uart, settings.baud, settings.tx_pin) == (0, 115200, 0)
    assert settings.key_pins == (2, 3, 4, 5, 6)
    for pin in (*settings.key_pins, *settings.lamp_pins, settings.buzzer_pin):
        assert f"GP{pin}" in (ROOT / "docs/pad.md").read_text()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"baud": "fast"}, "baud: 'fast' is no whole number from 9600 to 921600"),
        ({"buzzer_pin": 29}, "buzzer_pin: 29 is no whole number from 0 to 28"),
        ({"key_pins": [2, 3, 4, 5]}, "key_pins: [2, 3, 4, 5] is no list of 5 pins"),
        ({"key_pins": [2, 3, 4, 5, "6"]}, "key_pins: [2, 3, 4, 5, '6'] is no list of 5 pins"),
        ({"tx_pin": 4}, "tx_pin: UART 0 cannot send on pin 4"),
        ({"buzzer_pin": 2}, "two things are wired to one pin"),
        ({"kay_pins": 1}, "kay_pins: there is no such setting"),
    ],
)
def test_settings_when_one_is_wrong_then_a_sentence_and_its_default(values, problem):
    settings = Settings(values)
    assert settings.problems == [problem]
    assert (settings.baud, settings.key_pins, settings.tx_pin) == (115200, (2, 3, 4, 5, 6), 0)


def test_settings_of_another_wiring_then_taken_as_they_are():
    second = Settings({"uart": 1, "tx_pin": 20, "key_pins": [4, 3, 2, 1, 0]})
    assert (second.problems, second.uart, second.tx_pin) == ([], 1, 20)
    assert second.key_pins == (4, 3, 2, 1, 0)
    usb = Settings({"uart": UART_USB, "key_pins": [0, 1, 2, 3, 4]})
    assert (usb.problems, usb.uart) == ([], UART_USB)


def test_settings_file_then_read_and_its_absence_or_damage_survived(tmp_path):
    path = tmp_path / "settings.json"
    assert load(str(path)).problems == []
    path.write_text(json.dumps({"quiet": 1}))
    assert (load(str(path)).quiet, load(str(path)).problems) == (1, [])
    for text in ("{", "[1]"):
        path.write_text(text)
        assert load(str(path)).problems == [f"{path}: there is no such setting"]


class BrokenBoard:
    """A board whose lamps fail at the third turn."""

    uid = b"uid-of-8"
    reset_cause = 1

    def __init__(self) -> None:
        self.fed_count = 0

    def ticks_ms(self) -> int:
        return self.fed_count

    def levels(self) -> int:
        return 0

    def read(self) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        assert data

    def show(self, lamps: int, buzzer_hz: int) -> None:
        if self.fed_count == 2:
            raise OSError(5)

    def feed(self) -> None:
        self.fed_count += 1


def test_run_when_a_turn_fails_then_ends_with_the_watchdog_unfed():
    board = BrokenBoard()
    with pytest.raises(OSError, match="5"):
        run(board, 1, b"firmware", Settings({}))
    assert board.fed_count == 2
