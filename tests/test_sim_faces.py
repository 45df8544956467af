"""The pad's pictures and the page of its hardware say what the code does."""

import ast
import re
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from protocol.central import codes
from protocol.pad.faces import PATTERNS
from sim import faces

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
DRAWINGS = sorted(IMAGES.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
# Raspberry Pi Pico datasheet 2.1: what is on each pin of the 40-pin header.
HEADER = (
    "GP0", "GP1", "GND", "GP2", "GP3", "GP4", "GP5", "GND", "GP6", "GP7",
    "GP8", "GP9", "GND", "GP10", "GP11", "GP12", "GP13", "GND", "GP14", "GP15",
    "GP16", "GP17", "GND", "GP18", "GP19", "GP20", "GP21", "GND", "GP22", "RUN",
    "GP26", "GP27", "AGND", "GP28", "ADC_VREF", "3V3", "3V3_EN", "GND", "VSYS", "VBUS",
)  # fmt: skip
PIN_OF = {name: number for number, name in enumerate(HEADER, 1) if name != "GND"}


def element(drawing: Path | str) -> ElementTree.Element:
    text = drawing if isinstance(drawing, str) else drawing.read_text("utf-8")
    return ElementTree.fromstring(text)


def texts(part: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in part.iter(f"{SVG}text")]


def place(part: ElementTree.Element) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", part.get("transform", ""))]


def part(drawing: ElementTree.Element, name: str) -> ElementTree.Element:
    (found,) = (one for one in drawing.iter() if one.get("id") == name)
    return found


# -- the faces


def test_every_pattern_of_the_firmware_has_a_face() -> None:
    assert sorted(faces.FACES.values()) == sorted(PATTERNS)


@pytest.mark.parametrize("name", faces.FACES)
def test_picture_is_what_the_patterns_make(name: str) -> None:
    stored = (IMAGES / f"pad-{name}.svg").read_text("utf-8")
    assert stored == faces.face_svg(name), "run `python -m sim.faces docs/images`"


def test_command_writes_a_picture_of_each_face(tmp_path: Path) -> None:
    faces.main([str(tmp_path / "new")])
    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "new").iterdir()}
    assert written == {f"pad-{name}.svg": faces.face_svg(name) for name in faces.FACES}


def test_two_faces_never_differ_in_colour_or_words_alone() -> None:
    def shape(name: str) -> list[tuple[str, list[tuple[str, str]]]]:
        return [
            (one.tag, sorted(item for item in one.items() if item[0] not in {"fill", "stroke"}))
            for one in element(faces.face_svg(name)).iter()
            if one.tag not in {f"{SVG}text", f"{SVG}title"}
        ]

    shapes = {name: shape(name) for name in faces.FACES}
    assert not [pair for pair in combinations(shapes, 2) if shapes[pair[0]] == shapes[pair[1]]]


@pytest.mark.parametrize("name", faces.FACES)
def test_picture_tells_every_duration_and_pitch(name: str) -> None:
    steps, notes = PATTERNS[faces.FACES[name]]
    told = " ".join(texts(element(faces.face_svg(name))))
    numbers = {int(number) for number in re.findall(r"\d+", told)}
    wanted = {ms for _, ms in notes} | {hz for hz, _ in notes if hz}
    if len(steps) > 1:
        wanted |= {ms for _, ms in steps} | {sum(ms for _, ms in steps)}
    assert wanted <= numbers
    assert ("no sound" in told) == (not notes)


@pytest.mark.parametrize("name", faces.FACES)
def test_every_note_is_drawn_and_wide_enough_for_its_words(name: str) -> None:
    _, notes = PATTERNS[faces.FACES[name]]
    rects = element(faces.face_svg(name)).iter(f"{SVG}rect")
    drawn = [float(one.get("width", "")) for one in rects if one.get("class") == "note"]
    assert len(drawn) == sum(hz > 0 for hz, _ in notes)
    assert all(width >= faces.NOTE_WIDTH_MIN for width in drawn)


@pytest.mark.parametrize("name", faces.FACES)
def test_lamps_of_the_picture_are_those_of_the_first_lit_step(name: str) -> None:
    steps, _ = PATTERNS[faces.FACES[name]]
    lamps = [
        one
        for one in element(faces.face_svg(name)).iter(f"{SVG}circle")
        if one.get("r") == str(faces.LAMP_R)
    ]
    lamps.sort(key=lambda one: float(one.get("cx", "")))
    lit = sum(1 << index for index, one in enumerate(lamps) if one.get("fill") == faces.WARM)
    assert len(lamps) == 5
    assert lit == next(mask for mask, _ in steps if mask)


@pytest.mark.parametrize(
    ("steps", "notes"),
    [
        (((0b10000, 1), (0, 60_000)), ((4000, 1), (0, 1), (100, 5000))),
        (tuple((1 << index % 5, 100) for index in range(20)), ((440, 100),) * 12),
        (((0, 1000),), ()),
    ],
    ids=["a wink each minute", "twenty steps", "dark"],
)
def test_any_pattern_stays_inside_its_picture(
    steps: tuple[tuple[int, int], ...], notes: tuple[tuple[int, int], ...]
) -> None:
    for one in element(faces.picture("any", steps, notes)).iter(f"{SVG}rect"):
        x, y, width, height = (float(one.get(key, "")) for key in ("x", "y", "width", "height"))
        assert 0 <= x < x + width <= faces.WIDTH
        assert 0 <= y < y + height <= faces.HEIGHT


