"""The evidence for one case: complete, computed from the texts, and never kinder than they are."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from central.__main__ import main
from central.audit import utc_ms
from central.config import StoreConfig
from central.judge import Arrival
from central.registry import Unit, dump
from central.wording import says
from protocol.central import receipts, topics
from protocol.central.entry import Entry, read, utc_text
from protocol.central.truetime import Anchor, interval
from sim.archives import Platform
from sim.examples import FOLDER, NEIGHBOUR, NEIGHBOURS, PLATFORM, SOURCE, UNIT, journal
from sim.journals import Writer

ROOT = Path(__file__).resolve().parents[1]
NOW = utc_ms("2026-09-22T06:00:00Z")
UNITS = {SOURCE: Unit.of(UNIT.public), NEIGHBOUR: Unit.of(NEIGHBOURS.public)}
TEXTS = journal().texts
ENTRIES = [read(text) for text in TEXTS]
ATTACKS = [json.loads(line) for line in (FOLDER / "tampered.jsonl").read_text().splitlines()]
PLAIN, BOUND, CORRECTED, LAST = (
    "330102260921000117", "330102260921000118", "330102260921000131", "330102260922000188",
)  # fmt: skip
Ask = Callable[..., Any]


@pytest.fixture
def platform(tmp_path: Path, store_config: StoreConfig) -> Iterator[Platform]:
    platform = Platform(tmp_path, store_config, UNITS, PLATFORM, NOW)
    yield platform
    platform.close()


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """The evidence, as JSON or with text=True as it is handed over; its exit code is `code`."""

    def ask(*arguments: object, case: str, code: int = 0, text: bool = False) -> Any:
        capsys.readouterr()
        form = [] if text else ["--json"]
        assert main(["evidence", *map(str, arguments), "--case", case, *form]) == code
        out, err = capsys.readouterr()
        if code == 2:
            return err
        return out if text else json.loads(out)

    return ask


class Files:
    """A journal, a registry, a receipt and the platform's key, as an auditor has them."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.registry = folder / "journal.jsonl", folder / "units.json"
        self.receipt, self.key = folder / "receipt.json", folder / "platform-key.pem"
        self.write(TEXTS)
        self.registry.write_text(dump(UNITS))
        self.receipt.write_text(receipt_for(ENTRIES[-1]))
        PLATFORM.public.save(self.key)

    def write(self, texts: list[str]) -> None:
        self.journal.write_text("".join(f"{text}\n" for text in texts), "utf-8")

    @property
    def alone(self) -> list[object]:
        """The arguments without a receipt."""
        return ["--journal", self.journal, "--registry", self.registry]

    @property
    def all(self) -> list[object]:
        """The arguments with everything."""
        return [*self.alone, "--receipt", self.receipt, "--platform-key", self.key]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def receipt_for(entry: Entry, time: str = "2026-09-22T05:10:00.000Z") -> str:
    return receipts.make(PLATFORM, entry.source, entry.epoch, entry.seq, entry.hash, time)


def kinds(found: dict[str, Any]) -> list[str]:
    return [entry["kind"] for entry in found["entries"]]


def names(found: dict[str, Any]) -> set[str]:
    return {problem["name"] for problem in found["problems"]}


