"""The modules of an RP2040 board, for the firmware inside a MicroPython VM (sim/micropython.py).

To import it puts it in the place of `machine`, and gives `micropython`, `os`, `select`, `sys` and
`time` what the board has and the VM has not. Time is a number: a turn of the firmware's loop ends
with feeding the watchdog and takes two milliseconds, and what waits takes as many as it needs.
/dev/world leads to who keeps the board: what happens is written there as lines of text, and to read
from it asks for the next turns.
"""

import gc
import io
import json
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TURNS = "<HIB"  # how many, pins held to ground, flags; then what comes in on the line
TURNS_LEN, RECEIVED_LEN_MAX = 7, 512
READS, MEASURES = 1, 2  # flags: somebody reads at the far end; say what each turn allocates
TICKS_MAX = (1 << 30) - 1
PWRON_RESET, WDT_RESET = 1, 3  # ports/rp2/modmachine.c
WATCHDOG_MS_MAX = 8388  # ports/rp2/machine_wdt.c
PWM_HZ_MIN = 8  # ports/rp2/machine_pwm.c, at 125 MHz
# Of shared/tinyusb: what waits for the host, at most; what is written at once, when there is room
# for it or after so long a wait (mp_usbd_cdc_tx_strn).
USB_WAITING_LEN_MAX, USB_WRITE_LEN, USB_WAIT_MS = 256, 64, 500

mem_alloc = gc.mem_alloc  # type: ignore[attr-defined]


class World:
    """What is outside the chip, and the time."""

    def __init__(self) -> None:
        with open("/rp2040.json") as file:
            self.start: dict[str, Any] = json.load(file)
        self.now_ms = 0
        self.start_ticks: int = self.start["ticks"]
        self.turn_ms: int = self.start["turn_ms"]
        self.low = 0  # pins at ground
        self.received = b""
        self.flags = 0
        self.interrupt = 3
        self.watchdog: WDT | None = None
        self.exchange_count = 0
        self._asked_count = self._done_count = 0
        self._has_said = False
        self._allocated_len = self._most_len = self._quiet_count = self._allocating_count = 0
        self._buffer = bytearray(TURNS_LEN + RECEIVED_LEN_MAX)
        self._file: Any = open("/dev/world", "r+b")  # noqa: SIM115  # for as long as there is power
        self.exchange()

    def say(self, what: str) -> None:
        """Let the keeper know what happened; the present turn is then the last for now."""
        self._has_said = True
        self._file.write(f"{self.now_ms} {what}\n")

    def turn(self) -> None:
        """Let the time of one turn pass."""
        self.now_ms += self.turn_ms
        self._done_count += 1
        if self.flags & MEASURES:
            self._measure()
        if self._has_said or self._done_count >= self._asked_count:
            self.exchange()

    def wait(self, for_ms: int) -> None:
        """Let time pass, and nobody feeds the watchdog."""
        for _ in range(0, for_ms, self.turn_ms):
            self.turn()
            watchdog = self.watchdog
            if watchdog is not None and self.now_ms - watchdog.fed_ms >= watchdog.timeout_ms:
                self.end("watchdog")

    def exchange(self) -> None:
        """Hand over what was said, and wait for the next turns."""
        if self.flags & MEASURES:
            counts = (mem_alloc(), self._most_len, self._quiet_count, self._allocating_count)
            self.say("memory %d %d %d %d" % counts)  # noqa: UP031
            self._most_len = self._quiet_count = self._allocating_count = 0
        self._file.write(f"turns {self._done_count}\n")
        length = self._file.readinto(self._buffer)
        self._asked_count, self.low, self.flags = struct.unpack_from(TURNS, self._buffer)
        if length > TURNS_LEN:
            self.received += bytes(self._buffer[TURNS_LEN:length])
        self._has_said, self._done_count = False, 0
        usb.deliver()
        self.exchange_count += 1
        if self.flags & MEASURES:
            self._allocated_len = mem_alloc()

    def end(self, how: str) -> None:
        """The chip starts anew: this never returns."""
        self.say(how)
        self._file.write(f"turns {self._done_count}\nend\n")
        self._file.readinto(self._buffer)

    def exhausted(self) -> None:
        """Said without memory: the heap is full, and nothing can be collected here."""
        self._file.write(b"0 exhausted\nturns 0\nend\n")
        self._file.readinto(self._buffer)

    def take(self, count_max: int) -> bytes:
        """The oldest bytes that came in."""
        data, self.received = self.received[:count_max], self.received[count_max:]
        return data

    def _measure(self) -> None:
        allocated_len = mem_alloc()
        self._most_len = max(self._most_len, allocated_len)
        if not self._has_said and self._done_count > 1:  # nothing came in, nothing happened
            self._quiet_count += 1
            self._allocating_count += allocated_len > self._allocated_len
        self._allocated_len = allocated_len


