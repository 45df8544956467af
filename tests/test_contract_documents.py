"""The contract's documents say what the code does: description, schemas, examples and the page."""

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft7Validator

from central import judge
from central.registry import Registry
from protocol.central import receipts, schema, topics
from protocol.central.canonical import canonical, parse
from protocol.central.chain import Head, verify
from protocol.central.entry import KINDS, TEXT_LEN_MAX, Entry, Source, read
from protocol.central.signing import VerifyKey
from sim import examples

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = ROOT / "protocol" / "central"
EXAMPLES = CONTRACT / "examples"
API: dict[str, Any] = yaml.safe_load((CONTRACT / "asyncapi.yaml").read_text("utf-8"))
PAGE = (ROOT / "docs" / "platform.md").read_text("utf-8")
OFFICIAL = "node_modules/@asyncapi/specs/schemas/3.0.0.json"
SOURCE = Source("330102", "h01", "w03")
# Channel: who speaks, QoS, retained. A unit's state is also its last will, with QoS 1.
MANNERS = {
    "entry": ("receive", 1, False),
    "state": ("receive", 0, True),
    "health": ("receive", 0, False),
    "receipt": ("send", 1, True),
    "ask": ("send", 0, False),
    "alarm": ("send", 1, False),
}


def example(name: str) -> str:
    return (EXAMPLES / name).read_text("utf-8")


def journal() -> list[Entry]:
    return [read(line) for line in example("journal.jsonl").splitlines()]


def unit_keys() -> dict[str, VerifyKey]:
    key = VerifyKey.load(EXAMPLES / "unit.pem")
    return {key.kid: key}


# -- references


