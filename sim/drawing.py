"""The elements of a drawing: an SVG document with its own paper, and what is put on it."""

from xml.etree import ElementTree

Look = dict[str, str | float]
Point = tuple[float, float]

PAPER, PAD, INK, GREY, PALE, WARM = "#fff", "#f4f4f4", "#222", "#666", "#bbb", "#f7b84b"
FONT = "Helvetica, Arial, Liberation Sans, sans-serif"


def document(title: str, box: tuple[float, float, float, float]) -> ElementTree.Element:
    """An empty drawing: x, y, width and height of what is seen; the title is for who cannot see."""
    svg = ElementTree.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=" ".join(f"{side:g}" for side in box),
        width=f"{box[2]:g}",
        height=f"{box[3]:g}",
        role="img",
    )
    svg.set("font-family", FONT)
    ElementTree.SubElement(svg, "title").text = title
    return svg


def dump(svg: ElementTree.Element) -> str:
    """The drawing as the text of a file."""
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, "unicode") + "\n"


def draw(svg: ElementTree.Element, tag: str, **look: str | float) -> ElementTree.Element:
    texts = {
        name.replace("_", "-"): value if isinstance(value, str) else f"{round(value, 1):g}"
        for name, value in look.items()
    }
    return ElementTree.SubElement(svg, tag, texts)


def line(
    svg: ElementTree.Element, *points: Point,
    stroke: str = INK, stroke_width: float = 1,
) -> None:  # fmt: skip
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    draw(svg, "polyline", points=path, fill="none", stroke=stroke, stroke_width=stroke_width)


def text(
    svg: ElementTree.Element, x: float, y: float, said: str, size: int,
    anchor: str = "start", weight: str = "normal", fill: str = INK,
) -> None:  # fmt: skip
    look: Look = {"text_anchor": anchor, "font_size": size, "font_weight": weight, "fill": fill}
    draw(svg, "text", x=x, y=y, **look).text = said
