"""The pad's hardware, an RP2040 (MicroPython only; the one file that imports `machine`).

Keys pull their pin to ground, lamps and buzzer are driven high. Wiring: docs/hardware.md. Never
replaced over the line: whatever new firmware does, this file and main.py bring the old one back.
"""

import os
import select
import sys
import time

import machine

from device.settings import UART_USB, Settings

# The pin map, keys and lamps from left to right; /settings.json may say otherwise.
KEY_PINS: tuple[int, ...] = (2, 3, 4, 5, 6)
LAMP_PINS: tuple[int, ...] = (7, 8, 9, 10, 11)
BUZZER_PIN = 15
TX_PIN = 0  # the pin after it receives

WATCHDOG_MS = 4000
DISTRESS_LAMPS, DISTRESS_MS = 0b01010, 2000
SETTLE_MS = 10  # a weak pull-up and a long lead
BUFFER_LEN = 512  # eight edges, a hello and a status take 320
READ_LEN_MAX = 64  # per turn, so that a babbling line cannot starve the keys
LAMP_HZ, LAMP_DUTY, BUZZER_DUTY = 1000, 65535, 32768  # no eye sees 1 kHz
# As in protocol/pad/messages.py, which may not be imported here: it belongs to what is replaced.
POWER_ON, FIRMWARE_ERROR, WATCHDOG, NEW_FIRMWARE = 1, 2, 3, 4
# RP2040 datasheet 4.7.6: the watchdog's scratch registers outlive every reset but that of power.
# The first says why the next start comes and how many came before, the second how many in a row
# ended badly. The upper half is our mark.
SCRATCH, SCRATCH_ROW, MARK = 0x4005800C, 0x40058010, 0x4843 << 16


class _Files:
    open = staticmethod(open)
    remove = staticmethod(os.remove)
    rename = staticmethod(os.rename)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    listdir = staticmethod(os.listdir)


def is_held_open(settings: Settings) -> bool:
    """Whether both outer keys are held at the start: the way in for who brings a cable."""
    pin, keys = machine.Pin, settings.key_pins
    outer = [pin(key, pin.IN, pin.PULL_UP) for key in (keys[0], keys[-1])]
    time.sleep_ms(SETTLE_MS)  # type: ignore[attr-defined]
    return not any(key.value() for key in outer)


class Rp2040:
    """The board as device/loop.py wants it; its watchdog runs before all else."""

    files = _Files()  # `open` and `os`

    def __init__(self, settings: Settings) -> None:
        self._watchdog = machine.WDT(timeout=WATCHDOG_MS)
        self._count_start()
        pin = machine.Pin
        self.uid = machine.unique_id()
        self.problems = settings.problems
        self._keys = [pin(number, pin.IN, pin.PULL_UP) for number in settings.key_pins]
        self._lamps = [
            machine.PWM(pin(lamp), freq=LAMP_HZ, duty_u16=0) for lamp in settings.lamp_pins
        ]
        self._buzzer = machine.PWM(pin(settings.buzzer_pin), freq=LAMP_HZ, duty_u16=0)
        self._lit = self._brightness = self._buzzer_hz = self._volume = 0
        self._line = _Usb() if settings.uart == UART_USB else _uart(settings)

    def _count_start(self) -> None:
        said, row = machine.mem32[SCRATCH], machine.mem32[SCRATCH_ROW]
        self.reset_cause, self.resets, self.bad_row = POWER_ON, 0, 0
        if machine.reset_cause() != machine.PWRON_RESET and said >> 16 << 16 == MARK:
            self.reset_cause, self.resets, self.bad_row = said >> 8 & 0xFF, said & 0xFF, row & 0xFF
            if self.reset_cause != NEW_FIRMWARE:
                self.resets = min(self.resets + 1, 0xFF)
                self.bad_row = min(self.bad_row + 1, 0xFF)
        machine.mem32[SCRATCH_ROW] = self.bad_row
        self._announce(WATCHDOG)  # what an end is that nobody announced

    def _announce(self, cause: int) -> None:
        machine.mem32[SCRATCH] = MARK | cause << 8 | self.resets

    def ticks_ms(self) -> int:
        return int(time.ticks_ms())  # type: ignore[attr-defined]

    def levels(self) -> int:
        levels = 0
        for index in range(len(self._keys)):
            if not self._keys[index].value():
                levels |= 1 << index
        return levels

    def read(self) -> bytes:
        return self._line.read(READ_LEN_MAX) if self._line.any() else b""

    def write(self, data: bytes) -> None:
        self._line.write(data)

    def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
        if lamps != self._lit or brightness != self._brightness:
            self._lit, self._brightness = lamps, brightness
            for index in range(len(self._lamps)):
                on = lamps >> index & 1
                self._lamps[index].duty_u16(_duty(LAMP_DUTY, brightness) if on else 0)
        if buzzer_hz != self._buzzer_hz or volume != self._volume:
            self._buzzer_hz, self._volume = buzzer_hz, volume
            if buzzer_hz:
                self._buzzer.freq(buzzer_hz)
            self._buzzer.duty_u16(_duty(BUZZER_DUTY, volume) if buzzer_hz else 0)

    def feed(self) -> None:
        self._watchdog.feed()

    def proven(self) -> None:
        self.bad_row = machine.mem32[SCRATCH_ROW] = 0

    def restart(self, cause: int) -> None:
        self._announce(cause)
        if hasattr(self._line, "flush"):
            self._line.flush()
        machine.reset()

    def fail(self, error: BaseException) -> None:
        """Show distress for a while, then start anew."""
        self._announce(FIRMWARE_ERROR)  # first: to print waits for a host that does not read
        self.show(DISTRESS_LAMPS, 0, 100, 0)
        sys.print_exception(error)  # type: ignore[attr-defined]  # for who has a cable
        time.sleep_ms(DISTRESS_MS)  # type: ignore[attr-defined]
        machine.reset()


def _duty(full: int, percent: int) -> int:
    """Eye and ear feel the square root."""
    return full * percent * percent // 10_000


def _uart(settings: Settings) -> machine.UART:
    tx, rx, length = machine.Pin(settings.tx_pin), machine.Pin(settings.tx_pin + 1), BUFFER_LEN
    return machine.UART(
        settings.uart, settings.baud, tx=tx, rx=rx, txbuf=length, rxbuf=length, timeout=0
    )


class _Usb:
    """The USB serial port, with the calls of a UART."""

    def __init__(self) -> None:
        self._in = select.poll()
        self._in.register(sys.stdin, select.POLLIN)
        self._out = select.poll()
        self._out.register(sys.stdout, select.POLLOUT)

    def any(self) -> int:
        return _ready(self._in)

    def read(self, count_max: int) -> bytes:
        data = b""
        while len(data) < count_max and _ready(self._in):
            data += sys.stdin.buffer.read(1)  # more at once would wait for the last
        return data

    def write(self, data: bytes) -> None:
        for index in range(len(data)):
            if not _ready(self._out):  # without room for all of it, a write waits for 500 ms
                return
            sys.stdout.buffer.write(data[index : index + 1])


def _ready(poll: select.poll) -> int:
    for _ in poll.ipoll(0):  # type: ignore[attr-defined]  # does not allocate
        return 1
    return 0
