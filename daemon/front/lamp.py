"""A window's lamp and buzzer: the latest screen wins, and no fault of theirs costs a record.

The worker sleeps until the pattern's next change; the loop only leaves a screen here. What is
wrong with the pins is said once, and tried again with the next face or after a while.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from daemon.front.faces import Moment, begins, counted, face, is_spoken, moment
from daemon.front.night import FULL, Looks
from daemon.snapshot import SIGNS, Screen
from daemon.worker import Worker
from protocol.pad.messages import ASKING, HEARD

log = logging.getLogger(__name__)

# A wire that was mended, or a package that was installed, is noticed within this.
RETRY_S = 5.0


class Outputs(Protocol):
    """One lamp and one buzzer, in per cent; they raise OSError, nothing else."""

    def light(self, percent: int) -> None: ...
    def sound(self, hz: int, percent: int) -> None: ...
    def close(self) -> None: ...


class Lamp(Worker):
    def __init__(
        self,
        window: str,
        outputs: Outputs | None,
        looks: Looks,
        utc_ms: Callable[[], int | None],
        died: Callable[[str], None],
        *,
        speak: Callable[[str, int | None], None] | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        """`speak` gets the window and each face that begins, None for what nobody may hear."""
        super().__init__(f"lamp {window}", died)
        self._window, self._outputs, self._retry_s = window, outputs, retry_s
        self._looks, self._utc_ms, self._look = looks, utc_ms, FULL
        self._speak = speak
        self._trouble: str | None = None
        self._changed = threading.Condition()
        self._screen: Screen | None = None
        self._is_news = self._is_stopping = False
        self._face: int | None = None
        # What a technician is to count, blinks and beeps.
        self._counts: tuple[int, int] | None = None
        self._began_s = 0.0

    @property
    def trouble(self) -> str | None:
        """What is wrong with its pins, in words."""
        return self._trouble

    def show(self, screen: Screen) -> None:
        """Play this screen's face instead of the one before; seconds that pass are no news."""
        with self._changed:
            if begins(self._screen, screen):
                self._is_news = True
                self._changed.notify()
            self._screen = screen

    def stop(self, wait_s: float) -> None:
        """Dark and silent, if the pins answer within that time."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self.is_alive():
            self.join(wait_s)

    def work(self) -> None:
        wait_s = None
        while self._wait(wait_s):
            wait_s = self._play()
        if self._speak is not None:
            self._speak(self._window, None)
        try:
            if self._outputs is not None:
                self._outputs.close()
        except OSError as error:
            self._say(str(error))

    def _wait(self, wait_s: float | None) -> bool:
        """Until there is something to do; False when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_news or self._is_stopping, wait_s)
            is_news, self._is_news = self._is_news, False
            if self._is_stopping:
                return False
        if is_news:
            self._begin()
        return True

    def _begin(self) -> None:
        before, self._face = self._face, face(self._screen)
        screen = self._screen
        is_counted = screen is not None and screen.name == SIGNS
        self._counts = (screen.blinks, screen.beeps) if screen and is_counted else None
        self._began_s = time.monotonic()
        if self._face != HEARD or before not in ASKING:
            # As on the pad: an open prompt, and its answer, keep the look it began with.
            self._look = self._looks.at(self._utc_ms())
        if self._speak is not None:
            is_heard = self._look.volume and is_spoken(self._screen)
            self._speak(self._window, self._face if is_heard else None)

    def _play(self) -> float | None:
        """Set light and sound to what they are now; the seconds until they change."""
        if self._outputs is None:
            return None
        now = self._moment(int((time.monotonic() - self._began_s) * 1000))
        if self._counts is not None:
            # A night at which nothing can be heard is no reason to be sent home by a test.
            self._look = FULL
        elif self._face not in ASKING:
            self._look = self._looks.at(self._utc_ms())
        try:
            self._outputs.light(self._look.brightness if now.lit else 0)
            self._outputs.sound(now.hz, self._look.volume if now.hz else 0)
        except OSError as error:
            self._say(str(error))
            return self._retry_s
        self._say(None)
        return None if now.wait_ms is None else now.wait_ms / 1000

    def _moment(self, elapsed_ms: int) -> Moment:
        if self._counts is not None:
            return counted(*self._counts, elapsed_ms)
        return moment(self._face, elapsed_ms)

    def _say(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is None:
            log.info("lamp window=%s state=sound", self._window)
        else:
            log.warning("lamp window=%s state=failing trouble=%r", self._window, trouble)
