"""What the citizen's screen says: words, layout, pictures; and that a telephone reads its code."""

import io
import tomllib
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from daemon import snapshot
from daemon.config.panel import Panel as PanelConfig
from daemon.front import phone
from daemon.front.care import FRESH, PLACES
from daemon.front.panel import Panel
from daemon.front.picture import FONTS, Brush
from daemon.front.qr import modules
from daemon.front.screens import CODE_WIDTH, HEIGHT, Letters, counted, page, resting, shorten
from daemon.front.words import LINKS, SCREENS
from daemon.snapshot import Screen
from sim.screens import CODE, LONG_TASK, REASONS, pictures, screens

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("zh", "en")
WIDTHS = (128, 256)
NAMES = (*SCREENS, snapshot.REASONS)
TROUBLES = (snapshot.DISK, *snapshot.PAD.values())
COUNTED = Letters(counted)


def words(language):
    return tomllib.loads(
        resources.files("daemon.front").joinpath(f"locale/{language}.toml").read_text()
    )


def screen(name=snapshot.PLEASE_RATE, **changes):
    facts = {"ticket": "A023", "task_name": "居民身份证换领", "remaining_s": 28} | changes
    return Screen(name=name, window=facts.pop("window", "3"), **facts)


def panel(language="zh", display="none", **more):
    return Panel(
        PanelConfig(display=display, language=language),
        pytest.fail,
        open_display=lambda _: None,
        **more,
    )


def shown(given_screen, language="zh", width=128, letters=COUNTED):
    return [line.text for line in page(given_screen, words(language), width, letters).lines]


LABEL = st.text("等候时间（）aW9 ", min_size=1, max_size=24).map(
    lambda label: label.strip() or "一"
)
TASK = st.text("身份证 （）“”①·…aZ9—Ⅻ★", min_size=1, max_size=64)
SCREENS_OF_ANY_KIND = st.builds(
    Screen,
    name=st.sampled_from(NAMES),
    window=st.text("0123456789AZ-", min_size=1, max_size=8),
    ticket=st.none() | st.text("A0-:z", min_size=1, max_size=16),
    task_name=st.none() | TASK,
    remaining_s=st.none() | st.integers(0, 120),
    trouble=st.none() | st.sampled_from(TROUBLES),
    reasons=st.just(()) | st.tuples(*[LABEL] * 5),
    qr=st.none() | st.just(CODE),
    unit=st.none() | st.text("/az0-", min_size=1, max_size=80),
    address=st.none() | st.text("0123456789abcdef.:", min_size=7, max_size=39),
    links=st.lists(
        st.tuples(st.sampled_from(("pad", "queue", "broker")), st.booleans()), max_size=3
    ).map(tuple),
)


def assert_fits(drawn, width):
    room = width - (CODE_WIDTH if drawn.code else 0)
    for part in (*drawn.boxes, *drawn.lines):
        assert part.x >= 0
        assert part.x + part.width <= room
        assert 0 <= part.y <= HEIGHT - part.height
    for line in drawn.lines:
        assert line.text


def assert_rows_apart(drawn):
    rows = sorted((line.y, line.height, line.dark) for line in drawn.lines)
    for (upper_y, height, dark), (lower_y, _, _) in pairwise(rows):
        assert lower_y >= upper_y + height or dark


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=12)
@given(given_screen=SCREENS_OF_ANY_KIND, place=st.sampled_from(PLACES))
def test_screen_whatever_it_says_fits_also_when_it_moves(language, width, given_screen, place):
    drawn = page(given_screen, words(language), width, COUNTED)
    assert_fits(drawn, width)
    assert_fits(drawn.moved(*place), width)
    if given_screen.name != snapshot.REASONS:
        assert drawn.lines
        assert_rows_apart(drawn)
        assert_rows_apart(drawn.moved(*place))


@pytest.fixture(scope="module")
def brush():
    return Brush()


@pytest.mark.needs("unifont")
@pytest.mark.needs("wqy")
@pytest.mark.parametrize("width", WIDTHS)
@settings(max_examples=12)
@given(given_screen=SCREENS_OF_ANY_KIND, place=st.sampled_from(PLACES))
def test_screen_whatever_it_says_fits_in_the_real_fonts(brush, width, given_screen, place):
    drawn = page(given_screen, words("zh"), width, brush.letters)
    assert_fits(drawn, width)
    assert_fits(drawn.moved(*place), width)


