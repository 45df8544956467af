"""Where one unit's journal stands at the centre: what fits, what waits, what is missing (pure).

Of each epoch the entries 1 to `upto` are there and chained. An entry above a hole is kept and
waits; its chain is checked when the hole is filled. Nothing up to `upto` ever changes.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from central.asks import Asking, Hole
from protocol.central.chain import Head, Problem, begin, ended, follow
from protocol.central.entry import GENESIS, Entry

# Per epoch; a unit has 512 on their way, 256 live ones ahead of them, and an ask brings 1000.
WAITING_COUNT_MAX = 4096
EPOCH_COUNT_MAX = 1024  # per unit; a new one begins only when a database is lost


class Waiting(NamedTuple):
    """An entry above a hole: what is needed to chain it later."""

    hash: str
    prevhash: str
    kind: str


@dataclass(slots=True)
class Epoch:
    """One epoch of one unit; `number` is the order in which the centre heard of them."""

    name: str
    number: int
    upto: int = 0
    hash: str = GENESIS
    previous: str | None = None  # the epoch before, as the first entry says
    ended_at: int | None = None  # as the next epoch's first entry says
    ended_hash: str | None = None
    told_seq: int = 0  # as the unit's health says
    moved_utc_ms: int = 0  # when upto last grew
    asking: Asking | None = None
    receipt: str | None = None  # the latest, for upto
    waiting: dict[int, Waiting] = field(default_factory=dict)

    @property
    def head(self) -> Head:
        """The last entry of the unbroken part."""
        return Head(self.name, self.upto, self.hash)

    @property
    def proved_seq(self) -> int:
        """The highest number that entries prove to exist."""
        return max(self.upto, self.ended_at or 0, max(self.waiting, default=0))

    @property
    def hole(self) -> Hole | None:
        """The first run of numbers that are missing though later ones are known to exist."""
        if self.waiting:
            return self.upto + 1, min(self.waiting) - 1
        last = max(self.ended_at or 0, self.told_seq)
        return (self.upto + 1, last) if self.upto < last else None


class Placed(NamedTuple):
    """What became of a new entry, and of those that waited for it."""

    kept: bool
    problems: list[Problem]
    displaced: list[int]  # numbers that waited and do not continue the chain after all
    days: list[int]  # numbers of `daily` entries up to which all is there now


class Journal:
    """All epochs of one unit, as they were stored."""

    def __init__(self, epochs: Iterable[Epoch] = ()) -> None:
        self._epochs: dict[str, Epoch] = {epoch.name: epoch for epoch in epochs}

    def __iter__(self) -> Iterator[Epoch]:
        """The epochs in the order in which they were lived."""
        return iter(lived_order(self._epochs.values()))

    def get(self, name: str) -> Epoch | None:
        """One epoch, when it was heard of."""
        return self._epochs.get(name)

    def upto(self, name: str) -> int:
        """How far an epoch is unbroken."""
        epoch = self._epochs.get(name)
        return 0 if epoch is None else epoch.upto

    def place(self, entry: Entry) -> Placed:
        """Put an entry that is neither stored nor waiting where it belongs."""
        epoch = self._epochs.get(entry.epoch) or Epoch(entry.epoch, self._next_number())
        if epoch.number > EPOCH_COUNT_MAX:
            many = Problem("rollback", entry.seq, f"more than {EPOCH_COUNT_MAX} epochs")
            return Placed(False, [many], [], [])
        wrong = follow(epoch.head, entry)
        if wrong and (wrong.name != "gap" or len(epoch.waiting) >= WAITING_COUNT_MAX):
            return Placed(False, [wrong], [], [])
        epoch.waiting[entry.seq] = Waiting(entry.hash, entry.prevhash, entry.kind)
        self._epochs[epoch.name] = epoch
        if wrong:
            return Placed(True, [], [], [])
        problems = self._begin(epoch, entry) if entry.seq == 1 else []
        days: list[int] = []
        displaced = _advance(epoch, problems, days)
        return Placed(True, problems, displaced, days)

    def hear(self, head: Head) -> Epoch | None:
        """Note how far the unit says its journal goes; None when it cannot be one of its epochs."""
        epoch = self._epochs.get(head.epoch) or Epoch(head.epoch, self._next_number())
        if epoch.number > EPOCH_COUNT_MAX:
            return None
        self._epochs[epoch.name] = epoch
        epoch.told_seq = max(epoch.told_seq, head.seq)
        return epoch

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
            if previous.ended_at is None:
                previous.ended_at, previous.ended_hash = named.seq, named.hash
        # What is missing of the epoch before is a hole like any other, and may be on its way.
        return [wrong] if wrong and (wrong.name != "gap" or named.epoch in later) else []

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


def _advance(epoch: Epoch, problems: list[Problem], days: list[int]) -> list[int]:
    """Move upto as far as entries that waited continue the chain."""
    while (waiting := epoch.waiting.pop(epoch.upto + 1, None)) is not None:
        if waiting.prevhash != epoch.hash:
            return [epoch.upto + 1]
        epoch.upto, epoch.hash = epoch.upto + 1, waiting.hash
        if waiting.kind == "daily":
            days.append(epoch.upto)
        if epoch.upto == epoch.ended_at and epoch.hash != epoch.ended_hash:
            sentence = f"{epoch.name}-{epoch.upto} is not the entry with which the epoch ended"
            problems.append(Problem("fork", epoch.upto, sentence))
        if epoch.ended_at is not None and epoch.upto > epoch.ended_at:
            sentence = f"{epoch.name}-{epoch.upto} goes on though the epoch ended before"
            problems.append(Problem("rollback", epoch.upto, sentence))
    return []
