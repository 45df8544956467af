"""What the citizen's screen says: words, layout, pictures, and a display that fails."""

import io
import logging
import os
import queue
import tomllib
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from daemon import snapshot
from daemon.config.panel import Panel as PanelConfig
from daemon.panel import FONTS, NO_FONT, Oled, Panel
from daemon.screens import COLUMNS, HEIGHT, WIDTH, columns, lines, shorten
from daemon.snapshot import Screen

LANGUAGES = ("zh", "en")
NAMES = (
    snapshot.STARTING, snapshot.IDLE, snapshot.CALLED, snapshot.PLEASE_RATE,
    snapshot.HEARD, snapshot.THANKS, snapshot.PAUSED, snapshot.OUT_OF_SERVICE,
)  # fmt: skip
LONG_NAME = "城乡居民基本医疗保险参保登记（含异地转移接续办理）"
TROUBLES = (snapshot.DISK, *snapshot.PAD.values())
WAIT_S = 10.0


def words(language):
    return tomllib.loads(resources.files("daemon").joinpath(f"locale/{language}.toml").read_text())


def screen(name=snapshot.PLEASE_RATE, **changes):
    facts = {"ticket": "A023", "task_name": "居民身份证换领", "remaining_s": 28} | changes
    return Screen(name=name, window=facts.pop("window", "3"), **facts)


def panel(language="zh", display="none", **more):
    return Panel(PanelConfig(display=display, language=language), pytest.fail, **more)


def shown(given_screen, language="zh"):
    return [line.text for line in lines(given_screen, words(language))]


SCREENS = st.builds(
    Screen,
    name=st.sampled_from(NAMES),
    window=st.text("0123456789AZ-", min_size=1, max_size=8),
    ticket=st.none() | st.text("A0-:z", min_size=1, max_size=16),
    task_name=st.none() | st.text("身份证 （）“”①·…aZ9—Ⅻ★", min_size=1, max_size=64),
    remaining_s=st.none() | st.integers(0, 120),
    trouble=st.none() | st.sampled_from(TROUBLES),
)


def test_locales_say_the_same_screens():
    names = {*NAMES, "this_service", *TROUBLES}
    assert {language: set(words(language)) for language in LANGUAGES} == dict.fromkeys(
        LANGUAGES, names
    )


@pytest.mark.parametrize("language", LANGUAGES)
@given(SCREENS)
def test_screen_whatever_it_says_fits(language, given_screen):
    drawn = lines(given_screen, words(language))
    assert drawn
    for line in drawn:
        assert line.text
        assert line.x >= 0
        assert line.x + line.width <= WIDTH
        assert 0 <= line.y <= HEIGHT - line.height
    rows = sorted((line.y, line.height, line.bar) for line in drawn)
    for (upper_y, height, bar), (lower_y, _, _) in pairwise(rows):
        assert lower_y >= upper_y + height or bar


@pytest.fixture(scope="module")
def unifont():
    path = next(path for path in FONTS if os.path.exists(path))
    return {scale: ImageFont.truetype(path, 16 * scale) for scale in (1, 2)}


@pytest.mark.needs("unifont")
@pytest.mark.parametrize("language", LANGUAGES)
@given(given_screen=SCREENS)
def test_line_is_as_wide_in_the_font_as_was_counted_or_narrower(unifont, language, given_screen):
    for line in lines(given_screen, words(language)):
        assert unifont[line.scale].getlength(line.text) <= line.width


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_words_of_a_locale_when_tickets_are_usual_are_never_cut(language, name, trouble):
    given_screen = screen(name, window="12", task_name=None, remaining_s=120, trouble=trouble)
    assert "…" not in "".join(shown(given_screen, language))


def test_reason_when_out_of_service_stands_below_and_is_left_out_when_there_is_none():
    assert shown(screen(snapshot.OUT_OF_SERVICE, trouble="pad_foreign"))[-1] == "评价器版本不符"
    assert shown(screen(snapshot.OUT_OF_SERVICE))[-1] == "请联系工作人员"


