"""What is wrong with what arrives: every message is admitted, noted or refused by name (pure).

Refused is what nobody vouches for, or what cannot be this journal: it goes to the quarantine and
has no receipt. What a unit did sign and chain is evidence and is stored, also when something about
it is wrong: that is remarked beside it, so that one odd entry never stops the stream behind it.
"""

from typing import NamedTuple

from central.registry import Registry
from protocol.central import topics
from protocol.central.chain import NAMES as CHAIN_NAMES
from protocol.central.chain import Problem, authenticate
from protocol.central.entry import Entry, Source
from protocol.central.schema import data_problems

NAMES = {
    **CHAIN_NAMES,
    "bad_topic": "sent on a topic that is not in the contract",
    "unknown_unit": "sent by a unit that is not in the registry",
    "wrong_topic": "an entry on the topic of another kind",
    "bad_note": "a state or health message that is no text or too long",
}
NOTE_LEN_MAX = 8192  # health names each counter of a unit: 2 KiB today


class Note(NamedTuple):
    """A unit's state or health: the latest is kept, none is evidence."""

    source: Source
    name: str
    text: str


class Refusal(NamedTuple):
    """A message that is not taken, with what is known of it."""

    source: Source | None
    epoch: str | None
    problem: Problem


def admit(topic: str, payload: bytes, registry: Registry) -> Entry | Note | Refusal:
    """Say what one message is."""
    try:
        source, direction, name = topics.parse(topic)
    except topics.BadTopic as error:
        return Refusal(None, None, Problem("bad_topic", None, str(error)))
    if direction != "up":
        return Refusal(source, None, Problem("bad_topic", None, "units do not speak there"))
    keys = registry.keys_of(source)
    if keys is None:
        unknown = Problem("unknown_unit", None, f"{source} is not in the registry")
        return Refusal(source, None, unknown)
    if name in (topics.STATE, topics.HEALTH):
        return _note(source, name, payload)
    entry = authenticate(payload, keys, source)
    if isinstance(entry, Problem):
        return Refusal(source, None, entry)
    if entry.kind != name:
        wrong = Problem("wrong_topic", entry.seq, f"a {entry.kind} entry on the topic of {name}")
        return Refusal(source, entry.epoch, wrong)
    return entry


def remarks(entry: Entry) -> list[Problem]:
    """What is wrong with an authentic entry's data."""
    return [
        Problem("schema", entry.seq, sentence) for sentence in data_problems(entry.kind, entry.data)
    ]


def _note(source: Source, name: str, payload: bytes) -> Note | Refusal:
    try:
        text = payload.decode() if len(payload) <= NOTE_LEN_MAX else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        return Refusal(source, None, Problem("bad_note", None, NAMES["bad_note"]))
    return Note(source, name, text)
