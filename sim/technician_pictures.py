"""Pictures of the technician's guide: `python -m sim.technician_pictures docs/images/technician`.

No word stands in them but commands: the guide is in two languages and explains the numbers.
"""

import argparse
from pathlib import Path
from xml.etree import ElementTree

from protocol.pad.faces import EVEN, PATTERNS
from sim.drawing import (
    GREY,
    INK,
    PAD,
    PALE,
    PAPER,
    WARM,
    Look,
    Point,
    document,
    draw,
    dump,
    line,
    text,
)
from sim.faces import FACES, Spans, strip

# What a pad shows that is no face: its firmware ended in an error (device/board.py); no power.
STRIPS: dict[str, Spans] = {name: PATTERNS[face][0] for name, face in FACES.items()} | {
    "distress": ((EVEN, 2000), (0, 2000)),
    "dark": ((0, 1000),),
}
BOX: Look = {"fill": PAD, "stroke": INK, "rx": 6}
BADGE_R = 11
COMMAND_FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"


def pictures() -> dict[str, str]:
    """Every picture by its file's name."""
    strips = {f"lamps-{name}.svg": strip(name, steps) for name, steps in STRIPS.items()}
    return {"window.svg": window(), "commands.svg": commands(), "stick.svg": stick(), **strips}


def window() -> str:
    """What is at a window, and which plug goes where."""
    svg = document("a window and its cables", (0, 0, 640, 300))
    line(svg, (20, 210), (620, 210), stroke=INK, stroke_width=3)
    # The unit, its card and its plugs.
    draw(svg, "rect", x=250, y=96, width=150, height=92, **BOX)
    draw(svg, "rect", x=386, y=126, width=26, height=32, rx=2, fill=WARM, stroke=INK)
    for x in (268, 296, 324):
        draw(svg, "rect", x=x, y=176, width=20, height=12, fill=PAPER, stroke=INK)
    draw(svg, "rect", x=254, y=104, width=18, height=24, fill=PAPER, stroke=INK)
    draw(svg, "rect", x=352, y=104, width=26, height=14, fill=PAPER, stroke=INK)
    # Pad with five keys, display above it, lamp and buzzer.
    draw(svg, "rect", x=56, y=168, width=136, height=34, **BOX)
    for key in range(5):
        draw(svg, "circle", cx=74 + key * 25, cy=185, r=8, fill=PAPER, stroke=INK)
    draw(svg, "rect", x=84, y=96, width=80, height=44, rx=3, fill=INK, stroke=INK)
    text(svg, 124, 126, "A023", 20, anchor="middle", fill=PAPER)
    draw(svg, "circle", cx=110, cy=52, r=13, fill=WARM, stroke=INK)
    draw(svg, "circle", cx=146, cy=52, r=9, fill=PAPER, stroke=INK)
    draw(svg, "circle", cx=146, cy=52, r=2.5, fill=INK)
    # The queue terminal.
    draw(svg, "rect", x=500, y=118, width=100, height=64, **BOX)
    text(svg, 550, 158, "A023", 22, anchor="middle")
    draw(svg, "rect", x=536, y=182, width=28, height=18, fill=PAPER, stroke=INK)
    # Cables: pad, queue line with its adapter, network, power, display, lamp.
    _cable(svg, (124, 202), (124, 240), (278, 240), (278, 188))
    _cable(svg, (550, 200), (550, 256), (306, 256), (306, 188))
    draw(svg, "rect", x=416, y=248, width=44, height=16, rx=4, fill=PAPER, stroke=INK)
    _cable(svg, (334, 188), (334, 280), (620, 280))
    _cable(svg, (365, 104), (365, 40), (440, 40))
    draw(svg, "rect", x=440, y=28, width=30, height=24, rx=3, fill=PAPER, stroke=INK)
    _cable(svg, (164, 118), (250, 118))
    _cable(svg, (159, 52), (263, 52), (263, 104))
    for number, place in enumerate(
        ((325, 140), (424, 142), (40, 185), (200, 240), (438, 232), (590, 266), (486, 40),
         (68, 118), (80, 52), (616, 150)), 1,
    ):  # fmt: skip
        _badge(svg, place, number)
    return dump(svg)


def commands() -> str:
    """The card, and then the three commands of a window."""
    svg = document("a card, then three commands", (0, 0, 640, 200))
    rows = (
        ("0", "provision image w03", _card),
        ("1", "provision unit enrol w03", _unit),
        ("2", "provision pad flash w03", _pad),
        ("3", "provision window test w03", _person),
    )
    for row, (number, command, target) in enumerate(rows):
        y = 26 + row * 48
        _laptop(svg, 44, y)
        line(svg, (78, y), (458, y), stroke=GREY, stroke_width=1.5)
        line(svg, (450, y - 6), (458, y), (450, y + 6), stroke=GREY, stroke_width=1.5)
        draw(svg, "rect", x=110, y=y - 15, width=326, height=30, rx=15, fill=PAPER, stroke=GREY)
        _badge(svg, (127, y), number)
        _command(svg, (148, y + 5), command)
        target(svg, 545, y)
    return dump(svg)


