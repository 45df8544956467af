"""The panel: shows the latest screen on the display; a slow display skips some.

A fault of the display costs no record: it is said once, and the picture is tried again.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from daemon.config.panel import Panel as PanelConfig
from daemon.errors import DaemonError
from daemon.front import words
from daemon.front.care import FRESH, Care, care
from daemon.front.night import Looks
from daemon.front.oled import Oled
from daemon.front.picture import FONTS, Brush, Picture, as_png, framed
from daemon.front.qr import modules
from daemon.front.screens import Words, page, resting
from daemon.snapshot import COMMISSIONING, SELF_TEST, SIGNS, STARTING, Screen
from daemon.wallclock import boottime_ms
from daemon.worker import Worker

log = logging.getLogger(__name__)

# A display that was plugged in again shows its picture after this.
RETRY_S = 5.0
# A standing picture is sent again after this: it moves, it dims, and a lost display is noticed.
REPEAT_S = 60.0
# Still read from a step away, and nearly no wear (SSD1306: contrast 0 is dim, not dark).
DIM_BRIGHTNESS = 1
FALLBACKS = ("zh", "en")
LOCALE = Path(__file__).parent / "locale"
# The technician sees by a frame that the whole glass is used: a wrong controller shifts it.
FRAMED = (SELF_TEST, COMMISSIONING, SIGNS)


class Display(Protocol):
    """What pictures are shown on; `show` raises OSError, nothing else raises."""

    def show(self, picture: Picture, brightness: int) -> None: ...

    def renew(self) -> None: ...


class Panel(Worker):
    """One window's screen. `address` is for a second display on the same bus."""

    def __init__(
        self,
        config: PanelConfig,
        died: Callable[[str], None],
        *,
        address: int | None = None,
        looks: Looks | None = None,
        fonts: Mapping[int, Sequence[str]] = FONTS,
        open_display: Callable[[PanelConfig], Display] = Oled,
        retry_s: float = RETRY_S,
        repeat_s: float = REPEAT_S,
        now_ms: Callable[[], int] = boottime_ms,
        utc_ms: Callable[[], int | None] = lambda: None,
        drew: Callable[[bool], None] = lambda _ok: None,
    ) -> None:
        """`drew` is told whether the display took a technician's picture."""
        super().__init__("panel", died)
        if address is not None:
            config = replace(config, address=address)
        self._config, self._looks = config, looks or Looks()
        self._retry_s, self._repeat_s = retry_s, repeat_s
        self._now_ms, self._utc_ms, self._drew = now_ms, utc_ms, drew
        self._started_ms = now_ms()
        self._brush = Brush(fonts)
        self._words = _usable_words(config, self._brush.has_letters)
        self._display = None if config.display == "none" else open_display(config)
        self._trouble: str | None = None
        self._changed = threading.Condition()
        self._next: Screen | None = Screen(name=STARTING, window="")
        self._screen, self._since_ms = self._next, 0
        self._step = 0
        self._picture = self.draw(self._screen)

    def show(self, screen: Screen) -> None:
        """Show this instead of whatever has not been drawn yet."""
        with self._changed:
            self._next = screen
            self._changed.notify()

    @property
    def trouble(self) -> str | None:
        """What is wrong with the display, in words."""
        return self._trouble

    def png(self) -> bytes:
        """The picture now shown."""
        return as_png(self._picture)

    def draw(self, screen: Screen, cared: Care = FRESH) -> Picture:
        """The picture of a screen: 64 rows, one bit, no anti-aliasing."""
        width, letters = self._config.width, self._brush.letters
        if cared.is_resting:
            return self._brush.draw(resting(screen, self._words, width, letters, cared.step))
        if screen.qr is not None and modules(screen.qr) is None:
            screen = replace(screen, qr=None)
        laid = page(screen, self._words, width, letters).moved(cared.dx, cared.dy)
        picture = self._brush.draw(laid)
        return framed(picture) if screen.name in FRAMED else picture

    # -- the thread

    def work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._next is not None,
                    self._repeat_s if self._trouble is None else self._retry_s,
                )
                screen, self._next = self._next, None
            self.turn(screen)

    def turn(self, screen: Screen | None) -> None:
        """Show a new screen, or the one that stands as it looks by now."""
        now_ms = self._now_ms() - self._started_ms
        if screen is not None:
            if screen.name != self._screen.name:
                self._since_ms = now_ms
            self._screen = screen
        is_night = self._looks.is_night(self._utc_ms())
        cared = care(self._screen.name, now_ms, self._since_ms, is_night)
        self._picture = self.draw(self._screen, cared)
        if self._display is not None:
            if cared.step > self._step:
                self._display.renew()
                self._step = cared.step
            brightness = DIM_BRIGHTNESS if cared.is_dim else self._config.brightness
            self._light(self._display, brightness)
            if screen is not None and screen.name == SIGNS:
                self._drew(self._trouble is None)

    def _light(self, display: Display, brightness: int) -> None:
        try:
            display.show(self._picture, brightness)
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


def check_words(config: PanelConfig) -> None:
    """Look at the words the panel will say. Raises DaemonError with every mistake."""
    _, problems = _read(config.words or config.language)
    if problems:
        raise DaemonError("\n".join(problems))


def _usable_words(config: PanelConfig, has_letters: bool) -> Words:
    """The configured words; when they are broken the next language that is not."""
    chosen = _first_good(config.words or config.language, config.language, *FALLBACKS)
    return chosen if has_letters else _first_good("en")


def _first_good(*wanted: Path | str) -> Words:
    for where in dict.fromkeys(wanted):
        found, problems = _read(where)
        if not problems:
            return found
        for problem in problems:
            log.error("panel words=broken %s", problem)
    return words.last_resort()


def _read(where: Path | str) -> tuple[Words, list[str]]:
    """The words of a file, or of a language by its name, and what is wrong, each with the file."""
    path = LOCALE / f"{where}.toml" if isinstance(where, str) else where
    try:
        found, problems = words.read(path.read_text("utf-8"))
    except OSError as error:
        found, problems = {}, [f"cannot be read ({error.strerror}): put the file there"]
    except UnicodeDecodeError:
        found, problems = {}, ["not UTF-8: save it as UTF-8"]
    return found, [f"{path}: {problem}" for problem in problems]
