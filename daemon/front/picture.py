"""Draws a page (the only import of Pillow): one bit a pixel, no anti-aliasing."""

import logging
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from daemon.front.qr import Modules, modules
from daemon.front.screens import (
    CODE_WIDTH,
    GLYPH,
    HEIGHT,
    SMALL_GLYPH,
    Letters,
    Page,
    TextLine,
    counted,
)

log = logging.getLogger(__name__)

# By height: Debian's fonts-unifont and the older unifont package (the bitmap glyphs as outlines, at
# 16 px exact), and xfonts-wqy, whose bitmaps FreeType reads at their own height only. A height that
# is absent is drawn from the other.
X11 = "/usr/share/fonts/X11/misc/"
FONTS: Mapping[int, Sequence[str]] = {
    GLYPH: (
        "/usr/share/fonts/opentype/unifont/unifont.otf",
        "/usr/share/fonts/truetype/unifont/unifont.ttf",
        f"{X11}wenquanyi_12pt.pcf",
        f"{X11}wenquanyi_12pt.pcf.gz",
    ),
    SMALL_GLYPH: (f"{X11}wenquanyi_9pt.pcf", f"{X11}wenquanyi_9pt.pcf.gz"),
}
PACKAGES = {GLYPH: "fonts-unifont", SMALL_GLYPH: "xfonts-wqy"}
# Where a glyph's baseline is, from the top of its row.
BASELINES = {GLYPH: 14, SMALL_GLYPH: 10}
# Below what is drawn from Pillow's own font when there is none at all.
NO_FONT = f"apt: {PACKAGES[GLYPH]}"
PLAIN_PITCH, PLAIN_ROWS = 12, 4
# Two pixels a module: on a 0.96" glass 0.34 mm, what a telephone reads from a hand's width.
MODULE = 2

Picture = Image.Image


class Brush:
    """Pictures from pages, with the fonts that are installed."""

    def __init__(self, fonts: Mapping[int, Sequence[str]] = FONTS) -> None:
        self._fonts = {
            glyph: font
            for glyph, paths in fonts.items()
            if (font := _load(glyph, paths)) is not None
        }
        if self.has_letters:
            largest, smallest = max(self._fonts), min(self._fonts)
            self.letters = Letters(self._measure, largest, smallest)
        else:
            self.letters = Letters(counted)

    @property
    def has_letters(self) -> bool:
        """Whether Chinese can be drawn."""
        return bool(self._fonts)

    def _measure(self, text: str, glyph: int) -> int:
        return round(self._fonts[glyph].getlength(text, "1"))

    def draw(self, page: Page) -> Picture:
        """The picture of a page, as wide as it and HEIGHT high."""
        picture = Image.new("1", (page.width, HEIGHT))
        pen = ImageDraw.Draw(picture)
        pen.fontmode = "1"
        if self._fonts:
            for box in page.boxes:
                ends = (box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)
                pen.rectangle(ends, fill=1)
            for line in page.lines:
                self._write(picture, pen, line)
        else:
            _write_plain(pen, page)
        code = modules(page.code) if page.code else None
        if code is not None:
            _print_code(pen, code, page.width - CODE_WIDTH)
        return picture

    def _write(self, picture: Picture, pen: ImageDraw.ImageDraw, line: TextLine) -> None:
        font, baseline = self._fonts[line.glyph], BASELINES[line.glyph]
        ink = 0 if line.dark else 1
        if line.scale == 1:
            pen.text((line.x, line.y + baseline), line.text, fill=ink, font=font, anchor="ls")
            return
        # A bitmap font has one height: larger letters are its pixels, larger.
        small = Image.new("1", (line.width // line.scale, line.glyph))
        small_pen = ImageDraw.Draw(small)
        small_pen.fontmode = "1"
        small_pen.text((0, baseline), line.text, fill=1, font=font, anchor="ls")
        large = small.resize((line.width, line.height), Image.Resampling.NEAREST)
        picture.paste(ink, (line.x, line.y), large)


def framed(picture: Picture) -> Picture:
    """The picture with a line along all four edges of the glass: the right controller shows it."""
    right, bottom = picture.width - 1, picture.height - 1
    ImageDraw.Draw(picture).rectangle((0, 0, right, bottom), outline=1)
    return picture


def as_png(picture: Picture) -> bytes:
    """The picture as a file, one bit a pixel.

    By hand, because Pillow loads five plugins to write one: 1 MB of the unit's 40 (PNG, 11.2).
    """
    row_len = (picture.width + 7) // 8
    raw = picture.tobytes()
    rows = b"".join(b"\0" + raw[start : start + row_len] for start in range(0, len(raw), row_len))
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _load(glyph: int, paths: Sequence[str]) -> ImageFont.FreeTypeFont | None:
    for path in paths:
        if not Path(path).exists():
            continue
        try:
            return ImageFont.truetype(path, glyph, layout_engine=ImageFont.Layout.BASIC)
        except OSError as error:
            log.warning("panel font=unreadable path=%s trouble=%r", path, str(error))
    log.warning(
        "panel font=missing trouble='no Chinese %d px high on the screen: apt install %s'",
        glyph,
        PACKAGES[glyph],
    )
    return None


def _write_plain(pen: ImageDraw.ImageDraw, page: Page) -> None:
    """Digits and Latin letters, and what to install."""
    shown = [plain for line in page.lines if (plain := _ascii(line.text))]
    for row, text in enumerate(shown[:PLAIN_ROWS]):
        pen.text((0, row * PLAIN_PITCH), text, fill=1)
    pen.text((0, HEIGHT - PLAIN_PITCH), NO_FONT, fill=1)


def _ascii(text: str) -> str:
    return " ".join("".join(char for char in text if char.isascii()).split())


def _print_code(pen: ImageDraw.ImageDraw, code: Modules, left: int) -> None:
    """Dark on a white square, because many telephones do not read it the other way round."""
    pen.rectangle((left, 0, left + CODE_WIDTH - 1, HEIGHT - 1), fill=1)
    edge = (CODE_WIDTH - len(code) * MODULE) // 2
    for y, row in enumerate(code):
        for x, is_dark in enumerate(row):
            if is_dark:
                corner = (left + edge + x * MODULE, edge + y * MODULE)
                pen.rectangle((*corner, corner[0] + MODULE - 1, corner[1] + MODULE - 1), fill=0)
