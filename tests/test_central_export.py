"""The messages of a province: what the counter knows, nothing else, alike for every level."""

import json
import re
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central import boots, export
from central.__main__ import main
from central.archive import Archive
from central.config import StoreConfig
from central.registry import Unit
from central.tables import open_database
from daemon.events import ClockRead
from protocol.central import codes
from protocol.central.entry import Draft, Entry, Source, Stamp, read
from sim.archives import Platform
from sim.desk import RULES, Desk
from sim.desk import SOURCE as DESK
from sim.examples import NEIGHBOUR, NEIGHBOURS, PLATFORM, SOURCE, UNIT, journal
from sim.journals import BOOT_UTC_MS, Writer

ROOT = Path(__file__).resolve().parents[1]
HALL = timezone(timedelta(hours=8))
NOW = BOOT_UTC_MS + 10 * 86_400_000
TRUE_UTC_MS = 1_795_000_000_000  # when a desk's count was 0
UNITS = {SOURCE: Unit.of(UNIT.public), NEIGHBOUR: Unit.of(NEIGHBOURS.public)}
PROFILES = codes.profile_names()
PERSONAL = {"userName", "userPageType", "certKey", "mobile", "proManager", "staff", "ticket"}
KNOWN = {
    "service": {
        "projectNo", "serviceNumber", "serviceTime", "taskCode", "taskHandleItem", "taskName",
        "areaCode",
    },
    "rating": {
        "projectNo", "serviceNumber", "satisfaction", "pf", "assessTime", "assessNumber",
        "evalDetail",
    },
}  # fmt: skip
Message = dict[str, Any]


@pytest.fixture
def platform(tmp_path: Path, store_config: StoreConfig) -> Iterator[Platform]:
    platform = Platform(tmp_path, store_config, UNITS, PLATFORM, NOW)
    yield platform
    platform.close()


