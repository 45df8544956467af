"""Where one unit's journal stands at the centre: what fits, what waits, what is missing (pure).

Of each epoch the entries 1 to `upto` are there and chained. An entry above a hole is kept and
waits; its chain is checked when the hole is filled. Nothing up to `upto` ever changes.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.central.chain import Head, Problem, begin, ended, follow
from protocol.central.entry import GENESIS, Entry

WAITING_COUNT_MAX = 4096  # per epoch; a unit has 16 entries on their way, a replay at most 1000
EPOCH_COUNT_MAX = 1024  # per unit; a new one begins only when a database is lost


class Waiting(NamedTuple):
    """An entry above a hole: what is needed to chain it later."""

    hash: str
    prevhash: str


@dataclass(slots=True)
class Epoch:
    """One epoch of one unit; `number` is the order in which the centre heard of them."""

    name: str
    number: int
    upto: int = 0
    hash: str = GENESIS
    previous: str | None = None  # the epoch before, as the first entry says
    ended_at: int | None = None  # as the next epoch's first entry says
    waiting: dict[int, Waiting] = field(default_factory=dict)

    @property
    def head(self) -> Head:
        """The last entry of the unbroken part."""
        return Head(self.name, self.upto, self.hash)

    @property
    def hole(self) -> tuple[int, int] | None:
        """The first run of numbers that are missing though later ones are known to exist."""
        if self.waiting:
            return self.upto + 1, min(self.waiting) - 1
        if self.ended_at is not None and self.upto < self.ended_at:
            return self.upto + 1, self.ended_at
        return None


class Placed(NamedTuple):
    """What became of a new entry, and of those that waited for it."""

    kept: bool
    problems: list[Problem]
    displaced: list[int]  # numbers that waited and do not continue the chain after all


class Journal:
    """All epochs of one unit."""

    def __init__(self) -> None:
        self._epochs: dict[str, Epoch] = {}

    def restore(self, epoch: Epoch) -> None:
        """Take over an epoch as it was stored."""
        self._epochs[epoch.name] = epoch

    def __iter__(self) -> Iterator[Epoch]:
        """The epochs in the order in which they were lived."""
        return iter(lived_order(self._epochs.values()))

    def get(self, name: str) -> Epoch | None:
        """One epoch, when it was heard of."""
        return self._epochs.get(name)

    def place(self, entry: Entry) -> Placed:
        """Put an entry that is neither stored nor waiting where it belongs."""
        epoch = self._epochs.get(entry.epoch) or Epoch(entry.epoch, self._next_number())
        if epoch.number > EPOCH_COUNT_MAX:
            many = Problem("rollback", entry.seq, f"more than {EPOCH_COUNT_MAX} epochs")
            return Placed(False, [many], [])
        wrong = follow(epoch.head, entry)
        if wrong and (wrong.name != "gap" or len(epoch.waiting) >= WAITING_COUNT_MAX):
            return Placed(False, [wrong], [])
        problems = [wrong] if wrong and not epoch.waiting else []  # a hole is named once
        epoch.waiting[entry.seq] = Waiting(entry.hash, entry.prevhash)
        self._epochs[epoch.name] = epoch
        if wrong:
            return Placed(True, problems, [])
        if entry.seq == 1:
            problems += self._begin(epoch, entry)
        displaced = _advance(epoch, problems)
        return Placed(True, problems, displaced)

    def _begin(self, epoch: Epoch, first: Entry) -> list[Problem]:
        """Judge an epoch's first entry, and note where it says the epoch before ended."""
        later = self._names_from(epoch)
        others = [other for other in self._epochs.values() if other.name not in later]
        heads = {other.name: other.head for other in others if other.upto}
        followed = {other.previous for other in others if other.previous}
        wrong = begin(heads, followed, first)
        named = ended(first)
        if named is None:
            # An epoch that was named and has not come yet may be what follows this one.
            missing = any(other.ended_at and not other.upto for other in others)
            return [wrong] if wrong and not missing else []
        if named.epoch not in later:
            unheard = Epoch(named.epoch, self._next_number())
            previous = self._epochs.setdefault(named.epoch, unheard)
            epoch.previous = named.epoch
            previous.ended_at = previous.ended_at or named.seq
        return [wrong] if wrong else []

    def _names_from(self, epoch: Epoch) -> set[str]:
        """An epoch's name and those of all that follow it."""
        names = {epoch.name}
        for other in self:
            if other.previous in names:
                names.add(other.name)
        return names

    def _next_number(self) -> int:
        return max((epoch.number for epoch in self._epochs.values()), default=0) + 1


def lived_order(epochs: Collection[Epoch]) -> list[Epoch]:
    """Sort epochs so that each comes after the one it names; else as the centre heard of them."""
    names = {epoch.name for epoch in epochs}
    followers: dict[str | None, list[Epoch]] = {}
    for epoch in sorted(epochs, key=lambda epoch: epoch.number, reverse=True):
        place = epoch.previous if epoch.previous in names else None
        followers.setdefault(place, []).append(epoch)
    ordered, left = [], followers.get(None, [])
    while left:
        ordered.append(left.pop())
        left += followers.get(ordered[-1].name, [])
    return ordered


def _advance(epoch: Epoch, problems: list[Problem]) -> list[int]:
    """Move upto as far as entries that waited continue the chain."""
    while (waiting := epoch.waiting.pop(epoch.upto + 1, None)) is not None:
        if waiting.prevhash != epoch.hash:
            return [epoch.upto + 1]
        epoch.upto, epoch.hash = epoch.upto + 1, waiting.hash
        if epoch.ended_at is not None and epoch.upto > epoch.ended_at:
            sentence = f"{epoch.name}-{epoch.upto} goes on though the epoch ended before"
            problems.append(Problem("rollback", epoch.upto, sentence))
    return []
