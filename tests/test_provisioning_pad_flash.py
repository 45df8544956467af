"""Flashing over a real prompt behind a port: whatever is on the board, whenever it goes away."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from daemon.wire.ports import Port
from device import firmware
from provisioning.errors import ProvisioningError
from provisioning.pad import hello
from provisioning.pad.contents import ENROLLED, MAIN, SETTINGS, firmware_digest, wanted
from provisioning.pad.errors import (
    BoardNotFound,
    BoardSilent,
    BoardTaken,
    BoardUnfit,
    PortUnusable,
    SettingsWrong,
    VerifyFailed,
)
from provisioning.pad.flashing import Flashed, flash
from sim.board import OUTER_KEYS, UID, VirtualBoard
from sim.micropython import Vm
from sim.wire import Wire

USB = {"uart": -1}
HERE = {"source": "/330102/h01/w03", "window": "3"}
THERE = {"source": "/330102/h01/w04", "window": "4"}
WANTED = wanted(USB, HERE)
DIGEST = firmware_digest(WANTED)
PATIENCE_S = 0.4
# The cable is pulled at these parts of all that goes to the board; a campaign has each boundary.
CUT_PARTS = (0.02, 0.62)
Promise = Callable[..., None]

needs_node = pytest.mark.needs("node")


@pytest.fixture(scope="module")
def vm() -> Iterator[Vm]:
    with Vm() as vm:
        yield vm


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with Wire(tmp_path / "tty") as wire:
        yield wire


@contextmanager
def board_with(
    vm: Vm, wire: Wire, files: Mapping[str, bytes], keys: int = OUTER_KEYS, **who: object
) -> Iterator[VirtualBoard]:
    """A board whose outer keys are held as it comes up, so that what runs there lets us in."""
    board = VirtualBoard(wire, vm=vm, files=files, **who)
    board.keys = keys
    with board.running():
        while keys and board.runs_firmware:
            wire.wait(0.001)
        board.keys = 0
        yield board


def flashed(wire: Wire, **asked: object) -> Flashed:
    given = {"settings": USB, "enrolled": HERE, "patience_s": PATIENCE_S} | asked
    return flash(str(wire.path), **given)


# -- whatever is on the board


@needs_node
def test_empty_board_then_all_is_put_and_its_hello_heard(vm: Vm, wire: Wire) -> None:
    told: list[tuple[str, int, int]] = []
    with board_with(vm, wire, {}) as board:
        done = flashed(wire, on_progress=lambda *one: told.append(one))
        assert board.files == WANTED
        assert board.runs_firmware
    assert (done.port, done.uid, done.firmware) == (str(wire.path), UID.hex(), DIGEST.hex())
    assert (done.release, done.hello, done.line) == (firmware.RELEASE, True, "usb")
    assert (list(done.put), done.kept, list(done.removed)) == (list(WANTED), 0, [])
    assert json.loads(json.dumps(done.as_json()))["micropython"].startswith("1.")
    sizes = [total for _, _, total in told]
    assert set(sizes) == {sum(map(len, WANTED.values()))}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1] == (MAIN, sizes[0], sizes[0])


@needs_node
def test_good_pad_then_nothing_is_changed_and_it_goes_on(vm: Vm, wire: Wire) -> None:
    with board_with(vm, wire, WANTED) as board:
        done = flashed(wire)
        assert (done.is_changed, done.kept, done.hello) == (False, len(WANTED), True)
        assert board.files == WANTED


@needs_node
def test_pad_that_runs_then_known_by_its_hello_and_nobody_goes_in(vm: Vm, wire: Wire) -> None:
    with board_with(vm, wire, WANTED, keys=0) as board:
        done = flashed(wire)
        assert (done.is_read, done.is_changed, done.hello) == (False, False, True)
        assert (done.uid, done.firmware) == (UID.hex(), DIGEST.hex())
        assert board.runs_firmware


OLDER = WANTED | {
    "/lib/device/pad.py": WANTED["/lib/device/pad.py"] + b"# older\n",
    "/lib/device/old.py": b"",
}
HALF = dict(list(WANTED.items())[:9]) | {"/lib/device/pad.py.new": b"half"}
DAMAGED = WANTED | {"/lib/protocol/pad/link.py": b"", "/lib/device/board.py": b"\xff" * 99}
SLOTS = WANTED | {f"/b/{path}": b"newer" for path in firmware.FILES} | {"/slot": b"b"}


@needs_node
@pytest.mark.parametrize("before", [OLDER, HALF, DAMAGED, SLOTS], ids=["old", "half", "bad", "b"])
def test_other_pad_then_made_the_same_as_every_pad(
    vm: Vm, wire: Wire, before: Mapping[str, bytes]
) -> None:
    # A loader that cannot run comes to the prompt by itself.
    with board_with(vm, wire, before) as board:
        done = flashed(wire)
        assert board.files == WANTED
    wrong = {path for path, content in WANTED.items() if before.get(path) != content} | {MAIN}
    assert set(done.put) == wrong
    assert set(done.removed) == set(before) - set(WANTED) | (
        {"/b", "/b/device", "/b/protocol", "/b/protocol/pad"} if before is SLOTS else set()
    )


@needs_node
def test_what_is_not_asked_for_then_left_as_it_is(vm: Vm, wire: Wire) -> None:
    settings = b'{"buzzer_pin": 16, "uart": -1}'
    with board_with(vm, wire, WANTED | {SETTINGS: settings}) as board:
        done = flashed(wire, settings=None, enrolled=None)
        assert not done.is_changed
        assert board.files[SETTINGS] == settings
        board.unplug()
        board.keys = OUTER_KEYS
        board.plug()
        while board.runs_firmware:
            wire.wait(0.001)
        board.keys = 0
        assert flashed(wire, settings={"baud": 9600}).put == [SETTINGS, MAIN]
        assert json.loads(board.files[SETTINGS]) == {"baud": 9600, "buzzer_pin": 16, "uart": -1}


@needs_node
def test_dry_run_then_says_what_would_be_done_and_does_nothing(vm: Vm, wire: Wire) -> None:
    with board_with(vm, wire, OLDER) as board:
        done = flashed(wire, dry_run=True)
        assert board.files == OLDER
    assert (done.is_dry, done.hello) == (True, None)
    assert list(done.steps[:2]) == ["remove /main.py", "remove /lib/device/old.py"]
    assert done.steps[-1] == f"put /main.py, {len(WANTED[MAIN])} bytes"


@needs_node
def test_pad_of_another_window_then_refused_unless_it_has_moved(vm: Vm, wire: Wire) -> None:
    before = wanted(USB, THERE)
    with board_with(vm, wire, before) as board:
        with pytest.raises(BoardTaken, match="this is the pad of window 4 of /330102/h01/w04"):
            flashed(wire)
        assert board.files == before
        assert flashed(wire, force_move=True).put == [ENROLLED, MAIN]
        assert board.files == WANTED


@needs_node
def test_board_with_another_program_then_refused_unless_it_may_be_erased(
    vm: Vm, wire: Wire
) -> None:
    before = {"/boot.py": b"", "/main.py": b"print('mine')", "/lib/mine/x.py": b"1"}
    with board_with(vm, wire, before) as board:
        with pytest.raises(BoardTaken, match=r"holds another program: /boot.py, /lib/mine/x.py, /"):
            flashed(wire)
        assert board.files == before
        flashed(wire, force_move=True)
        assert board.files == WANTED


@needs_node
def test_board_that_the_caller_refuses_then_unchanged(vm: Vm, wire: Wire) -> None:
    def check(uid: str) -> None:
        raise BoardTaken(f"not {uid}")

    with board_with(vm, wire, {}) as board:
        with pytest.raises(BoardTaken, match=f"not {UID.hex()}"):
            flashed(wire, check=check)
        assert board.files == {}


@needs_node
def test_settings_that_the_firmware_would_not_take_then_refused_before_anything_is_put(
    vm: Vm, wire: Wire
) -> None:
    with board_with(vm, wire, {}) as board:
        with pytest.raises(SettingsWrong, match="UART 0 cannot send on pin 3"):
            flashed(wire, settings={"tx_pin": 3})
        assert board.files == {}


@needs_node
@pytest.mark.parametrize(
    ("who", "sentence"),
    [
        ({"version": (1, 23, 0)}, r"its MicroPython is 1\.23\.0, and the pad needs 1\.24\.0"),
        ({"machine": "Raspberry Pi Pico 2 with RP2350"}, "Pico 2 with RP2350, and a pad is an RP2"),
        ({"name": "circuitpython", "version": (9, 2, 1)}, "circuitpython is on the board"),
    ],
)
def test_board_that_is_none_for_a_pad_then_a_sentence(
    vm: Vm, wire: Wire, who: Mapping[str, object], sentence: str
) -> None:
    with board_with(vm, wire, {}, **who), pytest.raises(BoardUnfit, match=sentence):
        flashed(wire)


@needs_node
def test_pad_on_its_uart_then_its_hello_is_heard_there(vm: Vm, wire: Wire, tmp_path: Path) -> None:
    with Wire(tmp_path / "uart") as uart:
        board = VirtualBoard(wire, vm=vm, line=uart)
        with board.running():
            done = flashed(wire, settings=None, line=str(uart.path))
            assert (done.line, done.hello) == ("uart", True)
            assert SETTINGS not in board.files


@needs_node
def test_keys_still_held_after_flashing_then_the_prompt_is_there_and_said(
    vm: Vm, wire: Wire
) -> None:
    with board_with(vm, wire, WANTED) as board:
        board.keys = OUTER_KEYS
        with pytest.raises(VerifyFailed, match="MicroPython's prompt answers instead") as raised:
            flashed(wire)
        assert raised.value.hint.startswith("let go of the pad's keys")


@needs_node
def test_pad_that_runs_an_older_firmware_then_says_how_to_get_in(vm: Vm, wire: Wire) -> None:
    with board_with(vm, wire, OLDER, keys=0), pytest.raises(BoardSilent) as raised:
        flashed(wire)
    assert "a pad runs there, release 1, and takes no commands" in str(raised.value)
    assert "hold both outer keys while you plug it in" in raised.value.hint


# -- the wrong port


def test_nothing_at_the_port_then_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(PortUnusable, match="cannot be opened: No such file") as raised:
        flash(str(tmp_path / "none"))
    assert raised.value.hint == "plug the cable in, or name another port"


def test_no_board_anywhere_then_said_what_to_plug_in() -> None:
    with pytest.raises(BoardNotFound, match="no board is plugged in"):
        flash(boards=tuple)


def test_several_boards_and_no_port_named_then_all_are(tmp_path: Path) -> None:
    plugged = {str(tmp_path / "b"), str(tmp_path / "a")}
    with pytest.raises(BoardNotFound, match=r"several boards are plugged in: \S+/a, \S+/b$"):
        flash(boards=lambda: plugged)


@needs_node
def test_only_board_and_no_port_named_then_it_is_meant(vm: Vm, wire: Wire) -> None:
    with board_with(vm, wire, {}):
        done = flash(settings=USB, patience_s=PATIENCE_S, boards=lambda: {str(wire.path)})
    assert done.port == str(wire.path)


@pytest.mark.parametrize("path", ["/dev/null", __file__])
def test_no_serial_port_then_said(path: str) -> None:
    with pytest.raises(PortUnusable, match="is not a serial port"):
        flash(path)


def test_port_that_the_daemon_has_then_said_who_has_it(wire: Wire) -> None:
    port = Port(str(wire.path), 115200)
    port.open()
    with pytest.raises(PortUnusable, match="is in use by another program") as raised:
        flash(str(wire.path))
    port.close()
    assert "sudo systemctl stop haochaping" in raised.value.hint


def test_port_that_says_nothing_then_said(wire: Wire) -> None:
    with pytest.raises(BoardSilent, match="nobody answers") as raised:
        flashed(wire, patience_s=0.15)
    assert "hold both outer keys" in raised.value.hint


def test_queue_terminal_at_the_port_then_said_that_something_speaks(wire: Wire) -> None:
    is_over = threading.Event()

    def chatter() -> None:
        while not is_over.is_set():
            wire.wait(0.01)
            wire.read()
            wire.write("请A001到3窗口\r\n".encode("gbk"))

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        with pytest.raises(BoardSilent, match="something speaks there, and it is no board"):
            flashed(wire, patience_s=0.15)
    finally:
        is_over.set()
        thread.join()


# -- the cable is pulled out


def boundaries(vm: Vm, wire: Wire) -> list[int]:
    """After how many bytes to the board each piece of flashing an empty one was over."""
    passed: list[int] = []
    with board_with(vm, wire, {}) as board:
        flashed(
            wire,
            check=lambda _uid: passed.append(board.received_len),
            on_progress=lambda *_: passed.append(board.received_len),
        )
        return passed


def check_cut(vm: Vm, wire: Wire, after_len: int) -> None:
    """Flash an empty board whose cable is pulled after so many bytes, then flash it again."""
    with board_with(vm, wire, {}) as board:
        board.cut_after(after_len)
        with pytest.raises(ProvisioningError) as raised:
            flashed(wire)
        assert raised.value.hint
        left = board.files
        assert MAIN not in left or left == WANTED, f"{after_len}: it would run half of it"
        # On a machine so slow that the laptop gave up first, the cable is pulled now.
        board.unplug()
        board.plug()
        done = flashed(wire)
        assert done.hello
        assert board.files == WANTED


@needs_node
@pytest.mark.promise
def test_unplugged_while_flashing_then_a_prompt_and_the_next_time_goes_on(
    vm: Vm, wire: Wire, promise: Promise
) -> None:
    for part in CUT_PARTS:
        check_cut(vm, wire, int(sum(map(len, WANTED.values())) * part))
    promise("H4", "cables pulled while a pad is flashed, then done again", len(CUT_PARTS))


@needs_node
@pytest.mark.campaign
@pytest.mark.promise
def test_unplugged_at_every_boundary_and_inside_then_the_same(
    vm: Vm, wire: Wire, promise: Promise, scale: int
) -> None:
    passed = boundaries(vm, wire)
    points = {1, 2, 3, 40, 400}
    for before, after in zip([0, *passed], passed, strict=False):
        points |= {after - 1, after, after + 1, (before + after) // 2}
    points -= {0}
    some = sorted(points)[:: max(1, 60 // scale)]
    for after_len in some:
        check_cut(vm, wire, after_len)
    promise("H4", "cables pulled while a pad is flashed, then done again", len(some))


# -- the hello


def test_crash_of_the_firmware_then_its_last_line_is_said(wire: Wire) -> None:
    text = (
        b"Traceback (most recent call last):\r\n"
        b'  File "main.py", line 56, in start\r\nValueError: no such pin\r\n'
    )
    thread = threading.Thread(target=answer, args=(wire, text))
    thread.start()
    with pytest.raises(VerifyFailed, match="ended in an error: ValueError: no such pin"):
        hello.wait(str(wire.path), UID.hex(), DIGEST)
    thread.join()


def answer(wire: Wire, text: bytes) -> None:
    while not wire.read():
        wire.wait(0.01)
    wire.write(text)


def test_no_hello_in_time_then_said(wire: Wire) -> None:
    with pytest.raises(VerifyFailed, match="has not said hello within 0 s"):
        hello.wait(str(wire.path), UID.hex(), DIGEST, 0.05)
    with suppress(VerifyFailed):
        hello.wait(str(wire.path.with_name("gone")), UID.hex(), DIGEST, 0.05)