def exported(platform: Platform, profile: str, capsys: pytest.CaptureFixture[str]) -> list[Message]:
    """What `python -m central export --profile` prints."""
    capsys.readouterr()
    assert main(["export", "--config", str(platform.config), "--profile", profile]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def messages(texts: list[str], units: dict[Source, Unit], profile: str) -> list[Message]:
    """The messages for a journal, by way of a database."""
    with tempfile.TemporaryDirectory() as name:
        config = StoreConfig(database=Path(name) / "central.db", url=None)
        platform = Platform(Path(name), config, units, PLATFORM, NOW)
        platform.take_entries(texts)
        database = open_database(config, read_only=True)
        found = list(export.messages(Archive(database), profile))
        database.close()
        platform.close()
    return found


def of_writer(*writes: tuple[str, dict[str, Any]], profile: str = "national") -> list[Message]:
    """The messages for entries of a unit whose clock is known from the first on."""
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot"), writer.write("clock")]
    texts += [writer.write(kind, **data) for kind, data in writes]
    return messages(texts, UNITS, profile)


def hall_time(utc_ms: int) -> str:
    return f"{datetime.fromtimestamp(utc_ms / 1000, HALL):%Y-%m-%d %H:%M:%S}"


# -- a day at a window


def test_export_when_a_day_is_handed_on_then_each_service_comes_before_its_rating(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [read(text) for text in journal().texts]
    platform.take_entries([entry.text for entry in entries])
    found = exported(platform, "zhejiang", capsys)
    wanted = [
        entry
        for entry in entries
        if entry.kind == "service" or entry.data.get("outcome") == "rated"
    ]
    assert [(line["message"], line["id"]) for line in found] == [
        (entry.kind, entry.id) for entry in wanted
    ]
    assert {line["profile"] for line in found} == {"zhejiang"}
    assert {line["source"] for line in found} == {str(SOURCE)}
    first, rating = found[:2]
    assert first["body"] == {
        "projectNo": "330102260921000117",
        "serviceNumber": 1,
        "serviceTime": "2026-09-21 09:02:10",
        "taskCode": "1133010200250001234000125001000",
        "taskHandleItem": None,
        "taskName": "营业执照变更",
        "areaCode": "330102",
    }
    assert rating["body"] == {
        "projectNo": "330102260921000117",
        "serviceNumber": 1,
        "satisfaction": 2,
        "pf": "5",
        "assessTime": "2026-09-21 09:02:16",
        "assessNumber": 1,
        "evalDetail": "207",
    }
    assert rating["toJoin"] == ["writingEvaluation"]
    assert [line["publicity"] for line in found if line["message"] == "rating"] == [
        "1", "1", "2", "1", "1",
    ]  # fmt: skip
    assert [line["corrected"] for line in found if line["message"] == "rating"] == [
        False, True, False, False, False,
    ]  # fmt: skip


def test_export_when_the_case_is_bound_later_then_both_messages_name_it(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot"), writer.write("clock")]
    none = {"projectNo": None, "serviceNumber": None}
    for _ in range(2):
        service = writer.write("service", **none)
        texts += [service, writer.write("rating", service=read(service).id, **none)]
    bound = read(texts[2]).id
    texts.append(writer.begin_epoch())
    texts.append(writer.write("binding", service=bound, projectNo="P9", serviceNumber=3))
    # The neighbour's entries have the same numbers and another case.
    other = Writer(NEIGHBOUR, NEIGHBOURS, 1)
    texts += [other.write("boot") for _ in range(9)]
    texts.append(other.write("binding", service=bound, projectNo="theirs"))
    platform.take_entries(texts)
    found = exported(platform, "shandong", capsys)
    assert len(found) == 4
    for line in found[:2]:
        assert (line["body"]["projectNo"], line["body"]["serviceNumber"]) == ("P9", 3)
        assert not {"projectNo", "serviceNumber", "assessNumber"} & set(line["toJoin"])
    assert found[1]["body"]["assessNumber"] == 3
    for line in found[2:]:
        assert line["body"]["projectNo"] is None
        assert {"projectNo", "serviceNumber"} <= set(line["toJoin"])
        assert line["why"]["projectNo"] == "the terminal has not named the case"
    assert found[3]["why"]["assessNumber"] == "shandong counts it by serviceNumber"


def test_export_gives_what_the_guide_shows() -> None:
    guide = (ROOT / "docs" / "provinces.md").read_text("utf-8")
    shown = json.loads(re.findall(r"```json\n(.*?)```", guide, re.S)[0])
    assert shown in messages(journal().texts, UNITS, "zhejiang")
    members = re.findall(r"^\| `([a-zA-Z`, ]+)` \|", guide, re.M)
    told = {name for each in members for name in each.split("`, `")}
    assert told == set(shown) - {"message", "profile"}


# -- every profile


@pytest.mark.parametrize("profile", PROFILES)
def test_export_for_every_profile_says_what_is_known_and_names_all_that_is_not(
    profile: str,
) -> None:
    found = messages(journal().texts, UNITS, profile)
    table = codes.profile(profile)
    for line in found:
        demanded = codes.fields(profile, line["message"])
        assert set(line["body"]) == KNOWN[line["message"]]
        assert set(line["body"]) <= set(demanded)
        assert set(line["toJoin"]) <= set(demanded)
        assert set(demanded) == set(line["body"]) | set(line["toJoin"])
        assert not set(line["body"]) & PERSONAL
        assert "1007" not in json.dumps(line), "nothing about who served"
        assert set(line["why"]) <= set(line["toJoin"])
        missing = {name for name, value in line["body"].items() if value is None}
        assert missing - {"evalDetail"} <= set(line["toJoin"])
    for line in found:
        if line["message"] == "rating":
            keypad = table["keypad"]
            assert line["body"]["pf"] == (table["pf"][keypad] if keypad else None)
            assert ("pf" in line["toJoin"]) == (keypad is None)


def test_codes_fields_when_asked_then_tells_the_counters_from_the_others() -> None:
    fields = codes.fields("national", "service")
    assert {name for name, why in fields.items() if why is None} == KNOWN["service"]
    assert fields["userName"] == "to be joined from the case system"
    assert codes.fields("national", "rating")["writingEvaluation"] == "a key pad takes no words"
    assert codes.setting("evalDetailSeparator") == ","


def test_codes_norm_when_asked_then_names_each_reason_and_no_other() -> None:
    assert all(
        codes.norm(norm.code) == norm for level in range(1, 6) for norm in codes.norms(level)
    )
    assert codes.norm("000") is None


@pytest.mark.parametrize(
    ("profile", "area", "expected"),
    [
        ("fujian", "350102", "350102"),
        ("fujian", "350102000000", "350102"),
        ("fujian", "350102001000", None),
        ("fujian", "fz-gul", None),
        ("shandong", "370900", "370900000000"),
        ("shandong", "370902001002", "370902001002"),
        ("national", "fz-gul", "fz-gul"),
    ],
)
def test_export_of_an_area_fits_it_by_zeros_alone(
    profile: str, area: str, expected: str | None
) -> None:
    source = Source(area, "h01", "w01")
    writer = Writer(source, UNIT, 1)
    texts = [writer.write("boot"), writer.write("service")]
    (line,) = messages(texts, {source: Unit.of(UNIT.public)}, profile)
    assert line["body"]["areaCode"] == expected
    assert ("areaCode" in line["toJoin"]) == (expected is None)


@pytest.mark.parametrize(
    ("code", "task", "item"),
    [
        ("1" * 31, "1" * 31, None),
        ("1" * 31 + "02", "1" * 31, "1" * 31 + "02"),
        ("1" * 12, None, None),
        (None, None, None),
    ],
)
def test_export_of_an_item_takes_codes_of_the_two_lengths_alone(
    code: str | None, task: str | None, item: str | None
) -> None:
    (line,) = of_writer(("service", {"taskCode": code}))
    assert (line["body"]["taskCode"], line["body"]["taskHandleItem"]) == (task, item)
    assert ("taskCode" in line["toJoin"], "taskHandleItem" in line["toJoin"]) == (
        task is None,
        item is None,
    )


@pytest.mark.parametrize("level", range(1, 6))
def test_export_of_a_rating_without_a_reason_invents_none(level: int) -> None:
    rating = {"satisfaction": level, "key": 6 - level, "reasons": []}
    for profile in PROFILES:
        (line,) = of_writer(("rating", rating), profile=profile)
        due = level < codes.profile(profile).get("reasonRequiredBelow", 0)
        assert line["body"]["evalDetail"] is None
        assert ("evalDetail" in line["toJoin"]) == due
    reasons = [norm.code for norm in codes.norms(level)[:2]]
    (line,) = of_writer(("rating", rating | {"reasons": reasons}), profile="shandong")
    assert line["body"]["evalDetail"] == ",".join(reasons)
    assert "evalDetail" not in line["toJoin"]


def test_export_of_a_concealed_case_leaves_its_number_open() -> None:
    (line,) = of_writer(("service", {"projectNo": "hmac-" + "ab" * 20}))
    assert line["body"]["projectNo"] is None
    assert "identity number" in line["why"]["projectNo"]


def test_export_of_odd_data_invents_nothing_and_drops_nothing() -> None:
    odd = [("service", {"window": ""}), ("rating", {"satisfaction": 9})]
    service, rating = of_writer(*odd)
    assert set(service["body"].values()) == {None, SOURCE.area}
    assert rating["body"]["satisfaction"] is None
    assert rating["why"]["satisfaction"] == export.UNREADABLE
    assert rating["publicity"] is None
    for line in (service, rating):
        assert {name for name, value in line["body"].items() if value is None} <= set(
            line["toJoin"]
        )
    # What it would have been bound by is odd as well.
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot"), writer.write("service", projectNo=None)]
    texts.append(writer.write("binding", service=read(texts[1]).id, projectNo=""))
    (line,) = messages(texts, UNITS, "national")
    assert line["body"]["projectNo"] is None


# -- time


def test_export_when_no_clock_was_set_in_a_boot_then_the_time_stays_open() -> None:
    writer = Writer(SOURCE, UNIT, 1)
    (line,) = messages([writer.write("boot"), writer.write("rating")], UNITS, "national")
    assert line["body"]["assessTime"] is None
    assert line["why"]["assessTime"] == "the unit's clock was not set during that boot"
    assert line["interval"] == {}


class Window:
    """Seals entries of chosen boots and moments."""

    def __init__(self) -> None:
        self.desk = Desk()

    def write(self, kind: str, boot: str, boottime_ms: int, **data: Any) -> str:
        entries = self.desk.journal.entries
        stamp = Stamp(boot, boottime_ms, None, False, None)
        (sealed,) = self.desk.journal.commit(
            (Draft(len(entries) + 1, kind, "unit", data, stamp),), {}
        )
        return sealed.text

    def clock(self, boot: str, boottime_ms: int, utc_ms: int, error_ms: int = 10) -> None:
        self.write("clock", boot, boottime_ms, utcMs=utc_ms, errorMs=error_ms, stepMs=None)

    def rating(self, boot: str, boottime_ms: int, pressed: dict[str, Any]) -> None:
        data = dict(read(Writer(SOURCE, UNIT, 1).write("rating")).data) | {"pressedAt": pressed}
        data.pop("stamp")
        self.write("rating", boot, boottime_ms, **data)

    def times(self) -> list[tuple[str | None, list[str] | None]]:
        texts = [entry.text for entry in self.desk.journal.entries]
        found = messages(texts, {DESK: Unit.of(self.desk.key.public)}, "national")
        return [(line["body"]["assessTime"], line["interval"].get("assessTime")) for line in found]


def test_export_when_a_press_was_in_the_boot_before_then_its_own_clock_counts() -> None:
    window = Window()
    day = 86_400_000
    window.clock("a", 1_000, BOOT_UTC_MS)
    window.clock("b", 1_000, BOOT_UTC_MS + day)
    window.clock("c", 1_000, BOOT_UTC_MS + 2 * day)
    window.clock("c", 2_000, BOOT_UTC_MS + 2 * day + 1_000)
    window.rating("c", 9_000, {"bootId": "b", "boottimeMs": 5_000})
    window.rating("c", 9_500, {"bootId": "c", "boottimeMs": 5_000})
    window.rating("d", 9_500, {"bootId": "d", "boottimeMs": 5_000})
    window.clock("e", 1_000, BOOT_UTC_MS + 5 * day)
    (in_b, _), (in_c, _), (in_d, unknown) = window.times()
    assert in_b == hall_time(BOOT_UTC_MS + day + 4_000)
    assert in_c == hall_time(BOOT_UTC_MS + 2 * day + 4_000)
    assert in_d is unknown is None


def test_export_when_the_clock_is_set_after_the_press_then_the_time_is_known_all_the_same() -> None:
    window = Window()
    for moment in (5_000, 6_000):
        window.rating("a", moment, {"bootId": "a", "boottimeMs": moment})
    window.clock("a", 10_000, BOOT_UTC_MS)
    assert [time for time, _ in window.times()] == [
        hall_time(BOOT_UTC_MS - 5_000),
        hall_time(BOOT_UTC_MS - 4_000),
    ]


def test_export_when_a_boot_lasts_for_weeks_then_the_nearest_clock_entries_count() -> None:
    window = Window()
    hour_ms = 3_600_000
    for number in range(8 * boots.ANCHOR_COUNT_MAX):
        at_ms = number * 12 * hour_ms
        window.clock("a", at_ms, BOOT_UTC_MS + at_ms)
        window.rating("a", at_ms + hour_ms, {"bootId": "a", "boottimeMs": at_ms + hour_ms})
    for number, (time, between) in enumerate(window.times()):
        assert time == hall_time(BOOT_UTC_MS + (number * 12 + 1) * hour_ms)
        assert between is not None
        earliest, latest = map(datetime.fromisoformat, between)
        # An hour's drift, and the error and rounding of the anchor.
        assert latest - earliest <= timedelta(milliseconds=2 * (361 + 12))


def test_export_when_an_epoch_begins_in_the_middle_of_a_boot_then_its_clock_counts_on() -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot"), writer.write("clock")]
    clock = read(texts[1])
    moments = [
        {"bootId": clock.stamp.boot_id, "boottimeMs": clock.stamp.boottime_ms + ms}
        for ms in (0, 1_000)
    ]
    for moment in moments:
        texts += [writer.begin_epoch(), writer.write("service", completedAt=moment)]
    found = messages(texts, UNITS, "national")
    utc_ms = clock.data["utcMs"]
    assert [line["body"]["serviceTime"] for line in found] == [
        hall_time(utc_ms),
        hall_time(utc_ms + 1_000),
    ]


# -- whatever happens at the window

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("case"), st.booleans(), st.integers(0, 5)),
        st.tuples(st.just("bind"), st.integers(1, 9)),
        st.tuples(st.just("clock"), st.booleans()),
        st.tuples(st.just("crash"), st.booleans()),
        st.tuples(st.just("correct")),
    ),
    max_size=8,
)


