"""What leaves the unit for people and monitors far away: bundle, metrics; no secret in it."""

import csv
import io
import json
import logging
import re
import tomllib
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from daemon.errors import NotAnswering, StoreFailed
from daemon.page import machine, markup, report
from daemon.page.latest import BUNDLE_COUNT, PAGE_LEN
from daemon.page.loglines import LINE_COUNT_MAX, LINE_LEN_MAX, LogLines
from daemon.page.masking import MASK, masked
from daemon.page.material import Material
from daemon.page.metrics import metrics
from daemon.page.words import LANGUAGES, Words
from daemon.snapshot import SELF_TEST
from sim import pages
from sim.desk import Desk
from sim.pages import MACHINE, PROGRAMS

MADE = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FILES = ["README.txt", "status.json", "health.txt", "metrics.txt", "entries.csv", "config.json",
         "machine.json", "log.txt"]  # fmt: skip


@pytest.fixture(scope="module")
def desk():
    desk = Desk()
    desk.say("called", ticket="A023", ticketSerial="20261122-1-A023")
    desk.say("completed", projectNo="BJ-SECRET-1", serviceNumber=1, taskName="居民身份证换领")
    desk.press(1)
    desk.run(5000)
    return desk


@pytest.fixture(scope="module")
def shown(desk):
    return desk.core.snapshot(desk.now_ms)


def opened(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


# -- the bundle


def test_bundle_has_what_helps_and_reads_in_both_languages(desk, shown):
    files = opened(Material(pages.about(), {}, desk.journal.read).bundle(shown, MADE))
    assert list(files) == FILES
    for name in FILES[1:]:
        assert name in files["README.txt"]
    assert "2026-11-22 09:30:00 UTC" in files["README.txt"]
    status = json.loads(files["status.json"])
    assert status["windows"][0].pop("screen") == {"name": "thanks", "trouble": None}
    whole = json.loads(json.dumps(shown.as_json()))
    del whole["windows"][0]["screen"]
    assert status == whole
    table = list(csv.DictReader(io.StringIO(files["entries.csv"])))
    assert [row["what"] for row in table] == ["rating_rated", "service", "boot_new_epoch"]
    assert json.loads(files["machine.json"])["machine"]["model"] == MACHINE.model
    assert files["health.txt"] == "serving\n"


def test_bundle_holds_no_key_no_case_and_nothing_of_an_entrys_proof(desk, shown, tmp_path):
    config = tmp_path / "unit.toml"
    config.write_text(
        '[unit]\nsigning_key = "/etc/haochaping/signing.pem" # the old one: /root/k.pem\n'
        '[page]\npassword = "$scrypt$ln=14,r=8,p=5$c2FsdA$aGFzaA"\n[uplink]\ntls_ca = "ca.pem"\n'
    )
    material = Material(pages.about(config), {}, desk.journal.read)
    screen = replace(
        shown.windows[0].screen, task_name="居民身份证换领", qr="https://x/BJ-SECRET-1"
    )
    shown = replace(shown, windows=(replace(shown.windows[0], screen=screen),))
    text = "\n".join(opened(material.bundle(shown, MADE)).values())
    for entry in desk.journal.entries:
        assert entry.hash not in text
        assert entry.text not in text
    for secret in ("signature", "BJ-SECRET-1", ".pem", "scrypt", "satisfaction", "居民身份证"):
        assert secret not in text
    assert text.count(MASK) == 3


def test_bundle_of_a_long_journal_is_read_in_pages(shown):
    pages_read = []

    def read(first, limit):
        pages_read.append(limit)
        entries = Desk().journal.read(1, 1)
        return tuple(replace(entries[0], seq=seq) for seq in range(first, first + limit))

    long = replace(shown, journal=replace(shown.journal, last_seq=10_000))
    files = opened(Material(pages.about(), {}, read).bundle(long, MADE))
    assert len(files["entries.csv"].splitlines()) == BUNDLE_COUNT + 1
    assert max(pages_read) == PAGE_LEN


def test_bundle_when_it_cannot_be_made_says_why(desk, shown):
    def read(first, limit):
        raise StoreFailed("the disk does not answer: replace the card")

    material = Material(pages.about(), {}, read)
    with pytest.raises(NotAnswering, match=r"is starting: try again"):
        material.bundle(None, MADE)
    for _ in range(2):
        with pytest.raises(StoreFailed, match=r"replace the card"):
            material.bundle(shown, MADE)
    page = pages.start(desk, {}, pytest.fail)
    code, headers, body = pages.ask(page, "/bundle.zip")
    assert (code, headers["Content-Type"]) == (200, "application/zip")
    assert re.fullmatch(
        r'attachment; filename="haochaping-\d{8}-\d{6}\.zip"', headers["Content-Disposition"]
    )
    assert list(opened(body)) == FILES


def test_configuration_when_masked_keeps_what_helps():
    example = resources.files("daemon").joinpath("config.example.toml").read_text("utf-8")
    full = re.sub(r"^# (\[+[\w.]+\]+|\w+ = )", r"\1", example, flags=re.MULTILINE)
    known, plain = masked(full), tomllib.loads(full)
    assert known["pad"]["keys"] == plain["pad"]["keys"]
    assert known["pad"]["key_table"] == "k5-1"
    assert known["uplink"]["broker"] == "broker.example"
    text = json.dumps(known)
    assert "pem" not in text
    secret = re.findall(r'"(\w+)": "\(masked\)"', text)
    assert {"platform_key", "tls_ca", "tls_key"} <= set(secret)


@pytest.mark.parametrize("text", [None, "=", "[" * 3000, "a = 1\na = 2"])
def test_configuration_when_it_is_none_any_more_says_so(text):
    assert list(masked(text)) == ["unreadable"]


def test_log_lines_are_the_last_and_short():
    lines, log = LogLines(lambda: 0.0), logging.getLogger("daemon.test")
    log.addHandler(lines)
    log.setLevel(logging.DEBUG)
    for number in range(LINE_COUNT_MAX + 5):
        log.info("pad state=%s\n", number)
        log.debug("GET /")
    log.warning("%s", "x" * 1000)
    log.removeHandler(lines)
    assert len(lines.lines) == LINE_COUNT_MAX
    assert lines.lines[0] == "1970-01-01T00:00:00Z INFO daemon.test pad state=6 "
    assert len(lines.lines[-1]) == LINE_LEN_MAX


# -- metrics


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_metrics_are_what_prometheus_reads(shown):
    text = metrics(shown, MACHINE, PROGRAMS)
    found = families(text)
    assert all(name.startswith("hcp_unit_") for name in found)
    assert all(family.documentation for family in found.values())
    links = {(each.labels["link"], each.labels["of"]): each.value
             for each in found["hcp_unit_link_up"].samples}  # fmt: skip
    assert links == {("pad", "3"): 1, ("queue", "/dev/queue"): 1, ("broker", ""): 0}
    assert found["hcp_unit_journal_last_seq"].samples[0].value == 3
    assert found["hcp_unit_disk_free_bytes"].samples[0].value == 26.8e9
    assert found["hcp_unit_written_bytes"].type == "counter"
    today = {each.labels["what"]: each.value for each in found["hcp_unit_today"].samples}
    assert (today["rated"], today["prompted"]) == (1, 1)
    assert "hcp_unit_pad_update_percent" not in found
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)
    assert len(kinds) == len(found)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in kinds)


