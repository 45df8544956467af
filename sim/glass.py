"""The glass of an OLED at the level of bytes: what a controller lights of what its wires carried.

Doubles of smbus2, spidev and RPi.GPIO for the real luma drivers. Each controller knows the commands
luma sends and a few more, and no others: an unknown one is an error, as it would be a dark screen.
Sources: data sheets of SSD1306 (rev 1.1, chapter 9), SSD1309, SH1106 (2.1), SSD1322 (1.2, 9).
"""

import errno
import os
from collections.abc import Callable
from threading import Event
from types import ModuleType, SimpleNamespace

ROWS = 64
# Arguments of the commands that have some.
SSD1306_ARGUMENTS = {
    0x20: 1, 0x21: 2, 0x22: 2, 0x81: 1, 0x8D: 1, 0xA8: 1, 0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1,
    0xDB: 1,
}  # fmt: skip
# An SH1106 has no addressing modes and no such charge pump: those bytes are commands of their own.
SH1106_ARGUMENTS = {0x81: 1, 0xA8: 1, 0xAD: 1, 0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1, 0xDB: 1}
SSD1322_ARGUMENTS = {
    0x15: 2, 0x75: 2, 0xA0: 2, 0xA1: 1, 0xA2: 1, 0xAB: 1, 0xB1: 1, 0xB3: 1, 0xB4: 2, 0xB5: 1,
    0xB6: 1, 0xBB: 1, 0xBE: 1, 0xC1: 1, 0xC7: 1, 0xCA: 1, 0xD1: 2, 0xFD: 1,
}  # fmt: skip
Rows = list[list[int]]