class Pin:
    """A pin; a key holds it to ground."""

    IN, OUT = 0, 1
    PULL_UP, PULL_DOWN = 1, 2

    def __init__(self, number: int, mode: int = -1, pull: int = -1) -> None:
        self.number = number
        if mode == self.IN:
            assert pull == self.PULL_UP, number
            # RP2040 datasheet 2.19.6.3: so far it was pulled down. Long leads are slow to follow.
            world.low |= world.start["settles"] << number

    def value(self) -> int:
        return 1 ^ (world.low >> self.number & 1)


class PWM:
    """A pin that is high for a part of the time."""

    def __init__(self, pin: Pin, freq: int, duty_u16: int) -> None:
        self._number = pin.number
        self._hz = self._duty = -1
        self.freq(freq)
        self.duty_u16(duty_u16)

    def freq(self, hz: int) -> None:
        if hz < PWM_HZ_MIN:
            raise ValueError("freq too small")
        if hz != self._hz:
            self._hz = hz
            world.say(f"hz {self._number} {hz}")

    def duty_u16(self, duty: int) -> None:
        assert 0 <= duty <= 0xFFFF, duty
        if duty != self._duty:
            self._duty = duty
            world.say(f"duty {self._number} {duty}")


class UART:
    """A serial port that sends at its pace, whether or not anybody listens."""

    def __init__(
        self, number: int, baud: int, *, tx: Pin, rx: Pin, txbuf: int, rxbuf: int, timeout: int
    ) -> None:
        world.say(f"uart {number} {baud} {tx.number} {rx.number} {timeout}")
        self._baud, self._txbuf, self._rxbuf = baud, txbuf, rxbuf
        self._buffers = bytearray(txbuf + 1), bytearray(rxbuf + 1)  # as much heap as on the board
        self._waiting_len = self._since_ms = 0

    def any(self) -> int:
        length = len(world.received)
        if length > self._rxbuf:
            world.say(f"overrun {length - self._rxbuf}")
            world.received = world.received[: self._rxbuf]
        return length

    def read(self, count_max: int) -> bytes | None:
        if world.start["line_fails"]:
            raise OSError(5)
        return world.take(count_max) or None

    def write(self, data: bytes) -> int:
        sent = data[: self._txbuf - self._waiting()]
        self._waiting_len += len(sent)
        if sent:
            world.say(f"sent {sent.hex()}")
        return len(sent)

    def flush(self) -> None:
        while self._waiting():
            world.wait(world.turn_ms)

    def _waiting(self) -> int:
        """How many bytes are not sent yet; each is ten bits long."""
        sent_len = (world.now_ms - self._since_ms) * self._baud // 10_000
        self._waiting_len, self._since_ms = max(0, self._waiting_len - sent_len), world.now_ms
        return self._waiting_len


class WDT:
    """The watchdog; nothing stops it."""

    def __init__(self, timeout: int) -> None:
        if timeout > WATCHDOG_MS_MAX:
            raise ValueError(f"timeout exceeds {WATCHDOG_MS_MAX}")
        self.timeout_ms = timeout
        self.fed_ms = world.now_ms
        world.watchdog = self
        world.say(f"watchdog {timeout}")

    def feed(self) -> None:
        if world.now_ms - self.fed_ms > world.turn_ms:
            world.say(f"late {world.now_ms - self.fed_ms}")
        self.fed_ms = world.now_ms
        world.turn()


