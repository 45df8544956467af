"""The unit's own pins: the module's double beside the real one, and our adapter on both."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.config.lamp import Lamp as LampConfig
from daemon.config.window import FREE_PINS, Window
from daemon.front.gpio import Gpio
from sim.gpio import Board

REAL = pytest.param("rpi-lgpio", marks=pytest.mark.needs("rpi_lgpio"))
LAMP, BUZZER = 17, 27
ROOT = Path(__file__).resolve().parents[1]


class Chip:
    """What rpi-lgpio asks of lgpio, at the level of the kernel's lines; bits as in lgpio.h."""

    class error(Exception):  # noqa: N801
        """Derived from nothing nearer and in quotes, as in lgpio.py."""

        def __str__(self):
            return repr(self.args[0])

    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN, GPIO_BUSY = 0x80, 0x20, 0x40, -26
    OUTPUT, INPUT, KERNEL_OUTPUT = 0x200, 0x100, 0x2

    def __init__(self):
        self.states, self.modes = {}, {}
        self.is_absent = False

    def gpiochip_open(self, _number):
        if self.is_absent:
            raise self.error("can not open gpiochip")
        return 0

    def gpiochip_close(self, _handle):
        return 0

    def gpio_get_chip_info(self, _handle):
        return 0, 54, "gpiochip0", "pinctrl-bcm2711"

    def gpio_get_mode(self, _handle, gpio):
        return self.modes.get(gpio, 0)

    def gpio_claim_output(self, _handle, gpio, level=0, _flags=0):
        self.modes[gpio] = self.OUTPUT | self.KERNEL_OUTPUT
        return self.gpio_write(0, gpio, level)

    def gpio_claim_input(self, _handle, gpio, _flags=0):
        self.modes[gpio], self.states[gpio] = self.INPUT, "in"
        return 0

    def gpio_free(self, _handle, gpio):
        self.modes[gpio] = 0
        return 0

    def gpio_read(self, _handle, gpio):
        return int(self.states.get(gpio) == 1)

    def gpio_write(self, _handle, gpio, level):
        if not self.modes.get(gpio, 0) & self.OUTPUT:
            raise self.error("GPIO not allocated")
        self.states[gpio] = int(level)
        return 0

    def tx_pwm(self, _handle, gpio, hz, duty):
        if not self.modes.get(gpio, 0) & self.OUTPUT:
            raise self.error("GPIO not allocated")
        self.states[gpio] = (hz, duty) if hz else 0
        return 0

    def error_text(self, number):
        return f"error {number}"


class Rig:
    """A module and its pins."""

    def __init__(self, module, chip):
        self.module, self.chip = module, chip

    def state(self, pin):
        """Of a pin: "in", 0, 1, or Hz and duty of a wave."""
        return self.chip.states.get(pin, "in")