def live(steps: list[tuple[Any, ...]], keys: tuple[int, ...]) -> Desk:
    """A desk at which all this happened; key 0 is nobody's."""
    desk = Desk(replace(RULES, keys=keys))
    for number, (what, *how) in enumerate(steps):
        if what == "case":
            named, key = how
            desk.say("called", ticket=f"A{number:03}")
            if named:
                desk.say("completed", projectNo=f"P{number}", serviceNumber=1)
            else:
                desk.say("prompt")
            if key:
                desk.press(key)
            desk.run(15_000)
        elif what == "bind":
            desk.say("bound", projectNo=f"B{number}", serviceNumber=how[0])
        elif what == "clock":
            desk.give(ClockRead(TRUE_UTC_MS, how[0], 20))
            desk.run(100)
        elif what == "crash":
            desk.crash(off_ms=1_000, power=how[0])
        else:
            correct(desk)
    return desk


def correct(desk: Desk) -> None:
    """The duty desk reports the last rating as a mis-press."""
    entries = [read(entry.text) for entry in desk.journal.entries]
    given = [entry for entry in entries if entry.data.get("outcome") == "rated"]
    if given:
        data = {"rating": given[-1].id, "actor": "1002", "reason": "pressed by mistake"}
        draft = Draft(len(entries) + 1, "correction", given[-1].id, data, entries[-1].stamp)
        desk.journal.commit((draft,), {})
        desk.start()


