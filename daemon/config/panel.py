"""[panel]: the OLED in front of the citizen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table
from daemon.front import phone

I2C_DISPLAYS, SPI_DISPLAYS = ("ssd1306", "sh1106", "ssd1309"), ("ssd1322",)
# The pins of the Pi's header, and the address nearly every 128x64 module comes with.
I2C_BUS, I2C_ADDRESS, SPI_BUS, SPI_ADDRESS = 1, 0x3C, 0, 0
DATA_PIN, RESET_PIN = 24, 25
BUS_MAX = 22  # a Pi 5 numbers the buses of its sockets up to here
GPIO_MAX = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`address`: on I2C the module's, on SPI the number of its chip-select line."""

    display: str = "none"
    bus: int = I2C_BUS
    address: int = I2C_ADDRESS
    data_pin: int = DATA_PIN
    reset_pin: int | None = RESET_PIN
    upside_down: bool = False
    brightness: int = 80
    language: str = "zh"
    words: Path | None = None
    qr: str = ""

    @property
    def is_spi(self) -> bool:
        return self.display in SPI_DISPLAYS

    @property
    def width(self) -> int:
        return 256 if self.display == "ssd1322" else 128

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        display = table.choice("display", ("none", *I2C_DISPLAYS, *SPI_DISPLAYS), "none")
        is_spi = display in SPI_DISPLAYS
        reset_pin = table.integer("reset_pin", -1, GPIO_MAX, RESET_PIN)
        panel = cls(
            display=display,
            bus=table.integer("bus", 0, BUS_MAX, SPI_BUS if is_spi else I2C_BUS),
            address=SPI_ADDRESS if is_spi else I2C_ADDRESS,
            data_pin=table.integer("data_pin", 0, GPIO_MAX, DATA_PIN),
            reset_pin=None if reset_pin < 0 else reset_pin,
            upside_down=table.choice("mounted", ("upright", "upside_down"), "upright") != "upright",
            brightness=table.integer("brightness", 1, 100, 80),
            language=table.choice("language", ("zh", "en"), "zh"),
            words=table.path_or_none("words", base),
            qr=_template(table),
        )
        table.done()
        return panel


def _template(table: Table) -> str:
    template = table.text("qr", "")
    wrong = phone.problem(template) if template else None
    if wrong is not None:
        table.wrong("qr", template, wrong)
        return ""
    return template
