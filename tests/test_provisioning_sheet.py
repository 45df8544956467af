"""The page of an acceptance: all of it on one sheet, with a code that can be read back."""

import re
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import zxingcpp
from markupsafe import escape
from PIL import Image

from provisioning.acceptance.qr import svg
from provisioning.acceptance.report import DETAIL_LEN_MAX, TITLES, Report, Step
from provisioning.acceptance.sheet import ACCEPTED, INCOMPLETE, REFUSED, Sheet, render, verdict
from sim import browser

HALL_TIME = timezone(timedelta(hours=8))
PIXELS = 4
PDF_S = 60.0


def steps(**outcomes: str) -> tuple[Step, ...]:
    return tuple(Step(name, outcomes.get(name, "good"), f"{name} found") for name in TITLES)


def sheet(found: tuple[Step, ...] | None = None, after_ms: int | None = 184) -> Sheet:
    report = Report(window="3", steps=found or steps())
    return Sheet(
        title="政务服务中心 <一楼> & Co",
        source="/330102/h01/w03",
        window="3",
        serial="10000000abcdef01",
        pad_uid="e660583883724a32",
        unit_version="0.1.0",
        pad_release=3,
        pad_firmware="5f1c2f6e2d5a4c1e" * 4,
        verdict=verdict(report),
        steps=report.steps,
        at=datetime(2026, 3, 1, 17, 30, tzinfo=HALL_TIME),
        by="0312",
        entry_id="0c9bb7c0f1b94f4ebf5cf2a1cc1a5d34-18",
        entry_hash="ab" * 32,
        kid="0123456789abcdef",
        after_ms=after_ms,
    )


def test_sheet_then_says_all_that_was_found_and_where_it_is_proven() -> None:
    page = render(sheet(steps(lamp="absent")))
    for words in (
        "政务服务中心 &lt;一楼&gt; &amp; Co", "/330102/h01/w03", "2026-03-01 17:30",
        "10000000abcdef01", "e660583883724a32", "0.1.0", "3 (5f1c2f6e2d5a)", "0312", "184 ms",
        "0c9bb7c0f1b94f4ebf5cf2a1cc1a5d34-18", "ab" * 32, "0123456789abcdef", "未配置", "Accepted",
        *(escape(title) for titles in TITLES.values() for title in titles),
        *(f"{name} found" for name in TITLES),
    ):  # fmt: skip
        assert words in page, words


def test_sheet_then_needs_nothing_but_itself() -> None:
    page = render(sheet())
    assert not re.search(r"<script|<link|<img|url\(|@import|src=", page)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    ("found", "expected", "has_label"),
    [
        (steps(display="absent"), ACCEPTED, True),
        (steps(queue="skipped"), INCOMPLETE, False),
        (steps(queue="skipped", lamp="bad"), REFUSED, False),
    ],
)
def test_window_that_is_not_accepted_then_the_page_says_so_and_has_no_label(
    found: tuple[Step, ...], expected: tuple[str, str], has_label: bool
) -> None:
    page = render(sheet(found))
    assert f"{expected[0]}<span" in page
    assert ('class="cut"' in page) == has_label


def test_receipt_that_is_still_to_come_then_said() -> None:
    assert "未收到" in render(sheet(after_ms=None))


def test_code_on_the_page_then_reads_back_as_unit_key_and_entry() -> None:
    shown = sheet()
    drawings = re.findall(r"<svg.*?</svg>", render(shown))
    assert drawings == [svg(shown.proof)] * 2
    side = int(re.findall(r'viewBox="0 0 (\d+)', drawings[0])[0])
    picture = Image.new("L", (side, side), 255)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", drawings[0]):
        picture.putpixel((int(x), int(y)), 0)
    (read,) = zxingcpp.read_barcodes(picture.resize((side * PIXELS, side * PIXELS), 0))
    assert read.text == ("/330102/h01/w03 0123456789abcdef 0c9bb7c0f1b94f4ebf5cf2a1cc1a5d34-18")


@pytest.mark.campaign
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("outcome", ["good", "bad"])
def test_sheet_printed_then_is_one_page_of_a4_however_much_it_says(
    tmp_path: Path, outcome: str
) -> None:
    # An accepted window has little to say; one that is not may say all it can in each line.
    long = "the broker broker.example:8883 cannot be reached: Connection refused; " * 4
    found = steps() if outcome == "good" else tuple(
        Step(name, "bad", long[:DETAIL_LEN_MAX]) for name in TITLES
    )  # fmt: skip
    page, pdf = tmp_path / "sheet.html", tmp_path / "sheet.pdf"
    page.write_text(render(sheet(found)), "utf-8")
    chromium = [browser.path() or "chromium", "--headless", "--no-sandbox", "--disable-gpu"]
    subprocess.run(
        [*chromium, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri()],
        check=True, capture_output=True, timeout=PDF_S,
    )  # fmt: skip
    raw = pdf.read_bytes()
    assert re.search(rb"/Type\s*/Pages\s*/Count 1\b", raw)
    (width, height) = map(float, re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", raw)[0])
    assert (round(width), round(height)) == (595, 842)