def of_desk(desk: Desk, profile: str) -> tuple[list[Entry], list[Message]]:
    texts = [entry.text for entry in desk.journal.entries]
    units = {DESK: Unit.of(desk.key.public)}
    return [read(text) for text in texts], messages(texts, units, profile)


@given(STEPS, st.sampled_from(PROFILES))
@settings(max_examples=60)
def test_export_gives_each_rated_entry_exactly_one_message_that_says_what_it_says(
    steps: list[tuple[Any, ...]], profile: str
) -> None:
    entries, found = of_desk(live(steps, RULES.keys), profile)
    by_id = {entry.id: entry for entry in entries}
    given_ids = [entry.id for entry in entries if entry.data.get("outcome") == "rated"]
    assert [line["id"] for line in found if line["message"] == "rating"] == given_ids
    assert Counter(line["id"] for line in found if line["message"] == "service") == Counter(
        entry.id for entry in entries if entry.kind == "service"
    )
    bound = {entry.data["service"]: entry.data for entry in entries if entry.kind == "binding"}
    corrected = {entry.data["rating"] for entry in entries if entry.kind == "correction"}
    synced = {entry.stamp.boot_id for entry in entries if entry.kind == "clock"}
    done: set[str] = set()
    for line in found:
        entry, body = by_id[line["id"]], line["body"]
        service = entry.data.get("service", entry.id)
        assert set(body) == KNOWN[line["message"]]
        assert line["message"] == "service" or service in done
        done.add(entry.id)
        case = entry.data["projectNo"] or bound.get(service, {}).get("projectNo")
        assert body["projectNo"] == case
        assert ("projectNo" in line["toJoin"]) == (case is None)
        if line["message"] == "rating":
            assert body["satisfaction"] == entry.data["satisfaction"]
            assert line["corrected"] == (entry.id in corrected)
        name, member = {
            "service": ("serviceTime", "completedAt"),
            "rating": ("assessTime", "pressedAt"),
        }[line["message"]]
        moment = entry.data[member]
        if moment["bootId"] not in synced:
            assert body[name] is None
            assert name in line["toJoin"]
            continue
        true_ms = TRUE_UTC_MS + moment["boottimeMs"]
        earliest, latest = (datetime.fromisoformat(each) for each in line["interval"][name])
        assert earliest <= datetime.fromtimestamp(true_ms / 1000, UTC) <= latest
        said = datetime.strptime(body[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=HALL)
        assert earliest - timedelta(seconds=1) < said <= latest


@given(STEPS, st.permutations(RULES.keys), st.sampled_from(PROFILES))
@settings(max_examples=40)
def test_export_when_the_levels_are_permuted_then_nothing_differs_but_the_level(
    steps: list[tuple[Any, ...]], keys: list[int], profile: str
) -> None:
    there, here = (of_desk(live(steps, order), profile)[1] for order in (RULES.keys, tuple(keys)))
    to = dict(zip(RULES.keys, keys, strict=True))
    for line in there:
        if line["message"] == "rating":
            line["body"]["satisfaction"] = to[line["body"]["satisfaction"]]
    for line in (*there, *here):
        if "evalDetail" in line["toJoin"]:  # what a province demands does depend on the level
            line["toJoin"].remove("evalDetail")
            del line["why"]["evalDetail"]
    assert there == here


# -- memory


def peak_bytes(tmp_path: Path, count: int) -> int:
    """How much memory an export of so many cases takes at most."""
    folder = tmp_path / str(count)
    folder.mkdir()
    config = StoreConfig(database=folder / "central.db", url=None)
    platform = Platform(folder, config, UNITS, PLATFORM, NOW)
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot")]
    for number in range(count):
        texts += [writer.write("clock")] if number % 5 == 0 else []
        texts.append(writer.write("service"))
        texts.append(writer.write("rating", service=read(texts[-1]).id))
    platform.take_entries(texts)
    platform.close()
    del texts
    database = open_database(config, read_only=True)
    told = export.messages(Archive(database), "national")
    next(told)
    tracemalloc.start()
    assert sum(1 for _ in told) == 2 * count - 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    database.close()
    return peak


def test_export_when_a_journal_is_long_then_takes_no_more_memory(tmp_path: Path) -> None:
    peak_bytes(tmp_path, 20)  # tables and validators are read once
    # 200 cases more are more than 0.8 MB of entries.
    assert peak_bytes(tmp_path, 250) < peak_bytes(tmp_path, 50) + 100_000


# -- a database that was edited


@pytest.mark.parametrize("other", ["rubbish", None])
def test_export_when_the_database_was_edited_then_ends_with_a_sentence(
    other: str | None, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [read(text) for text in journal().texts]
    platform.take_entries([entry.text for entry in entries])
    with platform.store.transaction():
        sql = "UPDATE entries SET text = ? WHERE epoch = ? AND seq = 4"
        platform.store._db.run(sql, (other or entries[2].text, entries[0].epoch))
    assert main(["export", "--config", str(platform.config), "--profile", "national"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"central: {SOURCE} {entries[3].id}: ")
    assert said.endswith("; `verify` says what was damaged\n")
