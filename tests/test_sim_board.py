"""The virtual board: its prompt as a real one's, its files, and a plug that can be pulled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.pad.board import Board
from provisioning.pad.plan import FOLDER, MakeFolder, Put, Remove
from sim import board_command
from sim.board import PICO, UID, VirtualBoard
from sim.flash import Flash, LittleFiles
from sim.little_board import LittleBoard
from sim.micropython import Vm
from sim.wire import Wire

pytestmark = pytest.mark.needs("node")

RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
WINDOW = 128


@pytest.fixture(scope="module")
def vm() -> Iterator[Vm]:
    with Vm() as vm:
        yield vm


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with Wire(tmp_path / "tty") as wire:
        yield wire


@pytest.fixture(params=["at a prompt", "on a chip"])
def board(request: pytest.FixtureRequest, vm: Vm, wire: Wire) -> Iterator[Board | LittleBoard]:
    """What can be looked at and changed, empty: over a cable in a VM, and where power may fail."""
    if request.param == "on a chip":
        yield LittleBoard(LittleFiles(Flash(), fresh=True))
        return
    with VirtualBoard(wire, vm=vm).running(), Board(str(wire.path)) as board:
        yield board


def test_board_then_does_and_shows_what_a_plan_says(board: Board | LittleBoard) -> None:
    content = bytes(range(256)) * 9
    told: list[int] = []
    assert board.look() == {}
    board.do(MakeFolder("/lib"))
    board.do(Put("/lib/x.py", b"shorter or longer"))
    board.do(Put("/lib/x.py", content), told.append)
    board.do(Put('/it\'s "a" name', b""))
    found = board.look()
    assert sorted(found) == ['/it\'s "a" name', "/lib", "/lib/x.py"]
    assert (found["/lib"], told[-1]) == (FOLDER, len(content))
    assert board.read("/lib/x.py") == content
    board.do(Remove("/lib/x.py"))
    board.do(Remove("/lib", is_folder=True))
    assert sorted(board.look()) == ['/it\'s "a" name']


# -- the prompt, byte for byte as pyexec.c of MicroPython has it


@contextmanager
def at_prompt(vm: Vm) -> Iterator[Vm]:
    vm.start(keeps_files=False)
    vm.start(console_scripts=())
    yield vm


def test_prompt_then_friendly_raw_and_friendly_again(vm: Vm) -> None:
    with at_prompt(vm):
        assert vm.type(b"1 + 1\r") == ("done", b"1 + 1\r\n2\n>>> ")
        assert vm.type(b"\r\x01") == ("done", b"\r\n>>> \r\n" + RAW_PROMPT)
        assert vm.type(b"print(7)\x04") == ("done", b"OK7\n\x04\x04>")
        (_, said) = vm.type(b"1 / 0\x04")
        assert said.startswith(b"OK\x04Traceback")
        assert said.endswith(b"ZeroDivisionError: divide by zero\r\n\x04>")
        assert vm.type(b"junk\x03print(8)\x04") == ("done", b"OK8\n\x04\x04>")
        assert vm.type(b"\x02")[1].endswith(b">>> ")


def test_raw_paste_mode_then_windows_acks_and_the_end(vm: Vm) -> None:
    with at_prompt(vm):
        vm.type(b"\r\x01")
        assert vm.type(b"\x05A\x01") == ("done", b"R\x01" + bytes((WINDOW, 0)) + b"\x01")
        assert vm.type(b"#" * WINDOW) == ("done", b"\x01")
        assert vm.type(b"\nprint(9)\x04") == ("done", b"\x049\n\x04\x04>")
        assert vm.type(b"\x05A\x01\x04")[1].endswith(b"\x01\x04\x04\x04>")
        vm.type(b"\x05A\x01print(")
        (_, said) = vm.type(b"\r\x03")
        assert said.startswith(b"\x04\x04Traceback")
        assert said.endswith(b"KeyboardInterrupt: \r\n\x04>")


def test_soft_reset_then_names_are_gone_and_files_are_not(vm: Vm) -> None:
    with at_prompt(vm):
        vm.type(b"\r\x01")
        vm.type(b"x = 1\nopen('/x', 'w').write('kept')\x04")
        assert vm.type(b"\x04") == ("done", b"OK\r\nMPY: soft reboot\r\n" + RAW_PROMPT)
        assert b"NameError" in vm.type(b"x\x04")[1]
        assert vm.take("/x") == b"kept"
        vm.type(b"\x02")
        assert vm.type(b"\x04")[0] == "left"


def test_board_then_says_that_it_is_a_pico(vm: Vm, wire: Wire) -> None:
    with VirtualBoard(wire, vm=vm).running(), Board(str(wire.path)) as board:
        assert (board.who.machine, board.who.uid) == (PICO, UID.hex())
        assert board.who.version >= (1, 24, 0)


def test_orders_of_the_command_then_obeyed(
    vm: Vm, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    board = VirtualBoard(wire, vm=vm)
    for order in ("hold", "unplug"):
        board_command.obey(board, [order])
    assert (board.keys, wire.plugged) == (0b10001, False)
    for order in ("release", "plug", "fly"):
        board_command.obey(board, [order])
    assert (board.keys, wire.plugged) == (0, True)
    assert capsys.readouterr().err == "no such order: fly\n"
