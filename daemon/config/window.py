"""[[window]]: the windows this unit serves, each with its pad and the line that speaks of it."""

import re
from dataclasses import dataclass
from typing import Self

from daemon.config.panel import Panel
from daemon.config.table import Table, is_path

# A Raspberry Pi has four USB sockets, and each window's pad takes one.
WINDOWS_MAX = 4
NUMBER = re.compile(r"[0-9A-Za-z-]{1,8}")
# BCM numbers of the 40-pin header that are nobody else's: 0 and 1 read a board's name, 2 and 3 are
# I2C (the OLED), 7 to 11 SPI and 24, 25 an SPI display's own two, 14 and 15 the UART (the pad).
FREE_PINS = (4, 5, 6, 12, 13, *range(16, 24), 26, 27)
NO_PIN = 0
# Of a display: on I2C the module's, those below and above are reserved (NXP UM10204, 3.1.12); on
# SPI the number of its chip-select line.
ADDRESS_LEAST, ADDRESS_MAX = 0x08, 0x77
CHIP_SELECT_MAX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window; `signal` is the port of its queue line, which windows may share.

    display_address: where on the panel's bus its display is; None where it always is.
    """

    number: str
    pad: str
    signal: str
    display_address: int | None = None
    lamp_pin: int = NO_PIN
    buzzer_pin: int = NO_PIN

    @classmethod
    def read(cls, table: Table) -> Self:
        window = cls(
            number=table.text(
                "number", fits=NUMBER.fullmatch, allowed="1 to 8 of 0-9, A-Z, a-z and -"
            ),
            pad=table.text("pad", fits=is_path, allowed="a device path: /dev/haochaping/pad"),
            signal=table.text(
                "signal", fits=is_path, allowed="a device path: /dev/haochaping/signal"
            ),
            display_address=_address(table),
            lamp_pin=_pin(table, "lamp_pin"),
            buzzer_pin=_pin(table, "buzzer_pin"),
        )
        table.done()
        return window


def windows(top: Table, panel: Panel | None = None) -> tuple[Window, ...]:
    """Every [[window]], in the order of the file; `panel` says what display each has."""
    tables = top.tables("window", WINDOWS_MAX)
    found = tuple(Window.read(table) for table in tables)
    for name, what in (("number", "windows"), ("pad", "pads")):
        seen = [getattr(window, name).lstrip("0") for window in found]
        for index, value in enumerate(seen):
            if value and value in seen[:index]:
                tables[index].wrong(name, value, f"two {what} of one unit may not be the same")
    _check_pins(tables, found)
    if panel is not None and panel.display != "none":
        _check_displays(tables, found, panel)
    return found


def _check_displays(tables: list[Table], found: tuple[Window, ...], panel: Panel) -> None:
    least, most = (0, CHIP_SELECT_MAX) if panel.is_spi else (ADDRESS_LEAST, ADDRESS_MAX)
    what = "a chip-select line" if panel.is_spi else "an address on the bus"
    taken: set[int] = set()
    for table, window in zip(tables, found, strict=True):
        place = panel.address if window.display_address is None else window.display_address
        if place in taken or not least <= place <= most:
            table.wrong("display_address", place, f"{what} of its own, {least:#x} to {most:#x}")
        taken.add(place)


def _address(table: Table) -> int | None:
    if "display_address" not in table:
        return None
    return table.integer("display_address", 0, ADDRESS_MAX, 0)


def _pin(table: Table, key: str) -> int:
    pin = table.value(key, NO_PIN)
    if type(pin) is int and pin in (NO_PIN, *FREE_PINS):
        return pin
    free = ", ".join(map(str, FREE_PINS))
    table.wrong(key, pin, f"the BCM number of a pin nothing else uses: {free}; 0 for none")
    return NO_PIN


def _check_pins(tables: list[Table], found: tuple[Window, ...]) -> None:
    taken: set[int] = set()
    for table, window in zip(tables, found, strict=True):
        for key in ("lamp_pin", "buzzer_pin"):
            pin = getattr(window, key)
            if pin in taken:
                table.wrong(key, pin, "a pin takes one lamp or one buzzer, of one window")
            if pin != NO_PIN:
                taken.add(pin)