class Glass:
    """A controller with 8 rows in each byte of its RAM: SSD1306, SSD1309, SH1106.

    `watched` is called after each transfer that leaves something lit.
    """

    watched: Callable[[], None] | None = None

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._is_paged = kind == "sh1106"
        self._arguments = SH1106_ARGUMENTS if self._is_paged else SSD1306_ARGUMENTS
        self._width = 132 if self._is_paged else 128
        self.power_cycle()

    def power_cycle(self) -> None:
        """Without power for a moment: dark, and noise in the RAM."""
        self.is_on, self.contrast, self._is_inverted, self._mode = False, 0x7F, False, 2
        self._is_mirrored, self._is_upside_down = True, True
        self._ram = [[0x5A] * self._width for _ in range(8)]
        self._column = self._page = 0
        self._columns, self._pages = (0, self._width - 1), (0, 7)
        self._wanted: list[int] = []

    def command(self, data: list[int]) -> None:
        for byte in data:
            self._wanted.append(byte)
            if len(self._wanted) > self._arguments.get(self._wanted[0], 0):
                code, *arguments = self._wanted
                self._wanted = []
                self._obey(code, arguments)

    def data(self, data: list[int]) -> None:
        for byte in data:
            self._ram[self._page][self._column] = byte
            self._advance()
        if self.watched is not None and self.is_on and any(map(any, self._ram)):
            self.watched()

    def lit(self) -> Rows:
        """The brightness of each pixel as one who looks at the module sees it, 0 to 15."""
        if not self.is_on:
            return [[0] * 128 for _ in range(ROWS)]
        first = 2 if self._is_paged else 0
        rows = [
            [
                (self._ram[y // 8][x] >> y % 8 & 1) ^ self._is_inverted
                for x in range(first, first + 128)
            ]
            for y in range(ROWS)
        ]
        if self._is_mirrored:
            rows = [row[::-1] for row in rows]
        if self._is_upside_down:
            rows = rows[::-1]
        return [[15 * bit for bit in row] for row in rows]

    def _advance(self) -> None:
        if self._is_paged or self._mode == 2:
            self._column = min(self._column + 1, self._width - 1)
            return
        self._column += 1
        if self._column > self._columns[1]:
            self._column, self._page = self._columns[0], self._page + 1
        if self._page > self._pages[1]:
            self._page = self._pages[0]

    def _obey(self, code: int, arguments: list[int]) -> None:
        if code <= 0x0F:
            self._column = min(self._column & 0xF0 | code, self._width - 1)
        elif 0x10 <= code <= 0x1F:
            self._column = min((code & 0xF) << 4 | self._column & 0x0F, self._width - 1)
        elif code == 0x20 and arguments:
            self._mode = arguments[0]
        elif code == 0x21 and arguments:
            self._columns = (arguments[0], arguments[1])
            self._column = arguments[0]
        elif code == 0x22 and arguments:
            self._pages = (arguments[0], arguments[1])
            self._page = arguments[0]
        elif code == 0x81:
            self.contrast = arguments[0]
        elif code in (0xA0, 0xA1):
            # Modules are mounted so that remapped segments and scan are upright.
            self._is_mirrored = code == 0xA0
        elif code in (0xC0, 0xC8):
            self._is_upside_down = code == 0xC0
        elif code in (0xA6, 0xA7):
            self._is_inverted = code == 0xA7
        elif code in (0xAE, 0xAF):
            self.is_on = code == 0xAF
        elif 0xB0 <= code <= 0xB7:
            self._page = code & 0x7
        else:
            harmless = (0x20, 0x21, 0x22, 0x8D, 0xA4, 0xE3, *range(0x40, 0x80), *self._arguments)
            assert code in harmless, f"{self.kind} does not know {code:#04x}"


class GreyGlass:
    """An SSD1322: 480 columns of four bits, of which the glass shows the middle 256."""

    watched: Callable[[], None] | None = None

    def __init__(self) -> None:
        self.power_cycle()

    def power_cycle(self) -> None:
        self.is_on, self.contrast, self._is_normal = False, 0x7F, False
        self._ram = [[5] * 480 for _ in range(128)]
        self._columns, self._rows, self._x, self._y = (0, 119), (0, 127), 0, 0
        self._code, self._given, self._nibbles = 0, list[int](), list[int]()

    def command(self, data: list[int]) -> None:
        (self._code,) = data
        self._given = []
        if self._code not in SSD1322_ARGUMENTS:
            self._obey()

    def data(self, data: list[int]) -> None:
        if self._code != 0x5C:
            self._given += data
            if len(self._given) == SSD1322_ARGUMENTS[self._code]:
                self._obey()
            return
        for byte in data:
            for level in (byte >> 4, byte & 0xF):
                self._ram[self._y][self._x] = level
                self._x += 1
            if self._x > self._columns[1] * 4 + 3:
                self._x, self._y = self._columns[0] * 4, self._y + 1
            if self._y > self._rows[1]:
                self._y = self._rows[0]
        if self.watched is not None and self.is_on and any(map(any, self._ram[:ROWS])):
            self.watched()

    def lit(self) -> Rows:
        """The brightness of each pixel, 0 to 15."""
        if not (self.is_on and self._is_normal):
            return [[0] * 256 for _ in range(ROWS)]
        return [row[112 : 112 + 256] for row in self._ram[:ROWS]]

    def _obey(self) -> None:
        code, given = self._code, self._given
        if code == 0x15:
            self._columns, self._x = (given[0], given[1]), given[0] * 4
        elif code == 0x75:
            self._rows, self._y = (given[0], given[1]), given[0]
        elif code == 0xC1:
            self.contrast = given[0]
        elif code in (0xAE, 0xAF):
            self.is_on = code == 0xAF
        elif code in (0xA4, 0xA5, 0xA6, 0xA7):
            self._is_normal = code == 0xA6
        else:
            known = (0x5C, 0xA9, 0xB9, *SSD1322_ARGUMENTS)
            assert code in known, f"ssd1322 does not know {code:#04x}"


class Wires:
    """The buses of one Pi and what is on them; `libraries` go where the real ones would be.

    `trouble`: raised at the next touch of the wires, while it is set. `stall`: waited for.
    """

    def __init__(self) -> None:
        self.glasses: dict[tuple[str, int, int], Glass | GreyGlass] = {}
        self.trouble: OSError | None = None
        self.stall: Event | None = None
        self.opened: list[str] = []
        self.pins: dict[int, int] = {}

    def put(self, kind: str, bus: int, address: int) -> Glass | GreyGlass:
        """A display on a bus, at its I2C address or its SPI chip select."""
        glass = GreyGlass() if kind == "ssd1322" else Glass(kind)
        self.glasses["spi" if kind == "ssd1322" else "i2c", bus, address] = glass
        return glass

    def touch(self) -> None:
        if self.stall is not None:
            self.stall.wait()
        if self.trouble is not None:
            raise self.trouble

    def libraries(self) -> dict[str, ModuleType]:
        """The modules smbus2, spidev and RPi.GPIO of this Pi."""
        import smbus2

        pins = {"BCM": 11, "OUT": 0, "LOW": 0, "HIGH": 1, "setmode": _nothing, "setup": _nothing}
        gpio = _module("RPi.GPIO", output=self.pins.__setitem__, cleanup=_nothing, **pins)
        return {
            "smbus2": _module("smbus2", SMBus=self._i2c, i2c_msg=smbus2.i2c_msg),
            "spidev": _module("spidev", SpiDev=lambda: _Spi(self)),
            "RPi": _module("RPi", GPIO=gpio),
            "RPi.GPIO": gpio,
        }

    def _i2c(self, port: int) -> "_I2c":
        if not any(key[:2] == ("i2c", port) for key in self.glasses):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"/dev/i2c-{port}")
        self.opened.append(f"i2c-{port}")
        return _I2c(self, port)


class _I2c:
    """smbus2.SMBus, as far as luma uses it."""

    def __init__(self, wires: Wires, port: int) -> None:
        self._wires, self._port = wires, port

    def write_i2c_block_data(self, address: int, mode: int, data: list[int]) -> None:
        self._send(address, [mode, *data])

    def i2c_rdwr(self, message: SimpleNamespace) -> None:
        self._send(message.addr, list(message))

    def _send(self, address: int, sent: list[int]) -> None:
        self._wires.touch()
        glass = self._wires.glasses.get(("i2c", self._port, address))
        if glass is None:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        mode, *data = sent
        (glass.command if mode == 0x00 else glass.data)(data)

    def close(self) -> None:
        """Called when the process ends."""


class _Spi:
    """spidev.SpiDev; nobody answers on SPI, so that an absent display goes unnoticed."""

    max_speed_hz = mode = 0

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self._place = (0, 0)

    def open(self, port: int, device: int) -> None:
        if not any(key[:2] == ("spi", port) for key in self._wires.glasses):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._place = (port, device)
        self._wires.opened.append(f"spi-{port}.{device}")

    def writebytes(self, data: list[int]) -> None:
        self._wires.touch()
        glass = self._wires.glasses.get(("spi", *self._place))
        if glass is not None:
            # The pin that tells commands from data: low is a command.
            is_data = self._wires.pins[24]
            (glass.data if is_data else glass.command)(list(data))

    def close(self) -> None:
        """Called when the process ends."""


def _module(name: str, **holds: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(holds)
    return module


def _nothing(*_: object, **__: object) -> None:
    """A call that has no effect on the wires."""