@pytest.mark.parametrize("small", [12, 16])
@settings(max_examples=12)
@given(labels=st.tuples(*[LABEL] * 5), left_s=st.none() | st.integers(0, 20))
def test_reasons_stand_apart_each_beside_its_key(small, labels, left_s):
    letters = Letters(counted, small=small)
    for width in WIDTHS:
        given_screen = screen(snapshot.REASONS, reasons=labels, remaining_s=left_s)
        drawn = page(given_screen, words("zh"), width, letters)
        assert_fits(drawn, width)
        places = [(line.x, line.y, line.width, line.height) for line in drawn.lines]
        for index, (x, y, wide, high) in enumerate(places):
            for other_x, other_y, other_wide, other_high in places[index + 1 :]:
                assert (
                    x + wide <= other_x
                    or other_x + other_wide <= x
                    or y + high <= other_y
                    or other_y + other_high <= y
                )
        assert [line.text for line in drawn.lines if line.dark][:5] == list("12345")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_words_of_a_locale_when_tickets_are_usual_are_never_cut(language, name, trouble):
    given_screen = screen(
        name,
        window="12",
        task_name=None,
        remaining_s=120,
        trouble=trouble,
        reasons=REASONS[language],
        unit="/330102/h01/w03",
        address="192.168.100.103",
        links=(("pad", True), ("queue", False), ("broker", True)),
    )
    assert "…" not in "".join(shown(given_screen, language))
    if name == snapshot.PLEASE_RATE:
        coded = screen(name, task_name=None, remaining_s=120, qr=CODE)
        assert "…" not in "".join(shown(coded, language))


def test_reason_when_out_of_service_stands_below_and_is_left_out_when_there_is_none():
    assert shown(screen(snapshot.OUT_OF_SERVICE, trouble="pad_foreign"))[-1] == "评价器版本不符"
    assert shown(screen(snapshot.OUT_OF_SERVICE))[-1] == "请联系工作人员"


def test_item_name_when_long_takes_two_rows_and_is_cut_there():
    text = shown(screen(task_name=LONG_TASK))
    assert text[-2:] == ["城乡居民基本医疗保险", "参保登记（含异地转移…"]
    assert shown(screen(task_name="居民身份证换领"))[-1] == "居民身份证换领"


def test_item_name_in_latin_letters_is_split_between_words():
    assert shown(screen(task_name="Renewal of an identity card"))[-2:] == [
        "Renewal of an",
        "identity card",
    ]


def test_item_name_when_not_told_is_this_service():
    assert shown(screen(task_name=None)) == ["请您评价", "28秒", "A023", "本次服务"]


def test_ticket_when_unknown_is_left_out():
    assert shown(screen(ticket=None)) == ["请您评价", "28秒", "居民身份证换领"]


def test_ticket_when_too_long_for_large_letters_is_drawn_small():
    (large, _), (small, _) = (
        page(screen(snapshot.CALLED, ticket=ticket), words("zh"), 128, COUNTED).lines
        for ticket in ("A023", "A" * 9)
    )
    assert (large.scale, small.scale) == (2, 1)
    wide = page(screen(snapshot.CALLED, ticket="A" * 16), words("zh"), 256, COUNTED).lines[0]
    assert wide.scale == 2


def test_ticket_beside_a_code_when_long_keeps_its_end():
    long = screen(ticket="B-20261128-00023", qr=CODE)
    assert shown(long)[1] == "…128-00023"


def test_links_are_said_each_with_its_state():
    links = (("pad", True), ("queue", True), ("broker", False))
    assert shown(screen(snapshot.COMMISSIONING, links=links))[-1] == "按键通 叫号通 平台断"
    assert {f"link_{name}" for name, _ in links} <= set(LINKS)


@settings(max_examples=50)
@given(st.text("汉aA（“①★7", max_size=30), st.integers(1, 16))
def test_shortened_text_fits_and_begins_or_ends_the_same(text, columns_max):
    short = shorten(text, columns_max * 8, lambda part: counted(part, 16))
    assert counted(short, 16) <= columns_max * 8
    kept = short.removesuffix("…") if short.endswith("…") else short.removeprefix("…")
    assert short == text or text.startswith(kept) or text.endswith(kept)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(WIDTHS))
def test_resting_mark_stays_on_the_glass_and_never_rests(step, width):
    places = [
        (line.x, line.y)
        for number in (step, step + 1)
        for line in resting(screen(snapshot.IDLE), words("zh"), width, COUNTED, number).lines
    ]
    assert places[0] != places[1]
    assert_fits(resting(screen(snapshot.IDLE), words("zh"), width, COUNTED, step), width)


