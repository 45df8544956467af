"""The centre's commands, on both engines: what a tired operator reads, and what a program does."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from central import columns
from central.__main__ import main
from central.config import StoreConfig
from central.judge import Arrival
from central.registry import Unit
from protocol.central import topics
from protocol.central.entry import read, utc_text
from sim.archives import Platform
from sim.examples import NEIGHBOUR, NEIGHBOURS, PLATFORM, SOURCE, UNIT, journal
from sim.journals import BOOT_UTC_MS, Writer
from sim.journals import journal as writes

COMMANDS = ("run", "units", "alarms", "quarantine", "stats", "verify", "export", "evidence")
NOW = BOOT_UTC_MS + 10 * 86_400_000
UNITS = {SOURCE: Unit.of(UNIT.public), NEIGHBOUR: Unit.of(NEIGHBOURS.public)}
ESCAPE = "\x1b"
Ask = Callable[..., str]


@pytest.fixture
def platform(tmp_path: Path, store_config: StoreConfig) -> Iterator[Platform]:
    platform = Platform(tmp_path, store_config, UNITS, PLATFORM, NOW)
    yield platform
    platform.close()


@pytest.fixture
def ask(platform: Platform, capsys: pytest.CaptureFixture[str]) -> Ask:
    """What a command prints; its exit code has to be `code`."""

    def ask(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        name, *more = arguments
        assert main([name, "--config", str(platform.config), *more]) == code
        out, err = capsys.readouterr()
        return out if code < 2 else err

    return ask


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_in_one_line_what_a_command_does_and_how_it_ends(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Exit code: 0 good, 1 problems were found" in text
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = " ".join(capsys.readouterr().out.split())
    assert f" {command} " in listed


# -- units


def health(head: str, seq: int) -> dict[str, Any]:
    stamp = {"bootId": "b", "boottimeMs": 1, "utcMs": NOW, "synced": True, "errorMs": 1}
    return {
        "source": str(SOURCE),
        "stamp": stamp,
        "head": {"epoch": head, "seq": seq, "hash": "ab" * 32},
        "delivered": 0,
        "counters": {},
        "versions": {},
    }


def test_units_when_nobody_was_heard_then_the_registered_are_there(
    platform: Platform, ask: Ask
) -> None:
    found = json.loads(ask("units", "--json"))
    assert [(unit["source"], unit["state"]) for unit in found] == [
        (str(SOURCE), "never"),
        (str(NEIGHBOUR), "never"),
    ]
    assert found[0] == {
        "source": str(SOURCE),
        "state": "never",
        "heardUtcMs": None,
        "head": None,
        "behind": None,
        "openAlarms": 0,
        "keys": [UNIT.kid],
    }


def test_units_when_units_speak_then_state_head_and_what_is_missing_are_shown(
    platform: Platform, ask: Ask
) -> None:
    author = journal()
    platform.take_entries(author.texts)
    end = read(author.texts[-1])
    unit = json.loads(ask("units", "--json"))[0]
    assert (unit["state"], unit["head"], unit["behind"]) == ("unknown", end.id, None)
    platform.hear(SOURCE, topics.STATE, {"state": "online"})
    platform.hear(SOURCE, topics.HEALTH, health(end.epoch, end.seq + 7))
    unit = json.loads(ask("units", "--json"))[0]
    assert (unit["state"], unit["head"], unit["behind"]) == ("online", end.id, 7)
    assert unit["heardUtcMs"] == NOW
    platform.hear(SOURCE, topics.STATE, {"state": "offline"})
    # An epoch of which nothing came yet is the newest, and all of it is missing.
    platform.hear(SOURCE, topics.HEALTH, health("f" * 16, 9))
    unit = json.loads(ask("units", "--json"))[0]
    assert (unit["state"], unit["head"], unit["behind"]) == ("offline", f"{'f' * 16}-0", 9)
    table = ask("units").splitlines()
    assert table[0].split("  ")[0] == "unit"
    assert table[1].startswith(f"{SOURCE}  offline  2026-10-01 22:13:20  {'f' * 16}-0")
    assert len(table) == 3


def test_units_when_keys_change_then_their_history_is_shown(platform: Platform, ask: Ask) -> None:
    new, time = NEIGHBOURS.public, "2026-09-30T00:00:00Z"
    platform.now_ms += 1000
    keys = {UNIT.kid: UNIT.public, new.kid: new}
    platform.register({SOURCE: Unit(keys, {UNIT.kid: time})})
    by_place = {
        (row["source"], row["kid"]): row for row in json.loads(ask("units", "--keys", "--json"))
    }
    assert by_place[str(SOURCE), UNIT.kid]["addedUtcMs"] == NOW
    assert by_place[str(SOURCE), UNIT.kid]["revoked"] == time
    assert by_place[str(SOURCE), new.kid]["addedUtcMs"] == NOW + 1000
    assert by_place[str(NEIGHBOUR), new.kid]["removedUtcMs"] == NOW + 1000
    assert time in ask("units", "--keys")
    # A unit that is registered no longer and was never heard is no unit any more.
    found = json.loads(ask("units", "--json"))
    assert [(unit["source"], unit["keys"]) for unit in found] == [(str(SOURCE), [new.kid])]


# -- alarms


def test_alarms_when_an_operator_closes_one_then_it_is_gone_and_kept(
    platform: Platform, ask: Ask
) -> None:
    assert ask("alarms").splitlines()[1:] == ["(none)"]
    platform.take(Arrival(topics.up(SOURCE, "rating"), b"rubbish"))
    (alarm,) = json.loads(ask("alarms", "--json"))
    assert (alarm["source"], alarm["name"], alarm["closedUtcMs"]) == (str(SOURCE), "schema", None)
    number = str(alarm["id"])
    assert "schema" in ask("alarms").splitlines()[1]
    assert json.loads(ask("units", "--json"))[0]["openAlarms"] == 1
    (closed,) = json.loads(ask("alarms", "--close", number, "--json"))
    assert closed["closedUtcMs"] >= NOW
    assert json.loads(ask("alarms", "--json")) == []
    assert json.loads(ask("alarms", "--all", "--json")) == [closed]
    again = ask("alarms", "--close", number, code=2)
    assert again == f"central: alarm {number} (schema of {SOURCE}) is closed already\n"
    assert "no alarm has the id 77;" in ask("alarms", "--close", "77", code=2)
    # The workers call out what changed, also when an operator changed it.
    assert [each.id for each in platform.store.alarms.untold()] == [alarm["id"]]


@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**63)])
def test_ids_that_cannot_be_one_are_refused_before_anything_is_asked(
    number: str, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["alarms", "--config", str(platform.config), f"--close={number}"])
    assert ended.value.code == 2
    assert "argument --close: invalid" in capsys.readouterr().err


# -- quarantine


def test_quarantine_when_messages_were_refused_then_lists_and_shows_them_harmlessly(
    platform: Platform, ask: Ask
) -> None:
    rubbish = f"{ESCAPE}[2J\u202e好\x9b\x00\n".encode() + b"\xff"
    foreign = Arrival("hcp/v1/x/y/z/up/rating", b"{}")
    platform.take(Arrival(topics.up(SOURCE, "rating"), rubbish), foreign)
    platform.now_ms += 1000
    platform.take(foreign)
    rows = json.loads(ask("quarantine", "--json"))
    by_name = {row["name"]: row for row in rows}
    assert by_name["unknown_unit"]["seenCount"] == 2
    assert by_name["unknown_unit"]["lastUtcMs"] == by_name["unknown_unit"]["firstUtcMs"] + 1000
    bad = by_name["bad_entry"]
    assert (bad["source"], bad["textLen"]) == (str(SOURCE), len(rubbish))
    shown = ask("quarantine", "--show", str(bad["id"]))
    assert shown == "\\x1b[2J\\u202e好\\x9b\\x00\\n\\xff\n"
    assert json.loads(ask("quarantine", "--show", str(bad["id"]), "--json"))["text"] == shown[:-1]
    table = ask("quarantine")
    assert ESCAPE not in table
    assert len(table.splitlines()) == 3
    assert "id 77" in ask("quarantine", "--show", "77", code=2)


def test_quarantine_when_a_problem_was_only_remarked_then_it_is_not_there(
    platform: Platform, ask: Ask
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    platform.take_entries([writer.write("boot"), writer.write("rating", satisfaction=9)])
    assert json.loads(ask("alarms", "--json"))[0]["name"] == "schema"
    assert json.loads(ask("quarantine", "--json")) == []


# -- counts


def test_stats_when_a_day_is_counted_then_levels_reasons_and_corrections_are_there(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(journal().texts)
    found = json.loads(ask("stats", "--json"))
    assert list(found) == [str(SOURCE), "all"]
    assert found["all"] == found[str(SOURCE)] == {
        "services": 7,
        "rated": {"5": 2, "4": 1, "3": 1, "2": 1, "1": 0},
        "notRated": {
            "timeout": 1, "superseded": 1, "cancelled": 0, "pad_lost": 0, "interrupted": 0,
            "unclear": 0,
        },
        "corrected": 1,
        "negativeShare": 0.2,
    }  # fmt: skip
    lines = ask("stats").splitlines()
    assert lines[-1].split()[0] == "all"
    assert lines[-1].endswith("20.00 %")
    assert lines[0].index("negative") == lines[-1].index("20.00 %")
    assert "1007" not in ask("stats", "--json"), "nothing is said per staff member"


def test_stats_when_counted_by_hall_or_area_then_units_are_put_together(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(writes(Writer(SOURCE, UNIT, 1), 60))
    platform.take_entries(writes(Writer(NEIGHBOUR, NEIGHBOURS, 2), 60))
    by = {
        name: json.loads(ask("stats", "--by", name, "--json")) for name in ("unit", "hall", "area")
    }
    assert list(by["hall"]) == ["/330102/h01", "all"]
    assert list(by["area"]) == ["/330102", "all"]
    assert by["hall"]["all"] == by["area"]["all"] == by["unit"]["all"] == by["hall"]["/330102/h01"]
    one, other = by["unit"][str(SOURCE)], by["unit"][str(NEIGHBOUR)]
    assert one["services"] + other["services"] == by["unit"]["all"]["services"]


@pytest.mark.parametrize("keys", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 2, 1, 5, 4)])
def test_stats_when_the_keys_are_numbered_otherwise_then_nothing_changes(
    keys: tuple[int, ...], platform: Platform, ask: Ask
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot")]
    for number, level in enumerate((5, 5, 4, 3, 2, 1), 1):
        service = writer.write("service", promptId=number)
        more = {"satisfaction": level, "key": keys[5 - level], "reasons": []}
        texts += [service, writer.write("rating", service=read(service).id, **more)]
    platform.take_entries(texts)
    found = json.loads(ask("stats", "--json"))["all"]
    assert found["rated"] == {"5": 2, "4": 1, "3": 1, "2": 1, "1": 1}
    assert found["negativeShare"] == pytest.approx(2 / 6, abs=1e-6)


def test_stats_when_a_rating_is_odd_or_corrected_twice_then_is_counted_once_and_as_what_it_is(
    platform: Platform, ask: Ask
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot"), writer.write("rating", satisfaction=9, outcome="rated")]
    texts += [writer.write("rating", outcome="vanished", satisfaction=None)]
    texts += [writer.write("correction", rating=read(texts[1]).id) for _ in range(3)]
    platform.take_entries(texts)
    found = json.loads(ask("stats", "--json"))["all"]
    assert (found["notRated"]["unclear"], found["corrected"]) == (2, 1)
    assert found["negativeShare"] is None
    assert ask("stats").splitlines()[-1].endswith("-")


# -- export and verify


def test_export_when_asked_plainly_then_gives_each_entry_as_it_was_signed(
    platform: Platform, ask: Ask
) -> None:
    texts = journal().texts
    platform.take_entries(texts)
    lines = [json.loads(line) for line in ask("export").splitlines()]
    assert [line["text"] for line in lines] == texts
    end = read(texts[-1])
    assert lines[-1] == {
        "source": str(SOURCE),
        "epoch": end.epoch,
        "seq": end.seq,
        "receivedUtcMs": NOW,
        "text": end.text,
    }


def test_verify_when_a_key_was_revoked_or_removed_then_what_came_before_stays_good(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(journal().texts)
    platform.now_ms += 5000
    platform.register({SOURCE: Unit({UNIT.kid: UNIT.public}, {UNIT.kid: utc_text(NOW + 1)})})
    assert json.loads(ask("verify"))["units"][0]["problems"] == []
    platform.register({NEIGHBOUR: UNITS[NEIGHBOUR]})
    report = json.loads(ask("verify"))
    assert report["chain_verified"] is True


def test_verify_when_entries_came_after_the_key_was_revoked_then_says_so(
    platform: Platform, ask: Ask
) -> None:
    texts = journal().texts
    platform.take_entries(texts)
    # Found out later: the card was stolen before these came.
    platform.register({SOURCE: Unit({UNIT.kid: UNIT.public}, {UNIT.kid: utc_text(NOW)})})
    report = json.loads(ask("verify", code=1))
    assert report["chain_verified"] is False
    problems = report["units"][0]["problems"]
    assert {problem["name"] for problem in problems} == {"revoked_key"}
    assert len(problems) == len(texts)


def test_verify_when_something_was_refused_then_it_is_in_the_report(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(journal().texts)
    platform.take(Arrival(topics.up(SOURCE, "rating"), b"rubbish"))
    platform.take(Arrival("no/topic", b"rubbish"))
    report = json.loads(ask("verify", code=1))
    assert report["chain_verified"] is True
    assert [problem["name"] for problem in report["units"][0]["problems"]] == ["bad_entry"]
    assert report["strangers"] == 1


def test_commands_when_there_is_no_database_then_say_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "central.toml"
    config.write_text('registry = "r.json"\nplatform.key = "p.pem"\n')
    for command in ("units", "alarms", "quarantine", "stats", "verify", "export"):
        assert main([command, "--config", str(config)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "central.db: unable to open" in err
        assert len(err.splitlines()) == 1
    assert main(["alarms", "--close", "1", "--config", str(config)]) == 2
    assert not (tmp_path / "central.db").exists()


# -- lines


def test_aligned_when_cells_are_wide_or_hostile_then_columns_hold() -> None:
    rows = [("好差评", 1, f"a{ESCAPE}b"), ("abcdef", 22, None)]
    assert list(columns.aligned(("name", "n", "what"), rows)) == [
        "name     n  what",
        "好差评   1  a\\x1bb",
        "abcdef  22  -",
    ]
