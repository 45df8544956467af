"""The pad's firmware in a real MicroPython, in time that is a number (real I/O: a child process).

The VM is MicroPython's official WebAssembly build under node (package.json). It stands still until
it is told how many turns to do, so the same input gives the same trace. What the board has and the
VM has not is sim/rp2040.py, inside it; files, registers and what comes next are kept out here.
"""

import base64
import contextlib
import json
import select
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from device.firmware import FILES, LOADER_FILES

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("@micropython/micropython-webassembly-pyscript", "playwright-core")
ANSWER_S = 60.0  # a VM that is silent for so long hangs
READ_LEN = 1 << 16

# As in sim/rp2040.py, which only the VM can import.
TURNS = "<HIB"
RECEIVED_LEN_MAX = 512
READS, MEASURES = 1, 2
PWRON_RESET, WDT_RESET = 1, 3
TURN_MS = 2
TURN_COUNT_MAX = 0xFFFF

# What the doubles of the board's modules take of the heap; on the board they are in flash.
WEIGH = (
    "import gc\nbefore_len = gc.mem_alloc()\nimport rp2040\ngc.collect()",
    "print(gc.mem_alloc() - before_len)",
)
# What device/main.py and `run` do, but one call for each exchange: this build collects garbage
# only when such a call has come back (gc_collect of MicroPython's ports/webassembly/main.c).
STEPS = (
    """
import rp2040
import gc, micropython, os, sys
micropython.kbd_intr(-1)
from device import board
from device.settings import load
pad = board.Rp2040(load("/settings.json", board))
del sys.modules["device"]
gc.collect()
""",
    *(
        f"import {path[:-3].replace('/__init__', '').replace('/', '.')}\ngc.collect()"
        for path in sorted(FILES, reverse=True)  # what others import comes first
    ),
    """
loop = sys.modules["device.loop"].Loop(
    pad, int.from_bytes(os.urandom(4), "big"), b"firmware", "/lib", False
)
def step():
    exchange_count = rp2040.world.exchange_count
    try:
        while rp2040.world.exchange_count == exchange_count:
            loop.turn()
    except MemoryError:
        rp2040.world.exhausted()
    gc.collect()
gc.collect()
""",
)


def node() -> str:
    """The path of node, with its packages in place; RuntimeError says what is missing."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        raise RuntimeError("node or npm is missing: apt install nodejs npm")
    if not all((ROOT / "node_modules" / package).is_dir() for package in PACKAGES):
        made = subprocess.run([npm, "ci"], cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"`npm ci` failed: {made.stderr}")
    return found


class Raised(Exception):
    """A script ended with an exception that it did not catch; the text is its traceback."""


class Vm:
    """A MicroPython with its files; one child process for as many as come one after the other."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [node(), str(ROOT / "sim/micropython.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._in, self._out = self._child.stdin, self._child.stdout
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._heard = b""
        self.start()

    def start(
        self,
        *,
        heap_len: int = 1 << 20,
        is_bounded: bool = False,
        keeps_files: bool = True,
        console_scripts: Sequence[str] | None = None,
    ) -> bytes:
        """A new VM, with the files of the last one; a bounded one cannot make its heap larger.

        With `console_scripts` it runs these and shows its prompt: what it said, for `type`.
        """
        how = {"heap_len": heap_len, "is_bounded": is_bounded, "keeps_files": keeps_files}
        return self.ask(start=how | {"console_scripts": console_scripts})[1].encode("latin1")

    def type(self, data: bytes) -> tuple[str, bytes]:
        """Type at the prompt: what it said, and how it goes on.

        "done": at the prompt; "left": the program starts; "ended": a reset, which comes last.
        """
        how, said = self.ask(typed=base64.b64encode(data).decode())
        return how, said.encode("latin1")

    def put(self, files: Mapping[str, bytes | None]) -> None:
        """Write files; None removes."""
        encoded = {
            path: None if content is None else base64.b64encode(content).decode()
            for path, content in files.items()
        }
        self.ask(put=encoded)

    def take(self, path: str) -> bytes:
        """The content of a file; empty if there is none."""
        return base64.b64decode(self.ask(take=path)[1])

    def tree(self) -> dict[str, bytes | None]:
        """All files; a folder has None."""
        return {
            path: None if content is None else base64.b64decode(content)
            for path, content in json.loads(self.ask(take="/")[1]).items()
        }

    def run(self, *scripts: str) -> list[str]:
        """What the scripts printed; Raised if one did not come to its end."""
        how, said = self.ask(run={"scripts": scripts})
        if how == "raised":
            raise Raised(said)
        return said.splitlines()

    def ask(self, **command: Any) -> tuple[str, str]:
        """How it went and what was said; for who knows sim/micropython.mjs."""
        self._in.write(json.dumps(command).encode() + b"\n")
        while b"\n" not in self._heard:
            if not self._poll.poll(ANSWER_S * 1000):
                raise TimeoutError(f"the VM is silent since it was told to {list(command)}")
            data = self._out.read(READ_LEN)
            if not data:
                raise RuntimeError(f"node ended when it was told to {list(command)}")
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        answer = json.loads(line)
        return answer["how"], answer["said"]

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()
        self._in.close()
        self._out.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True)
class Turns:
    """What some turns brought."""

    count: int = 0
    sent: bytes = b""
    events: list[str] = field(default_factory=list)  # "<ms since the start> <what>", or printed
    ended: str | None = None  # by what; "done" and "raised": main.py came back

    def __iadd__(self, other: "Turns") -> Self:
        self.count += other.count
        self.sent += other.sent
        self.events += other.events
        self.ended = other.ended
        return self


