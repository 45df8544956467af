"""Attacks on a journal, each with the names of which at least one has to be found (pure).

An attack gets a genuine journal and returns what is put in its place. Without the unit's key it
can only cut, copy and invent; the attacks at the end hold the key, like a card that was copied.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.central.canonical import canonical
from protocol.central.chain import Head
from protocol.central.entry import GENESIS, Draft, Source, read, seal
from protocol.central.signing import SigningKey, to_base64url
from sim.journals import Writer, journal, key

# Of a journal that is none of the attacked ones, however many a campaign attacks.
OTHER_SEED = 1 << 40
COUNT = 14
SOURCE = Source("330102", "h01", "w03")
UNIT, FORGER = key(1), key(2)
KEYS = {UNIT.kid: UNIT.public}


@dataclass
class Case:
    """A genuine journal and the means of an attacker; `at` is an inner position."""

    texts: list[str]
    head: Head
    writer: Writer
    random: random.Random
    at: int


Attack = Callable[[Case], list[str]]
ATTACKS: dict[str, tuple[Attack, set[str]]] = {}


def attack(*names: str) -> Callable[[Attack], Attack]:
    """Register an attack with the names of which at least one has to be found."""

    def register(function: Attack) -> Attack:
        ATTACKS[function.__name__] = (function, set(names))
        return function

    return register


def case(seed: int) -> Case:
    """The journal that is attacked, another one for each seed."""
    writer = Writer(SOURCE, UNIT, seed)
    texts = journal(writer, COUNT)
    draw = random.Random(seed)
    return Case(texts, writer.head, writer, draw, draw.randrange(1, COUNT - 1))


def _edited(text: str, **changes: Any) -> str:
    return canonical({**json.loads(text), **changes}).decode()


def _put(given: Case, text: str) -> list[str]:
    return [*given.texts[: given.at], text, *given.texts[given.at + 1 :]]


def _signed_again(text: str, by: SigningKey, **changes: Any) -> str:
    value = {**json.loads(text), **changes}
    del value["signature"]
    return _edited(text, **changes, signature=to_base64url(by.sign(canonical(value))))


def _branch(given: Case, seed: int) -> Writer:
    """A card that holds the journal up to `at` and the unit's key."""
    copy = Writer(SOURCE, UNIT, seed)
    last = read(given.texts[given.at - 1])
    copy.head = Head(last.epoch, last.seq, last.hash)
    return copy


