"""Ways to tamper with a journal, each with the name of what is found first (pure).

The first ones have no key: they can cut, copy, edit and invent. The last ones hold the unit's key,
like a copied card: only the chain and the platform's receipt stand against them.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from protocol.central import receipts
from protocol.central.canonical import canonical
from protocol.central.chain import Head
from protocol.central.entry import GENESIS, Draft, Entry, Source, digest, read, seal, utc_text
from protocol.central.signing import SigningKey, to_base64url
from sim.journals import key

STRANGER = key(666)
NEW_EPOCH = "f0e1d2c3b4a59687"
LATER_MS = 60_000

# What is found, the lines in place of the genuine ones, and whether a receipt is needed to see it.
Attack = tuple[str, list[str], bool]


@dataclass(frozen=True)
class Victim:
    """A genuine journal: boot, clock, a service rated 2, a service not rated."""

    texts: list[str]
    unit: SigningKey
    neighbour: tuple[Source, SigningKey]

    def entry(self, index: int) -> Entry:
        """One of its entries."""
        return read(self.texts[index])

    def put(self, index: int, *texts: str) -> list[str]:
        """The journal with other texts in place of one."""
        return [*self.texts[:index], *texts, *self.texts[index + 1 :]]

    def edit(self, index: int, *changes: tuple[str, str]) -> list[str]:
        """The journal with one text edited."""
        text = self.texts[index]
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return self.put(index, text)


def attacks(
    texts: list[str], unit: SigningKey, platform: SigningKey, neighbour: tuple[Source, SigningKey]
) -> Iterator[dict[str, Any]]:
    """Every attack on a journal: its name, what is found, its lines, a receipt if it needs one."""
    victim = Victim(texts, unit, neighbour)
    end = read(texts[-1])
    time = utc_text((end.stamp.utc_ms or 0) + 40)
    receipt = receipts.make(platform, end.source, end.epoch, end.seq, end.hash, time)
    for attack in ATTACKS:
        problem, lines, needs_receipt = attack(victim)
        assert lines != texts or needs_receipt, attack.__name__
        row = {"attack": attack.__name__, "problem": problem, "lines": lines}
        yield row | ({"receipt": receipt} if needs_receipt else {})


def resealed(entry: Entry, by: SigningKey, **changes: Any) -> str:
    """The entry as another key's owner, or its own, would have written it."""
    data = {name: value for name, value in entry.data.items() if name != "stamp"}
    data |= changes.pop("data", {})
    seq, source = changes.pop("seq", entry.seq), changes.pop("source", entry.source)
    prevhash = changes.pop("prevhash", entry.prevhash)
    assert not changes, changes
    draft = Draft(seq, entry.kind, entry.subject, data, entry.stamp)
    return seal(draft, epoch=entry.epoch, source=source, prevhash=prevhash, key=by)


# -- edited


def level_raised(victim: Victim) -> Attack:
    edits = (('"satisfaction":2', '"satisfaction":5'), ('"key":4,"keyTable"', '"key":1,"keyTable"'))
    return "bad_signature", victim.edit(3, *edits), False


def time_shifted(victim: Victim) -> Attack:
    utc_ms = victim.entry(3).stamp.utc_ms
    assert utc_ms is not None
    stamp = (f'"utcMs":{utc_ms}', f'"utcMs":{utc_ms + LATER_MS}')
    time = (utc_text(utc_ms), utc_text(utc_ms + LATER_MS))
    return "bad_signature", victim.edit(3, stamp, time), False


def staff_exchanged(victim: Victim) -> Attack:
    return "bad_signature", victim.edit(3, ('"staff":"1007"', '"staff":"1008"')), False


def outcome_exchanged(victim: Victim) -> Attack:
    return "bad_signature", victim.edit(5, ('"timeout"', '"superseded"')), False


def prevhash_exchanged(victim: Victim) -> Attack:
    mended = victim.edit(4, (victim.entry(4).prevhash, victim.entry(3).prevhash))
    return "bad_signature", [*mended[:3], *mended[4:]], False


def renumbered_after_a_deletion(victim: Victim) -> Attack:
    entry = victim.entry(4)
    number = (f'"{entry.id}"', f'"{entry.epoch}-4"')
    mended = victim.edit(4, number, (f"{entry.seq:020}", f"{4:020}"))
    return "bad_signature", [*mended[:3], *mended[4:]], False


def signature_of_another_entry(victim: Victim) -> Attack:
    signatures = [to_base64url(victim.entry(index).signature) for index in (3, 5)]
    return "bad_signature", victim.edit(3, (signatures[0], signatures[1])), False


# -- written otherwise


def spaces_added(victim: Victim) -> Attack:
    return "not_canonical", victim.put(3, json.dumps(victim.entry(3).value)), False


def members_moved(victim: Victim) -> Attack:
    value = dict(reversed(victim.entry(3).value.items()))
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return "not_canonical", victim.put(3, text), False


def number_written_otherwise(victim: Victim) -> Attack:
    return "not_canonical", victim.edit(3, ('"satisfaction":2', '"satisfaction":2.0')), False


def letters_escaped(victim: Victim) -> Attack:
    text = json.dumps(victim.entry(2).value, separators=(",", ":"), sort_keys=True)
    return "not_canonical", victim.put(2, text), False


