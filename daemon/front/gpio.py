"""Outputs on the unit's own pins (the only import of RPi.GPIO; outputs only).

RPi.GPIO and rpi-lgpio both install the module RPi.GPIO; which of them is there was decided when
the unit was set up (docs/hardware.md). Both make their PWM in software, in a thread of their own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from daemon.config.lamp import Lamp as LampConfig
from daemon.config.window import NO_PIN, Window

# An eye sees no flicker at that; a lamp is dimmed at night only, and by nothing else.
LAMP_HZ = 100
FULL = 100
# A square wave is loudest at this duty.
BUZZER_DUTY = 50
# What RPi.GPIO, rpi-lgpio, lgpio and Python say when it does not work, and what to do then.
HINTS = (
    ("No module named", "apt install python3-rpi-lgpio, or pip install haochaping[unit]"),
    ("only be run on a Raspberry Pi", 'this is none: set [lamp] kind = "none"'),
    ("peripheral base address", "exchange RPi.GPIO for rpi-lgpio, which knows this board"),
    ("No access to", "make the daemon's user a member of the group gpio"),
    ("can not open gpiochip", "make the daemon's user a member of the group gpio"),
    (".lgd-nfy", "start the daemon in a directory that it may write (WorkingDirectory)"),
    ("busy", "another program has the pin: end it, or take another lamp_pin or buzzer_pin"),
)
OTHERWISE = (
    "look at the lamp's wires and at lamp_pin and buzzer_pin; restart the unit if it goes on"
)


class Gpio:
    """Lamp and buzzer of one window. They may fail and come back; raises OSError, nothing else."""

    def __init__(
        self, config: LampConfig, window: Window, *, load: Callable[[], Any] | None = None
    ) -> None:
        self._load = load or _load
        self._active_low = config.active_low
        self._is_passive = config.buzzer == "passive"
        self._lamp_pin = window.lamp_pin
        self._buzzer_pin = NO_PIN if config.buzzer == "none" else window.buzzer_pin
        self._module: Any = None
        self._pins: dict[int, _Pin] = {}

    def light(self, percent: int) -> None:
        """Light the lamp so bright; 0 is dark."""
        self._set(self._lamp_pin, LAMP_HZ, _duty(FULL, percent))

    def sound(self, hz: int, percent: int) -> None:
        """Sound the buzzer so loud; an active one has its own pitch and loudness."""
        if self._is_passive:
            self._set(self._buzzer_pin, hz, _duty(BUZZER_DUTY, percent))
        else:
            self._set(self._buzzer_pin, hz, FULL if percent else 0)

    def close(self) -> None:
        """Off, and the pins inputs again."""
        if self._module is None:
            return
        with _as_os_error(self._module):
            self._start()
            for pin in self._pins.values():
                pin.let_go()
            self._module.cleanup(list(self._pins))

    def _set(self, number: int, hz: int, duty: float) -> None:
        if number == NO_PIN:
            return
        with _as_os_error(None):
            self._module = self._module or self._load()
        try:
            with _as_os_error(self._module):
                self._start()
                self._pins[number].set(hz, duty)
        except OSError:
            # The next time from the beginning; what PWM there is must not be made twice.
            for pin in self._pins.values():
                pin.is_set_up = False
            raise

    def _start(self) -> None:
        if not self._pins:
            wanted = {self._lamp_pin, self._buzzer_pin} - {NO_PIN}
            self._pins = {
                number: _Pin(self._module, number, self._active_low) for number in sorted(wanted)
            }
        for pin in self._pins.values():
            pin.set_up()


class _Pin:
    """One output: off, on or a square wave."""

    def __init__(self, module: Any, number: int, active_low: bool) -> None:
        self._module, self._number = module, number
        self._on, self._off = (module.LOW, module.HIGH) if active_low else (module.HIGH, module.LOW)
        self._active_low = active_low
        self._wave: Any = None
        self._wave_hz = 0
        self._shown: tuple[int, float] | None = None
        self.is_set_up = False

    def set_up(self) -> None:
        """Make it an output, off, unless it is one."""
        if self.is_set_up:
            return
        self._module.setwarnings(False)
        self._module.setmode(self._module.BCM)
        self._module.setup(self._number, self._module.OUT, initial=self._off)
        self._shown = None
        self.is_set_up = True

    def set(self, hz: int, duty: float) -> None:
        """`duty` in per cent of the time; 0 and 100 need no wave."""
        now = (hz if 0 < duty < FULL else 0, duty)
        if now == self._shown:
            return
        self._shown = None
        if now[0]:
            self._play(hz, FULL - duty if self._active_low else duty)
        else:
            self._hush()
            self._module.output(self._number, self._on if duty else self._off)
        self._shown = now

    def let_go(self) -> None:
        """Off, and no wave any more: one that outlives its pin complains when it is collected."""
        self.set(0, 0)
        self._wave = None
        self.is_set_up = False

    def _play(self, hz: int, duty: float) -> None:
        if self._wave is None:
            self._wave = self._module.PWM(self._number, hz)
        # In this order: RPi.GPIO 0.7.1 forgets the frequency of a wave that was stopped.
        self._wave.ChangeFrequency(hz)
        self._wave.start(duty)
        self._wave_hz = hz

    def _hush(self) -> None:
        if not self._wave_hz:
            return
        self._wave.stop()
        # RPi.GPIO's thread puts the pin low once more at the end of the period it is in.
        time.sleep(2 / self._wave_hz)
        self._wave_hz = 0


def _load() -> Any:
    from RPi import GPIO

    return GPIO


@contextmanager
def _as_os_error(module: Any) -> Iterator[None]:
    """Whatever the module raises, as OSError with what to do."""
    # rpi-lgpio lets this one through, which is derived from Exception alone.
    chip_error = getattr(getattr(module, "lgpio", None), "error", OSError)
    try:
        yield
    except (ImportError, OSError, RuntimeError, TypeError, ValueError, chip_error) as error:
        said = str(error).strip("'")  # lgpio quotes its own
        hint = next((hint for sign, hint in HINTS if sign in said), OTHERWISE)
        raise OSError(f"{said}: {hint}") from error


def _duty(full: int, percent: int) -> float:
    """Eye and ear feel the square root; the same as on the pad."""
    return full * percent * percent / 10_000