@given(st.text(max_size=40))
def test_labels_when_they_hold_anything_are_read_back(text):
    port = text.replace("\r", "").replace("\x0b", "").replace("\x0c", "")
    shown = Desk().core.snapshot(1_000_000)
    signal = replace(shown.signals[0], port=port)
    found = families(metrics(replace(shown, signals=(signal,)), MACHINE, PROGRAMS))
    assert port in {each.labels["of"] for each in found["hcp_unit_link_up"].samples}


def test_metrics_before_the_first_snapshot_say_not_serving():
    found = families(metrics(None, MACHINE, PROGRAMS))
    assert found["hcp_unit_serving"].samples[0].value == 0


# -- the machine


def test_machine_is_read_from_its_files(tmp_path):
    for name, text in {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
        "etc/os-release": 'NAME="Raspbian"\nPRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\n',
        "sys/class/thermal/thermal_zone0/temp": "51100\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        "proc/meminfo": "MemTotal:  900000 kB\nMemAvailable:   611000 kB\n",
        "proc/self/status": "Name:\tpython3\nVmRSS:\t   37000 kB\n",
        "proc/self/io": "rchar: 1\nwrite_bytes: 96000000\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    database = tmp_path / "j.db"
    database.write_bytes(b"x" * 2_000_001)
    (tmp_path / "j.db-wal").write_bytes(b"x" * 1_500_000)
    found = machine.look(database, 0.0, tmp_path)
    assert found.model == "Raspberry Pi 4 Model B Rev 1.5"
    assert found.system == "Raspbian GNU/Linux 12 (bookworm)"
    assert (found.temperature_c, found.throttled) == (51, 0x50005)
    assert (found.memory_free_mb, found.daemon_memory_mb, found.written_mb) == (625, 37, 96)
    assert found.journal_mb == 4


def test_machine_when_it_says_nothing_or_nonsense_is_unknown(tmp_path):
    throttled = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    throttled.parent.mkdir(parents=True)
    throttled.write_bytes(b"\xff\xfe")
    found = machine.look(tmp_path / "none/j.db", 0.0, tmp_path)
    assert found.model is found.temperature_c is found.throttled is found.disk_free_mb is None
    for language in LANGUAGES:
        assert [line.value for line in report.disk(found, Words(language))][:2] == [
            Words(language).say("page", "unknown")
        ] * 2


@pytest.mark.parametrize(
    ("bits", "value"),
    [(0, "good"), (0x50005, "voltage too low"), (0x50000, "voltage was too low"),
     (0x4, "slowed down by heat")],
)  # fmt: skip
def test_power_when_weak_says_to_change_the_supply(bits, value):
    lines = list(report.machine(replace(MACHINE, throttled=bits), Words("en")))
    (power,) = [line for line in lines if line.label == "power"]
    assert power.value == value
    assert bool(power.advice) == (value != "good")


def test_disk_and_clock_when_they_need_care_say_what_to_do(shown):
    low = report.disk(replace(MACHINE, disk_free_mb=120), Words("en"))
    assert low[1].advice.startswith("Little space is left: make room")
    clock = report.clock(shown, MACHINE, Words("en"))
    assert clock[0].advice.startswith("Look at time synchronisation")


# -- words


def test_languages_have_the_same_lines_with_the_same_values():
    def lines(language):
        path = resources.files("daemon.page").joinpath(f"locale/{language}.toml")
        tables = tomllib.loads(path.read_text("utf-8"))
        return {(table, name): sorted(re.findall(r"\{(\w+)", text))
                for table, words in tables.items() for name, text in words.items()}  # fmt: skip

    assert lines("zh") == lines("en")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "title /330102/h01/w03"),
        ("[page", "title /330102/h01/w03"),
        ("page = 7", "title /330102/h01/w03"),
        ("[page]\ntitle = 7", "title /330102/h01/w03"),
        ("[page]\ntitle = 'unit {'", "unit {"),
        ("[page]\ntitle = 'unit {nobody}'", "unit {nobody}"),
        ("[page]\ntitle = 'unit {source.nothing}'", "unit {source.nothing}"),
    ],
)
def test_words_when_their_file_is_broken_are_the_names_and_the_page_goes_on(
    tmp_path, shown, text, said
):
    if text is not None:
        (tmp_path / "zh.toml").write_text(text)
    words = Words("zh", tmp_path)
    assert words.say("page", "title", source="/330102/h01/w03") == said
    assert words.name("screen", "please_rate") == "please rate"
    assert words.advice("pad_lost") == ""
    assert [line.mark for line in report.links(shown, words)]