def test_item_name_when_long_takes_two_rows_and_is_cut_there():
    text = shown(screen(task_name=LONG_NAME))
    assert text[-2:] == ["城乡居民基本医疗", "保险参保登记（…"]
    assert shown(screen(task_name="居民身份证换领"))[-1] == "居民身份证换领"


def test_item_name_when_not_told_is_this_service():
    assert shown(screen(task_name=None)) == ["请您评价", "28秒", "A023", "本次服务"]


def test_ticket_when_unknown_is_left_out():
    assert shown(screen(ticket=None)) == ["请您评价", "28秒", "居民身份证换领"]


def test_ticket_when_too_long_for_large_letters_is_drawn_small():
    (large, _), (small, _) = (
        lines(screen(snapshot.CALLED, ticket=ticket), words("zh")) for ticket in ("A023", "A" * 9)
    )
    assert (large.scale, small.scale) == (2, 1)


@given(st.text("汉aA（“①★", max_size=30), st.integers(1, COLUMNS))
def test_shortened_text_fits_and_begins_the_same(text, columns_max):
    short = shorten(text, columns_max)
    assert columns(short) <= columns_max
    assert short == text or text.startswith(short.removesuffix("…"))


# -- pictures


def pixels(picture):
    assert (picture.mode, picture.size) == ("1", (WIDTH, HEIGHT))
    return picture.tobytes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures_of_the_screens_differ_and_none_is_empty(language):
    drawn = panel(language)
    pictures = {pixels(drawn.draw(screen(name))) for name in NAMES}
    assert len(pictures) == len(NAMES)
    assert bytes(WIDTH * HEIGHT // 8) not in pictures


def test_picture_shows_the_seconds_that_are_left():
    drawn = panel()
    assert pixels(drawn.draw(screen(remaining_s=9))) != pixels(drawn.draw(screen(remaining_s=8)))


def test_picture_without_the_font_shows_digits_and_what_to_install(caplog):
    plain = panel("zh", fonts=("/nowhere/unifont.otf",))
    assert "apt install fonts-unifont" in caplog.text
    assert NO_FONT in "apt: fonts-unifont"
    called = [pixels(plain.draw(screen(snapshot.CALLED, ticket=t))) for t in ("A023", "A024")]
    assert called[0] != called[1]
    crowded = plain.draw(screen(task_name="a" * 64))
    bottom = crowded.crop((0, HEIGHT - 12, WIDTH, HEIGHT))
    assert bottom.getbbox() is not None
    assert bottom.tobytes() == plain.draw(screen()).crop((0, HEIGHT - 12, WIDTH, HEIGHT)).tobytes()


def test_png_before_anything_was_shown_is_the_starting_screen():
    drawn = panel()
    png = Image.open(io.BytesIO(drawn.png()))
    assert pixels(png) == pixels(drawn.draw(Screen(name=snapshot.STARTING, window="")))


# -- the thread


class Glass:
    """A display that hands its pictures over, or fails as I2C does when the cable is loose."""

    def __init__(self):
        self.pictures = queue.Queue()
        self.failures = queue.Queue()

    def __call__(self, kind):
        self.kind = kind
        return self

    def show(self, picture):
        if not self.failures.empty():
            error = self.failures.get()
            self.pictures.put(error)
            raise error
        self.pictures.put(picture)

    def next(self):
        return self.pictures.get(timeout=WAIT_S)


def test_display_gets_the_picture_of_each_screen():
    glass = Glass()
    drawn = panel(display="sh1106", open_display=glass)
    drawn.start()
    for name in (snapshot.IDLE, snapshot.THANKS):
        drawn.show(screen(name))
        assert pixels(glass.next()) == pixels(drawn.draw(screen(name)))
    assert glass.kind == "sh1106"
    assert pixels(Image.open(io.BytesIO(drawn.png()))) == pixels(drawn.draw(screen(name)))


def test_display_when_it_fails_is_said_once_and_tried_again(caplog):
    caplog.set_level(logging.INFO, "daemon.panel")
    glass = Glass()
    drawn = panel(display="ssd1306", open_display=glass)
    for _ in range(3):
        glass.failures.put(OSError(121, "Remote I/O error"))
    drawn.start()
    for left_s in range(4, 0, -1):
        drawn.show(screen(remaining_s=left_s))
        happened = glass.next()
        assert isinstance(happened, OSError) == (left_s > 1)
    drawn.show(screen(snapshot.IDLE))
    glass.next()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "Remote I/O error: look at the display's cable" in said[0]
    assert said[1] == "panel state=sound"


def test_display_when_it_comes_back_shows_what_it_missed():
    glass = Glass()
    drawn = panel(display="ssd1306", open_display=glass, retry_s=0.01)
    glass.failures.put(OSError(121, "Remote I/O error"))
    drawn.start()
    drawn.show(screen(snapshot.THANKS))
    assert isinstance(glass.next(), OSError)
    assert pixels(glass.next()) == pixels(drawn.draw(screen(snapshot.THANKS)))


def test_display_when_it_is_slow_skips_to_the_latest_screen():
    glass = Glass()
    drawn = panel(display="ssd1306", open_display=glass)
    for left_s in range(30, 0, -1):
        drawn.show(screen(remaining_s=left_s))
    drawn.start()
    assert pixels(glass.next()) == pixels(drawn.draw(screen(remaining_s=1)))
    assert glass.pictures.empty()


def test_oled_when_absent_is_a_sentence_each_time_and_leaks_nothing():
    oled, picture = Oled("ssd1306", port=250), Image.new("1", (WIDTH, HEIGHT))

    def fail():
        with pytest.raises(OSError, match="I2C"):
            oled.show(picture)

    fail()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        fail()
    assert len(os.listdir("/proc/self/fd")) == before


class Bus:
    """The I2C bus with a display on it, at the level of bytes; `is_loose` as a bad contact is."""

    def __init__(self, _port):
        self.is_loose = False
        self.commands, self.pages = [], b""

    def _touch(self):
        if self.is_loose:
            raise OSError(121, "Remote I/O error")

    def write_i2c_block_data(self, _address, _mode, data):
        self._touch()
        self.commands.append(tuple(data))

    def i2c_rdwr(self, message):
        self._touch()
        mode, *data = list(message)
        assert mode == 0x40
        self.pages = bytes(data)

    def close(self):
        """Called when the process ends."""


# luma's own call; Pillow 14 drops it.
@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", ["ssd1306", "sh1106"])
def test_oled_when_it_comes_back_is_set_up_anew_on_the_same_bus(monkeypatch, kind):
    buses = []
    monkeypatch.setattr("smbus2.SMBus", lambda port: buses.append(Bus(port)) or buses[-1])
    oled, picture = Oled(kind), panel().draw(screen())
    oled.show(picture)
    (bus,) = buses
    setup = len(bus.commands)
    bus.is_loose = True
    for _ in range(3):
        with pytest.raises(OSError, match=r"not found|Remote I/O"):
            oled.show(picture)
    bus.is_loose, bus.commands, bus.pages = False, [], b""
    oled.show(picture)
    assert buses == [bus]
    assert len(bus.commands) == setup
    assert any(bus.pages)
    # The last page's columns, a byte each, the topmost pixel in the lowest bit.
    columns_shown = bus.pages[-WIDTH:]
    rows = range(HEIGHT - 8, HEIGHT)
    wanted = bytes(
        sum((picture.getpixel((x, y)) > 0) << bit for bit, y in enumerate(rows))
        for x in range(WIDTH)
    )
    assert columns_shown == wanted
