"""The OLED (the only import of luma): may be absent, fail, go away and come back.

luma.oled drives the controllers; what it raises becomes an OSError with what to look at.
"""

import sys
from typing import Any

from daemon.config.panel import Panel as Config
from daemon.front.picture import Picture

# A command without effect, the same for SSD1306, SSD1309 and SH1106: is anybody there?
NOP = 0xE3
# luma counts quarter turns.
HALF_TURN = 2
CONTRAST_MAX = 255


class Oled:
    """The display of a configuration. `show` raises OSError, nothing else."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._bus: Any = None
        self._device: Any = None
        self._contrast: int | None = None
        self._is_ready = False

    def renew(self) -> None:
        """Set it up anew with the next picture: it may have lost its power without a word."""
        self._is_ready = False

    def show(self, picture: Picture, brightness: int) -> None:
        """Light the picture; `brightness` in per cent."""
        try:
            from luma.core.error import Error
        except ImportError as error:
            raise OSError(f"{error} (install haochaping[unit])") from error
        try:
            if not self._is_ready:
                self._start()
            contrast = round(CONTRAST_MAX * brightness / 100)
            if contrast != self._contrast:
                self._device.contrast(contrast)
                self._contrast = contrast
            self._device.display(picture)
        except (Error, *_driver_errors()) as error:
            self._is_ready = False
            raise OSError(str(error)) from error

    def _start(self) -> None:
        from luma.oled import device

        if self._bus is None:
            self._bus = self._open_bus()
        if not self._config.is_spi:
            self._bus.command(NOP)
        made = getattr(device, self._config.display)
        if self._device is None:
            self._device = made.__new__(made)
        # Always the same object: luma keeps each one it initialised until the process ends.
        self._device.__init__(
            self._bus,
            width=self._config.width,
            rotate=HALF_TURN if self._config.upside_down else 0,
            mode="1",
        )
        self._contrast, self._is_ready = None, True

    def _open_bus(self) -> Any:
        from luma.core.interface.serial import i2c, spi

        config = self._config
        if not config.is_spi:
            return i2c(port=config.bus, address=config.address)
        try:
            return spi(
                port=config.bus,
                device=config.address,
                gpio_DC=config.data_pin,
                gpio_RST=config.reset_pin,
            )
        except ImportError as error:
            raise OSError(f"{error} (install haochaping[unit])") from error
        except _driver_errors() as error:
            raise OSError(f"SPI or its pins: {error}") from error


def _driver_errors() -> tuple[type[Exception], ...]:
    """What smbus2, spidev and whichever RPi.GPIO is there raise when the hardware does not work."""
    gpio = sys.modules.get("RPi.GPIO")
    # rpi-lgpio lets this one through, which is derived from Exception alone.
    chip_error = getattr(getattr(gpio, "lgpio", None), "error", OSError)
    return (OSError, RuntimeError, ValueError, chip_error)