# -- every drawing


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.name)
def test_drawing_is_whole_and_needs_nothing_from_outside(drawing: Path) -> None:
    root = element(drawing)
    names = {one.get("id") for one in root.iter()}
    assert root.tag == f"{SVG}svg"
    for one in root.iter():
        assert one.tag.removeprefix(SVG) not in {"image", "script", "foreignObject"}
        for key, value in one.items():
            if key.endswith("href"):
                assert value.startswith("#")
                assert value[1:] in names
            assert "url(" not in value
    assert not re.search(r"url\(|@import|(?<!xmlns=\")https?://", drawing.read_text("utf-8"))


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.name)
def test_drawing_has_its_own_white_paper(drawing: Path) -> None:
    first = next(one for one in element(drawing) if one.tag == f"{SVG}rect")
    assert first.get("fill") == "#fff"


# -- the wires


def pin_map() -> dict[str, Any]:
    """The constants of device/board.py, which imports what only the board has."""
    found = {}
    for node in ast.parse((ROOT / "device" / "board.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id.endswith(("_PIN", "_PINS")):
                found[target.id] = ast.literal_eval(node.value)
    return found


def wires() -> dict[str, str]:
    """What the code has on each GP pin, in the words of the page."""
    pins = pin_map()
    found = {pins["TX_PIN"]: "line, pad sends", pins["TX_PIN"] + 1: "line, pad receives"}
    found[pins["BUZZER_PIN"]] = "buzzer"
    for what, name in (("key", "KEY_PINS"), ("lamp", "LAMP_PINS")):
        ends = {1: ", leftmost", len(pins[name]): ", rightmost"}
        for index, pin in enumerate(pins[name], 1):
            found[pin] = f"{what} {index}{ends.get(index, '')}"
    return {f"GP{pin}": what for pin, what in found.items()}


def test_table_of_wires_is_the_pin_map_of_the_code() -> None:
    page = (ROOT / "docs" / "hardware.md").read_text("utf-8")
    rows = re.findall(r"^\| (GP\d+) \| (\d+) \| ([^|]+) \|", page, re.M)
    assert {name: what for name, _, what in rows} == wires()
    assert len(rows) == len(wires())
    assert {name: int(number) for name, number, _ in rows} == {one: PIN_OF[one] for one in wires()}


def test_drawing_of_wires_names_the_pins_of_the_board() -> None:
    drawing = element(IMAGES / "pad-wiring.svg")
    for number, name in enumerate(HEADER, 1):
        label, *told = texts(part(drawing, f"pin-{number}"))
        assert label == str(number)
        assert [one.split()[0] for one in told] in ([name], [])


@pytest.mark.parametrize("what", ["key", "lamp"])
def test_drawing_of_wires_leads_each_key_and_lamp_to_its_pin(what: str) -> None:
    drawing = element(IMAGES / "pad-wiring.svg")
    for number, pin in enumerate(pin_map()[f"{what.upper()}_PINS"], 1):
        wire = part(drawing, f"{what}-{number}")
        assert texts(wire)[1].startswith(f"{what} {number}")
        assert place(wire)[1] == place(part(drawing, f"pin-{PIN_OF[f'GP{pin}']}"))[1]


# -- the labels of the keys


def test_label_sheet_names_the_levels_in_the_order_of_the_example() -> None:
    example = (ROOT / "daemon" / "config.example.toml").read_text("utf-8")
    (keys,) = re.findall(r"^# keys = \[([\d, ]+)\]", example, re.M)
    names = {level.satisfaction: level.label for level in codes.levels()}
    sheet = element(IMAGES / "key-labels.svg")
    labels = [part(sheet, f"key-{number}") for number in range(1, 6)]
    assert [texts(label)[0] for label in labels] == [names[int(key)] for key in keys.split(",")]
    assert [texts(label)[2] for label in labels] == [f"key {number}" for number in range(1, 6)]
    assert sorted(labels, key=place) == labels


def test_label_sheet_is_a4_in_millimetres() -> None:
    sheet = element(IMAGES / "key-labels.svg")
    assert (sheet.get("width"), sheet.get("height")) == ("297mm", "210mm")
    assert sheet.get("viewBox") == "0 0 297 210"


def test_labels_are_alike_but_for_words_brows_and_mouth() -> None:
    sheet = element(IMAGES / "key-labels.svg")
    labels = [part(sheet, f"key-{number}") for number in range(1, 6)]
    looks = [
        [(one.tag, sorted(item for item in one.items() if item[0] != "d")) for one in label.iter()][
            1:
        ]
        for label in labels
    ]
    drawn = [tuple(path.get("d") for path in label.iter(f"{SVG}path")) for label in labels]
    assert all(look == looks[0] for look in looks)
    assert all(len(set(column)) == len(labels) for column in zip(*drawn, strict=True))
