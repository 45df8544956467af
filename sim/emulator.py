"""luma.emulator's display, beside the real ones: a window of pygame's without a screen.

Takes the daemon's pictures as an OLED does and keeps them as PNG files, scaled to be looked at.
"""

import os
from pathlib import Path

from daemon.config.panel import Panel as Config
from daemon.front.picture import Picture


class Emulator:
    """A display of the daemon's contract; each picture becomes the next file in a directory."""

    def __init__(self, config: Config, directory: Path, scale: int = 1) -> None:
        # Without these pygame greets on standard output and looks for a screen.
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        from luma.emulator.device import capture

        self._brightness = 0
        self._device = capture(
            width=config.width,
            rotate=2 if config.upside_down else 0,
            mode="1",
            transform="none" if scale == 1 else "identity",
            scale=scale,
            file_template=str(directory / "{0:06}.png"),
        )

    def renew(self) -> None:
        """It never loses its power."""

    def show(self, picture: Picture, brightness: int) -> None:
        """Light the picture; darker as luma.emulator does it."""
        if brightness != self._brightness:
            self._brightness = brightness
            self._device.contrast(round(255 * brightness / 100))
        self._device.display(picture)
