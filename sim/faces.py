"""Pictures of the pad's faces: `python -m sim.faces docs/images` draws them anew.

Drawn from the patterns the firmware plays, so that the pages and the pad cannot differ. Nothing is
told apart by colour alone: a lamp that is lit has rays if it goes out again and a ring if it stays
lit, a dashed one lights up at another time of the round.
"""

import argparse
from functools import reduce
from operator import or_
from pathlib import Path
from xml.etree import ElementTree

from protocol.pad.faces import PATTERNS
from protocol.pad.messages import (
    FAULT,
    HEARD,
    IDLE,
    KEY_COUNT,
    NO_LINK,
    PAUSED,
    PLEASE_RATE,
    SELF_TEST,
    THANKS,
)
from sim.drawing import GREY, INK, PAD, PALE, PAPER, WARM, Look, document, draw, dump, line, text

FACES = {
    "idle": IDLE,
    "please_rate": PLEASE_RATE,
    "heard": HEARD,
    "thanks": THANKS,
    "paused": PAUSED,
    "no_link": NO_LINK,
    "fault": FAULT,
    "self_test": SELF_TEST,
}
Spans = tuple[tuple[int, int], ...]  # (mask or Hz, ms), as in PATTERNS

WIDTH, HEIGHT = 360, 296  # a small telephone's width: there letters are as big as written
MARGIN, LEFT, RIGHT = 14, 34, 346  # of the page; of the time axis
LAMP_Y, LAMP_R, LAMP_GAP = 80, 21, 63
ROW_Y, ROW_GAP, BAR_HEIGHT = 134, 15, 11
AXIS_Y = ROW_Y + KEY_COUNT * ROW_GAP - 5
SOUND_Y, SOUND_LEFT = 270, 66  # where the notes stand
NOTE_HEIGHT_MIN, NOTE_HEIGHT_MAX = 17, 28
RAYS = ((0, -1), (0.7, -0.7), (1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7))

WINDOW_MS = 1000  # a shorter round is drawn again until it has filled this
STEP_WIDTH_MIN = 27  # so that a wink is seen and its number fits
NOTE_WIDTH_MIN, NOTE_WIDTH_PER_MS = 57, 0.25


def face_svg(name: str) -> str:
    """The picture of one face of FACES: an SVG document with its own paper."""
    return picture(name.replace("_", " "), *PATTERNS[FACES[name]])


def picture(title: str, steps: Spans, notes: Spans) -> str:
    """The picture of any pattern."""
    svg = document(f"{title}: {_in_words(steps)}", (0, 0, WIDTH, HEIGHT))
    paper = {"width": WIDTH - 1, "height": HEIGHT - 1, "rx": 8}
    draw(svg, "rect", x=0.5, y=0.5, **paper, fill=PAPER, stroke=PALE)
    text(svg, MARGIN, 26, title, 17, weight="bold")
    text(svg, WIDTH - MARGIN, 26, _in_words(steps), 13, anchor="end")
    _lamps(svg, steps)
    _round(svg, steps)
    _sound(svg, notes)
    return dump(svg)


def strip(title: str, steps: Spans) -> str:
    """The pad alone, as it looks at the pattern's most telling moment."""
    svg = document(title, (MARGIN - 2, 40, WIDTH - 2 * MARGIN + 4, 80))
    _lamps(svg, steps)
    return dump(svg)