class MicroPythonPad:
    """A pad in a new VM, from power on; keys are masks, bit 0 = leftmost.

    After a reset it starts by itself, with the next boot id. With `heap_len` its heap is bounded
    to that and what the board's doubles take. Unless it `installs`, it runs what is in the files
    of the VM, with the settings that are there.
    """

    uid = b"uid-of-8"

    def __init__(
        self,
        vm: Vm,
        boot_ids: Iterable[int],
        settings: Mapping[str, object] | None = None,
        *,
        heap_len: int | None = None,
        start_ticks: int = 0,
        installs: bool = True,
    ) -> None:
        self.heap_len = heap_len
        self.reads = True  # somebody reads at the other end of a USB line
        self.line_fails = False
        self.settles = False  # the keys' pins take until the second turn to be high
        self.key_pins: tuple[int, ...] = (2, 3, 4, 5, 6)
        self.duties: dict[int, int] = {}  # by pin
        self.hz: dict[int, int] = {}
        self.registers: dict[int, int] = {}
        self.doubles_len = 0  # of a bounded heap, what is not the firmware's
        self.is_over = False  # main.py came back: the board waits for who has a cable
        self._boot_ids = iter(boot_ids)
        self.settings = dict(settings or {})
        self._start_ticks = start_ticks
        self._reset_cause: int | None = PWRON_RESET  # of the start that is due
        self.vm = vm
        if installs:
            self._install()
        else:
            with contextlib.suppress(ValueError):
                self.settings.update(json.loads(vm.take("/settings.json")))
        self.vm.put({"/rp2040.py": (ROOT / "sim/rp2040.py").read_bytes()})

    def _install(self) -> None:
        self.vm.start(keeps_files=False)
        self.vm.put(
            {
                "/main.py": (ROOT / "device/main.py").read_bytes(),
                "/settings.json": json.dumps(self.settings).encode(),
                **{f"/lib/{path}": (ROOT / path).read_bytes() for path in FILES + LOADER_FILES},
            }
        )

    def power(self) -> None:
        """Power off and on."""
        self.registers.clear()
        self._reset_cause = PWRON_RESET
        self.is_over = False

    def boot(self) -> Turns:
        """Let it start, until its line is open."""
        turns = Turns()
        while turns.ended is None and not any(" uart " in event for event in turns.events):
            turns += self.turns(1)
        return turns

    def run(self, count: int, received: bytes = b"", held: int = 0) -> Turns:
        """Do `count` turns; fewer only when the pad starts anew or is over."""
        turns = Turns()
        while turns.count < count and turns.ended is None:
            turns += self.turns(count - turns.count, received, held)
            received = b""
        return turns

    def turns(
        self, count: int, received: bytes = b"", held: int = 0, *, measures: bool = False
    ) -> Turns:
        """Do turns, until after one in which something happened, `count` at most.

        With `measures`, "memory" tells the bytes allocated at the end and at most, and of how many
        turns in which nothing happened how many allocated.
        """
        assert not self.is_over
        assert 0 < count <= TURN_COUNT_MAX
        assert len(received) <= RECEIVED_LEN_MAX
        low = sum(1 << pin for index, pin in enumerate(self.key_pins) if held >> index & 1)
        flags = READS * self.reads | MEASURES * measures
        if self._reset_cause is not None:
            self._start()
        return self._heard(*self._let(struct.pack(TURNS, count, low, flags) + received))

    def _let(self, turns: bytes) -> tuple[str, str]:
        return self.vm.ask(turns=base64.b64encode(turns).decode())

    def _start(self) -> None:
        self.duties.clear()
        self.hz.clear()
        start = {
            "line_fails": self.line_fails,
            "random": next(self._boot_ids).to_bytes(4, "big").hex(),
            "registers": list(self.registers.items()),
            "reset_cause": self._reset_cause,
            "settles": int(self.settles),
            "ticks": self._start_ticks,
            "turn_ms": TURN_MS,
            "uid": self.uid.hex(),
            "usb": self.settings.get("uart") == -1,
        }
        self._reset_cause = None
        self.vm.put({"/rp2040.json": json.dumps(start).encode()})
        if self.heap_len is None:
            self.vm.start()
            scripts = ("import rp2040", self.vm.take("/main.py").decode())
            how, said = self.vm.ask(run={"scripts": scripts})
        else:
            self.doubles_len = self._weigh_doubles()
            self.vm.start(heap_len=self.heap_len + self.doubles_len, is_bounded=True)
            how, said = self.vm.ask(run={"scripts": STEPS, "over_and_over": "step"})
        assert how == "waits", said

    def _weigh_doubles(self) -> int:
        self.vm.start()
        self.vm.ask(run={"scripts": WEIGH})
        return int(self._let(struct.pack(TURNS, 1, 0, 0))[1])

    def _heard(self, how: str, said: str) -> Turns:
        turns = Turns()
        for line in said.splitlines():
            words = line.split()
            if words[:1] == ["turns"]:
                turns.count += int(words[1])
                continue
            turns.events.append(line)
            match words[1:]:
                case ["sent", data]:
                    turns.sent += bytes.fromhex(data)
                case ["duty", pin, duty]:
                    self.duties[int(pin)] = int(duty)
                case ["hz", pin, hz]:
                    self.hz[int(pin)] = int(hz)
                case ["register", address, value]:
                    self.registers[int(address)] = int(value)
        if how == "ended":
            turns.events.remove("end")
            turns.ended = turns.events[-1].split()[1]
            self._reset_cause = WDT_RESET
        elif how != "waits":
            self.is_over, turns.ended = True, how
        return turns