def _flipped(value: Any) -> Any:
    """Another value of the same type, so that only the signature can tell."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case None:
            return 5
        case list():
            return [*value, "417"]
        case _:
            return {**value, "bootId": "y"}


FORMS = {
    "source": "/330102/h01/w04",
    "subject": "w04",
    "kid": FORGER.kid,
    "prevhash": "ab" * 32,
    "epoch": "f" * 16,
    "signature": "A" * 86,
    "time": "2026-09-21T00:00:00.000Z",
    "sequence": "0" * 17 + "999",
    "type": "hcp.boot.v1",
    "dataschema": "urn:hcp:schema:boot:v1",
    "alg": "none",
    "specversion": "0.3",
    "datacontenttype": "text/plain",
    "id": "f" * 16 + "-1",
}

# -- without the key


def _edit_member(name: str) -> Attack:
    return lambda given: _put(given, _edited(given.texts[given.at], **{name: FORMS[name]}))


for member in FORMS:
    ATTACKS[f"edit_{member}"] = (
        _edit_member(member),
        {"bad_entry", "bad_signature", "unknown_key", "wrong_source"},
    )


@attack("bad_signature")
def edit_data(given: Case) -> list[str]:
    data = read(given.texts[given.at]).data
    name = given.random.choice(sorted(set(data) - {"stamp"}))
    return _put(given, _edited(given.texts[given.at], data={**data, name: _flipped(data[name])}))


@attack("bad_signature")
def edit_level(given: Case) -> list[str]:
    text = given.writer.write("rating", satisfaction=1, key=5, reasons=[])
    given.head = given.writer.head
    data = read(text).data
    return [*given.texts, _edited(text, data={**data, "satisfaction": 5})]


@attack("bad_entry", "bad_signature")
def edit_time_everywhere(given: Case) -> list[str]:
    entry = read(given.texts[given.at])
    stamp = {**entry.data["stamp"], "utcMs": entry.data["stamp"]["utcMs"] - 300_000}
    return _put(given, _edited(entry.text, data={**entry.data, "stamp": stamp}))


@attack("gap")
def delete_one(given: Case) -> list[str]:
    return given.texts[: given.at] + given.texts[given.at + 1 :]


@attack("gap")
def delete_first(given: Case) -> list[str]:
    return given.texts[1:]


@attack("gap")
def delete_run(given: Case) -> list[str]:
    return [given.texts[0], *given.texts[given.at + 1 :]]


@attack("rollback")
def truncate(given: Case) -> list[str]:
    return given.texts[: given.at]


@attack("rollback")
def truncate_last(given: Case) -> list[str]:
    return given.texts[:-1]


@attack("rollback")
def delete_everything(_given: Case) -> list[str]:
    return []


@attack("gap", "rollback")
def swap_neighbours(given: Case) -> list[str]:
    texts = list(given.texts)
    texts[given.at - 1], texts[given.at] = texts[given.at], texts[given.at - 1]
    return texts


@attack("gap", "rollback")
def shuffle(given: Case) -> list[str]:
    texts = list(reversed(given.texts))
    return texts


@attack("repeated")
def replay_one(given: Case) -> list[str]:
    return [*given.texts, given.texts[given.at]]


@attack("repeated")
def repeat_one(given: Case) -> list[str]:
    return [*given.texts[: given.at], *given.texts[given.at - 1 :]]


@attack("repeated")
def replay_all(given: Case) -> list[str]:
    return given.texts * 2


@attack("bad_entry")
def insert_rubbish(given: Case) -> list[str]:
    return [*given.texts[: given.at], "rubbish", *given.texts[given.at :]]


@attack("unknown_key")
def insert_invented(given: Case) -> list[str]:
    invented = Writer(SOURCE, FORGER, OTHER_SEED)
    invented.head = _branch(given, OTHER_SEED).head
    return [*given.texts[: given.at], invented.write("rating"), *given.texts[given.at :]]


@attack("bad_signature")
def insert_invented_under_the_units_name(given: Case) -> list[str]:
    invented = Writer(SOURCE, FORGER, OTHER_SEED)
    invented.head = _branch(given, OTHER_SEED).head
    text = _signed_again(invented.write("rating"), FORGER, kid=UNIT.kid)
    return [*given.texts[: given.at], text, *given.texts[given.at :]]


@attack("unknown_key")
def sign_again_with_another_key(given: Case) -> list[str]:
    return [_signed_again(text, FORGER, kid=FORGER.kid) for text in given.texts]


@attack("bad_signature")
def sign_again_keeping_the_name(given: Case) -> list[str]:
    return [_signed_again(text, FORGER) for text in given.texts]


@attack("wrong_source")
def insert_another_units_entry(given: Case) -> list[str]:
    other = Writer(Source("330102", "h01", "w04"), UNIT, OTHER_SEED)
    return [*given.texts[: given.at], other.write("boot"), *given.texts[given.at :]]


@attack("wrong_source")
def replace_by_another_units_journal(_given: Case) -> list[str]:
    return journal(Writer(Source("330102", "h01", "w04"), UNIT, OTHER_SEED), COUNT)


@attack("bad_signature")
def exchange_signatures(given: Case) -> list[str]:
    other = json.loads(given.texts[given.at - 1])["signature"]
    return _put(given, _edited(given.texts[given.at], signature=other))


@attack("not_canonical")
def write_otherwise(given: Case) -> list[str]:
    return _put(given, json.dumps(json.loads(given.texts[given.at])))


@attack("bad_entry")
def add_member_twice(given: Case) -> list[str]:
    text = given.texts[given.at]
    return _put(given, text[:-1] + ',"type":"hcp.test.v1"}')


@attack("bad_entry")
def leave_signature_out(given: Case) -> list[str]:
    value = json.loads(given.texts[given.at])
    del value["signature"]
    return _put(given, canonical(value).decode())


@attack("bad_entry")
def cut_one_short(given: Case) -> list[str]:
    return _put(given, given.texts[given.at][: given.random.randrange(1, 400)])


# -- with the key


@attack("fork")
def fork(given: Case) -> list[str]:
    return [*given.texts, _branch(given, OTHER_SEED).write("rating")]


@attack("fork")
def clone_the_card(given: Case) -> list[str]:
    return [*given.texts, *journal(_branch(given, OTHER_SEED), COUNT)]


@attack("fork", "rollback")
def restore_an_old_card(given: Case) -> list[str]:
    return [
        *given.texts[: given.at],
        *journal(_branch(given, OTHER_SEED), given.random.randrange(1, COUNT)),
    ]


@attack("fork", "rollback")
def rewrite_the_rest(given: Case) -> list[str]:
    copy = _branch(given, OTHER_SEED)
    return [*given.texts[: given.at], *journal(copy, COUNT - given.at)]


@attack("fork", "rollback")
def delete_and_chain_again(given: Case) -> list[str]:
    head, texts = _branch(given, 0).head, given.texts[: given.at]
    for text in given.texts[given.at + 1 :]:
        entry = read(text)
        data = {name: item for name, item in entry.data.items() if name != "stamp"}
        draft = Draft(head.seq + 1, entry.kind, entry.subject, data, entry.stamp)
        texts.append(seal(draft, epoch=head.epoch, source=SOURCE, prevhash=head.hash, key=UNIT))
        head = Head.of(read(texts[-1]))
    return texts


@attack("broken_chain")
def write_without_the_one_before(given: Case) -> list[str]:
    copy = _branch(given, OTHER_SEED)
    copy.head = Head(copy.head.epoch, given.head.seq, GENESIS)
    return [*given.texts, copy.write("rating")]


@attack("broken_chain")
def begin_an_epoch_after_something(given: Case) -> list[str]:
    copy = Writer(SOURCE, UNIT, OTHER_SEED)
    copy.head = Head(copy.head.epoch, 0, given.head.hash)
    return [*given.texts, copy.write("boot", reason="new_epoch")]


@attack("gap")
def leave_a_number_out(given: Case) -> list[str]:
    given.writer.write("rating")
    return [*given.texts, given.writer.write("rating")]


@attack("rollback")
def hide_the_tail_in_a_new_epoch(given: Case) -> list[str]:
    return [*given.texts, given.writer.begin_epoch(previous=_branch(given, OTHER_SEED).head)]


@attack("rollback")
def begin_anew_without_a_word(given: Case) -> list[str]:
    return [*given.texts, *journal(Writer(SOURCE, UNIT, OTHER_SEED), 3)]


@attack("fork")
def begin_an_epoch_after_another_entry(given: Case) -> list[str]:
    previous = Head(given.head.epoch, given.head.seq, "ab" * 32)
    return [*given.texts, given.writer.begin_epoch(previous=previous)]


@attack("gap")
def lose_the_tail_before_a_new_epoch(given: Case) -> list[str]:
    return [*given.texts[:-2], given.writer.begin_epoch()]


@attack("gap")
def lose_a_whole_epoch(given: Case) -> list[str]:
    given.writer.begin_epoch()
    return [*given.texts, given.writer.begin_epoch()]


@attack("rollback")
def begin_two_epochs_after_one(given: Case) -> list[str]:
    second = Writer(SOURCE, UNIT, OTHER_SEED)
    return [*given.texts, given.writer.begin_epoch(), second.begin_epoch(previous=given.head)]


@attack("rollback")
def go_on_with_an_old_epoch(given: Case) -> list[str]:
    old = Writer(SOURCE, UNIT, OTHER_SEED)
    old.head = given.head
    return [*given.texts, given.writer.begin_epoch(), old.write("rating")]


@attack("schema")
def sign_something_that_is_no_rating(given: Case) -> list[str]:
    return [*given.texts, given.writer.write("rating", satisfaction=7)]


@attack("schema")
def sign_a_default(given: Case) -> list[str]:
    return [*given.texts, given.writer.write("rating", isDefault=True)]