class Registers:
    """Those that outlive a reset: the keeper gives them back at the next start."""

    def __init__(self) -> None:
        self._values: dict[int, int] = {}
        for address, value in world.start["registers"]:
            self._values[address] = value

    def __getitem__(self, address: int) -> int:
        return self._values.get(address, 0)

    def __setitem__(self, address: int, value: int) -> None:
        self._values[address] = value
        world.say(f"register {address} {value}")


def reset_cause() -> int:
    return int(world.start["reset_cause"])


def unique_id() -> bytes:
    return bytes.fromhex(world.start["uid"])


def idle() -> None:
    """At most a millisecond, which is in the time of a turn."""


def reset() -> None:
    world.end("reset")


class Usb:
    """sys.stdin and sys.stdout, where a host has opened the port."""

    def __init__(self) -> None:
        self.buffer = self
        self._waiting = b""

    @property
    def room_len(self) -> int:
        return USB_WAITING_LEN_MAX - len(self._waiting)

    def read(self, count: int) -> bytes:
        return world.take(count)

    def write(self, data: bytes) -> int:
        """As a stream writes: until all is written, or nothing more is for half a second."""
        done_len, written_len = 0, -1
        while done_len < len(data) and written_len:
            written_len = self._write(data[done_len : done_len + USB_WRITE_LEN])
            done_len += written_len
        return done_len

    def deliver(self) -> None:
        if self._waiting and world.flags & READS:
            world.say(f"sent {self._waiting.hex()}")
            self._waiting = b""

    def _write(self, data: bytes) -> int:
        waited_ms = 0
        while self.room_len < len(data) and waited_ms < USB_WAIT_MS:
            world.wait(world.turn_ms)
            waited_ms += world.turn_ms
        written = data[: self.room_len]
        self._waiting += written
        self.deliver()
        return len(written)


class Poll:
    def register(self, _stream: Usb, event: int) -> None:
        self._event = event

    def ipoll(self, _timeout_ms: int) -> tuple[int, ...]:
        if self._event == Select.POLLOUT:
            return (1,) if usb.room_len else ()
        at = world.received.find(bytes((world.interrupt,))) if world.interrupt >= 0 else -1
        if at >= 0:
            world.received = world.received[at + 1 :]
            raise KeyboardInterrupt
        return (1,) if world.received else ()


class Select:
    POLLIN, POLLOUT = 1, 4
    poll = Poll


class Time:
    @staticmethod
    def ticks_ms() -> int:
        return world.start_ticks + world.now_ms & TICKS_MAX

    @staticmethod
    def sleep_ms(for_ms: int) -> None:
        world.wait(for_ms)


class MicroPython:
    @staticmethod
    def kbd_intr(char: int) -> None:
        world.interrupt = char
        world.say(f"kbd_intr {char}")


class Os:
    remove = staticmethod(os.remove)
    rename = staticmethod(os.rename)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    listdir = staticmethod(os.listdir)

    @staticmethod
    def urandom(count: int) -> bytes:
        return bytes.fromhex(world.start["random"])[:count]


class Sys:
    modules, path, version = sys.modules, sys.path, sys.version

    @staticmethod
    def print_exception(error: BaseException) -> None:
        text = io.StringIO()
        sys.print_exception(error, text)  # type: ignore[attr-defined]
        for line in text.getvalue().splitlines():
            world.say(f"printed {line}")
            if world.start["usb"]:
                usb.write(line.encode() + b"\r\n")


usb = Usb()
Sys.stdin = Sys.stdout = usb  # type: ignore[attr-defined]
world = World()
mem32 = Registers()
for _name, _module in (
    ("machine", sys.modules[__name__]),
    ("micropython", MicroPython),
    ("os", Os),
    ("select", Select),
    ("sys", Sys),
    ("time", Time),
):
    sys.modules[_name] = _module  # type: ignore[assignment]
