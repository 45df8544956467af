"""What goes on a board: the files, their fingerprint, the wiring, the loop that runs them."""

import ast
import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from device import firmware
from device.loop import Loop
from device.settings import UART_USB, Settings, load
from protocol.pad import messages
from sim.flash import HostFiles

ROOT = Path(__file__).parent.parent


def constants_of(path: str) -> dict[str, object]:
    """What the module names with literals; device/board.py can only be imported on the board."""
    found: dict[str, object] = {}
    for node in ast.parse((ROOT / path).read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        for target in targets:
            try:
                values = ast.literal_eval(node.value)
            except ValueError:
                continue
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = values if isinstance(target, ast.Tuple) else [values]
            found |= dict(zip([name.id for name in names], values, strict=True))
    return found


BOARD = constants_of("device/board.py")
PINS = SimpleNamespace(**BOARD)


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


def all_imports_of(path: str) -> set[str]:
    seen: set[str] = set()
    ahead = {path}
    while ahead:
        seen |= ahead
        ahead = set().union(*map(imports_of, ahead)) - seen
    return seen


def test_files_then_are_what_the_loop_imports_and_nothing_else():
    assert list(firmware.FILES) == sorted(all_imports_of("device/loop.py"))


def test_loader_then_needs_nothing_that_new_firmware_replaces():
    loader = {"device/main.py", *firmware.LOADER_FILES}
    needed = {path for file in loader for path in imports_of(file)} - loader
    # Only from inside `start`, after it has chosen where the firmware lies.
    assert needed == {"device/__init__.py", "device/loop.py"}
    assert (ROOT / "device/main.py").read_text().index("sys.path.insert") < (
        ROOT / "device/main.py"
    ).read_text().index("from device.loop import run")


def test_board_then_gives_the_reset_causes_the_numbers_of_the_line():
    for name in ("POWER_ON", "FIRMWARE_ERROR", "WATCHDOG", "NEW_FIRMWARE"):
        assert BOARD[name] == getattr(messages, name)


def test_manifest_then_freezes_the_same_files_and_main_as_the_first_to_run():
    frozen: list[str] = []
    includes: list[str] = []

    def package(name, files, base_path):
        assert base_path == ".."
        frozen.extend(f"{name}/{file}" for file in files)

    script = (ROOT / "device/manifest.py").read_text()
    exec(script, {"package": package, "module": frozen.append, "include": includes.append})
    assert sorted(frozen) == sorted((*firmware.FILES, *firmware.LOADER_FILES, "main.py"))
    assert includes == ["$(PORT_DIR)/boards/manifest.py"]


def test_digest_then_changes_with_any_file_and_falls_back_when_frozen(tmp_path):
    for path in firmware.FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    files = HostFiles(Path("/"))
    here = firmware.digest(files, str(ROOT))
    assert (len(here), firmware.digest(files, str(tmp_path))) == (firmware.DIGEST_LEN, here)
    text = b"".join(path.encode() + b"\x00" + (ROOT / path).read_bytes() for path in firmware.FILES)
    assert hashlib.sha256(text).digest()[: firmware.DIGEST_LEN] == here
    with (tmp_path / firmware.FILES[-1]).open("a") as file:
        file.write("\n")
    assert firmware.digest(files, str(tmp_path)) != here
    (tmp_path / firmware.FILES[0]).unlink()
    assert firmware.digest(files, str(tmp_path)) == firmware.digest(files, "/nowhere") != here


def test_settings_when_nothing_is_said_then_the_wiring_of_the_document():
    settings = Settings({}, PINS)
    assert settings.problems == []
    assert (settings.uart, settings.baud, settings.tx_pin) == (0, 115200, 0)
    assert settings.key_pins == (2, 3, 4, 5, 6)
    for pin in (*settings.key_pins, *settings.lamp_pins, settings.buzzer_pin):
        assert f"GP{pin}" in (ROOT / "docs/hardware.md").read_text()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"baud": "fast"}, "baud: 'fast' is no whole number from 9600 to 921600"),
        ({"buzzer_pin": 29}, "buzzer_pin: 29 is no whole number from 0 to 28"),
        ({"key_pins": [2, 3, 4, 5]}, "key_pins: [2, 3, 4, 5] is no list of 5 pins"),
        ({"key_pins": [2, 3, 4, 5, "6"]}, "key_pins: [2, 3, 4, 5, '6'] is no list of 5 pins"),
        ({"tx_pin": 4}, "tx_pin: UART 0 cannot send on pin 4"),
        ({"buzzer_pin": 2}, "two things are wired to one pin"),
        ({"buzzer_pin": 22}, "buzzer_pin: its pitch would be that of a lamp, take another pin"),
        ({"kay_pins": 1}, "kay_pins: there is no such setting"),
    ],
)
def test_settings_when_one_is_wrong_then_a_sentence_and_its_default(values, problem):
    settings = Settings(values, PINS)
    assert settings.problems == [problem]
    assert (settings.baud, settings.key_pins, settings.tx_pin) == (115200, (2, 3, 4, 5, 6), 0)


def test_settings_of_another_wiring_then_taken_as_they_are():
    second = Settings({"uart": 1, "tx_pin": 20, "key_pins": [4, 3, 2, 1, 0]}, PINS)
    assert (second.problems, second.uart, second.tx_pin) == ([], 1, 20)
    assert second.key_pins == (4, 3, 2, 1, 0)
    usb = Settings({"uart": UART_USB, "key_pins": [0, 1, 2, 3, 4]}, PINS)
    assert (usb.problems, usb.uart) == ([], UART_USB)


def test_settings_file_then_read_and_its_absence_or_damage_survived(tmp_path):
    path = tmp_path / "settings.json"
    assert load(str(path), PINS).problems == []
    path.write_text(json.dumps({"baud": 57600}))
    assert (load(str(path), PINS).baud, load(str(path), PINS).problems) == (57600, [])
    for text in ("{", "[1]"):
        path.write_text(text)
        assert load(str(path), PINS).problems == [f"{path}: there is no such setting"]


class BrokenBoard:
    """A board whose lamps fail at the third turn."""

    uid = b"uid-of-8"
    reset_cause, resets = messages.POWER_ON, 0

    def __init__(self, files: HostFiles) -> None:
        self.fed_count = 0
        self.problems: list[str] = []
        self.files = files

    def ticks_ms(self) -> int:
        return self.fed_count

    def levels(self) -> int:
        return 0

    def read(self) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        assert data

    def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
        if self.fed_count == 2:
            raise OSError(5)

    def feed(self) -> None:
        self.fed_count += 1


def test_turn_that_fails_then_leaves_the_watchdog_unfed(tmp_path):
    board = BrokenBoard(HostFiles(tmp_path))
    loop = Loop(board, 1, b"firmware", "/lib", False)
    loop.turn()
    loop.turn()
    with pytest.raises(OSError, match="5"):
        loop.turn()
    assert board.fed_count == 2