def member_said_twice(victim: Victim) -> Attack:
    edit = ('"satisfaction":2', '"satisfaction":5,"satisfaction":2')
    return "bad_entry", victim.edit(3, edit), False


def signature_written_otherwise(victim: Victim) -> Attack:
    # Of the 86th character four bits are not used; a careless decoder takes sixteen of them.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    signature = to_base64url(victim.entry(5).signature)
    other = signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]
    return "bad_entry", victim.edit(5, (signature, other)), False


def signature_taken_off(victim: Victim) -> Attack:
    return "bad_entry", victim.put(3, victim.entry(3).signed.decode()), False


def line_torn(victim: Victim) -> Attack:
    return "bad_entry", victim.put(5, victim.texts[5][:400]), False


# -- cut and copied


def line_deleted(victim: Victim) -> Attack:
    return "gap", victim.put(3), False


def beginning_deleted(victim: Victim) -> Attack:
    return "gap", victim.texts[2:], False


def lines_swapped(victim: Victim) -> Attack:
    texts = victim.texts
    return "gap", [*texts[:2], texts[3], texts[2], *texts[4:]], False


def line_replayed(victim: Victim) -> Attack:
    return "repeated", [*victim.texts, victim.texts[3]], False


def end_cut_off(victim: Victim) -> Attack:
    return "rollback", victim.texts[:-1], True


# -- invented


def rating_by_a_stranger(victim: Victim) -> Attack:
    genuine = victim.entry(3)
    end = victim.entry(-1)
    invented = resealed(genuine, STRANGER, seq=end.seq + 1, prevhash=end.hash)
    return "unknown_key", [*victim.texts, invented], False


def rating_by_a_stranger_in_our_name(victim: Victim) -> Attack:
    value = victim.entry(3).value | {"kid": victim.unit.kid}
    value["data"] = value["data"] | {"satisfaction": 5, "key": 1}
    del value["signature"]
    value["signature"] = to_base64url(STRANGER.sign(canonical(value)))
    return "bad_signature", victim.put(3, canonical(value).decode()), False


def chain_mended_by_a_stranger(victim: Victim) -> Attack:
    before, after = victim.entry(2), victim.entry(4)
    mended = resealed(after, STRANGER, seq=before.seq + 1, prevhash=before.hash)
    return "unknown_key", [*victim.texts[:3], mended, victim.texts[5]], False


def entry_of_the_neighbour(victim: Victim) -> Attack:
    source, its_key = victim.neighbour
    end = victim.entry(-1)
    foreign = resealed(victim.entry(3), its_key, source=source, seq=end.seq + 1, prevhash=end.hash)
    return "wrong_source", [*victim.texts, foreign], False


# -- with the unit's key


def copied_card_goes_on(victim: Victim) -> Attack:
    other = resealed(victim.entry(5), victim.unit, data={"staff": "1008"})
    return "fork", [*victim.texts, other], False


def one_entry_rewritten(victim: Victim) -> Attack:
    better = resealed(victim.entry(3), victim.unit, data={"satisfaction": 5, "key": 1})
    return "broken_chain", victim.put(3, better), False


def all_rewritten_from_one_on(victim: Victim) -> Attack:
    texts = victim.texts[:3]
    for index, data in ((3, {"satisfaction": 5, "key": 1}), (4, {}), (5, {})):
        before = digest(texts[-1])
        texts.append(resealed(victim.entry(index), victim.unit, prevhash=before, data=data))
    return "fork", texts, True


def end_hidden_by_a_new_epoch(victim: Victim) -> Attack:
    return "rollback", [*victim.texts, _new_epoch(victim, Head.of(victim.entry(3)))], False


def past_hidden_by_a_new_epoch(victim: Victim) -> Attack:
    return "rollback", [*victim.texts, _new_epoch(victim, None)], False


def epoch_left_out(victim: Victim) -> Attack:
    lost = Head("0123456789abcdef", 9, "ab" * 32)
    return "gap", [*victim.texts, _new_epoch(victim, lost)], False


def _new_epoch(victim: Victim, previous: Head | None) -> str:
    boot, end = victim.entry(0), victim.entry(-1)
    named = previous and {"epoch": previous.epoch, "seq": previous.seq, "hash": previous.hash}
    data = {name: value for name, value in boot.data.items() if name != "stamp"}
    draft = Draft(1, "boot", boot.subject, data | {"previous": named}, end.stamp)
    return seal(draft, epoch=NEW_EPOCH, source=boot.source, prevhash=GENESIS, key=victim.unit)


ATTACKS: tuple[Callable[[Victim], Attack], ...] = (
    level_raised,
    time_shifted,
    staff_exchanged,
    outcome_exchanged,
    prevhash_exchanged,
    renumbered_after_a_deletion,
    signature_of_another_entry,
    spaces_added,
    members_moved,
    number_written_otherwise,
    letters_escaped,
    member_said_twice,
    signature_written_otherwise,
    signature_taken_off,
    line_torn,
    line_deleted,
    beginning_deleted,
    lines_swapped,
    line_replayed,
    end_cut_off,
    rating_by_a_stranger,
    rating_by_a_stranger_in_our_name,
    chain_mended_by_a_stranger,
    entry_of_the_neighbour,
    copied_card_goes_on,
    one_entry_rewritten,
    all_rewritten_from_one_on,
    end_hidden_by_a_new_epoch,
    past_hidden_by_a_new_epoch,
    epoch_left_out,
)