def test_resting_mark_comes_by_every_part_of_the_glass():
    seen = set()
    for step in range(15 * 24):  # a night and a day of moves
        (line,) = resting(screen(snapshot.IDLE), words("zh"), 128, COUNTED, step).lines
        seen.add((line.x // 16, line.y // 14))
    assert len(seen) == 8 * 4


# -- pictures


def pixels(picture):
    assert (picture.mode, picture.size) == ("1", (128, HEIGHT))
    return picture.tobytes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures_of_the_screens_differ_and_none_is_empty(language):
    drawn = panel(language)
    made = {pixels(drawn.draw(one, cared)) for one, cared in screens(language).values()}
    assert len(made) == len(screens(language))
    assert bytes(128 * HEIGHT // 8) not in made


@pytest.mark.needs("unifont")
@pytest.mark.needs("wqy")
def test_pictures_of_the_documents_are_those_the_daemon_draws():
    wanted = dict(pictures())
    directory = ROOT / "docs/images/screens"
    found = {path.name: path.read_bytes() for path in directory.iterdir()}
    again = "draw them anew: python -m sim.screens docs/images/screens, and look at them"
    assert found.keys() == wanted.keys(), again
    for name, png in wanted.items():
        assert decoded(found[name]) == decoded(png), f"{name}: {again}"
        assert len(png) < 1500
    page_text = (ROOT / "docs/screens.md").read_text("utf-8")
    assert all(f"images/screens/{name}" in page_text for name in wanted)


def decoded(png):
    picture = Image.open(io.BytesIO(png))
    return picture.size, picture.convert("1").tobytes()


def test_picture_shows_the_seconds_that_are_left():
    drawn = panel()
    assert pixels(drawn.draw(screen(remaining_s=9))) != pixels(drawn.draw(screen(remaining_s=8)))


def test_picture_is_one_bit_without_grey_also_where_letters_are_large():
    assert {picture.mode for picture in map(panel().draw, (screen(), screen(snapshot.IDLE)))} == {
        "1"
    }


@pytest.mark.parametrize(
    ("fonts", "package"),
    [
        ({16: ("/nowhere/unifont.otf",), 12: ("/nowhere/w.pcf",)}, "fonts-unifont"),
        ({16: (__file__,), 12: (__file__,)}, "xfonts-wqy"),
    ],
    ids=["absent", "no font"],
)
def test_picture_without_the_fonts_shows_digits_and_what_to_install(caplog, fonts, package):
    plain = panel("zh", fonts=fonts)
    assert f"apt install {package}" in caplog.text
    called = [pixels(plain.draw(screen(snapshot.CALLED, ticket=t))) for t in ("A023", "A024")]
    assert called[0] != called[1]
    crowded = plain.draw(screen(task_name="a" * 64))
    bottom = crowded.crop((0, HEIGHT - 12, 128, HEIGHT))
    assert bottom.getbbox() is not None
    assert bottom.tobytes() == plain.draw(screen()).crop((0, HEIGHT - 12, 128, HEIGHT)).tobytes()


@pytest.mark.needs("unifont")
@pytest.mark.needs("wqy")
@pytest.mark.parametrize("glyph", [12, 16])
def test_picture_with_one_font_alone_shows_all_screens_in_it(glyph):
    drawn = panel("zh", fonts={glyph: FONTS[glyph], 28 - glyph: ()})
    made = {pixels(drawn.draw(one, cared)) for one, cared in screens("zh").values()}
    assert len(made) >= len(screens("zh")) - 1


# -- the code


@settings(max_examples=12)
@given(serial=st.text("0123456789ABC-", min_size=1, max_size=20))
def test_code_is_read_from_the_picture_by_another_decoder(serial):
    text = phone.text("https://hcp.example/r?u={unit}&t={ticketSerial}", {
        "unit": "w03", "ticketSerial": serial,
    })  # fmt: skip
    assert read_code(panel_128().draw(screen(qr=text))) == text


@pytest.mark.parametrize("display", ["ssd1306", "ssd1322"])
@pytest.mark.parametrize("length", [1, 17, 18, 32, 33, 52, 53])
def test_code_is_read_at_every_length_that_is_allowed(display, length):
    text = ("https://hcp.example/" + "x7" * 30)[:length]
    assert read_code(panel(display=display).draw(screen(qr=text))) == text


def test_code_when_too_long_is_left_out_and_the_screen_is_the_usual_one():
    too_long = "x" * (phone.TEXT_LEN_MAX + 1)
    assert modules(too_long) is None
    drawn = panel()
    assert pixels(drawn.draw(screen(qr=too_long))) == pixels(drawn.draw(screen()))


def test_code_stands_on_white_that_is_at_least_a_module_and_a_half_wide():
    drawn = panel().draw(screen(qr="x" * phone.TEXT_LEN_MAX))
    square = drawn.crop((128 - CODE_WIDTH, 0, 128, HEIGHT))
    inner = square.crop((3, 3, CODE_WIDTH - 3, HEIGHT - 3))
    assert square.convert("L").point(lambda level: 255 - level).getbbox() == (3, 3, 61, 61)
    assert inner.size == (58, 58)


def test_code_is_drawn_only_where_a_rating_is_asked_for():
    drawn = panel()
    idle = screen(snapshot.IDLE)
    coded = screen(snapshot.IDLE, qr=CODE)
    assert pixels(drawn.draw(idle)) == pixels(drawn.draw(coded, FRESH))


@cache
def panel_128():
    return panel()


def read_code(picture):
    """As a telephone sees it: enlarged, on the black of the glass."""
    seen = Image.new("L", (picture.width * 4 + 80, picture.height * 4 + 80))
    seen.paste(picture.convert("L").resize((picture.width * 4, picture.height * 4)), (40, 40))
    found = zxingcpp.read_barcodes(seen, formats=zxingcpp.BarcodeFormat.QRCode)
    return found[0].text if found else None