def stick() -> str:
    """The three papers of a unit without a network, and who writes which."""
    svg = document("a stick between office and unit", (0, 0, 640, 216))
    _laptop(svg, 44, 108)
    _unit(svg, 596, 108)
    rows = (
        ("1", "provision unit invite w03 --to STICK", True),
        ("2", "sudo provision unit request STICK", False),
        ("3", "provision unit issue STICK", True),
        ("4", "sudo provision unit install STICK", False),
    )
    for row, (number, command, is_office) in enumerate(rows):
        y = 30 + row * 52
        # The last one stays where it is.
        if row < len(rows) - 1:
            tip, back = (550, -9) if is_office else (90, 9)
            ends = [(tip + back, y + 6), (tip, y + 12), (tip + back, y + 18)]
            line(svg, (90, y + 12), (550, y + 12), stroke=GREY, stroke_width=1.5)
            line(svg, *ends, stroke=GREY, stroke_width=1.5)
        _badge(svg, (110 if is_office else 250, y - 4), number)
        _command(svg, (126 if is_office else 266, y + 1), command)
    return dump(svg)


# -- parts


def _cable(svg: ElementTree.Element, *points: Point) -> None:
    line(svg, *points, stroke=GREY, stroke_width=3)


def _badge(svg: ElementTree.Element, place: Point, number: int | str) -> None:
    x, y = place
    draw(svg, "circle", cx=x, cy=y, r=BADGE_R, fill=INK)
    text(svg, x, y + 4.5, str(number), 13, anchor="middle", weight="bold", fill=PAPER)


def _command(svg: ElementTree.Element, place: Point, command: str) -> None:
    look: Look = {"font_family": COMMAND_FONT, "font_size": 13, "fill": INK}
    draw(svg, "text", x=place[0], y=place[1], **look).text = command


def _laptop(svg: ElementTree.Element, x: float, y: float) -> None:
    draw(svg, "rect", x=x - 20, y=y - 16, width=40, height=26, rx=3, fill=PAD, stroke=INK)
    line(svg, (x - 28, y + 15), (x + 28, y + 15), stroke=INK, stroke_width=3)


def _card(svg: ElementTree.Element, x: float, y: float) -> None:
    points = (
        (x - 13, y - 17),
        (x + 7, y - 17),
        (x + 13, y - 10),
        (x + 13, y + 17),
        (x - 13, y + 17),
    )
    line(svg, *points, points[0], stroke=INK, stroke_width=1.5)
    for step in range(4):
        line(svg, (x - 8 + step * 5, y - 13), (x - 8 + step * 5, y - 6), stroke=INK)


def _unit(svg: ElementTree.Element, x: float, y: float) -> None:
    draw(svg, "rect", x=x - 30, y=y - 17, width=60, height=34, **BOX)
    for plug in range(3):
        draw(svg, "rect", x=x - 24 + plug * 14, y=y + 9, width=10, height=8, fill=PAPER, stroke=INK)
    draw(svg, "rect", x=x + 20, y=y - 7, width=16, height=16, rx=2, fill=WARM, stroke=INK)


def _pad(svg: ElementTree.Element, x: float, y: float) -> None:
    draw(svg, "rect", x=x - 44, y=y - 13, width=88, height=26, **BOX)
    for key in range(5):
        draw(svg, "circle", cx=x - 32 + key * 16, cy=y, r=6, fill=PAPER, stroke=INK)


def _person(svg: ElementTree.Element, x: float, y: float) -> None:
    draw(svg, "circle", cx=x - 44, cy=y - 11, r=6, fill=PAPER, stroke=INK)
    line(svg, (x - 54, y + 16), (x - 50, y), (x - 38, y), (x - 34, y + 16), stroke=INK)
    line(svg, (x - 38, y), (x - 14, y + 4), stroke=INK, stroke_width=1.5)
    _pad(svg, x + 34, y + 4)
    line(svg, (x - 60, y + 18), (x + 82, y + 18), stroke=PALE, stroke_width=2)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sim.technician_pictures", description=__doc__)
    parser.add_argument("directory", type=Path, help="gets the pictures")
    folder: Path = parser.parse_args(arguments).directory
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in pictures().items():
        (folder / name).write_text(drawing, "utf-8")


if __name__ == "__main__":
    main()
