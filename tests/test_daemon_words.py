"""A locale file with mistakes is named, file and key, and the next good language serves on."""

import json
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config.panel import Panel as PanelConfig
from daemon.errors import DaemonError
from daemon.front.panel import Panel, check_words
from daemon.front.screens import Letters, counted, page
from daemon.front.words import KEYS, SCREENS, last_resort, read
from sim.screens import screens

LOCALE = resources.files("daemon.front").joinpath("locale")
GOOD = {
    language: LOCALE.joinpath(f"{language}.toml").read_text("utf-8") for language in ("zh", "en")
}
# What is written instead of a line of zh.toml, and what is said of it.
MISTAKES = [
    ("idle", None, "idle: missing; take the line over from daemon/front/locale/en.toml"),
    ("idle", "idel = []", "idel: unknown; take it out"),
    ("idle", 'idle = "欢迎"', "idle: must be a list of lines"),
    ("idle", "idle = [1]", "idle: must be a list of lines"),
    ("idle", 'idle = [""]', "idle: must be a list of lines"),
    ("idle", "idle = []", "idle: 0 lines; it has at least one"),
    ("up", 'up = ["通", "断"]', "up: 2 lines; it has one"),
    (
        "idle",
        'idle = ["{level} 级"]',
        "idle: {level} is unknown; between braces may stand {window}",
    ),
    ("idle", 'idle = ["{} 级"]', "idle: {} is unknown"),
    ("idle", 'idle = ["{window.__class__}"]', "idle: {window.__class__} is unknown"),
    ("idle", 'idle = ["{remaining:03}"]', "idle: {remaining} is unknown"),
    ("idle", 'idle = ["{window"]', "idle: '{window' holds a brace that stands alone"),
    ("idle", 'idle = ["a\\u0000"]', "holds a control character"),
    ("idle", 'idle = ["{a\\tb}"]', r"idle: {'a\tb'} is unknown"),
    ("idle", f'idle = ["{"x" * 900}{{"]', "xxx… holds a brace that stands alone"),
    ("idle", '"a\\nb" = 1', r"'a\nb': unknown; take it out"),
    ("pad_lost", 'pad_lost = ["{window}"]', "between braces may stand nothing"),
    (
        "idle",
        'idle = ["欢迎来到我们的政务服务大厅办事"]',
        "idle: '欢迎来到我们的政务服…' is cut: write it",
    ),
    ("idle", 'idle = ["^欢迎光临本大厅"]', "idle: '欢迎光临本大厅' is too long for large letters"),
    ("idle", 'idle = ["^欢迎", "^光临", "您好"]', "idle: too many lines for one screen"),
    ("disk_trouble", 'disk_trouble = ["存储设备出现了非常严重的故障"]', "disk_trouble: '存储"),
    (
        "please_rate_beside_code",
        'please_rate_beside_code = ["_请您在键盘上评价"]',
        "please_rate_beside_code: '请您在键…' is cut",
    ),
]


def changed(key, line):
    """zh.toml with another line for a key, or none."""
    kept = [one for one in GOOD["zh"].splitlines() if not one.startswith(f"{key} =")]
    assert len(kept) == len(GOOD["zh"].splitlines()) - 1
    return "\n".join([*kept, line or ""])


@pytest.mark.parametrize("language", GOOD)
def test_locale_of_ours_is_good(language):
    found, problems = read(GOOD[language])
    assert problems == []
    assert found.keys() == set(KEYS)


@pytest.mark.parametrize(("key", "line", "said"), MISTAKES)
def test_mistake_is_named_at_check_and_at_start_and_the_language_serves_on(
    tmp_path, caplog, key, line, said
):
    path = tmp_path / "words.toml"
    path.write_text(changed(key, line), "utf-8")
    config = PanelConfig(words=path)
    with pytest.raises(DaemonError) as caught:
        check_words(config)
    assert f"{path}: " in str(caught.value)
    assert said in str(caught.value)
    panel = Panel(config, pytest.fail)
    assert said in caplog.text
    ours = Panel(PanelConfig(), pytest.fail)
    for shown, cared in screens("zh").values():
        assert panel.draw(shown, cared).tobytes() == ours.draw(shown, cared).tobytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory): put the file there"),
        (b"\xff\xfe", "not UTF-8: save it as UTF-8"),
        (b"idle = [", "not TOML: "),
        (b"idle = " + b"[" * 5000, "not TOML: "),
        (b"#" * 40_000, "longer than 32768 letters"),
    ],
    ids=["absent", "utf-16", "torn", "nested", "long"],
)
def test_file_that_is_no_locale_is_named_and_the_language_serves_on(
    tmp_path, caplog, content, said
):
    path = tmp_path / "words.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DaemonError, match=said.replace("(", r"\(").replace(")", r"\)")):
        check_words(PanelConfig(words=path))
    Panel(PanelConfig(words=path), pytest.fail)
    assert said in caplog.text


@pytest.mark.needs("unifont")
def test_hall_s_own_words_are_shown(tmp_path):
    path = tmp_path / "words.toml"
    path.write_text(changed("idle", 'idle = ["^您好", "{window} 号"]'), "utf-8")
    check_words(PanelConfig(words=path))
    shown, _ = screens("zh")["idle"]
    hall, ours = (Panel(config, pytest.fail) for config in (PanelConfig(words=path), PanelConfig()))
    assert hall.draw(shown).tobytes() != ours.draw(shown).tobytes()


def test_last_resort_has_every_screen_and_fits():
    for language in GOOD:
        for shown, _ in screens(language).values():
            for width in (128, 256):
                drawn = page(shown, last_resort(), width, Letters(counted))
                assert drawn.lines
                assert all(0 <= line.y <= 64 - line.height for line in drawn.lines)


@settings(max_examples=15)
@given(st.sampled_from(KEYS), st.lists(st.text("{}^=~_\t汉a0:!.window", min_size=1), max_size=3))
def test_locale_with_any_lines_is_refused_or_draws_every_screen(key, lines):

    quoted = json.dumps(lines, ensure_ascii=False).replace("\t", "\\t")
    found, problems = read(changed(key, f"{key} = {quoted}"))
    if not problems:
        for shown, _ in screens("zh").values():
            for width in (128, 256):
                page(shown, found, width, Letters(counted))


def test_every_screen_has_words():
    assert set(SCREENS) < set(KEYS)
