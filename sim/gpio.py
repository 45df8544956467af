"""A double of the module RPi.GPIO, as far as outputs go; what it says is what the real ones say.

RPi.GPIO 0.7.1 and rpi-lgpio 0.6 agree in all of it; tests/test_daemon_gpio.py holds this beside the
latter. A wave is only noted, not played.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

NO_MODE = NO_PIN = -1
CHANNELS = 54


class Board:
    """One Pi's pins, and the module they are reached through: its names are the module's.

    `trouble` is called before anything is done and may raise, or take its time; `changed` after a
    pin did: its number and "in", 0, 1 or a wave (Hz, duty).
    """

    BOARD, BCM = 10, 11
    OUT, IN = 0, 1
    LOW, HIGH = 0, 1
    PUD_OFF, PUD_DOWN, PUD_UP = 20, 21, 22

    def __init__(
        self,
        trouble: Callable[[], None] = lambda: None,
        changed: Callable[[int, object], None] = lambda _pin, _state: None,
    ) -> None:
        self.trouble, self._changed = trouble, changed
        self.states: dict[int, object] = {}
        self._mode = NO_MODE
        self._waves: set[int] = set()
        board = self

        class PWM:
            """As RPi.GPIO's; whoever stops one has the pin low."""

            def __init__(self, channel: int, frequency: float) -> None:
                self._frequency = self._duty = 0.0
                self._is_running = False
                self._pin = NO_PIN
                pin = board._output(channel, "You must setup() the GPIO channel as an output first")
                if pin in board._waves:
                    raise RuntimeError("A PWM object already exists for this GPIO channel")
                self.ChangeFrequency(frequency)
                self._pin = pin
                board._waves.add(pin)

            def __del__(self) -> None:
                board._waves.discard(self._pin)

            def start(self, dc: float) -> None:
                self.ChangeDutyCycle(dc)
                self._is_running = True
                self._play()

            def stop(self) -> None:
                board.trouble()
                self._is_running = False
                board._put(self._pin, 0)

            def ChangeDutyCycle(self, dc: float) -> None:  # noqa: N802
                if not 0 <= dc <= 100:
                    raise ValueError("dutycycle must have a value from 0.0 to 100.0")
                self._duty = dc
                self._play()

            def ChangeFrequency(self, frequency: float) -> None:  # noqa: N802
                if frequency <= 0:
                    raise ValueError("frequency must be greater than 0.0")
                self._frequency = frequency
                self._play()

            def _play(self) -> None:
                if self._is_running:
                    board.trouble()
                    board._put(self._pin, (self._frequency, self._duty))

        self.PWM = PWM

    def setwarnings(self, value: bool) -> None:
        """It never warns."""

    def getmode(self) -> int | None:
        return None if self._mode == NO_MODE else self._mode

    def setmode(self, new_mode: int) -> None:
        if self._mode not in (NO_MODE, new_mode):
            raise ValueError("A different mode has already been set!")
        if new_mode not in (self.BOARD, self.BCM):
            raise ValueError("An invalid mode was passed to setmode()")
        self.trouble()
        self._mode = new_mode

    def setup(
        self,
        chanlist: int | Iterable[int],
        direction: int,
        pull_up_down: int = PUD_OFF,
        initial: int | None = None,
    ) -> None:
        if direction != self.OUT or pull_up_down != self.PUD_OFF:
            raise ValueError("the unit has outputs only")
        for pin in self._pins(chanlist):
            self.trouble()
            self._put(pin, int(bool(initial)))

    def output(self, channel: int | Iterable[int], value: int) -> None:
        for one in _each(channel):
            pin = self._output(one, "The GPIO channel has not been set up as an OUTPUT")
            self.trouble()
            self._put(pin, int(bool(value)))

    def cleanup(self, chanlist: int | Iterable[int] | None = None) -> None:
        pins = list(self.states) if chanlist is None else self._pins(chanlist)
        for pin in pins:
            self._put(pin, "in")
        if chanlist is None:
            self._mode = NO_MODE

    # -- not the module's

    def _put(self, pin: int, state: object) -> None:
        self.states[pin] = state
        self._changed(pin, state)

    def _output(self, channel: int, otherwise: str) -> int:
        (pin,) = self._pins(channel)
        if self.states.get(pin, "in") == "in":
            raise RuntimeError(otherwise)
        return pin

    def _pins(self, channel: Any) -> list[int]:
        if self._mode == NO_MODE:
            raise RuntimeError(
                "Please set pin numbering mode using GPIO.setmode(GPIO.BOARD) or "
                "GPIO.setmode(GPIO.BCM)"
            )
        pins = [int(one) for one in _each(channel)]
        if not all(0 <= pin < CHANNELS for pin in pins):
            raise ValueError("The channel sent is invalid on a Raspberry Pi")
        return pins


# What a program under test imports as RPi.GPIO. Its trouble stands in a file and may change while
# it runs: nothing, "absent", "stall", or what a RuntimeError says; each change of a pin is a line.
STAND_IN = """
import sys
import time
from pathlib import Path

from sim.gpio import STALL_S, Board

HERE = Path(__file__).parents[1]


def trouble():
    said = (HERE / "trouble").read_text()
    if said == "stall":
        time.sleep(STALL_S)
    elif said:
        raise RuntimeError(said)


def changed(pin, state):
    with (HERE / "pins").open("a") as file:
        file.write(f"{pin} {state}\\n")


if (HERE / "trouble").read_text() == "absent":
    raise ImportError("No module named 'RPi.GPIO'")
sys.modules[__name__] = Board(trouble, changed)
"""
STALL_S = 2.0


class StandIn:
    """The module RPi.GPIO for another program: `folder` goes first into its PYTHONPATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = folder / "RPi"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "GPIO.py").write_text(STAND_IN)
        (folder / "pins").write_text("")
        self.trouble("")

    def trouble(self, what: str) -> None:
        """Let every call from now on have this trouble; "" = none."""
        new = self.folder / "new"
        new.write_text(what)
        new.replace(self.folder / "trouble")

    def changes(self) -> list[str]:
        """Every "pin state" so far."""
        return (self.folder / "pins").read_text().splitlines()


def _each(channel: int | Iterable[int]) -> list[int]:
    return [channel] if isinstance(channel, int) else list(channel)
