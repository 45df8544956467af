"""[panel] in the unit's configuration: what depends on the display, and what is refused."""

from pathlib import Path

import pytest

from daemon.config.panel import Panel
from daemon.config.table import Problems, Table


def read(**values):
    problems = Problems()
    panel = Panel.read(Table("panel", (), values, problems), Path("/etc/haochaping"))
    return panel, problems.sentences()


@pytest.mark.parametrize(
    ("display", "width", "bus", "address"),
    [
        ("none", 128, 1, 0x3C),
        ("ssd1306", 128, 1, 0x3C),
        ("sh1106", 128, 1, 0x3C),
        ("ssd1309", 128, 1, 0x3C),
        ("ssd1322", 256, 0, 0),
    ],
)
def test_defaults_follow_the_display(display, width, bus, address):
    panel, problems = read(display=display)
    assert (panel.width, panel.bus, panel.address) == (width, bus, address)
    assert problems == []


def test_all_keys_are_taken():
    panel, problems = read(
        display="ssd1322", bus=1, data_pin=5, reset_pin=-1, mounted="upside_down",
        brightness=1, language="en", words="words.toml", qr="https://hcp.example/{ticketSerial}",
    )  # fmt: skip
    assert problems == []
    assert panel == Panel(
        display="ssd1322", bus=1, data_pin=5, reset_pin=None, upside_down=True,
        address=0, brightness=1, language="en", words=Path("/etc/haochaping/words.toml"),
        qr="https://hcp.example/{ticketSerial}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"display": "ssd1305"}, "panel.display: 'ssd1305' is not allowed; one of none, ssd1306"),
        ({"bus": "i2c-1"}, "panel.bus: 'i2c-1' is not allowed; a whole number"),
        ({"data_pin": 28}, "panel.data_pin: 28 is not allowed; a whole number from 0 to 27"),
        ({"mounted": "sideways"}, "panel.mounted: 'sideways' is not allowed; one of upright"),
        ({"brightness": 0}, "panel.brightness: 0 is not allowed; a whole number from 1 to 100"),
        ({"qr": "https://{level}"}, "panel.qr: 'https://{level}' is not allowed; {level} is unk"),
        ({"qr": "https://" + "x" * 46}, "54 characters once filled, the code has room for 53"),
        ({"qr": 5}, "panel.qr: 5 is not allowed; a text"),
    ],
)
def test_mistake_is_a_sentence(values, said):
    _, (problem,) = read(**values)
    assert said in problem
