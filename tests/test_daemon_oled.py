"""What every display keeps: what is lit is what was drawn, whatever happens to its wires.

The real luma drivers over wires that decode their bytes back into a picture, luma.emulator, and the
machine's own I2C where it has one.
"""

import contextlib
import errno
import os
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from daemon.config.panel import I2C_DISPLAYS, Panel
from daemon.front.oled import Oled
from sim.emulator import Emulator
from sim.glass import ROWS, Wires

I2C = sorted(I2C_DISPLAYS)
KINDS = (*I2C, "ssd1322")
REMOTE_IO = OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
BRIGHT = 80

# luma's own call; Pillow 14 drops it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Image.Image.getdata is deprecated:DeprecationWarning"
)


@pytest.fixture
def wires(monkeypatch):
    wires = Wires()
    for name, module in wires.libraries().items():
        monkeypatch.setitem(sys.modules, name, module)
    return wires


def config(kind, **more):
    bus, address = (0, 0) if kind == "ssd1322" else (1, 0x3C)
    return Panel(**({"display": kind, "bus": bus, "address": address} | more))


def put(wires, kind, **more):
    placed = config(kind, **more)
    return wires.put(kind, placed.bus, placed.address), Oled(placed)


def picture(width, seed=0):
    """A picture without any symmetry."""
    drawn = Image.new("1", (width, ROWS))
    for y in range(ROWS):
        for x in range(width):
            drawn.putpixel((x, y), (x * 7 + y * 13 + x * y + seed) % 5 == 0)
    return drawn


def lit(glass):
    return [[level == 15 for level in row] for row in glass.lit()]


def rows(drawn):
    return [[drawn.getpixel((x, y)) > 0 for x in range(drawn.width)] for y in range(ROWS)]


def is_dark(glass):
    return not any(map(any, glass.lit()))


@pytest.mark.parametrize("kind", KINDS)
def test_display_lights_what_was_drawn_and_nothing_else(wires, kind):
    glass, oled = put(wires, kind)
    for seed in range(3):
        drawn = picture(config(kind).width, seed)
        oled.show(drawn, BRIGHT)
        assert lit(glass) == rows(drawn)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4)
