"""How one pad is wired (both interpreters): a JSON file on its flash, checked once at the start.

A wrong value never keeps the pad from starting: the default stands in for it, and the pad shows
FAULT until the unit tells it otherwise.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

GPIO_MAX = 28  # of the RP2040, as boards bring them out
UART_USB = -1  # the line is the board's USB serial port


class Settings:
    """The wiring; `problems` has a sentence for each value that was not taken."""

    def __init__(self, values: dict[str, object], pin_map: "ModuleType") -> None:
        self.problems: list[str] = []
        self._values = dict(values)
        self.uart = self._number("uart", 0, UART_USB, 1)
        self.baud = self._number("baud", 115200, 9600, 921600)
        self.tx_pin = self._number("tx_pin", pin_map.TX_PIN, 0, GPIO_MAX - 1)
        self.key_pins = self._pins("key_pins", pin_map.KEY_PINS)
        self.lamp_pins = self._pins("lamp_pins", pin_map.LAMP_PINS)
        self.buzzer_pin = self._number("buzzer_pin", pin_map.BUZZER_PIN, 0, GPIO_MAX)
        self._check_wiring(pin_map)
        for name in sorted(self._values):
            self.problems.append(f"{name}: there is no such setting")

    def _number(self, name: str, default: int, least: int, greatest: int) -> int:
        value = self._values.pop(name, default)
        if isinstance(value, int) and least <= value <= greatest:
            return value
        self.problems.append(f"{name}: {value!r} is no whole number from {least} to {greatest}")
        return default

    def _check_wiring(self, pin_map: "ModuleType") -> None:
        # RP2040 datasheet 1.4.3: which pins a UART can send on.
        if self.uart != UART_USB and (self.tx_pin % 4 or (self.tx_pin + 4) >> 3 & 1 != self.uart):
            self.problems.append(f"tx_pin: UART {self.uart} cannot send on pin {self.tx_pin}")
            self.uart, self.tx_pin = 0, pin_map.TX_PIN
        pins = (self.buzzer_pin,) + self.key_pins + self.lamp_pins
        if self.uart != UART_USB:
            pins += (self.tx_pin, self.tx_pin + 1)
        if len(set(pins)) != len(pins):
            self.problems.append("two things are wired to one pin")
        # RP2040 datasheet 4.5.2: neighbours, and pins 16 apart, share the frequency of their PWM.
        if self.buzzer_pin >> 1 & 7 in [pin >> 1 & 7 for pin in self.lamp_pins]:
            self.problems.append("buzzer_pin: its pitch would be that of a lamp, take another pin")

    def _pins(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """One pin per key, from left to right."""
        value = self._values.pop(name, default)
        if isinstance(value, (list, tuple)) and len(value) == len(default):
            pins = tuple([pin for pin in value if isinstance(pin, int) and 0 <= pin <= GPIO_MAX])
            if len(pins) == len(default):
                return pins
        self.problems.append(f"{name}: {value!r} is no list of {len(default)} pins")
        return default


def load(path: str, pin_map: "ModuleType") -> Settings:
    """The settings in `path`, or those of the board's pin map where it says nothing."""
    try:
        with open(path) as file:
            values = json.load(file)
    except OSError:
        values = {}
    except ValueError:
        values = {path: None}
    return Settings(values if isinstance(values, dict) else {path: None}, pin_map)
