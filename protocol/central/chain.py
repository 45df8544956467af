"""What is wrong with a journal: every problem by its name (pure).

    authenticate    one text alone: is it an entry, and who says so
    follow          one entry after another of its epoch: does it continue the chain
    begin           an epoch's first entry: does it know where the epoch before ended
    Verifier        all three, for one text after the other
    verify          the same for a whole journal

A journal is one or more epochs. An epoch's entries are numbered from 1 and each names the hash of
the one before. An epoch ends when its database is lost or set aside; the next one's first entry is
a `boot` that says where the previous one ended, so that nothing can be cut off between them.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from protocol.central.entry import GENESIS, BadEntry, Entry, Source, read
from protocol.central.signing import VerifyKey

NAMES = {
    "bad_entry": "the text is no entry",
    "not_canonical": "an entry, but not written in the one canonical way",
    "wrong_source": "an entry of another unit",
    "unknown_key": "signed with a key that is not this unit's",
    "bad_signature": "not what the key's owner signed: edited or invented",
    "schema": "authentic, but its data do not keep the schema of its kind",
    "gap": "entries are missing before this one",
    "repeated": "an entry that was there already",
    "fork": "two different entries under one number: an old or cloned card goes on",
    "broken_chain": "authentic, but it does not continue the entry before it",
    "rollback": "the journal goes back behind what it has said already",
}

Keys = Mapping[str, VerifyKey]
Check = Callable[[Entry], list[str]]


class Problem(NamedTuple):
    """One thing that is wrong: its name, the entry's number if it has one, a sentence."""

    name: str
    seq: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where an epoch of a journal stands: its last entry (seq 0, GENESIS: none yet)."""

    epoch: str
    seq: int
    hash: str

    @classmethod
    def of(cls, entry: Entry) -> "Head":
        """The head after entry."""
        return cls(entry.epoch, entry.seq, entry.hash)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a verification: entries that count, where they end, what is wrong."""

    entry_count: int
    epochs: tuple[str, ...]
    head: Head | None
    problems: tuple[Problem, ...]


def authenticate(text: str | bytes, keys: Keys, source: Source | None = None) -> Entry | Problem:
    """Read one text and check who wrote it; `source` is whose journal it is said to be."""
    try:
        entry = read(text)
    except BadEntry as error:
        return Problem(error.name, None, str(error))
    if source is not None and entry.source != source:
        return Problem("wrong_source", entry.seq, f"{entry.source} in the journal of {source}")
    key = keys.get(entry.kid)
    if key is None:
        return Problem("unknown_key", entry.seq, f"key {entry.kid} is not one of {entry.source}'s")
    if not entry.is_signed_by(key):
        return Problem("bad_signature", entry.seq, f"not what the owner of {entry.kid} signed")
    return entry


def follow(head: Head, entry: Entry) -> Problem | None:
    """What is wrong when entry comes right after head, in the same epoch."""
    if entry.seq <= head.seq:
        return Problem("rollback", entry.seq, f"{entry.id} comes after number {head.seq}")
    if entry.seq > head.seq + 1:
        missing = f"entries {head.seq + 1} to {entry.seq - 1} are missing"
        return Problem("gap", entry.seq, missing)
    if entry.prevhash != head.hash:
        return Problem("broken_chain", entry.seq, f"{entry.id} does not continue the one before")
    return None


def begin(heads: Mapping[str, Head], followed: Container[str], entry: Entry) -> Problem | None:
    """What is wrong with where an epoch's first entry says that the epoch before ended.

    heads: where each other epoch stands, by name; followed: those that another epoch follows.
    """
    named = ended(entry)
    if named is None:
        return Problem("rollback", 1, "a new epoch that knows of none before") if heads else None
    claimed = f"number {named.seq} of epoch {named.epoch}"
    head = heads.get(named.epoch)
    if head is None or named.seq > head.seq:
        return Problem(
            "gap", 1, f"entries up to {claimed}, where the epoch before ended, are missing"
        )
    if named.epoch in followed:
        return Problem("rollback", 1, f"a second epoch that begins after {claimed}")
    if named.seq < head.seq:
        return Problem("rollback", 1, f"a new epoch after {claimed}, which ended at {head.seq}")
    if named.hash != head.hash:
        return Problem("fork", 1, f"a new epoch after another entry than {claimed}")
    return None


