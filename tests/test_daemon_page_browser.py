"""The technician's page in a real browser: on a phone and on a desk, in both languages."""

import pytest

from daemon.config.page import Page as PageConfig
from daemon.config.panel import Panel as PanelConfig
from daemon.front.panel import Panel
from daemon.page.password import Password
from sim import pages
from sim.browser import Browser
from sim.desk import Desk
from sim.page_pictures import ask_for_a_rating, morning

PHONE, DESK = 390, 1280
WORD = "a password for halls"
# Contrast of text on its ground (WCAG 2.2, 1.4.3): 4.5 to 1.
CONTRAST = """
(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parts(text).map((each) => each / 255)
      .map((each) => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let least = 21;
  for (const element of document.querySelectorAll("h1, h2, th, td, p, a, small, span, button")) {
    if (!element.textContent.trim()) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
    least = Math.min(least, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  }
  return least;
})()
"""

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def panel():
    panel = Panel(PanelConfig(display="none", language="zh"), pytest.fail)
    panel.start()
    return panel


@pytest.fixture
def desk():
    """A morning with a lost pad in it."""
    desk = Desk()
    morning(desk)
    desk.unplug()
    return desk


@pytest.fixture
def page(desk, panel):
    page = pages.start(desk, {"3": panel.png}, pytest.fail)
    show(desk, page, panel)
    return page


def show(desk, page, panel):
    shown = desk.core.snapshot(desk.now_ms)
    panel.show(shown.windows[0].screen)
    page.show(shown)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_page_fits_its_screen_asks_nobody_else_and_can_be_read(browser, page, width, language):
    assert browser.open(page.url, width, language=language) == 200
    assert browser.run("document.documentElement.lang") == language
    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert browser.run(wide) == [width, width]
    browser.click("summary")
    assert browser.run(wide) == [width, width]
    assert browser.run("document.querySelector('img').naturalWidth") == 128
    assert browser.run(CONTRAST) >= 4.5
    assert browser.run("document.querySelectorAll('#entries tr').length") == 13
    assert browser.problems == []


def test_page_at_night_can_be_read(browser, page):
    browser.open(page.url, PHONE, scheme="dark")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert browser.run(CONTRAST) >= 4.5


def test_page_when_the_unit_changes_follows_without_a_reload(browser, page, desk, panel):
    browser.open(page.url, PHONE, language="en")
    browser.run("window.mark = 1")
    browser.click("summary")
    before = browser.run("document.querySelector('img').src")
    assert "not heard" in browser.text("#links")
    desk.replug()
    desk.run(2000)
    ask_for_a_rating(desk, "A031")
    show(desk, page, panel)
    browser.until("document.querySelector('#entries').innerText.includes('A031')")
    browser.until(f"document.querySelector('img').src !== '{before}'")
    assert "not heard" not in browser.text("#links")
    assert browser.text("#window-3") == "please rate"
    assert browser.run("[window.mark, document.querySelector('details').open]") == [1, True]
    assert browser.problems == []


def test_page_when_the_unit_does_not_answer_says_that_it_is_old(browser, desk, panel):
    silent = []

    def png():
        if silent:
            raise LookupError("no picture")
        return panel.png()

    page = pages.start(desk, {"3": png}, pytest.fail)
    browser.open(page.url, PHONE, language="zh")
    assert browser.run("document.getElementById('stale').hidden")
    silent.append(True)
    browser.until("!document.getElementById('stale').hidden")
    assert "设备没有应答" in browser.text("#stale")
    silent.clear()
    browser.until("document.getElementById('stale').hidden")


def test_page_without_scripts_is_whole_and_asks_again(browser, page):
    browser.open(page.url, PHONE, language="zh", script=False)
    assert "请检查评价器的线" in browser.text("#links")
    assert "A025" in browser.text("#entries")
    assert browser.problems == []


def test_language_is_changed_by_its_link(browser, page):
    browser.open(page.url, PHONE, language="zh")
    browser.click("nav a")
    browser.until("document.documentElement.lang === 'en'")
    assert browser.text("h1") == "Rating unit /330102/h01/w03"
    assert browser.problems == []


def test_technician_on_the_network_enters_with_the_password_and_leaves(browser, desk, panel):
    config = PageConfig(host="127.0.0.1", port=0, password=Password.make(WORD, ln=10, p=1))
    page = pages.start(desk, {"3": panel.png}, pytest.fail, config, is_own=lambda _address: False)
    browser.open(page.url, PHONE, language="zh")
    assert browser.problems == []
    assert "请输入页面密码" in browser.text("form")
    assert browser.run("document.documentElement.scrollWidth") == PHONE
    browser.fill("#password", WORD)
    browser.click("form button")
    browser.until("document.querySelector('#links') !== null")
    assert "本页面未加密" in browser.text("footer")
    assert browser.run("document.cookie") == ""
    assert browser.problems == []
    browser.click("nav button")
    browser.until("document.querySelector('#password') !== null")
    assert browser.go(f"{page.url}/status.json") == 403
