"""What can be proved about one case: its entries, their journals, the receipts (no I/O of its own).

The same from the platform's database and from a unit's exported journal: both are `Records`. All is
computed from the texts; nothing that was noted beside them is believed but when they came.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from central.archive import KeyRow, ProblemRow, Row
from central.audit import Audit, utc_ms
from central.errors import CentralError
from central.wording import says
from protocol.central import receipts
from protocol.central.canonical import BadJson, parse
from protocol.central.chain import Problem, authenticate
from protocol.central.entry import BadEntry, Entry, Source, read, utc_text
from protocol.central.receipts import BadReceipt, Receipt
from protocol.central.signing import VerifyKey
from protocol.central.truetime import Anchor, interval

Interval = tuple[int, int]

# What happened when, by the members that say it.
MOMENTS = {
    "calledAt": "called",
    "completedAt": "completed",
    "promptAt": "asked",
    "pressedAt": "pressed",
}
ENTRY_COUNT_MAX = 1_000  # of one case; a case has a handful
_ID = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,15})")  # a number up to INT_MAX has 16 digits


class UnknownCase(CentralError):
    """No entry names the case."""


class Records(Protocol):
    """Where evidence is read from."""

    def naming(self, project_no: str) -> list[Row]:
        """The entries that name a case."""

    def entry(self, source: Source, epoch: str, seq: int) -> list[Row]:
        """One entry, when it is there."""

    def about(self, source: Source, entry_id: str) -> list[Row]:
        """The entries of a unit that belong to one of its entries."""

    def journal(self, source: Source) -> Iterator[Row]:
        """All that is there of a unit's journal, in its order."""

    def key_rows(self) -> list[KeyRow]:
        """Every key that was ever registered."""

    def receipts(self, source: Source) -> list[str]:
        """The receipts for a unit's journal."""

    def problems_of(self, source: Source, epoch: str, seq: int, /) -> list[ProblemRow]:
        """What was found wrong before about one number of a journal."""


class Found(NamedTuple):
    """One thing that is wrong."""

    name: str
    place: str
    sentence: str


class Item(NamedTuple):
    """One entry of the case."""

    entry: Entry
    received_utc_ms: int | None
    signature: str  # "valid", or in what way not
    times: dict[str, Interval | None]  # UTC; None: the boot never learned the time
    says: str


@dataclass(slots=True)
class Chain:
    """One epoch in which entries of the case stand, from its first entry on."""

    source: Source
    epoch: str
    upto: int  # entries 1 to this are there, authentic and chained
    hash: str | None
    receipt: Receipt | None = None  # good, for this epoch or for one that follows it
    receipt_text: str | None = None

    @property
    def covered(self) -> int:
        """The last entry the receipt speaks for."""
        if self.receipt is None:
            return 0
        return self.receipt.upto if self.receipt.epoch == self.epoch else self.upto


@dataclass(slots=True)
class Evidence:
    """All of it, and what follows."""

    case: str
    items: list[Item] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    clocks: list[Entry] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    problems: list[Found] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """The last word, in a sentence."""
        count = len(self.items)
        if self.problems:
            names = ", ".join(sorted({found.name for found in self.problems}))
            return f"Do not rely on this as it stands: {len(self.problems)} problems ({names})."
        sound = f"All {count} entries are authentic, and their journals are unbroken"
        if all(self.chain_of(item).covered >= item.entry.seq for item in self.items):
            return f"{sound} and covered by the platform's receipts. Nothing is wrong."
        return f"{sound}. No receipt covers them all: a later entry may have been cut off."

    def chain_of(self, item: Item) -> Chain:
        """The chain in which an entry stands."""
        place = (item.entry.source, item.entry.epoch)
        (chain,) = [each for each in self.chains if (each.source, each.epoch) == place]
        return chain


