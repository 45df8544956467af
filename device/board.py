"""The pad's hardware, an RP2040 (MicroPython only; the one file that imports `machine`).

Keys pull their pin to ground, lamps and buzzer are driven high. Wiring: docs/pad.md.
"""

import os
import select
import sys
import time

import machine

from device.settings import UART_USB, Settings

WATCHDOG_MS = 8000  # the RP2040 allows 8388
BUFFER_LEN = 512  # eight edges, a hello and a status take 279
READ_LEN_MAX = 64  # per turn, so that a babbling line cannot starve the keys


def random_boot_id() -> int:
    """A number no other boot has; 0 means none on the line."""
    return int.from_bytes(os.urandom(4), "big") or 1


class Rp2040:
    """The board as device/main.py wants it."""

    def __init__(self, settings: Settings) -> None:
        pin = machine.Pin
        self.uid = machine.unique_id()
        self.reset_cause = machine.reset_cause()
        self._keys = [pin(number, pin.IN, pin.PULL_UP) for number in settings.key_pins]
        self._lamps = [pin(number, pin.OUT, value=0) for number in settings.lamp_pins]
        self._buzzer = machine.PWM(pin(settings.buzzer_pin), freq=2000, duty_u16=0)
        self._lit = self._buzzer_hz = 0
        self._line = _Usb() if settings.uart == UART_USB else _uart(settings)
        self._watchdog = machine.WDT(timeout=WATCHDOG_MS)

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

    def show(self, lamps: int, buzzer_hz: int) -> None:
        if lamps != self._lit:
            self._lit = lamps
            for index in range(len(self._lamps)):
                self._lamps[index].value(lamps >> index & 1)
        if buzzer_hz != self._buzzer_hz:
            self._buzzer_hz = buzzer_hz
            if buzzer_hz:
                self._buzzer.freq(buzzer_hz)
            self._buzzer.duty_u16(32768 if buzzer_hz else 0)

    def feed(self) -> None:
        self._watchdog.feed()
        machine.idle()  # until the next interrupt, at most a millisecond


def _uart(settings: Settings) -> machine.UART:
    return machine.UART(
        settings.uart,
        settings.baud,
        tx=machine.Pin(settings.tx_pin),
        rx=machine.Pin(settings.tx_pin + 1),
        txbuf=BUFFER_LEN,
        rxbuf=BUFFER_LEN,
        timeout=0,
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
        if _ready(self._out):  # a host that does not read would hold the loop for 500 ms
            sys.stdout.buffer.write(data)


def _ready(poll: select.poll) -> int:
    for _ in poll.ipoll(0):  # type: ignore[attr-defined]  # does not allocate
        return 1
    return 0