def references(value: Any) -> Iterator[str]:
    """Every $ref in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from references(item)


def document(path: Path) -> Any:
    return API if path.suffix == ".yaml" else json.loads(path.read_text("utf-8"))


def resolved(reference: str, base: Path) -> tuple[Any, Path]:
    """What a $ref in the file at base points to, and the file it is in."""
    file, _, pointer = reference.partition("#")
    path = (base.parent / file).resolve() if file else base
    value = document(path)
    for name in pointer.split("/")[1:]:
        value = value[name.replace("~1", "/").replace("~0", "~")]
    return value, path


def expanded(value: Any, base: Path = CONTRACT / "asyncapi.yaml") -> Any:
    """The document with every $ref replaced by what it points to."""
    if isinstance(value, dict) and "$ref" in value:
        return expanded(*resolved(value["$ref"], base))
    if isinstance(value, dict):
        return {name: expanded(item, base) for name, item in value.items()}
    return [expanded(item, base) for item in value] if isinstance(value, list) else value


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    waiting = [CONTRACT / "asyncapi.yaml"]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        found = [resolved(reference, path)[1] for reference in references(document(path))]
        waiting += [other for other in found if other not in seen]
    used = {path.name for path in seen if path.parent == CONTRACT / "schemas"}
    assert used == {path.name for path in (CONTRACT / "schemas").iterdir()}
    assert used == {f"{name}.schema.json" for name in ("common", *schema.NAMES)}
    assert {path.name for path in seen if path.parent == EXAMPLES} == {
        f"{name}.json" for name in (*KINDS, *schema.MESSAGES)
    }


# -- the description


@pytest.mark.needs("node")
@pytest.mark.usefixtures("node")
def test_description_keeps_the_official_schema_of_asyncapi() -> None:
    validator = Draft7Validator(json.loads((ROOT / OFFICIAL).read_text("utf-8")))
    # Channels and operations must stay references.
    whole = API | {"components": expanded(API["components"])}
    for form in (API, whole):
        wrong = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(form)]
        assert [sentence[:300] for sentence in wrong] == []
    assert not validator.is_valid(API | {"channels": {"x": {"address": 1}}})


def addresses(channel: dict[str, Any], **values: str) -> set[str]:
    """All topics of a channel, for one unit."""
    names = [name for name, row in channel.get("parameters", {}).items() if "enum" in row]
    choices = [channel["parameters"][name]["enum"] for name in names]
    fixed = {"area": SOURCE.area, "hall": SOURCE.hall, "unit": SOURCE.unit}
    return {
        channel["address"].format(**fixed, **dict(zip(names, chosen, strict=True)))
        for chosen in product(*choices)
    }


def test_channels_are_the_topics_of_the_code_and_no_others() -> None:
    found = [topic for channel in API["channels"].values() for topic in addresses(channel)]
    ups = [topics.up(SOURCE, name) for name in topics.UP_NAMES]
    downs = [topics.down(SOURCE, name) for name in topics.DOWN_NAMES]
    alarms = [topics.alarm(SOURCE, name) for name in topics.ALARMS]
    assert sorted(found) == sorted([*ups, *downs, *alarms])


def test_operations_say_who_speaks_how_and_with_which_messages() -> None:
    found = {}
    for operation in API["operations"].values():
        name = operation["channel"]["$ref"].removeprefix("#/channels/")
        manner = operation["bindings"]["mqtt"]
        found[name] = (operation["action"], manner["qos"], manner["retain"])
        messages = {
            f"#/channels/{name}/messages/{one}" for one in API["channels"][name]["messages"]
        }
        assert set(references(operation["messages"])) == messages
    assert found == MANNERS
    assert API["channels"]["config"]["messages"] == {}  # reserved
    will = API["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
    assert (will["qos"], will["retain"]) == (1, True)
    assert addresses({"address": will["topic"]}) == {topics.up(SOURCE, topics.STATE)}
    assert schema.message_problems("state", parse(will["message"])) == []


def test_messages_are_every_kind_with_its_schema_and_all_beside_them() -> None:
    assert tuple(API["channels"]["entry"]["messages"]) == KINDS
    assert tuple(API["channels"]["entry"]["parameters"]["kind"]["enum"]) == KINDS
    assert sorted(API["components"]["messages"]) == sorted((*KINDS, *schema.MESSAGES))
    for kind in KINDS:
        envelope, own = API["components"]["messages"][kind]["payload"]["allOf"]
        assert envelope == {"$ref": "schemas/entry.schema.json"}
        assert own["properties"] == {
            "type": {"const": f"hcp.{kind}.v1"},
            "dataschema": {"const": f"urn:hcp:schema:{kind}:v1"},
            "data": {"$ref": f"schemas/{kind}.schema.json"},
        }
    for name in schema.MESSAGES:
        payload = API["components"]["messages"][name]["payload"]
        assert payload == {"$ref": f"schemas/{name}.schema.json"}


def test_parameters_say_the_form_that_the_code_reads() -> None:
    for name in ("area", "hall", "unit"):
        parameter = API["components"]["parameters"][name]
        form = re.compile(parameter["x-pattern"])
        assert parameter["x-pattern"].strip("^$") in parameter["description"]
        for text in ("330102", "a", "x" * 32, "a.b-c_d"):
            assert form.search(text)
            assert Source.parse(f"/{text}/h/u")
        for text in ("", "-", "x" * 33, "a/b", "a b", "+", "市"):
            assert not form.search(text)


def test_lengths_and_alarms_are_those_of_the_code() -> None:
    assert f"At most {TEXT_LEN_MAX // 1024} KiB" in API["channels"]["entry"]["description"]
    assert f"At most {judge.NOTE_LEN_MAX // 1024} KiB" in API["channels"]["health"]["description"]
    assert tuple(API["channels"]["alarm"]["parameters"]["name"]["enum"]) == topics.ALARMS
    assert tuple(schema.load("alarm")["properties"]["name"]["enum"]) == topics.ALARMS
    told = API["components"]["messages"]["alarm"]["description"]
    assert tuple(re.findall(r"^\| (\w+) \|", told, re.M)[1:]) == topics.ALARMS


# -- the examples


def test_examples_are_what_the_generator_makes(tmp_path: Path) -> None:
    examples.write(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in EXAMPLES.iterdir()}
    stale = [name for name in {*made, *kept} if made.get(name) != kept.get(name)]
    assert not stale, f"run `python -m sim.examples`: {sorted(stale)}"


def test_example_journal_holds_and_has_every_kind() -> None:
    texts = example("journal.jsonl").splitlines()
    report = verify(texts, unit_keys(), SOURCE)
    assert report.problems == ()
    assert (report.entry_count, report.epochs) == (len(texts), examples.EPOCHS)
    assert {entry.kind for entry in journal()} == set(KINDS)
    assert [schema.problems(entry.value) for entry in journal()] == [[]] * len(texts)


def test_example_journal_when_an_entry_quotes_another_then_that_was_written_before() -> None:
    kinds: dict[str, str] = {}
    rated = []
    for entry in journal():
        for member, kind in (("service", "service"), ("rating", "rating")):
            if member in entry.data:
                assert kinds[entry.data[member]] == kind
        if entry.kind == "rating":
            rated.append(entry.data["service"])
        kinds[entry.id] = entry.kind
    assert sorted(rated) == sorted(name for name, kind in kinds.items() if kind == "service")


def test_example_journal_when_the_day_ends_then_its_totals_are_those_of_its_entries() -> None:
    entries = journal()
    (index,) = (index for index, entry in enumerate(entries) if entry.kind == "daily")
    data = entries[index].data
    ratings = [entry.data for entry in entries[:index] if entry.kind == "rating"]
    assert (data["completed"], data["prompted"]) == (len(ratings), len(ratings))
    for level, count in data["rated"].items():
        assert count == sum(rating["satisfaction"] == int(level) for rating in ratings)
    for outcome, count in data["notRated"].items():
        assert count == sum(rating["outcome"] == outcome for rating in ratings)
    assert sum(data["rated"].values()) + sum(data["notRated"].values()) == len(ratings)


@pytest.mark.parametrize("name", [*KINDS, *schema.MESSAGES])
def test_example_message_is_canonical_and_keeps_its_schema(name: str) -> None:
    text = example(f"{name}.json")
    value = parse(text)
    assert canonical(value).decode() == text
    problems = schema.problems(value) if name in KINDS else schema.message_problems(name, value)
    assert problems == []
    if name in KINDS:
        assert text in example("journal.jsonl").splitlines()
        assert read(text).kind == name
    assert API["components"]["messages"][name]["examples"] == [
        {"name": name, "payload": {"$ref": f"examples/{name}.json"}}
    ]


def test_example_receipt_and_health_name_the_end_of_the_journal() -> None:
    end = journal()[-1]
    key = VerifyKey.load(EXAMPLES / "platform.pem")
    receipt = receipts.read(example("receipt.json"), {key.kid: key}, SOURCE)
    assert (receipt.epoch, receipt.upto, receipt.hash) == (end.epoch, end.seq, end.hash)
    head = parse(example("health.json"))["head"]
    assert head == {"epoch": end.epoch, "seq": end.seq, "hash": end.hash}


def test_example_registry_names_the_unit_its_key_and_its_window() -> None:
    registry = Registry.parse(example("registry.json"))
    assert registry.current_keys(SOURCE).keys() == unit_keys().keys()
    unit = registry.get(SOURCE)
    assert unit is not None
    windows = {entry.data["window"] for entry in journal() if "window" in entry.data}
    assert windows == set(unit.windows)


ATTACKS = [json.loads(line) for line in example("tampered.jsonl").splitlines()]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["attack"])
def test_example_attack_when_verified_then_is_named_first(attack: dict[str, Any]) -> None:
    known = None
    if "receipt" in attack:
        assert verify(attack["lines"], unit_keys(), SOURCE).problems == ()
        key = VerifyKey.load(EXAMPLES / "platform.pem")
        receipt = receipts.read(attack["receipt"], {key.kid: key}, SOURCE)
        known = Head(receipt.epoch, receipt.upto, receipt.hash)
    report = verify(attack["lines"], unit_keys(), SOURCE, known=known)
    assert report.problems[0].name == attack["problem"]


def test_example_attacks_are_many_and_each_is_another() -> None:
    assert len({attack["attack"] for attack in ATTACKS}) == len(ATTACKS) == 30
    assert len({tuple(attack["lines"]) for attack in ATTACKS}) == len(ATTACKS)


# -- the page


def first_column(heading: str) -> list[str]:
    """The names in the first column of the table with this heading in its first cell."""
    found = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    assert found is not None, heading
    return [row.split("|")[1].strip() for row in found[1].splitlines()]


def test_page_names_every_topic_kind_and_alarm() -> None:
    names = [name for row in first_column("kind") for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == sorted(KINDS)
    assert [name.strip("`") for name in first_column("alarm")] == list(topics.ALARMS)
    below = first_column("topic below `hcp/v1/<area>/<hall>/<unit>/`")
    singles = {f"`up/{name}`" for name in (topics.STATE, topics.HEALTH)}
    singles |= {f"`down/{name}`" for name in topics.DOWN_NAMES}
    assert set(below) == singles | {"`up/<kind>`", "`alarm/<name>`"}


def test_page_says_of_each_topic_what_the_description_says() -> None:
    for name, (_, qos, retained) in MANNERS.items():
        end = API["channels"][name]["address"].partition("{unit}/")[2]
        end = end.replace("{", "<").replace("}", ">")
        row = re.search(rf"^\| `{end}` \|(.*)", PAGE, re.M)
        assert row is not None, end
        _, said_qos, said_retained, *_ = [cell.strip() for cell in row[1].split("|")]
        assert said_qos.partition(",")[0] == str(qos), end
        assert said_retained == ("yes" if retained else "no"), end


def test_page_names_every_problem_the_centre_may_find() -> None:
    (row,) = re.findall(r"^\| refused.*\n\|[-|]+\|\n(.*)", PAGE, re.M)
    named = set(re.findall(r"`(\w+)`", row))
    # A repetition is harmless, and neither silence nor a list is a message.
    assert named == set(judge.NAMES) - {"repeated", "silent_unit", "stale_list"}


def test_page_receipt_is_the_text_that_is_signed() -> None:
    (template,) = re.findall(r'^    (\{"epoch":"<epoch>".*\})$', PAGE, re.M)
    value = parse(example("receipt.json"))
    without = example("receipt.json").replace(f',"sig":"{value["sig"]}"', "")
    assert (
        canonical({name: item for name, item in value.items() if name != "sig"}).decode() == without
    )
    form = re.escape(template).replace(re.escape("2026-09-22T05:02:52.064Z"), '[^"]+')
    assert re.fullmatch(re.sub(r"<[^>]+>", '[^"]+', form), without), (form, without)