def ended(entry: Entry) -> Head | None:
    """Where the epoch before ended, as an epoch's first entry says."""
    previous = entry.data.get("previous") if entry.kind == "boot" and entry.seq == 1 else None
    match previous:
        case {"epoch": str(epoch), "seq": int(seq), "hash": str(hash_)}:
            return Head(epoch, seq, hash_)
    return None


class Verifier:
    """Checks a journal text by text; what is wrong with one does not hide what follows."""

    def __init__(self, keys: Keys, source: Source | None = None, check: Check | None = None):
        self.head: Head | None = None
        self.entry_count = 0
        self._keys = keys
        self._source = source
        self._check = check
        self._hashes: dict[str, dict[int, str]] = {}
        self._heads: dict[str, Head] = {}
        self._followed: set[str] = set()

    @property
    def epochs(self) -> tuple[str, ...]:
        """The epochs seen, in the order of their first entries."""
        return tuple(self._hashes)

    def push(self, text: str | bytes) -> list[Problem]:
        """Check the next text of the journal."""
        entry = authenticate(text, self._keys, self._source)
        if isinstance(entry, Problem):
            return [entry]
        self._source = entry.source
        known = self.hash_at(entry.epoch, entry.seq)
        if known is not None:
            name = "repeated" if known == entry.hash else "fork"
            return [Problem(name, entry.seq, f"{entry.id}: {NAMES[name]}")]
        return self._take(entry)

    def hash_at(self, epoch: str, seq: int) -> str | None:
        """The hash of an entry that was pushed."""
        return self._hashes.get(epoch, {}).get(seq)

    def _take(self, entry: Entry) -> list[Problem]:
        problems = [wrong for wrong in self._order(entry) if wrong]
        self._hashes.setdefault(entry.epoch, {})[entry.seq] = entry.hash
        self.entry_count += 1
        known = self._heads.get(entry.epoch)
        if known is None or known.seq < entry.seq:
            self._heads[entry.epoch] = Head.of(entry)
            if known is None or self.head is None or self.head.epoch == entry.epoch:
                self.head = Head.of(entry)
        for sentence in self._check(entry) if self._check else ():
            problems.append(Problem("schema", entry.seq, sentence))
        return problems

    def _order(self, entry: Entry) -> Iterator[Problem | None]:
        known = self._heads.get(entry.epoch)
        if known is None:
            yield follow(Head(entry.epoch, 0, GENESIS), entry)
            if entry.seq == 1:
                yield begin(self._heads, self._followed, entry)
                named = ended(entry)
                self._followed |= {named.epoch} if named else set()
        elif self.head is not None and self.head.epoch != entry.epoch:
            yield Problem("rollback", entry.seq, f"{entry.id} comes after a later epoch began")
        else:
            yield follow(known, entry)


def verify(
    texts: Iterable[str | bytes],
    keys: Keys,
    source: Source | None = None,
    *,
    known: Head | None = None,
    check: Check | None = None,
) -> Report:
    """Check a whole journal.

    known: an entry that is proved to exist (from a receipt); a journal without it was cut.
    check: what is wrong with an entry's data (protocol.central.schema), if that is wanted.
    """
    verifier = Verifier(keys, source, check)
    problems = [problem for text in texts for problem in verifier.push(text)]
    if known is not None:
        found = verifier.hash_at(known.epoch, known.seq)
        if found is None:
            sentence = f"number {known.seq} of epoch {known.epoch} was receipted and is not there"
            problems.append(Problem("rollback", known.seq, sentence))
        elif found != known.hash:
            sentence = f"number {known.seq} of epoch {known.epoch} was receipted with another text"
            problems.append(Problem("fork", known.seq, sentence))
    return Report(verifier.entry_count, verifier.epochs, verifier.head, tuple(problems))