def rig_of(kind, monkeypatch):
    if kind == "double":
        board = Board()
        return Rig(board, board)
    chip = Chip()
    monkeypatch.setitem(sys.modules, "lgpio", chip)
    monkeypatch.setenv("RPI_LGPIO_REVISION", "c03114")
    for name in ("RPi", "RPi.GPIO"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("RPi.GPIO")
    for name in ("RPi", "RPi.GPIO"):
        monkeypatch.delitem(sys.modules, name)
    return Rig(module, chip)


@pytest.fixture(params=["double", REAL])
def rig(request, monkeypatch):
    return rig_of(request.param, monkeypatch)


@pytest.fixture
def out(rig):
    """The module, with the lamp's pin an output."""
    rig.module.setwarnings(False)
    rig.module.setmode(rig.module.BCM)
    rig.module.setup(LAMP, rig.module.OUT, initial=rig.module.LOW)
    return rig.module


# -- the module, real and double


def test_pin_when_it_is_set_up_has_its_first_level_and_then_what_is_put_out(rig, out):
    assert rig.state(LAMP) == 0
    out.setup(BUZZER, out.OUT, initial=out.HIGH)
    assert rig.state(BUZZER) == 1
    out.output(LAMP, out.HIGH)
    assert rig.state(LAMP) == 1
    out.output([LAMP, BUZZER], out.LOW)
    assert (rig.state(LAMP), rig.state(BUZZER)) == (0, 0)


# The real one's half-made wave complains when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_call_before_its_time_is_refused_in_the_same_words(rig):
    module = rig.module
    with pytest.raises(RuntimeError, match="Please set pin numbering mode using"):
        module.output(LAMP, module.HIGH)
    assert module.getmode() is None
    module.setmode(module.BCM)
    module.setmode(module.BCM)
    assert module.getmode() == module.BCM
    with pytest.raises(ValueError, match="A different mode has already been set!"):
        module.setmode(module.BOARD)
    with pytest.raises(RuntimeError, match="has not been set up as an OUTPUT"):
        module.output(LAMP, module.HIGH)
    with pytest.raises(RuntimeError, match="GPIO channel as an output first"):
        module.PWM(LAMP, 100)
    with pytest.raises(ValueError, match="The channel sent is invalid on a Raspberry Pi"):
        module.setup(54, module.OUT)
    module.setwarnings(False)
    module.cleanup()
    with pytest.raises(ValueError, match="An invalid mode was passed"):
        module.setmode(12)


def test_wave_then_on_the_pin_until_it_is_stopped_and_low_after_it(rig, out):
    wave = out.PWM(LAMP, 100)
    assert rig.state(LAMP) == 0
    wave.start(10)
    assert rig.state(LAMP) == (100, 10)
    wave.ChangeFrequency(2093)
    wave.ChangeDutyCycle(50)
    assert rig.state(LAMP) == (2093, 50)
    wave.stop()
    assert rig.state(LAMP) == 0
    wave.ChangeFrequency(1760)
    wave.start(25)
    assert rig.state(LAMP) == (1760, 25)
    wave.stop()
    wave.stop()
    out.output(LAMP, out.HIGH)
    assert rig.state(LAMP) == 1


def test_wave_that_cannot_be_is_refused(rig, out):
    wave = out.PWM(LAMP, 100)
    with pytest.raises(RuntimeError, match="A PWM object already exists for this GPIO channel"):
        out.PWM(LAMP, 50)
    with pytest.raises(ValueError, match=r"dutycycle must have a value from 0\.0 to 100\.0"):
        wave.start(101)
    with pytest.raises(ValueError, match=r"frequency must be greater than 0\.0"):
        wave.ChangeFrequency(0)
    del wave
    out.PWM(LAMP, 50).start(1)


def test_pin_when_cleaned_up_is_an_input_and_the_others_are_not(rig, out):
    out.setup(BUZZER, out.OUT, initial=out.HIGH)
    out.cleanup([LAMP])
    assert (rig.state(LAMP), rig.state(BUZZER)) == ("in", 1)
    with pytest.raises(RuntimeError, match="has not been set up as an OUTPUT"):
        out.output(LAMP, out.HIGH)
    out.setup(LAMP, out.OUT, initial=out.HIGH)
    out.cleanup()
    assert (rig.state(LAMP), rig.state(BUZZER), out.getmode()) == ("in", "in", None)


@pytest.mark.needs("rpi_lgpio")
def test_double_has_the_names_numbers_and_parameters_of_the_real_one(monkeypatch):
    real, double = rig_of("rpi-lgpio", monkeypatch).module, Board()
    names = [name for name in dir(Board) if not name.startswith("_")]
    assert len(names) >= 13
    for name in names:
        value = getattr(double, name)
        if callable(value):
            wanted = inspect.signature(getattr(real, name)).parameters
            assert list(inspect.signature(value).parameters) == list(wanted), name
        else:
            assert value == getattr(real, name), name
    for name in ("__init__", "start", "stop", "ChangeDutyCycle", "ChangeFrequency"):
        ours, theirs = (inspect.signature(getattr(one.PWM, name)) for one in (double, real))
        assert list(ours.parameters) == list(theirs.parameters), name


# -- our adapter


def gpio(module, *, lamp_pin=LAMP, buzzer_pin=BUZZER, load=None, **config):
    config = {"kind": "gpio", "buzzer": "passive", "active_low": False} | config
    window = Window(
        number="3", pad="pad", signal="signal", lamp_pin=lamp_pin, buzzer_pin=buzzer_pin
    )
    return Gpio(LampConfig(**config), window, load=load or (lambda: module))


def test_outputs_then_as_bright_and_loud_as_the_pad(rig):
    outputs = gpio(rig.module)
    outputs.light(100)
    assert (rig.state(LAMP), rig.state(BUZZER)) == (1, 0)
    outputs.light(10)
    assert rig.state(LAMP) == (100, 1)
    outputs.sound(1760, 100)
    assert rig.state(BUZZER) == (1760, 50)
    outputs.sound(2093, 50)
    assert rig.state(BUZZER) == (2093, 12.5)
    outputs.light(0)
    outputs.sound(0, 0)
    assert (rig.state(LAMP), rig.state(BUZZER)) == (0, 0)
    outputs.light(100)
    assert rig.state(LAMP) == 1


def test_outputs_of_a_relay_that_is_on_when_low_are_turned_round(rig):
    outputs = gpio(rig.module, active_low=True, buzzer="active")
    outputs.light(0)
    assert (rig.state(LAMP), rig.state(BUZZER)) == (1, 1)
    outputs.light(100)
    outputs.sound(1760, 30)
    assert (rig.state(LAMP), rig.state(BUZZER)) == (0, 0)
    outputs.light(10)
    assert rig.state(LAMP) == (100, 99)
    outputs.sound(0, 0)
    outputs.light(0)
    assert (rig.state(LAMP), rig.state(BUZZER)) == (1, 1)


def test_pin_of_nothing_is_never_touched(rig):
    outputs = gpio(rig.module, buzzer="none")
    outputs.light(100)
    outputs.sound(1760, 100)
    assert (rig.state(LAMP), rig.state(BUZZER)) == (1, "in")
    silent = gpio(rig.module, lamp_pin=0, buzzer_pin=22)
    silent.light(100)
    assert rig.state(22) == "in"
    silent.sound(1760, 100)
    assert rig.state(22) == (1760, 50)


def test_outputs_of_two_windows_when_one_closes_leave_the_other_as_it_is(rig):
    one, two = gpio(rig.module), gpio(rig.module, lamp_pin=22, buzzer_pin=23)
    one.light(50)
    two.light(100)
    two.sound(2637, 100)
    one.close()
    assert [rig.state(pin) for pin in (LAMP, BUZZER, 22, 23)] == ["in", "in", 1, (2637, 50)]
    one.light(100)
    assert rig.state(LAMP) == 1
    two.close()
    gpio(rig.module).close()


def test_pins_that_may_be_named_are_none_of_a_bus():
    assert set(FREE_PINS) & {0, 1, 2, 3, 7, 8, 9, 10, 11, 14, 15, 24, 25} == set()
    assert max(FREE_PINS) <= 27


@pytest.mark.needs("rpi_lgpio")
def test_page_of_the_hardware_names_free_pins_and_where_they_are_on_the_header(monkeypatch):
    header = rig_of("rpi-lgpio", monkeypatch).module._BOARD_MAP
    page = (ROOT / "docs" / "hardware.md").read_text("utf-8").partition("# The unit's lamp")[2]
    rows = re.findall(r"^\| ([\d, ]+) \| ([\d, ]+) \|", page, re.M)
    pins = {
        int(place): int(pin)
        for numbers, places in rows
        for pin, place in zip(numbers.split(","), places.split(","), strict=True)
    }
    assert len(pins) == 8
    assert pins == {place: header[place] for place in pins}
    assert set(pins.values()) <= set(FREE_PINS)


# -- what fails


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            RuntimeError("This module can only be run on a Raspberry Pi!"),
            'set [lamp] kind = "none"',
        ),
        (
            RuntimeError("Cannot determine SOC peripheral base address"),
            "exchange RPi.GPIO for rpi-lgpio",
        ),
        (RuntimeError("No access to /dev/mem.  Try running as root!"), "group gpio"),
        (RuntimeError("GPIO busy"), "another program has the pin"),
        (OSError(5, "Input/output error"), "look at the lamp's wires"),
    ],
)
def test_trouble_while_running_is_a_sentence_and_the_next_call_sets_all_up_again(error, advice):
    board = Board()
    outputs = gpio(board)
    outputs.light(100)
    outputs.sound(1760, 100)

    def fail():
        raise error

    board.trouble = fail
    for _ in range(3):
        with pytest.raises(OSError) as caught:  # noqa: PT011
            outputs.light(0)
        assert str(caught.value).startswith(f"{error}: ")
        assert advice in str(caught.value)
    board.trouble = lambda: None
    outputs.sound(0, 0)
    assert (board.states[LAMP], board.states[BUZZER]) == (0, 0)
    outputs.light(100)
    outputs.sound(2093, 100)
    assert (board.states[LAMP], board.states[BUZZER]) == (1, (2093, 50))