def write(folder: Path) -> None:
    """Write pad-<name>.svg for every face."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FACES:
        (folder / f"pad-{name}.svg").write_text(face_svg(name), "utf-8")


# -- what is told


def _in_words(steps: Spans) -> str:
    if len(steps) == 1:
        return "steady"
    if len(steps) == 2 and not steps[1][0]:
        return f"{steps[0][1]} ms on, {steps[1][1]} ms off"
    return f"{len(steps)} steps in turn"


def _telling(steps: Spans) -> int:
    """The lamps of the moment that says most: the first in which any is lit."""
    return next((mask for mask, _ in steps if mask), 0)


def _widths(durations: list[int], total: float, least: float) -> list[float]:
    """How wide each is drawn: true to scale, but none under `least` while there is room."""
    least, rest_ms = min(least, total / len(durations)), sum(durations)
    widths = [0.0] * len(durations)
    for index in sorted(range(len(durations)), key=durations.__getitem__):
        widths[index] = max(least, durations[index] * total / rest_ms)
        total, rest_ms = total - widths[index], rest_ms - durations[index]
    return widths


# -- the three parts of the picture


def _lamps(svg: ElementTree.Element, steps: Spans) -> None:
    """The pad as it looks at its most telling moment."""
    body = {"x": MARGIN, "y": 42, "width": WIDTH - 2 * MARGIN, "height": 76, "rx": 14}
    draw(svg, "rect", **body, fill=PAD, stroke=INK)
    now, ever = _telling(steps), reduce(or_, [mask for mask, _ in steps])
    for lamp in range(KEY_COUNT):
        x = WIDTH / 2 + (lamp - (KEY_COUNT - 1) / 2) * LAMP_GAP
        place = {"cx": x, "cy": LAMP_Y, "r": LAMP_R}
        if now >> lamp & 1:
            draw(svg, "circle", **place, fill=WARM, stroke=INK, stroke_width=3)
            _shine(svg, x, steady=all(mask >> lamp & 1 for mask, _ in steps))
        else:
            dashes = "4 4" if ever >> lamp & 1 else "none"
            look: Look = {"stroke": GREY, "stroke_width": 1.5, "stroke_dasharray": dashes}
            draw(svg, "circle", **place, fill=PAPER, **look)


def _shine(svg: ElementTree.Element, x: float, steady: bool) -> None:
    if steady:
        ring: Look = {"fill": "none", "stroke": INK, "stroke_width": 2}
        draw(svg, "circle", cx=x, cy=LAMP_Y, r=LAMP_R + 6, **ring)
        return
    for dx, dy in RAYS:
        ends = [(x + dx * r, LAMP_Y + dy * r) for r in (LAMP_R + 4, LAMP_R + 9)]
        line(svg, *ends, stroke=INK, stroke_width=2)


def _round(svg: ElementTree.Element, steps: Spans) -> None:
    """When which lamp is lit: one round, and again in outline while there is room."""
    for lamp in range(KEY_COUNT):
        y = ROW_Y + lamp * ROW_GAP
        text(svg, LEFT - 10, y + 4, str(lamp + 1), 12, anchor="end")
        line(svg, (LEFT, y), (RIGHT, y), stroke=PALE)
    if len(steps) == 1:
        _bars(svg, steps[0][0], LEFT, RIGHT - LEFT, again=False)
        text(svg, (LEFT + RIGHT) / 2, AXIS_Y + 13, "all the time", 12, anchor="middle")
        return
    round_ms = sum(ms for _, ms in steps)
    shown = steps * -(-WINDOW_MS // round_ms)
    widths = _widths([ms for _, ms in shown], RIGHT - LEFT, STEP_WIDTH_MIN)
    x: float = LEFT
    for index, ((mask, ms), width) in enumerate(zip(shown, widths, strict=True)):
        _bars(svg, mask, x, width, again=index >= len(steps))
        if index < len(steps):
            line(svg, (x, ROW_Y - 9), (x, AXIS_Y), stroke=GREY)
            text(svg, x + width / 2, AXIS_Y + 11, str(ms), 12, anchor="middle")
            if width == max(widths) and min(widths) == STEP_WIDTH_MIN:
                _break(svg, x + width * 0.7)
        x += width
    end = LEFT + sum(widths[: len(steps)])
    line(svg, (end, ROW_Y - 9), (end, AXIS_Y), stroke=GREY)
    text(svg, LEFT - 6, AXIS_Y + 11, "ms", 12, anchor="end")
    line(svg, (LEFT, AXIS_Y + 15), (LEFT, AXIS_Y + 20), (end, AXIS_Y + 20), (end, AXIS_Y + 15))
    text(svg, LEFT, AXIS_Y + 33, f"one round: {round_ms} ms", 12)


def _bars(svg: ElementTree.Element, mask: int, x: float, width: float, again: bool) -> None:
    fill, stroke = (PAPER, PALE) if again else (WARM, INK)
    for lamp in range(KEY_COUNT):
        if mask >> lamp & 1:
            y = ROW_Y + lamp * ROW_GAP - BAR_HEIGHT / 2
            draw(svg, "rect", x=x, y=y, width=width, height=BAR_HEIGHT, fill=fill, stroke=stroke)


def _break(svg: ElementTree.Element, x: float) -> None:
    """The sign that this step is longer than it is drawn."""
    for paint, offsets in ((PAPER, range(1, 6)), (GREY, (0, 6))):
        for offset in offsets:
            foot = x + offset
            line(svg, (foot, AXIS_Y - 2), (foot + 8, ROW_Y - 7), stroke=paint, stroke_width=1.5)


def _sound(svg: ElementTree.Element, notes: Spans) -> None:
    """The notes, higher ones higher; played once, when the face begins."""
    if not notes:
        text(svg, MARGIN, SOUND_Y, "no sound", 12, fill=GREY)
        return
    text(svg, MARGIN, SOUND_Y - 10, "sound,", 12)
    text(svg, MARGIN, SOUND_Y + 5, "once", 12)
    pitches, durations = [hz for hz, _ in notes if hz], [ms for _, ms in notes]
    wanted = sum(max(NOTE_WIDTH_MIN, ms * NOTE_WIDTH_PER_MS) for ms in durations)
    widths = _widths(durations, min(wanted, RIGHT - SOUND_LEFT), NOTE_WIDTH_MIN)
    x: float = SOUND_LEFT
    for (hz, ms), width in zip(notes, widths, strict=True):
        if hz:
            share = (hz - min(pitches)) / (max(pitches) - min(pitches) or 1)
            height = NOTE_HEIGHT_MIN + share * (NOTE_HEIGHT_MAX - NOTE_HEIGHT_MIN)
            place = {"x": x, "y": SOUND_Y - height, "width": width, "height": height}
            draw(svg, "rect", **place, fill=PAD, stroke=INK).set("class", "note")
            text(svg, x + width / 2, SOUND_Y - 5, f"{hz} Hz", 12, anchor="middle")
        text(svg, x + width / 2, SOUND_Y + 13, f"{ms} ms", 12, anchor="middle")
        x += width


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sim.faces", description="draw the pad's faces")
    parser.add_argument("directory", type=Path, help="gets pad-NAME.svg for every face")
    write(parser.parse_args(arguments).directory)


if __name__ == "__main__":
    main()
