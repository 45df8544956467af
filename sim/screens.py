"""Pictures of the unit's screens: `python -m sim.screens docs/images/screens` draws them anew.

Drawn by the daemon's own code with the fonts of Debian, as they stand on the glass: one bit a
pixel, one pixel a pixel. A test compares them. `--scale 4` enlarges them with luma.emulator.
"""

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon import snapshot
from daemon.config.panel import Panel as PanelConfig
from daemon.front.care import FRESH, Care
from daemon.front.panel import Panel
from daemon.front.picture import Picture, as_png
from daemon.snapshot import Screen
from sim.emulator import Emulator

LANGUAGES = ("zh", "en")
TICKET, TASK = "A023", "居民身份证换领"
CODE = "https://hcp.example/r?u=w03&t=261128010023"
REASONS = {
    "zh": ("等候时间", "一次告知", "办理速度", "服务态度", "材料要求"),
    "en": ("Waiting time", "Clear advice", "Speed", "Manner", "Documents"),
}
LINKS = (("pad", True), ("queue", True), ("broker", False))
# The longest of everything that the gate lets through.
LONG_TICKET, LONG_WINDOW = "B-20261128-00023", "W-12-345"
LONG_TASK = "城乡居民基本医疗保险参保登记（含异地转移接续办理）及其他相关事项的咨询"


def screens(language: str) -> dict[str, tuple[Screen, Care]]:
    """Every picture of the gallery for a language, by its name."""
    task = TASK if language == "zh" else "Renewal of an identity card"
    usual = Screen(name=snapshot.IDLE, window="3", ticket=TICKET, task_name=task, remaining_s=28)
    plain = {
        name: replace(usual, name=name)
        for name in (
            snapshot.STARTING, snapshot.IDLE, snapshot.CALLED, snapshot.PLEASE_RATE,
            snapshot.HEARD, snapshot.THANKS, snapshot.PAUSED, snapshot.SELF_TEST,
        )
    }  # fmt: skip
    asked = plain[snapshot.PLEASE_RATE]
    facts = {
        **plain,
        "please_rate_code": replace(asked, qr=CODE),
        "please_rate_long": replace(asked, ticket=LONG_TICKET, task_name=LONG_TASK),
        "please_rate_long_code": replace(
            asked, ticket=LONG_TICKET, task_name=LONG_TASK, remaining_s=120, qr=CODE
        ),
        "called_long": replace(usual, name=snapshot.CALLED, ticket=LONG_TICKET, window=LONG_WINDOW),
        "reasons": replace(usual, name=snapshot.REASONS, remaining_s=8, reasons=REASONS[language]),
        "out_of_service": replace(
            usual, name=snapshot.OUT_OF_SERVICE, trouble=snapshot.PAD["foreign"]
        ),
        "commissioning": replace(
            usual,
            name=snapshot.COMMISSIONING,
            unit="/330102/h01/w03",
            address="192.168.10.103",
            links=LINKS,
        ),
    }
    facts["signs"] = replace(usual, name=snapshot.SIGNS, number="4711")
    shown = {name: (screen, FRESH) for name, screen in facts.items()}
    night = Care(step=4, is_dim=True, is_resting=True)
    return shown | {"resting": (plain[snapshot.IDLE], night)}


def drawn() -> Iterator[tuple[str, PanelConfig, Picture]]:
    """Every picture by its name: both languages, the wide glass in Chinese."""
    for language in LANGUAGES:
        for width, display in ((128, "none"), (256, "ssd1322")):
            config = PanelConfig(display=display, language=language)
            panel = Panel(config, _died, open_display=_no_display)
            for name, (screen, cared) in screens(language).items():
                if width == 128 or language == "zh":
                    yield f"{name}-{language}-{width}", config, panel.draw(screen, cared)


def pictures() -> Iterator[tuple[str, bytes]]:
    """Every picture by its file's name, one pixel a pixel."""
    for name, _, picture in drawn():
        yield f"{name}.png", as_png(picture)


def _enlarge(directory: Path, scale: int) -> None:
    """Write every picture as luma.emulator shows it, to be looked at."""
    with TemporaryDirectory() as place:
        for name, config, picture in drawn():
            Emulator(config, Path(place), scale).show(picture, 100)
            (newest,) = Path(place).iterdir()
            newest.replace(directory / f"{name}.png")


def _died(name: str) -> None:
    raise AssertionError(name)


def _no_display(_: PanelConfig) -> "_NoDisplay":
    return _NoDisplay()


class _NoDisplay:
    def show(self, picture: object, brightness: int) -> None:
        """Nothing is lit here."""

    def renew(self) -> None:
        """Nothing to set up."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sim.screens", description="draw the screens")
    parser.add_argument("directory", type=Path, help="gets SCREEN-LANGUAGE-WIDTH.png for each")
    parser.add_argument("--scale", type=int, default=1, help="enlarge them, to be looked at")
    asked = parser.parse_args(arguments)
    asked.directory.mkdir(parents=True, exist_ok=True)
    logging.basicConfig()
    if asked.scale > 1:
        _enlarge(asked.directory, asked.scale)
        return
    for name, png in pictures():
        (asked.directory / name).write_bytes(png)


if __name__ == "__main__":
    main()
