"""The panel's thread: the latest screen wins, a display that fails or stalls costs nothing else."""

import io
import logging
import queue
import threading
import time
from dataclasses import replace

import pytest
from PIL import Image

from daemon import snapshot
from daemon.config.panel import Panel as PanelConfig
from daemon.front.care import DIM_AFTER_MS, REST_AFTER_MS, STEP_MS
from daemon.front.night import Looks
from daemon.front.panel import DIM_BRIGHTNESS, Panel
from daemon.snapshot import Screen

WAIT_S = 10.0
BRIGHT = 80
NIGHT = Looks(night=(21 * 60, 6 * 60 + 30))
# 14:00 and 22:00 in the hall.
DAY_MS, NIGHT_MS = 6 * 3_600_000, 14 * 3_600_000


def screen(name=snapshot.PLEASE_RATE, **changes):
    facts = {"ticket": "A023", "task_name": "居民身份证换领", "remaining_s": 28} | changes
    return Screen(name=name, window="3", **facts)


class Glass:
    """A display that hands its pictures over, or fails as I2C does when the cable is loose."""

    def __init__(self):
        self.pictures = queue.Queue()
        self.failures = queue.Queue()
        self.brightness = None
        self.renewed = 0
        self.may_go_on = None

    def __call__(self, config):
        self.config = config
        return self

    def renew(self):
        self.renewed += 1

    def show(self, picture, brightness):
        self.brightness = brightness
        if self.may_go_on is not None:
            self.pictures.put(picture)
            assert self.may_go_on.wait(WAIT_S)
            return
        if not self.failures.empty():
            error = self.failures.get()
            self.pictures.put(error)
            raise error
        self.pictures.put(picture)

    def next(self):
        return self.pictures.get(timeout=WAIT_S)


def panel(display="none", **more):
    return Panel(PanelConfig(display=display), pytest.fail, **more)


def pixels(picture):
    assert (picture.mode, picture.size) == ("1", (128, 64))
    return picture.tobytes()


@pytest.fixture
def glass():
    return Glass()


def started(glass, **more):
    """A panel that has shown its first picture."""
    drawn = panel("ssd1306", open_display=glass, **more)
    drawn.start()
    assert pixels(glass.next()) == pixels(drawn.draw(Screen(name=snapshot.STARTING, window="")))
    return drawn


def test_png_before_anything_was_shown_is_the_starting_screen():
    drawn = panel()
    png = Image.open(io.BytesIO(drawn.png()))
    assert pixels(png) == pixels(drawn.draw(Screen(name=snapshot.STARTING, window="")))


def test_display_gets_the_picture_of_each_screen_and_the_mirror_the_same(glass):
    drawn = started(glass)
    for name in (snapshot.IDLE, snapshot.THANKS):
        drawn.show(screen(name))
        assert pixels(glass.next()) == pixels(drawn.draw(screen(name)))
    assert glass.config.display == "ssd1306"
    assert glass.brightness == BRIGHT
    assert pixels(Image.open(io.BytesIO(drawn.png()))) == pixels(drawn.draw(screen(name)))


def test_second_window_s_display_has_its_own_address(glass):
    panel("ssd1306", open_display=glass, address=0x3D)
    assert glass.config == replace(PanelConfig(display="ssd1306"), address=0x3D)


def test_wide_display_gets_wide_pictures(glass):
    drawn = panel("ssd1322", open_display=glass)
    drawn.start()
    assert glass.next().size == drawn.draw(screen()).size == (256, 64)


def test_display_when_it_fails_is_said_once_and_tried_again(glass, caplog):
    caplog.set_level(logging.INFO, "daemon.front.panel")
    drawn = started(glass)
    for _ in range(3):
        glass.failures.put(OSError(121, "Remote I/O error"))
    for left_s in range(4, 0, -1):
        drawn.show(screen(remaining_s=left_s))
        happened = glass.next()
        assert isinstance(happened, OSError) == (left_s > 1)
    drawn.show(screen(snapshot.IDLE))
    glass.next()
    said = [one.getMessage() for one in caplog.records if one.name == "daemon.front.panel"]
    assert len(said) == 2
    assert "Remote I/O error: look at the display's cable" in said[0]
    assert said[1] == "panel state=sound"


def test_display_when_it_comes_back_shows_what_it_missed(glass):
    drawn = started(glass, retry_s=0.01)
    glass.failures.put(OSError(121, "Remote I/O error"))
    drawn.show(screen(snapshot.THANKS))
    assert isinstance(glass.next(), OSError)
    assert pixels(glass.next()) == pixels(drawn.draw(screen(snapshot.THANKS)))


