"""What is wrong with what arrives: every message is kept, noted or refused by name (pure).

Refused is what nobody vouches for, or what cannot be this journal: it goes to the quarantine and
has no receipt. What a unit did sign and chain is evidence and is stored, also when something about
it is wrong: that is remarked beside it, so that one odd entry never stops the stream behind it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from central.registry import Registry, Unit
from protocol.central import topics
from protocol.central.canonical import BadJson, parse
from protocol.central.chain import NAMES as CHAIN_NAMES
from protocol.central.chain import Head, Problem, authenticate
from protocol.central.entry import Entry, Source
from protocol.central.schema import data_problems, message_problems

NAMES = {
    **CHAIN_NAMES,
    "bad_topic": "sent on a topic that is not in the contract",
    "unknown_unit": "sent by a unit that is not in the registry",
    "wrong_topic": "an entry on the topic of another kind",
    "wrong_window": "an entry of another window than the one the unit is registered for",
    "revoked_key": "signed with a key that was revoked",
    "bad_note": "a state or health message that does not keep its schema or is too long",
    "clock": "the unit's clock is far off, was stepped far, or is not known",
    "withheld": "what the unit says it counted is not what its journal holds",
    "silent_unit": "nothing is heard of a unit",
    "stale_list": "the broker's list of revoked certificates runs out, or cannot be read",
}
# Which alarm a problem raises: what an operator does about it, not what exactly was found.
ALARM_OF = {
    "fork": "fork",
    "broken_chain": "fork",
    "rollback": "rollback",
    "gap": "gap",
    "bad_signature": "bad_signature",
    "unknown_key": "bad_signature",
    "revoked_key": "bad_signature",
    "unknown_unit": "unknown_unit",
    "wrong_source": "wrong_place",
    "wrong_topic": "wrong_place",
    "wrong_window": "wrong_place",
    "bad_topic": "wrong_place",
    "silent_unit": "silent_unit",
    "withheld": "withheld",
    "clock": "clock",
    "schema": "schema",
    "bad_entry": "schema",
    "not_canonical": "schema",
    "bad_note": "schema",
    "stale_list": "stale_list",
}
STRANGERS = ("unknown_unit", "unknown_key")
NOTE_LEN_MAX = 8192  # health names each counter of a unit: 2 KiB today
CLOCK_MS_MAX = 120_000  # timesyncd holds a second; who is two minutes off has a wrong clock
UNKNOWN_MS_MAX = 600_000  # since the boot: a Pi that has a time server knows it within minutes
STEP_MS_MAX = 60_000  # a Pi without a battery wakes seconds off, not minutes, once it was synced


class Arrival(NamedTuple):
    """One message as it came."""

    topic: str
    payload: bytes


class Kept(NamedTuple):
    """An entry to store, with what is remarked about it."""

    entry: Entry
    problems: list[Problem]


class Note(NamedTuple):
    """A unit's state or health: the latest is kept, none is evidence."""

    source: Source
    name: str
    text: str
    head: Head | None
    problem: Problem | None


class Refusal(NamedTuple):
    """A message that is not taken, with what is known of it."""

    source: Source | None
    epoch: str | None
    problem: Problem
    payload: bytes
    is_registered: bool


def admit(arrival: Arrival, registry: Registry, now_utc_ms: int) -> Kept | Note | Refusal:
    """Say what one message is."""
    topic, payload = arrival
    try:
        source, direction, name = topics.parse(topic)
    except topics.BadTopic as error:
        problem = Problem("bad_topic", None, str(error))
        return Refusal(None, None, problem, payload, False)
    unit = registry.get(source)
    if unit is None:
        unknown = Problem("unknown_unit", None, f"{source} is not in the registry")
        return Refusal(source, None, unknown, payload, False)
    if direction != "up":
        spoke = Problem("bad_topic", None, "units do not speak there")
        return Refusal(source, None, spoke, payload, True)
    if name in (topics.STATE, topics.HEALTH):
        return _note(source, name, payload, now_utc_ms)
    return _entry(source, unit, registry, name, payload, now_utc_ms)


def is_stranger(one: Kept | Note | Refusal) -> bool:
    """Whether the registry alone is why a message is refused."""
    return isinstance(one, Refusal) and one.problem.name in STRANGERS