@given(boxes=st.lists(st.tuples(*[st.integers(0, 255), st.integers(0, 63)] * 2), min_size=1))
def test_display_after_any_changes_lights_the_last_picture(kind, boxes):
    with pytest.MonkeyPatch.context() as patch:
        wires = Wires()
        for name, module in wires.libraries().items():
            patch.setitem(sys.modules, name, module)
        glass, oled = put(wires, kind)
        drawn = Image.new("1", (config(kind).width, ROWS))
        for left, top, right, bottom in boxes[:3]:
            drawn = drawn.copy()
            drawn.paste(1, (min(left, right), min(top, bottom), max(left, right), max(top, bottom)))
            oled.show(drawn, BRIGHT)
        assert lit(glass) == rows(drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_display_mounted_upside_down_is_read_upright(wires, kind):
    glass, oled = put(wires, kind, upside_down=True)
    drawn = picture(config(kind).width)
    oled.show(drawn, BRIGHT)
    assert lit(glass) == rows(drawn.rotate(180))


@pytest.mark.parametrize("kind", KINDS)
def test_brightness_is_the_contrast_and_is_set_anew_after_a_restart(wires, kind):
    glass, oled = put(wires, kind)
    drawn = picture(config(kind).width)
    for brightness, contrast in ((100, 255), (1, 3), (80, 204)):
        oled.show(drawn, brightness)
        assert glass.contrast == contrast
    oled.renew()
    oled.show(drawn, 80)
    assert glass.contrast == 204


@pytest.mark.parametrize("kind", KINDS)
def test_display_when_its_wires_fail_is_an_os_error_and_afterwards_whole_again(wires, kind):
    glass, oled = put(wires, kind)
    first, second = (picture(config(kind).width, seed) for seed in (0, 1))
    oled.show(first, BRIGHT)
    wires.trouble = REMOTE_IO
    for _ in range(3):
        with pytest.raises(OSError, match=r"not found|Remote I/O"):
            oled.show(second, BRIGHT)
    glass.power_cycle()
    wires.trouble = None
    oled.show(second, BRIGHT)
    assert lit(glass) == rows(second)
    assert len(wires.opened) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_display_that_lost_its_power_without_a_word_is_lit_again_when_renewed(wires, kind):
    glass, oled = put(wires, kind)
    drawn = picture(config(kind).width)
    oled.show(drawn, BRIGHT)
    glass.power_cycle()
    oled.show(drawn, BRIGHT)
    assert is_dark(glass)
    oled.renew()
    oled.show(drawn, BRIGHT)
    assert lit(glass) == rows(drawn)


@pytest.mark.parametrize("kind", I2C)
def test_two_displays_on_one_bus_show_each_its_own(wires, kind):
    shown = [put(wires, kind, address=address) for address in (0x3C, 0x3D)]
    drawn = [picture(128, seed) for seed in (0, 1)]
    for (_, oled), one in zip(shown, drawn, strict=True):
        oled.show(one, BRIGHT)
    assert [lit(glass) for glass, _ in shown] == [rows(one) for one in drawn]


@pytest.mark.parametrize("kind", I2C)
def test_wrong_controller_in_the_configuration_is_seen_by_the_frame(wires, kind):
    """An SH1106 driven as an SSD1306, or the other way round, never shows the frame whole."""
    other = "ssd1306" if kind == "sh1106" else "sh1106"
    glass = wires.put(kind, 1, 0x3C)
    drawn = Image.new("1", (128, ROWS))
    drawn.paste(1, (0, 0, 1, ROWS))
    Oled(config(other)).show(drawn, BRIGHT)
    assert lit(glass) != rows(drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_bus_that_is_not_there_is_a_sentence_each_time_and_leaks_nothing(wires, kind):
    oled, drawn = Oled(config(kind)), picture(config(kind).width)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(OSError, match="device not found"):
            oled.show(drawn, BRIGHT)
    assert len(os.listdir("/proc/self/fd")) == before
    # It comes with the module that the kernel loads later.
    glass = wires.put(kind, config(kind).bus, config(kind).address)
    oled.show(drawn, BRIGHT)
    assert lit(glass) == rows(drawn)


def test_real_i2c_that_is_not_there_is_a_sentence_each_time_and_leaks_nothing():
    oled, drawn = Oled(config("ssd1306", bus=22)), picture(128)
    with pytest.raises(OSError, match="I2C device not found"):
        oled.show(drawn, BRIGHT)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(OSError, match="I2C device not found"):
            oled.show(drawn, BRIGHT)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", I2C)
def test_real_i2c_shows_a_picture_or_says_why_not(kind):
    with contextlib.suppress(OSError):
        Oled(config(kind)).show(picture(128), BRIGHT)


class ChipError(Exception):
    """As lgpio.error: derived from Exception alone."""


@pytest.mark.parametrize("name", ["setup", "output"])
@pytest.mark.parametrize(
    "error", [RuntimeError("No access to /dev/mem."), ChipError("'GPIO busy'"), ValueError("BOARD")]
)
def test_gpio_that_fails_is_an_os_error_and_tried_again(wires, monkeypatch, name, error):
    glass, oled = put(wires, "ssd1322")
    gpio = sys.modules["RPi.GPIO"]
    gpio.lgpio = SimpleNamespace(error=ChipError)
    drawn = picture(256)

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(gpio, name, fail)
        for _ in range(2):
            with pytest.raises(OSError, match=str(error)):
                oled.show(drawn, BRIGHT)
    oled.show(drawn, BRIGHT)
    assert lit(glass) == rows(drawn)


def test_spi_library_that_is_missing_says_what_to_install(wires, monkeypatch):
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(OSError, match=r"spidev.*\(install haochaping\[unit\]\)"):
        Oled(config("ssd1322")).show(picture(256), BRIGHT)


def test_reset_line_is_pulsed_once_and_let_go(wires):
    _, oled = put(wires, "ssd1322", reset_pin=17)
    oled.show(picture(256), BRIGHT)
    assert wires.pins[17] == 1
    _, without = put(wires, "ssd1322", reset_pin=None)
    del wires.pins[17]
    without.show(picture(256), BRIGHT)
    assert 17 not in wires.pins


# -- luma.emulator, which takes the same pictures


@pytest.mark.parametrize("kind", ["ssd1306", "ssd1322"])
@pytest.mark.parametrize("upside_down", [False, True])
def test_emulator_shows_what_was_drawn(tmp_path, kind, upside_down):
    shown = config(kind, upside_down=upside_down)
    emulator = Emulator(shown, tmp_path)
    drawn = [picture(shown.width, seed) for seed in (0, 1)]
    for one in drawn:
        emulator.show(one, 100)
    emulator.renew()
    files = sorted(tmp_path.iterdir())
    assert len(files) == len(drawn)
    for path, one in zip(files, drawn, strict=True):
        expected = one.rotate(180) if upside_down else one
        assert rows(Image.open(path).convert("1")) == rows(expected)


def test_emulator_enlarges_and_dims(tmp_path):
    emulator = Emulator(config("ssd1306"), tmp_path, scale=4)
    drawn = picture(128)
    emulator.show(drawn, 100)
    emulator.show(drawn, 10)
    bright, *_, dim = sorted(tmp_path.iterdir())
    bright, dim = (Image.open(path).convert("L") for path in (bright, dim))
    assert bright.size == dim.size == (512, 256)
    assert bright.getextrema() == (0, 255)
    assert 0 < dim.getextrema()[1] < 64