def test_every_line_that_is_said_is_in_the_file():
    folder = resources.files("daemon.page")
    lines = tomllib.loads((folder / "locale/zh.toml").read_text("utf-8"))
    code = "".join(
        (folder / name).read_text("utf-8") for name in ("markup.py", "report.py", "page.py")
    )
    said = re.findall(r'say\(\s*["\']([a-z]+)["\'],\s*["\'](\w+)["\']', code)
    said += [("page", name) for name in re.findall(r'_say\(words, "(\w+)"\)', code)]
    said += [("page", name) for name in (*markup.LINK_HEADS, *markup.ENTRY_HEADS)]
    said += [("page", name) for _, name in markup.TOOLS]
    said += [("page", name) for name in ("wrong", "too_early", "windows", "links", "tools")]
    assert len(said) > 50
    assert [pair for pair in said if pair[1] not in lines[pair[0]]] == []


def test_every_state_screen_and_counter_has_its_words(shown):
    for language in LANGUAGES:
        words = Words(language)
        for window in shown.windows:
            for name in window.pad.counters:
                assert words.name("counter", name) != name or language == "en"
        for name in shown.signals[0].counters:
            assert words.name("counter", name) != name or language == "en"
        for name in shown.as_json()["day"]:
            assert words.say("day", name)
        assert words.say("screen", SELF_TEST)
        for state in ("waiting", "up", "lost", "foreign"):
            assert words.say("pad", state)
            assert words.advice(f"pad_{state}") or state == "up"