@pytest.mark.needs("rpi_lgpio")
def test_chip_when_it_cannot_be_opened_is_a_sentence_and_tried_again(monkeypatch):
    rig = rig_of("rpi-lgpio", monkeypatch)
    rig.chip.is_absent = True
    outputs = gpio(rig.module)
    for _ in range(2):
        with pytest.raises(OSError, match=r"can not open gpiochip: .* member of the group gpio"):
            outputs.light(100)
    rig.chip.is_absent = False
    outputs.light(100)
    assert rig.state(LAMP) == 1


REAL_TRY = """
from daemon.config.lamp import Lamp
from daemon.config.window import Window
from daemon.front.gpio import Gpio

window = Window(number="3", pad="p", signal="s", lamp_pin=17)
outputs = Gpio(Lamp(kind="gpio", buzzer="none", active_low=False), window)
for _ in range(2):
    try:
        outputs.light(100)
    except OSError as error:
        print(error)
"""


@pytest.mark.needs("rpi_lgpio")
@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({}, 'only be run on a Raspberry Pi!: this is none: set [lamp] kind = "none"'),
        (
            {"RPI_LGPIO_REVISION": "c03114"},
            "can not open gpiochip: make the daemon's user a member",
        ),
    ],
)
def test_real_module_away_from_a_pi_is_a_sentence_each_time(tmp_path, change, advice):
    done = subprocess.run(
        [sys.executable, "-c", REAL_TRY],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | change,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert advice in first
    assert first == second


def test_module_when_it_is_not_installed_is_a_sentence_with_what_to_install():
    outputs = gpio(None, load=lambda: importlib.import_module("rpi_that_nobody_installed"))
    with pytest.raises(OSError, match=r"No module named .*: apt install python3-rpi-lgpio"):
        outputs.light(100)
    outputs.close()