def gather(records: Records, case: str, platform_keys: Mapping[str, VerifyKey]) -> Evidence:
    """Everything there is about a case; raises UnknownCase.

    platform_keys: those whose receipts count; without any, receipts are named but not believed.
    """
    rows = list(_belonging(records, case))
    if not rows:
        raise UnknownCase(
            f"no entry names case {case[:64]!r}; a number that would show an identity number is "
            "kept as its hmac-…"
        )
    evidence = Evidence(case)
    keys = records.key_rows()
    for source in sorted({Source.parse(row.source) for row in rows}):
        own = [row for row in rows if row.source == str(source)]
        own_keys = [key for key in keys if key.source == str(source)]
        evidence.keys += own_keys
        _Unit(records, source, own, own_keys, platform_keys).add_to(evidence)
    return evidence


def _belonging(records: Records, case: str) -> Iterable[Row]:
    """The entries that name the case, those they belong to, and all that belong to one of them."""
    left, found = records.naming(case), dict[tuple[str, str, int, str], Row]()
    while left and len(found) < ENTRY_COUNT_MAX:
        row = left.pop()
        key = (row.source, row.epoch, row.seq, row.text)
        if key in found:
            continue
        found[key] = row
        source = Source.parse(row.source)
        left += records.about(source, f"{row.epoch}-{row.seq}")
        entry = _entry(row)
        for member in ("service", "rating"):
            match = _ID.fullmatch(str(entry.data.get(member))) if entry else None
            left += records.entry(source, match[1], int(match[2])) if match else []
    return found.values()


def _entry(row: Row) -> Entry | None:
    """The entry, unless somebody made its text unreadable; the audit says so."""
    try:
        return read(row.text)
    except BadEntry:
        return None


