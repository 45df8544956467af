"""The panel (the only import of Pillow and luma): the latest screen wins, a slow one skips some.

A fault of the display costs no record: it is said once, and the picture is tried again.
"""

import io
import logging
import threading
import tomllib
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from PIL import Image, ImageDraw, ImageFont

from daemon.config.panel import Panel as PanelConfig
from daemon.screens import GLYPH, HEIGHT, WIDTH, Words, lines
from daemon.snapshot import STARTING, Screen
from daemon.worker import Worker

log = logging.getLogger(__name__)

# Debian's fonts-unifont and the older unifont package: the 16 px bitmap glyphs as outlines, so
# that sizes of 16 and 32 give exact pixels.
FONTS = (
    "/usr/share/fonts/opentype/unifont/unifont.otf",
    "/usr/share/fonts/truetype/unifont/unifont.ttf",
)
# Below what is drawn from Pillow's own font when none of these is there.
NO_FONT = "apt: fonts-unifont"
PLAIN_PITCH, PLAIN_ROWS = 12, 4
# A display that was plugged in again shows its picture after this.
RETRY_S = 5.0
# The pins of the Pi's header, and the address nearly every 128x64 module comes with.
I2C_PORT, I2C_ADDRESS = 1, 0x3C
# A command without effect, the same for SSD1306 and SH1106: is anybody there?
NOP = 0xE3


class Display(Protocol):
    """What pictures are shown on; raises OSError, nothing else."""

    def show(self, picture: Image.Image) -> None: ...


class Oled:
    """An OLED on I2C; `kind` is luma's name of it. It may be absent and come back."""

    def __init__(self, kind: str, port: int = I2C_PORT) -> None:
        self._kind, self._port = kind, port
        self._bus: Any = None
        self._device: Any = None
        self._is_ready = False

    def show(self, picture: Image.Image) -> None:
        try:
            from luma.core.error import Error
        except ImportError as error:
            raise OSError(f"{error} (install haochaping[unit])") from error
        try:
            if not self._is_ready:
                self._start()
            self._device.display(picture)
        except (OSError, Error) as error:
            self._is_ready = False
            raise OSError(str(error)) from error

    def _start(self) -> None:
        from luma.core.interface.serial import i2c
        from luma.oled import device

        if self._bus is None:
            self._bus = i2c(port=self._port, address=I2C_ADDRESS)
        self._bus.command(NOP)
        made = getattr(device, self._kind)
        if self._device is None:
            self._device = made.__new__(made)
        # Always the same object: luma keeps each one it initialised until the process ends.
        self._device.__init__(self._bus)
        self._is_ready = True


class Panel(Worker):
    def __init__(
        self,
        config: PanelConfig,
        died: Callable[[str], None],
        *,
        fonts: Sequence[str] = FONTS,
        open_display: Callable[[str], Display] = Oled,
        retry_s: float = RETRY_S,
    ) -> None:
        super().__init__("panel", died)
        self._retry_s = retry_s
        self._fonts = _load(fonts)
        self._words = _words(config.language if self._fonts else "en")
        self._display = None if config.display == "none" else open_display(config.display)
        self._trouble: str | None = None
        self._changed = threading.Condition()
        self._screen: Screen | None = None
        self._picture = self.draw(Screen(name=STARTING, window=""))

    def show(self, screen: Screen) -> None:
        """Show this instead of whatever has not been drawn yet."""
        with self._changed:
            self._screen = screen
            self._changed.notify()

    def png(self) -> bytes:
        """The picture now shown."""
        out = io.BytesIO()
        self._picture.save(out, "PNG")
        return out.getvalue()

    def draw(self, screen: Screen) -> Image.Image:
        """The picture of a screen: 128x64, one bit, no anti-aliasing."""
        picture = Image.new("1", (WIDTH, HEIGHT))
        pen = ImageDraw.Draw(picture)
        pen.fontmode = "1"
        if self._fonts:
            self._draw(pen, screen)
        else:
            self._draw_plain(pen, screen)
        return picture

    def _draw(self, pen: ImageDraw.ImageDraw, screen: Screen) -> None:
        for line in lines(screen, self._words):
            if line.bar:
                pen.rectangle((0, line.y, WIDTH - 1, line.y + line.height - 1), fill=1)
        for line in lines(screen, self._words):
            font = self._fonts[line.scale]
            pen.text((line.x, line.y), line.text, fill=0 if line.bar else 1, font=font)

    def _draw_plain(self, pen: ImageDraw.ImageDraw, screen: Screen) -> None:
        """Digits and Latin letters, and what to install."""
        texts = [line.text for line in lines(screen, self._words)]
        shown = [plain for text in texts if (plain := _ascii(text))]
        for row, text in enumerate(shown[:PLAIN_ROWS]):
            pen.text((0, row * PLAIN_PITCH), text, fill=1)
        pen.text((0, HEIGHT - PLAIN_PITCH), NO_FONT, fill=1)

    def work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._screen is not None,
                    None if self._trouble is None else self._retry_s,
                )
                screen, self._screen = self._screen, None
            if screen is not None:
                self._picture = self.draw(screen)
            if self._display is not None:
                self._light(self._display)

    def _light(self, display: Display) -> None:
        try:
            display.show(self._picture)
        except OSError as error:
            self._say(f"{error}: look at the display's cable and at [panel] display")
        else:
            self._say(None)

    def _say(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is None:
            log.info("panel state=sound")
        else:
            log.warning("panel state=failing trouble=%r", trouble)


def _load(paths: Sequence[str]) -> dict[int, ImageFont.FreeTypeFont]:
    """The font at each scale; empty when there is none."""
    for path in paths:
        if Path(path).exists():
            return {scale: ImageFont.truetype(path, GLYPH * scale) for scale in (1, 2)}
    log.warning("panel font=missing trouble='no Chinese on the screen: apt install fonts-unifont'")
    return {}


def _words(language: str) -> Words:
    text = resources.files("daemon").joinpath(f"locale/{language}.toml").read_text("utf-8")
    words: Words = tomllib.loads(text)
    return words


def _ascii(text: str) -> str:
    return " ".join("".join(char for char in text if char.isascii()).split())