# -- complete


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (PLAIN, ["service", "rating"]),
        (BOUND, ["service", "rating", "binding"]),
        (CORRECTED, ["service", "rating", "correction"]),
    ],
)
def test_evidence_when_a_case_is_asked_for_then_all_that_belongs_to_it_is_there(
    case: str, expected: list[str], platform: Platform, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    found = ask("--config", platform.config, case=case)
    assert kinds(found) == expected
    assert found["good"] is True
    assert found["problems"] == []
    assert found["verdict"].endswith("receipts. Nothing is wrong.")
    by_id = {entry.id: entry for entry in ENTRIES}
    for item in found["entries"]:
        entry = by_id[item["id"]]
        assert item["text"] == entry.text
        assert (item["epoch"], item["seq"]) == (entry.epoch, entry.seq)
        assert (item["prevhash"], item["hash"]) == (entry.prevhash, entry.hash)
        assert (item["signature"], item["kid"]) == ("valid", UNIT.kid)
        assert item["received"] == utc_text(NOW)


def test_evidence_when_two_units_use_the_same_numbers_then_they_are_not_mixed(
    platform: Platform, ask: Ask
) -> None:
    writers = [Writer(SOURCE, UNIT, 1), Writer(NEIGHBOUR, NEIGHBOURS, 1)]
    assert writers[0].head == writers[1].head, "the same epoch at both"
    texts = []
    for writer, case in zip(writers, ("ours", "theirs"), strict=True):
        texts += [writer.write("boot"), writer.write("service", projectNo=None)]
        service = read(texts[-1]).id
        texts.append(writer.write("rating", service=service, projectNo=None))
        texts.append(writer.write("binding", service=service, projectNo=case))
    platform.take_entries(texts)
    found = ask("--config", platform.config, case="ours")
    assert [entry["source"] for entry in found["entries"]] == [str(SOURCE)] * 3
    assert kinds(found) == ["service", "rating", "binding"]


def test_evidence_when_a_case_went_on_at_another_window_then_both_units_are_there(
    platform: Platform, ask: Ask
) -> None:
    writers = [Writer(SOURCE, UNIT, 1), Writer(NEIGHBOUR, NEIGHBOURS, 2)]
    for number, writer in enumerate(writers, 1):
        case = {"projectNo": "P", "serviceNumber": number}
        platform.take_entries([writer.write("boot"), writer.write("service", **case)])
    found = ask("--config", platform.config, case="P")
    assert [entry["source"] for entry in found["entries"]] == [str(SOURCE), str(NEIGHBOUR)]
    assert [chain["source"] for chain in found["chains"]] == [str(SOURCE), str(NEIGHBOUR)]
    assert {key["source"] for key in found["keys"]} == {str(SOURCE), str(NEIGHBOUR)}
    assert found["good"] is True


def test_evidence_when_nobody_names_the_case_then_says_one_sentence(
    platform: Platform, files: Files, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    for where in (["--config", platform.config], files.all):
        assert "no entry names case 'P404'" in ask(*where, case="P404", code=2)


# -- time


def test_evidence_says_when_it_truly_was_and_on_what_that_rests(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    found = ask("--config", platform.config, case=CORRECTED)
    clocks = [read(text) for text in found["clocks"]]
    anchors = [Anchor.of(clock) for clock in clocks]
    for item in found["entries"]:
        entry = read(item["text"])
        stamp = entry.stamp
        expected = interval(stamp.boot_id, stamp.boottime_ms, anchors)
        assert expected is not None
        assert item["times"]["written"] == [utc_text(each) for each in expected]
        assert expected[0] <= (stamp.utc_ms or 0) <= expected[1]
    rating = found["entries"][1]
    assert set(rating["times"]) == {"asked", "pressed", "written"}
    earliest, _ = rating["times"]["pressed"]
    hall = f"{int(earliest[11:13]) + 8:02}{earliest[13:23]}"
    text = ask("--config", platform.config, case=CORRECTED, text=True)
    assert f"   pressed    {earliest} to " in text
    assert f"; in the hall {earliest[:10]} {hall} to " in text


def test_evidence_when_the_clock_was_never_set_then_the_time_is_not_known(
    platform: Platform, ask: Ask
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot"), writer.write("service", projectNo="P")]
    platform.take_entries(texts)
    found = ask("--config", platform.config, case="P")
    assert found["entries"][0]["times"]["written"] is None
    text = ask("--config", platform.config, case="P", text=True)
    assert "not known: the unit's clock was not set during that boot" in text


# -- the text


def test_evidence_as_a_text_tells_everything_in_lines_that_fit_a_page(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    text = ask("--config", platform.config, case=PLAIN, text=True)
    flat = " ".join(text.split())
    rating = ENTRIES[3]
    for part in (
        f"Evidence for case {PLAIN}, from the platform's database",
        "VERDICT All 2 entries are authentic",
        "Rating: rated 2 不满意; key 4 from the left (key table k5-1); 6.180 s after the question",
        "reasons: 207 ",
        "may be published",
        f"entry {rating.id} of {SOURCE}",
        f"received no later than {utc_text(NOW)}",
        f"signature valid; key {UNIT.kid}",
        f"before it {rating.prevhash}",
        f"its hash {rating.hash}",
        f"Receipt for entry {len([e for e in ENTRIES if e.epoch == rating.epoch])}, signed by "
        f"platform key {PLATFORM.kid}, {utc_text(NOW)}: hash equal.",
        "What is wrong: nothing",
        "docs/evidence.md says how",
    ):
        assert part in flat, part
    assert max(map(len, text.splitlines()[1:])) <= 120


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}-{entry.seq}")
def test_wording_of_every_entry_is_a_line_without_anything_a_terminal_obeys(entry: Entry) -> None:
    words = says(entry)
    assert words
    assert words.isprintable()
    if entry.kind == "rating" and entry.data["outcome"] != "rated":
        assert words.startswith(f"not rated: {entry.data['outcome']}, ")
    if entry.kind == "rating" and not entry.data["public"]:
        assert "not to be published" in words


def test_wording_of_data_that_break_the_schema_says_so_and_nothing_else() -> None:
    writer = Writer(SOURCE, UNIT, 1)
    odd = read(writer.write("rating", satisfaction=9, window="\x1b[2J"))
    assert says(odd).startswith("its data do not keep their schema: ")
    assert "\x1b" not in says(odd)
    old = read(writer.write("rating", reasons=["199"]))
    assert "199 (of an earlier list)" in says(old)


# -- offline


def test_evidence_from_the_exported_journal_is_that_of_the_database(
    platform: Platform, files: Files, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    for case in (PLAIN, BOUND, CORRECTED, LAST):
        there, here = ask("--config", platform.config, case=case), ask(*files.all, case=case)
        for found in (there, here):
            for item in found["entries"]:
                del item["received"]
        for name in ("good", "verdict", "entries", "problems", "notes", "clocks", "platformKeys"):
            assert there[name] == here[name], name


def test_evidence_when_a_later_epoch_is_receipted_then_the_one_before_is_covered(
    files: Files, ask: Ask
) -> None:
    found = ask(*files.all, case=PLAIN)
    (chain,) = found["chains"]
    assert chain["epoch"] == ENTRIES[0].epoch != ENTRIES[-1].epoch
    assert f"of epoch {ENTRIES[-1].epoch}, which follows this one" in chain["says"][1]
    assert found["entries"][0]["received"] == "2026-09-22T05:10:00.000Z"


def test_evidence_without_a_receipt_says_so(files: Files, ask: Ask) -> None:
    found = ask(*files.alone, case=PLAIN)
    assert found["verdict"].endswith(
        "No receipt covers them all: a later entry may have been cut off."
    )
    assert found["entries"][0]["received"] is None
    assert "No receipt of the platform" in found["chains"][0]["says"][1]
    unchecked = ask(*files.alone, "--receipt", files.receipt, case=PLAIN)
    assert unchecked["notes"] == [
        "There is a receipt, but no platform key was given to check it with."
    ]
    assert unchecked["chains"][0]["receipt"] is None


def test_evidence_when_the_receipt_ends_before_the_entry_then_does_not_cover_it(
    files: Files, ask: Ask
) -> None:
    files.receipt.write_text(receipt_for(ENTRIES[2]))
    found = ask(*files.all, case=PLAIN)
    assert [entry["seq"] for entry in found["entries"]] == [3, 4]
    assert [entry["received"] is None for entry in found["entries"]] == [False, True]
    assert "No receipt covers them all" in found["verdict"]


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: row["attack"])
def test_evidence_when_the_journal_was_tampered_with_then_the_problem_is_named(
    row: dict[str, Any], files: Files, ask: Ask
) -> None:
    files.write(row["lines"])
    where = files.alone
    if "receipt" in row:
        files.receipt.write_text(row["receipt"])
        where = files.all
    found = ask(*where, case=PLAIN, code=1)
    assert row["problem"] in names(found)
    assert found["good"] is False
    assert {entry["source"] for entry in found["entries"]} == {str(SOURCE)}
    assert found["verdict"].startswith("Do not rely on this as it stands")
    text = ask(*where, case=PLAIN, code=1, text=True)
    assert f"\n   {row['problem']}: {SOURCE} " in text


def test_evidence_when_the_journal_is_broken_then_a_later_epochs_receipt_proves_nothing(
    files: Files, ask: Ask
) -> None:
    files.write([*TEXTS[:6], *TEXTS[7:]])
    found = ask(*files.all, case=PLAIN, code=1)
    assert "gap" in names(found)
    assert found["chains"][0]["receipt"] is None
    assert found["entries"][0]["received"] is None


def test_evidence_when_a_clock_entry_was_forged_then_the_times_stay_those_of_the_genuine_one(
    files: Files, ask: Ask
) -> None:
    genuine = ask(*files.all, case=PLAIN)["entries"]
    clock = ENTRIES[1]
    assert clock.kind == "clock"
    said = f'"stepMs":null,"utcMs":{clock.data["utcMs"]}'
    assert said in clock.text
    forged = clock.text.replace(said, f'"stepMs":null,"utcMs":{clock.data["utcMs"] + 5}')
    files.write([*TEXTS, forged])
    found = ask(*files.all, case=PLAIN, code=1)
    assert names(found) == {"bad_signature"}
    assert [entry["times"] for entry in found["entries"]] == [entry["times"] for entry in genuine]


def test_evidence_when_the_receipt_is_another_platforms_then_is_no_receipt(
    files: Files, ask: Ask
) -> None:
    end = ENTRIES[-1]
    forged = receipts.make(UNIT, SOURCE, end.epoch, end.seq, end.hash, "2026-09-22T05:10:00.000Z")
    for text in (forged, "rubbish", "[]"):
        files.receipt.write_text(text)
        found = ask(*files.all, case=PLAIN, code=1)
        assert names(found) == {"bad_receipt"}
        assert found["chains"][0]["receipt"] is None


def test_evidence_when_files_are_missing_or_foreign_then_says_one_sentence(
    files: Files, tmp_path: Path, ask: Ask
) -> None:
    gone = tmp_path / "gone"
    for where, said in (
        (["--journal", files.journal], "--journal goes with --registry"),
        (["--journal", gone, "--registry", files.registry], "gone: No such file"),
        (["--journal", files.journal, "--registry", gone], "gone: No such file"),
        ([*files.alone, "--receipt", gone], "gone: No such file"),
        ([*files.alone, "--platform-key", gone], "gone: No such file"),
        (["--journal", files.registry, "--registry", files.registry], "no entry in it"),
    ):
        assert said in ask(*where, case=PLAIN, code=2)
    files.registry.write_text(dump({NEIGHBOUR: UNITS[NEIGHBOUR]}))
    assert f"of {SOURCE}, which is not in the registry" in ask(*files.alone, case=PLAIN, code=2)


# -- keys


def test_evidence_when_the_key_was_revoked_later_then_the_entries_stay_good(
    platform: Platform, files: Files, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    revoked = {SOURCE: Unit({UNIT.kid: UNIT.public}, {UNIT.kid: "2026-10-01T00:00:00Z"})}
    platform.register(revoked)
    files.registry.write_text(dump(revoked))
    for where in (["--config", platform.config], files.all):
        found = ask(*where, case=PLAIN)
        assert found["entries"][0]["signature"].startswith("valid; the key was revoked 2026-10-01")
    platform.register({})
    found = ask("--config", platform.config, case=PLAIN)
    assert "valid" in found["entries"][0]["signature"]
    # Nobody but a receipt says that the entries were there before.
    found = ask(*files.alone, case=PLAIN, code=1)
    assert names(found) == {"revoked_key"}


def test_evidence_when_the_key_was_revoked_before_then_the_entries_do_not_count(
    platform: Platform, files: Files, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    revoked = {SOURCE: Unit({UNIT.kid: UNIT.public}, {UNIT.kid: "2026-09-20T00:00:00Z"})}
    platform.register(revoked)
    files.registry.write_text(dump(revoked))
    for where in (["--config", platform.config], files.all):
        found = ask(*where, case=PLAIN, code=1)
        assert names(found) == {"revoked_key"}
        assert found["entries"][0]["signature"].startswith("NOT GOOD")


# -- what the database knows beside


def test_evidence_when_something_was_found_about_an_entry_then_it_is_told(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    (fork,) = [row["lines"][-1] for row in ATTACKS if row["attack"] == "copied_card_goes_on"]
    platform.take(Arrival(topics.up(SOURCE, "rating"), fork.encode()))
    found = ask("--config", platform.config, case=BOUND, code=1)
    assert names(found) == {"fork"}
    assert found["problems"][0]["place"] == f"{SOURCE} {read(fork).id}"
    assert f"(noted {utc_text(NOW)})" in found["problems"][0]["sentence"]
    assert ask("--config", platform.config, case=PLAIN)["good"] is True


def test_evidence_when_an_entrys_data_are_odd_then_its_own_case_alone_is_told(
    platform: Platform, ask: Ask
) -> None:
    writer = Writer(SOURCE, UNIT, 1)
    texts = [writer.write("boot"), writer.write("service", projectNo="P", window="")]
    platform.take_entries([*texts, writer.write("service", projectNo="Q")])
    found = ask("--config", platform.config, case="P", code=1)
    assert [problem["name"] for problem in found["problems"]] == ["schema"]
    assert found["entries"][0]["says"].startswith("its data do not keep their schema")
    assert found["chains"][0]["unbrokenUpto"] == 3
    assert ask("--config", platform.config, case="Q")["good"] is True


def test_evidence_when_the_database_was_edited_then_the_text_tells(
    platform: Platform, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    edited = ENTRIES[3].text.replace('"satisfaction":2', '"satisfaction":5')
    assert edited != ENTRIES[3].text
    for text, name in ((edited, "bad_signature"), ("rubbish", "bad_entry")):
        with platform.store.transaction():
            sql = "UPDATE entries SET text = ? WHERE epoch = ? AND seq = 4"
            assert platform.store._db.run(sql, (text, ENTRIES[3].epoch)) == 1
        found = ask("--config", platform.config, case=PLAIN, code=1)
        assert name in names(found)
        assert found["chains"][0]["unbrokenUpto"] == 3
    with platform.store.transaction():
        platform.store._db.run(
            "DELETE FROM entries WHERE epoch = ? AND seq = 4", (ENTRIES[3].epoch,)
        )
    found = ask("--config", platform.config, case=PLAIN, code=1)
    assert names(found) == {"gap"}
    assert kinds(found) == ["service"]


def test_evidence_when_the_receipt_is_older_than_the_platforms_key_then_it_may_be_named(
    platform: Platform, files: Files, ask: Ask
) -> None:
    platform.take_entries(TEXTS)
    (platform.folder / "platform.pem").unlink()
    NEIGHBOURS.save(platform.folder / "platform.pem")
    found = ask("--config", platform.config, case=PLAIN, code=1)
    assert names(found) == {"bad_receipt"}
    (platform.folder / "platform.pem").unlink()
    said = ask("--config", platform.config, case=PLAIN, code=2)
    assert said.endswith("; --platform-key takes its public half instead\n")
    found = ask("--config", platform.config, "--platform-key", files.key, case=PLAIN)
    assert found["platformKeys"] == [{"kid": PLATFORM.kid, "public": PLATFORM.public.to_text()}]


# -- without this program


def test_evidence_guide_when_followed_by_hand_then_everything_verifies(tmp_path: Path) -> None:
    for name in ("journal.jsonl", "receipt.json", "unit.pem", "platform.pem"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    guide = (ROOT / "docs" / "evidence.md").read_text("utf-8")
    script = "\n".join(re.findall(r"```sh\n(.*?)```", guide, re.S))
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.split("\n")
    good = [index for index, line in enumerate(said) if line == "Signature Verified Successfully"]
    assert len(good) == 2, done.stdout
    hashes = re.findall(r"\b[0-9a-f]{64}\b", done.stdout)
    assert len(hashes) == 4
    assert hashes[0] == hashes[1] == ENTRIES[2].hash
    assert hashes[2] == hashes[3] == ENTRIES[-1].hash