class _Unit:
    """The evidence of one unit."""

    def __init__(
        self,
        records: Records,
        source: Source,
        rows: list[Row],
        keys: list[KeyRow],
        platform_keys: Mapping[str, VerifyKey],
    ) -> None:
        self._records, self._source, self._keys = records, source, keys
        self._platform_keys = platform_keys
        self._read = [(row, entry) for row in rows if (entry := _entry(row))]
        boots = {boot for _, entry in self._read for boot in _boots(entry)}
        self._audit = Audit(source, keys, boots)
        for row in records.journal(source):
            self._audit.take(row)
        # As the journals were lived, then by number.
        order = {epoch: at for at, epoch in enumerate(self._audit.epochs)}
        self._read.sort(key=lambda each: (order.get(each[1].epoch, -1), each[1].seq))

    def add_to(self, evidence: Evidence) -> None:
        names = list(dict.fromkeys(entry.epoch for _, entry in self._read))
        chains = {name: self._chain(name) for name in names}
        self._take_receipts(chains, evidence)
        evidence.chains += chains.values()
        anchors = self._audit.anchors
        evidence.clocks += self._audit.clocks
        numbers = {(entry.epoch, entry.seq) for _, entry in self._read}
        for row, entry in self._read:
            evidence.items.append(self._item(row, entry, chains[entry.epoch], anchors, evidence))
        self._add_problems(numbers, evidence)

    def _chain(self, name: str) -> Chain:
        upto = self._audit.upto.get(name, 0)
        return Chain(self._source, name, upto, self._audit.hash_at(name, upto))

    def _take_receipts(self, chains: dict[str, Chain], evidence: Evidence) -> None:
        """Give each chain the receipt that speaks for it, and name what is wrong with one."""
        for text in self._records.receipts(self._source):
            if not self._platform_keys:
                evidence.notes.append(
                    "There is a receipt, but no platform key was given to check it with."
                )
                continue
            try:
                receipt = receipts.read(text, self._platform_keys, self._source)
            except BadReceipt as error:
                self._find(evidence, "bad_receipt", _epoch_of(text), f"the receipt: {error}")
                continue
            found = self._audit.hash_at(receipt.epoch, receipt.upto)
            place = f"{receipt.epoch}-{receipt.upto}"
            if found is None:
                self._find(evidence, "rollback", place, "it was receipted and is not there")
            elif found != receipt.hash:
                self._find(evidence, "fork", place, "it was receipted with another text")
            else:
                self._cover(chains, receipt, text)

    def _cover(self, chains: dict[str, Chain], receipt: Receipt, text: str) -> None:
        """A good receipt speaks for its epoch, and for those before it that it follows unbroken."""
        before = self._audit.epochs[: self._audit.epochs.index(receipt.epoch)]
        broken = any(each.problem.name != "schema" for each in self._audit.problems)
        for name, chain in chains.items():
            follows = name in before and not broken
            better = chain.receipt is None or chain.receipt.epoch != name
            if name == receipt.epoch or (follows and better):
                chain.receipt, chain.receipt_text = receipt, text

    def _item(
        self, row: Row, entry: Entry, chain: Chain, anchors: list[Anchor], evidence: Evidence
    ) -> Item:
        came = row.received_utc_ms
        if came is None and chain.receipt and chain.covered >= entry.seq:
            came = utc_ms(chain.receipt.time)  # at the latest
        times = {name: interval(*moment, anchors) for name, moment in _moments(entry)}
        return Item(entry, came, self._signature(row, entry, came, evidence), times, says(entry))

    def _signature(self, row: Row, entry: Entry, came: int | None, evidence: Evidence) -> str:
        public = {key.kid: VerifyKey.from_text(key.public) for key in self._keys}
        wrong = authenticate(row.text, public, self._source)
        if isinstance(wrong, Problem):
            return f"NOT VALID: {wrong.sentence}"
        (key,) = [key for key in self._keys if key.kid == entry.kid]
        if key.revoked is None:
            gone = key.removed_utc_ms
            return "valid" if gone is None else f"valid; not registered since {utc_text(gone)}"
        if came is not None and came < utc_ms(key.revoked):
            return f"valid; the key was revoked {key.revoked}, after the platform had the entry"
        if row.received_utc_ms is None:
            sentence = f"key {key.kid} was revoked {key.revoked}; nothing shows it was there before"
            self._find(evidence, "revoked_key", entry.id, sentence)
        return f"NOT GOOD: by a key that was revoked {key.revoked}, before the entry is known"

    def _add_problems(self, numbers: set[tuple[str, int]], evidence: Evidence) -> None:
        known = set()
        for epoch, (name, seq, sentence) in self._audit.problems:
            place = f"{epoch}-{seq}" if seq else f"in {epoch or 'the file'}"
            # Odd data of entries of other cases say nothing about this one.
            if name != "schema" or (epoch, seq) in numbers:
                known.add((name, place))
                self._find(evidence, name, place, sentence)
        for epoch, seq in sorted(numbers):
            for row in self._records.problems_of(self._source, epoch, seq):
                if (row.name, f"{epoch}-{seq}") not in known:
                    noted = f"{row.sentence} (noted {utc_text(row.first_utc_ms)})"
                    self._find(evidence, row.name, f"{epoch}-{seq}", noted)

    def _find(self, evidence: Evidence, name: str, place: str, sentence: str) -> None:
        evidence.problems.append(Found(name, f"{self._source} {place}", sentence))


def _moments(entry: Entry) -> Iterator[tuple[str, tuple[str, int]]]:
    """The moments an entry knows, each on its boot's clock."""
    for member, name in MOMENTS.items():
        match entry.data.get(member):
            case {"bootId": str(boot), "boottimeMs": int(boottime_ms)}:
                yield name, (boot, boottime_ms)
    yield "written", (entry.stamp.boot_id, entry.stamp.boottime_ms)


def _boots(entry: Entry) -> set[str]:
    return {boot for _, (boot, _) in _moments(entry)}


def _epoch_of(text: str) -> str:
    """For which epoch a receipt says it is, whoever wrote it."""
    try:
        value: Any = parse(text)
    except BadJson:
        return "?"
    return str(value.get("epoch", "?"))[:40] if isinstance(value, dict) else "?"