def test_technician_s_picture_that_was_taken_or_refused_is_told_and_no_other(glass):
    told = queue.Queue()
    drawn = started(glass, drew=told.put)
    drawn.show(screen())
    glass.next()
    glass.failures.put(OSError(121, "Remote I/O error"))
    drawn.show(screen(snapshot.SIGNS, number="4711"))
    assert told.get(timeout=WAIT_S) is False
    assert "look at the display's cable" in drawn.trouble
    drawn.show(screen(snapshot.SIGNS, number="4712"))
    assert told.get(timeout=WAIT_S) is True
    assert drawn.trouble is None
    assert told.empty()


def test_display_that_stalls_holds_up_nobody_and_goes_on_with_the_latest_screen(glass):
    drawn = started(glass)
    glass.may_go_on = threading.Event()
    drawn.show(screen(remaining_s=31))
    glass.next()
    begun = time.monotonic()
    for left_s in range(30, 0, -1):
        drawn.show(screen(remaining_s=left_s))
        drawn.png()
    # The thread that calls has its turn in 50 ms for everything; here thirty of them.
    assert time.monotonic() - begun < 1
    going, glass.may_go_on = glass.may_go_on, None
    going.set()
    assert pixels(glass.next()) == pixels(drawn.draw(screen(remaining_s=1)))
    assert glass.pictures.empty()


def test_standing_picture_is_sent_again_so_that_a_lost_display_is_noticed(glass):
    started(glass, repeat_s=0.01)
    assert pixels(glass.next()) == pixels(glass.next())


# -- care, turn by turn without the thread


class Hours:
    """A panel whose time is told, and its glass."""

    def __init__(self, utc_ms=DAY_MS, looks=NIGHT):
        self.now_ms, self.utc_ms = 5_000_000, utc_ms
        self.glass = Glass()
        self.panel = panel(
            "ssd1306",
            open_display=self.glass,
            looks=looks,
            now_ms=lambda: self.now_ms,
            utc_ms=lambda: self.utc_ms,
        )

    def shown(self, name=None, after_ms=0, **facts):
        """The picture now lit: of a new screen, or of the one that stands."""
        self.now_ms += after_ms
        self.panel.turn(None if name is None else screen(name, **facts))
        return pixels(self.glass.next())


@pytest.mark.needs("unifont")
def test_picture_that_stands_moves_and_the_display_is_set_up_anew():
    hours = Hours()
    first = hours.shown(snapshot.IDLE)
    assert hours.shown(after_ms=STEP_MS - 1) == first
    assert hours.glass.renewed == 0
    moved = [hours.shown(after_ms=STEP_MS) for _ in range(8)]
    # Eight places, the last of which is the first again.
    assert len(set(moved)) >= 6
    assert first in moved
    assert hours.glass.renewed == 8


def test_citizen_s_screen_neither_moves_nor_dims_nor_flickers_at_any_hour():
    hours = Hours(NIGHT_MS)
    hours.shown(snapshot.IDLE)
    assert hours.glass.brightness == DIM_BRIGHTNESS
    asked = hours.shown(snapshot.PLEASE_RATE)
    for _ in range(10):
        assert hours.shown(snapshot.PLEASE_RATE, after_ms=STEP_MS) == asked
        assert hours.glass.brightness == BRIGHT
    assert hours.glass.renewed == 0


def test_screen_that_stands_long_is_dimmed_by_day_and_bright_with_the_next():
    hours = Hours()
    hours.shown(snapshot.OUT_OF_SERVICE)
    assert hours.glass.brightness == BRIGHT
    hours.shown(after_ms=DIM_AFTER_MS)
    assert hours.glass.brightness == DIM_BRIGHTNESS
    hours.shown(snapshot.CALLED)
    assert hours.glass.brightness == BRIGHT


@pytest.mark.needs("unifont")
def test_idle_at_night_becomes_a_mark_that_walks_and_a_call_ends_it():
    hours = Hours(NIGHT_MS)
    idle = hours.shown(snapshot.IDLE)
    marks = [hours.shown(after_ms=REST_AFTER_MS + STEP_MS) for _ in range(3)]
    assert len({idle, *marks}) == 4
    lit = [sum(byte.bit_count() for byte in picture) for picture in (idle, *marks)]
    assert max(lit[1:]) < lit[0] / 20
    assert hours.shown(snapshot.CALLED) == pixels(hours.panel.draw(screen(snapshot.CALLED)))


@pytest.mark.needs("unifont")
def test_night_is_not_believed_of_a_clock_nobody_vouches_for():
    hours = Hours(None)
    hours.shown(snapshot.IDLE)
    hours.shown(after_ms=REST_AFTER_MS * 4)
    assert hours.panel.draw(screen(snapshot.IDLE)).getbbox() is not None
    assert hours.glass.brightness == DIM_BRIGHTNESS
    assert hours.panel.turn(None) is None
    assert sum(byte.bit_count() for byte in pixels(hours.glass.next())) > 500
