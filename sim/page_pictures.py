"""Pictures of the technician's page for docs/: `python -m sim.page_pictures docs/images`."""

import argparse
from dataclasses import replace
from pathlib import Path

from daemon.config.panel import Panel as PanelConfig
from daemon.events import BrokerUp, ClockRead
from daemon.front.panel import Panel
from sim import pages
from sim.browser import Browser
from sim.desk import Desk

PHONE, DESK = (390, 844), (1000, 620)
SYNCED = ClockRead(1_790_000_000_000, True, 12)


def morning(desk: Desk) -> None:
    """Five cases at the first window, each rated otherwise."""
    desk.give(SYNCED)
    for key in range(1, 6):
        ask_for_a_rating(desk, f"A02{key}")
        desk.press(key)
        desk.run(5000)


def ask_for_a_rating(desk: Desk, ticket: str) -> None:
    desk.say("called", ticket=ticket, ticketSerial=f"20261122-1-{ticket}")
    desk.say("completed", projectNo=f"BJ{ticket}", serviceNumber=1, taskName="居民身份证换领")


def _died(worker: str) -> None:
    raise AssertionError(worker)


def write(folder: Path) -> None:
    """Two windows, at the second of which the pad gets newer firmware."""
    desk = Desk(windows=("3", "4"))
    desk.platform = True
    desk.give(BrokerUp())
    morning(desk)
    desk.run(5000)
    ask_for_a_rating(desk, "A030")
    shown = desk.snapshot
    pad = replace(shown.windows[1].pad, update="release 2 is sent to the pad", update_percent=64)
    second = replace(shown.windows[1], pad=pad)
    shown = replace(shown, windows=(shown.windows[0], second))
    panels = {each.number: Panel(PanelConfig(display="none", language="zh"), _died)
              for each in shown.windows}  # fmt: skip
    for window in shown.windows:
        panels[window.number].start()
        panels[window.number].show(window.screen)
    page = pages.start(desk, {number: panel.png for number, panel in panels.items()}, _died)
    page.show(shown)
    with Browser() as browser:
        for name, language, (width, height) in (
            ("page-phone", "zh", PHONE),
            ("page-desk", "en", DESK),
        ):
            browser.open(page.url, width, height=height, language=language)
            browser.shot(folder / f"{name}.png", whole=False)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sim.page_pictures", description=__doc__)
    parser.add_argument("directory", type=Path, help="gets page-phone.png and page-desk.png")
    write(parser.parse_args(arguments).directory)


if __name__ == "__main__":
    main()