def day_problem(seq: int, daily: Mapping[str, Any], counted: Mapping[str, int]) -> Problem | None:
    """What a day's own counts contradict; counted: the entries of that day by level or reason."""
    said = {**_counts(daily.get("rated")), **_counts(daily.get("notRated"))}
    names = sorted(said.keys() | counted.keys())
    wrong = [
        f"{name}: {said.get(name, 0)} counted, {counted.get(name, 0)} in the journal"
        for name in names
        if said.get(name, 0) != counted.get(name, 0)
    ]
    if not wrong:
        return None
    sentence = f"the day {str(daily.get('date'))[:10]} does not add up: {'; '.join(wrong)}"
    return Problem("withheld", seq, sentence)


def _entry(
    source: Source, unit: Unit, registry: Registry, name: str, payload: bytes, now_utc_ms: int
) -> Kept | Refusal:
    entry = authenticate(payload, registry.current_keys(source), source)
    if isinstance(entry, Problem):
        return Refusal(source, None, _with_revoked(entry, payload, unit), payload, True)
    if entry.kind != name:
        wrong = Problem("wrong_topic", entry.seq, f"a {entry.kind} entry on the topic of {name}")
        return Refusal(source, entry.epoch, wrong, payload, True)
    return Kept(entry, _remarks(entry, unit, now_utc_ms))


def _with_revoked(problem: Problem, payload: bytes, unit: Unit) -> Problem:
    """The same problem, or that its key is one that was revoked."""
    if problem.name != "unknown_key":
        return problem
    kid = str(parse(payload)["kid"])  # it was an entry, or there would be no key to miss
    if kid not in unit.revoked:
        return problem
    return Problem("revoked_key", problem.seq, f"key {kid} was revoked {unit.revoked[kid]}")


def _remarks(entry: Entry, unit: Unit, now_utc_ms: int) -> list[Problem]:
    """What is wrong with an authentic entry's data."""
    data, stamp, seq = entry.data, entry.stamp, entry.seq
    remarks = [Problem("schema", seq, sentence) for sentence in data_problems(entry.kind, data)]
    if remarks:
        return remarks
    window = data.get("window")
    if unit.windows and window is not None and window not in unit.windows:
        sentence = f"from window {window}, the unit is registered for {', '.join(unit.windows)}"
        remarks.append(Problem("wrong_window", seq, sentence))
    # Only ahead: an entry may be days on its way.
    ahead_ms = (stamp.utc_ms or 0) - now_utc_ms - (stamp.error_ms or 0)
    if stamp.synced and ahead_ms > CLOCK_MS_MAX:
        remarks.append(Problem("clock", seq, f"made {ahead_ms // 1000} s in the future"))
    step_ms = data["stepMs"] if entry.kind == "clock" else None
    if step_ms is not None and abs(step_ms) > STEP_MS_MAX:
        remarks.append(Problem("clock", seq, f"the clock was stepped by {step_ms // 1000} s"))
    return remarks


def _note(source: Source, name: str, payload: bytes, now_utc_ms: int) -> Note | Refusal:
    try:
        value: Any = parse(payload) if len(payload) <= NOTE_LEN_MAX else None
    except BadJson:
        value = None
    wrong = ["no JSON, or too long"] if value is None else message_problems(name, value)
    if not wrong and value.get("source", str(source)) != str(source):
        wrong = [f"about {value['source']}"]
    if wrong:
        bad = Problem("bad_note", None, f"{name}: {wrong[0]}")
        return Refusal(source, None, bad, payload, True)
    if name == topics.STATE:
        return Note(source, name, payload.decode(), None, None)
    head, clock = Head(**value["head"]), _clock_problem(value["stamp"], now_utc_ms)
    return Note(source, name, payload.decode(), head, clock)


def _clock_problem(stamp: Mapping[str, Any], now_utc_ms: int) -> Problem | None:
    """What is wrong with the clock of a unit that speaks now."""
    if not stamp["synced"]:
        if stamp["boottimeMs"] < UNKNOWN_MS_MAX:
            return None
        return Problem("clock", None, "the unit does not know the time")
    off_ms = abs(stamp["utcMs"] - now_utc_ms) - stamp["errorMs"]
    if off_ms > CLOCK_MS_MAX:
        return Problem("clock", None, f"the unit's clock is {off_ms // 1000} s off")
    return None


def _counts(value: Any) -> dict[str, int]:
    return value if isinstance(value, dict) else {}
