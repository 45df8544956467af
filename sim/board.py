"""A Pico behind its USB plug: MicroPython's own prompt, or the firmware that is in its flash.

Real I/O: the prompt and the firmware run in a MicroPython VM (sim/micropython.py), the plug is a
pseudo terminal. What stock MicroPython says of itself there is sim/stock_board.py.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from device.settings import UART_USB
from sim.micropython import RECEIVED_LEN_MAX, ROOT, TURN_MS, MicroPythonPad, Vm
from sim.wire import Wire

PICO = "Raspberry Pi Pico with RP2040"
UID = b"virtual1"
CONSOLE = ("import stock_board",)
OUTER_KEYS = 0b10001
WAIT_S = 0.01  # between two looks at a plug where nothing happens
# Of shared/tinyusb's mp_usbd_cdc_tx_strn: how long the board waits for a host that does not read.
PATIENCE_S = 0.5
TURN_COUNT_MAX = 500  # a machine that was too busy for longer has lost that time


class VirtualBoard:
    """One board on `wire`, its USB; `line`, when given, is where its UART leads to.

    Runs by itself between `start` and `stop`. Its files outlive everything but `stop`.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        line: Wire | None = None,
        vm: Vm | None = None,
        files: Mapping[str, bytes] | None = None,
        name: str = "micropython",
        version: tuple[int, int, int] | None = None,
        machine: str = PICO,
        uid: bytes = UID,
    ) -> None:
        """version: that of the VM, if none is given; vm: one that others use before and after."""
        self.keys = 0  # held down, bit 0 = leftmost
        self.received_len = 0  # of what the host sent, since the board is there
        self._wire, self._line = wire, line
        self._facts = {"machine": machine, "name": name, "uid": uid.hex(), "version": version}
        self._uid = uid
        self._owns_vm = vm is None
        self._vm = vm or Vm()
        self._vm.start(keeps_files=False)
        self._vm.put(files or {})
        self._pad: MicroPythonPad | None = None
        self._now_s = 0.0
        self._cut_len: int | None = None
        self._is_powered = False
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.plug()

    @property
    def files(self) -> dict[str, bytes]:
        """What is in its flash: path, content."""
        with self._lock:
            tree = self._vm.tree()
        return {
            path: content
            for path, content in tree.items()
            if content is not None and not path.startswith(("/rp2040.", "/stock_board."))
        }

    @property
    def runs_firmware(self) -> bool:
        """Whether it does, instead of showing its prompt."""
        return self._pad is not None

    def put(self, files: Mapping[str, bytes | None]) -> None:
        """Change its files behind its back; None removes."""
        with self._lock:
            self._vm.put(files)

    def cut_after(self, count: int) -> None:
        """Unplug it when it has got so many more bytes from its host."""
        with self._lock:
            self._cut_len = count

    def unplug(self) -> None:
        """No power and no port."""
        with self._lock:
            self._is_powered, self._cut_len = False, None
            self._wire.unplug()

    def plug(self) -> None:
        """Power and a port again, with the files as they were."""
        with self._lock:
            if not self._is_powered:
                self._is_powered, self._cut_len = True, None
                self._power_on()
                self._wire.replug()

    def start(self) -> None:
        """Run by itself."""
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop running."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._owns_vm:
            self._vm.close()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Runs by itself inside the block."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                self._turn()
            self._wire.wait(WAIT_S)

    def _turn(self) -> None:
        data = self._wire.read()
        if not self._is_powered:
            return
        if self._cut_len is not None:
            data = data[: self._cut_len]
            self._cut_len -= len(data)
        self.received_len += len(data)
        said = b""
        if self._pad is not None:
            self._let_firmware_turn(self._pad, data)
        elif data:
            said = self._type(data)
        if self._cut_len == 0:
            self.unplug()
        self._wire.write_all(said, PATIENCE_S)

    def _power_on(self, said: bytes = b"") -> bytes:
        """What it says at its start: nothing, or its prompt."""
        if self._vm.take("/main.py"):
            # Beside what runs there is no line of a UART, or it leads to another plug.
            pad = MicroPythonPad(self._vm, iter(_boot_id, 0), installs=False)
            pad.uid = self._uid
            self._pad, self._now_s = pad, time.monotonic()
            return said
        return said + self._prompt()

    def _prompt(self) -> bytes:
        self._pad = None
        self._vm.put(
            {
                "/stock_board.py": (ROOT / "sim/stock_board.py").read_bytes(),
                "/stock_board.json": json.dumps(self._facts).encode(),
            }
        )
        return self._vm.start(console_scripts=CONSOLE)

    def _type(self, data: bytes) -> bytes:
        how, said = self._vm.type(data)
        if how == "ended":
            self._reset()
            return b""
        return self._power_on(said) if how == "left" else said

    def _reset(self) -> None:
        """To its host a reset is a plug pulled out and put in again."""
        self._wire.unplug()
        self._power_on()
        self._wire.replug()

    def _let_firmware_turn(self, pad: MicroPythonPad, data: bytes) -> None:
        now_s = time.monotonic()
        count = int((now_s - self._now_s) * 1000 / TURN_MS)
        self._now_s += count * TURN_MS / 1000
        port = self._wire if self._is_usb(pad) else self._line
        if port is not self._wire:
            data = b"" if port is None else port.read()
        count = max(min(count, TURN_COUNT_MAX), bool(data))
        if not count:
            return
        # More than fits is lost, as on a board that is too slow.
        turns = pad.run(count, data[:RECEIVED_LEN_MAX], self.keys)
        if port is not None:
            port.write_all(turns.sent, PATIENCE_S)
        if pad.is_over:
            told = "" if turns.ended == "done" else "\r\n".join(turns.events[-1:]) + "\r\n"
            self._wire.write_all(told.encode() + self._prompt(), PATIENCE_S)
        elif turns.ended is not None:
            self._wire.unplug()
            self._wire.replug()

    def _is_usb(self, pad: MicroPythonPad) -> bool:
        return pad.settings.get("uart") == UART_USB


def _boot_id() -> int:
    return secrets.randbelow(2**32 - 1) + 1
