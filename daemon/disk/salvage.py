"""What is still good in a damaged journal, found without its structure (pure).

The file and its log are searched as bytes for what looks like a row. An entry counts when its text
has the hash that stands beside it, or the one that the next entry names; a state row when its sum
holds. So it does not matter which page is torn, swapped or overwritten: what is itself intact is
found. Source of the forms: sqlite.org/fileformat2.html 1.6 and 2.1.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import NamedTuple, Protocol

from daemon.case.window import CASE_ROW
from daemon.disk import wal
from daemon.disk.proof import epoch_of, prevhash_of, sequence
from daemon.disk.state_rows import HEAD, OWN, Row, StateHead
from daemon.disk.wal import PAGE_LEN
from daemon.disk.witness import Witness
from protocol.central.canonical import INT_MAX
from protocol.central.chain import Head
from protocol.central.entry import TEXT_LEN_MAX

# A record's header: its own length, then a type for each column; 81 0d is a text of 64 bytes,
# 2d one of 16.
_BODY = rb"([\x81-\xff][\x00-\x7f]|[\x81-\xff][\x80-\xff][\x00-\x7f])"
_VALUE = rb"([\x0d-\x7f]|[\x81-\xff][\x00-\x7f]|[\x81-\xff][\x80-\xff][\x00-\x7f])"
_INT = rb"([\x00-\x06\x08\x09])"
_ENTRY = re.compile(rb"[\x07\x08]\x00([\x13-\x25])\x81\x0d" + _BODY, re.DOTALL)
_REMAIN = re.compile(
    rb"[\x09\x0a]\x2d([\x01-\x06\x08\x09])([\x13-\x25])\x81\x0d" + _BODY + _INT, re.DOTALL
)
_STATE = re.compile(
    rb"[\x05-\x07]([\x13-\x4d])" + _VALUE + _INT + rb"\x2d(?=[0-9A-Za-z])", re.DOTALL
)
# What both kinds of entries have in their header, and how far behind its beginning: it is found a
# hundred times faster than a pattern, and a file may hold a million.
_HASH = b"\x81\x0d"
_HASH_AT = 3
_INT_LEN = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
# How much of a record lies on a leaf (1.6: X, M of a table's leaf).
_LOCAL_MAX = PAGE_LEN - 35
_LOCAL_LEAST = (PAGE_LEN - 12) * 32 // 255 - 23
_NEVER = 0


@dataclass(frozen=True, slots=True)
class Saved:
    """An entry that proved itself.

    receipted: the day of its receipt, 0 before the file was set aside, None without one.
    is_old: it was kept there as an entry of an epoch before.
    """

    epoch: str
    seq: int
    kind: str
    hash: str
    text: str
    receipted: int | None
    is_old: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """What was saved, in order.

    head: where the epoch ended. first, missing: from where on it was looked for, and what of it is
    not there.
    """

    entries: tuple[Saved, ...]
    state: Mapping[str, str]
    state_word: str
    head: Head | None
    first: int
    missing: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        """Entries of the epoch that was set aside."""
        return sum(entry.epoch == self.head.epoch for entry in self.entries if self.head)


@dataclass(slots=True)
class _Finds:
    """Rows in the order they are met; the same entry may be met in several versions."""

    entries: dict[tuple[str, int], list[Saved]] = field(default_factory=dict)
    rows: dict[tuple[str, int], Row] = field(default_factory=dict)

    def row(self, name: str) -> Row | None:
        """The newest version of a state row."""
        found = [row for row in self.rows.values() if row.name == name]
        return max(found, key=lambda row: row.number, default=None)


class Readable(Protocol):
    """A file as bytes; what cannot be read is zeros."""

    length: int

    def read(self, at: int, length: int) -> bytes: ...


class _Part(NamedTuple):
    """Bytes to be searched, and where in them the first page begins and how far apart pages are."""

    data: bytes
    first: int
    step: int

    def page_end(self, at: int) -> int:
        return at - (at - self.first) % self.step + PAGE_LEN


def salvage(
    file: Readable, log: bytes, witness: Witness | None, is_late: Callable[[], bool]
) -> Salvage:
    """What is good in the bytes of a database and its log.

    witness: what was noted beside it. is_late: asked again and again; once it says so, what has a
    receipt is left where it is, for the platform has it.
    """
    reader = _Reader(file, log)
    finds, is_whole = _Finds(), True
    for part in reader.parts():
        # What has a receipt is at the platform: once it is late it is not even read.
        upto = _delivered(finds) if is_late() else 0
        is_whole = is_whole and not upto
        for row in reader.rows(part, upto):
            if isinstance(row, Row):
                finds.rows[row.name, row.number] = row
            else:
                known = finds.entries.setdefault((row.epoch, row.seq), [])
                if row not in known:
                    known.append(row)
        if upto and _has_all_unreceipted(finds, witness):
            break
    return _concluded(finds, witness, is_whole)


class _Reader:
    """The bytes as parts to be searched, newest first, and as pages to be followed."""

    PART_LEN = 256 * PAGE_LEN

    def __init__(self, file: Readable, log: bytes) -> None:
        self._file, self._log = file, log
        self._starts = {frame.page: frame.start for _, frame in wal.frames(log)}

    def parts(self) -> Iterator[_Part]:
        """The log, the first part of the file (the state), then from its end."""
        yield _Part(self._log, wal.HEADER_LEN + wal.FRAME_HEADER_LEN, wal.FRAME_LEN)
        starts = list(range(0, self._file.length, self.PART_LEN))
        for start in starts[:1] + starts[:0:-1]:
            yield _Part(self._file.read(start, self.PART_LEN), 0, PAGE_LEN)

    def rows(self, part: _Part, upto: int) -> Iterator[Saved | Row]:
        """Every row that can be read in a part but entries up to a number; nothing is proved."""
        at = part.data.find(_HASH)
        while at >= 0:
            start = at - _HASH_AT
            if start >= 0 and not (
                # An entry of the file's own epoch: its row's number is its own.
                upto and part.data[start + 1] == 0 and 0 < _row_number(part.data, start) <= upto
            ):
                yield from self._entries(part, start)
            at = part.data.find(_HASH, at + 1)
        if not upto:
            yield from self._states(part)

    def _states(self, part: _Part) -> Iterator[Row]:
        """Every sound row of the state; they are few, and were the first in the file."""
        at = 0
        while (match := _STATE.search(part.data, at)) is not None:
            # A false match may begin within a true one.
            at = match.start() + 1
            row = self._state(part, match)
            if row is not None:
                yield row

    def _entries(self, part: _Part, start: int) -> Iterator[Saved]:
        """The entry whose record begins here, if one does."""
        match = _ENTRY.match(part.data, start)
        receipted = None
        if match is None:
            # The epoch stands before the number.
            start -= 1
        if match is not None:
            lengths: tuple[int, ...] = (_text_len(match[1]), 64, _text_len(match[2]))
        else:
            match = _REMAIN.match(part.data, start) if start >= 0 else None
            if match is None:
                return
            receipted = match[4]
            lengths = (
                16, _INT_LEN[match[1][0]], _text_len(match[2]), 64, _text_len(match[3]),
                _INT_LEN[receipted[0]],
            )  # fmt: skip
        if part.data[start] == match.end() - start:
            found = self._entry(part, match, lengths, receipted)
            if found is not None:
                yield found

    def _entry(
        self, part: _Part, match: "re.Match[bytes]", lengths: tuple[int, ...],
        receipted: bytes | None,
    ) -> Saved | None:  # fmt: skip
        if max(lengths) > TEXT_LEN_MAX * 4:
            return None
        texts = self._texts(part, match, lengths)
        if texts is None:
            return None
        try:
            if receipted is None:
                kind, hash_, body = (text.decode() for text in texts)
                day = None
            else:
                kind, hash_, body = (text.decode() for text in texts[2:5])
                day = _integer(receipted[0], texts[5])
        except UnicodeDecodeError:
            return None
        epoch, seq = epoch_of(body), sequence(body)
        if not body.endswith(f'"type":"hcp.{kind}.v1"}}') or not 1 <= seq <= INT_MAX:
            return None
        return Saved(epoch, seq, kind, hash_, body, day, receipted is not None)

    def _state(self, part: _Part, match: "re.Match[bytes]") -> Row | None:
        name, value, kind = match.groups()
        number = kind[0]
        if part.data[match.start()] != match.end() - match.start():
            return None
        lengths = (_text_len(name), _text_len(value), _INT_LEN[number], 16)
        if max(lengths) > TEXT_LEN_MAX:
            return None
        texts = self._texts(part, match, lengths)
        if texts is None:
            return None
        try:
            row = Row(
                texts[0].decode(), texts[1].decode(), _integer(number, texts[2]) or 0,
                texts[3].decode(),
            )  # fmt: skip
        except UnicodeDecodeError:
            return None
        return row if row.is_sound else None

    def _texts(
        self, part: _Part, match: "re.Match[bytes]", lengths: tuple[int, ...]
    ) -> list[bytes] | None:
        """The values of a record; what does not fit its leaf goes on in pages of its own."""
        header = match.end() - match.start()
        total = header + sum(lengths)
        local, at = _local_len(total), match.start()
        if local < total and at + local > part.page_end(at):
            return None
        payload = part.data[at : at + local]
        if local < total:
            payload += self._overflow(part.data[at + local : at + local + 4], total - local)
        if len(payload) != total:
            return None
        values, at = [], header
        for length in lengths:
            values.append(payload[at : at + length])
            at += length
        return values

    def _overflow(self, number: bytes, length: int) -> bytes:
        found, page, seen = b"", int.from_bytes(number, "big"), set[int]()
        while page and page not in seen and len(found) < length:
            seen.add(page)
            data = self._page(page)
            found += data[4 : 4 + length - len(found)]
            page = int.from_bytes(data[:4], "big")
        return found

    def _page(self, number: int) -> bytes:
        """A page as it was last written."""
        start = self._starts.get(number)
        if start is not None:
            return self._log[start : start + PAGE_LEN]
        return self._file.read((number - 1) * PAGE_LEN, PAGE_LEN)


def _has_all_unreceipted(finds: _Finds, witness: Witness | None) -> bool:
    """Whether nothing more is needed: each entry without a receipt was met."""
    row = finds.row(HEAD)
    head = None if row is None else StateHead.read(row)
    if head is None:
        return False
    last = max(head.seq, witness.seq if witness else 0)
    delivered = _delivered(finds)
    numbers = {seq for _, seq in finds.entries}
    return all(seq in numbers for seq in range(delivered + 1, last + 1))


def _delivered(finds: _Finds) -> int:
    row = finds.row("outbox")
    return 0 if row is None else _delivered_of(row.value)


def _delivered_of(value: str) -> int:
    found = re.search(r'"delivered": ?(\d{1,16})', value)
    return int(found[1]) if found else 0


def _concluded(finds: _Finds, witness: Witness | None, is_whole: bool) -> Salvage:
    row = finds.row(HEAD)
    head = None if row is None else StateHead.read(row)
    proved = _proved(finds.entries, head, witness)
    end = _end(proved, head, witness)
    delivered = _delivered(finds)
    own = {key: entry for key, entry in proved.items() if end and key[0] == end.epoch}
    entries = [
        _with_receipt(entry, delivered if key in own else _NEVER)
        for key, entry in sorted(proved.items(), key=lambda item: (item[0] in own, item[0]))
    ]
    state, word = _state(finds, head, witness)
    numbers = {seq for _, seq in own}
    first = _first(numbers, head, witness) if is_whole else delivered + 1
    return Salvage(
        entries=tuple(entries),
        state=state,
        state_word=word,
        head=end,
        first=first,
        missing=_gaps(numbers, first, end.seq) if end else (),
    )


def _first(numbers: set[int], head: StateHead | None, witness: Witness | None) -> int:
    """The first entry that was not pruned, as far as anybody knows."""
    if head is None and witness is None:
        return min(numbers, default=1)
    return max(head.pruned if head else 0, witness.pruned if witness else 0) + 1


def _proved(
    found: Mapping[tuple[str, int], list[Saved]], head: StateHead | None, witness: Witness | None
) -> dict[tuple[str, int], Saved]:
    """The version of each entry that proves itself, from the last one back."""
    named: dict[tuple[str, int], str] = {}
    if witness is not None:
        named[witness.epoch, witness.seq] = witness.hash
    proved: dict[tuple[str, int], Saved] = {}
    for epoch, seq in sorted(found, reverse=True):
        versions = found[epoch, seq]
        good = [one for one in versions if _is_named(one, named.get((epoch, seq)), head)]
        if good:
            # A version from a freed page may have lost its receipt.
            entry = max(good, key=lambda one: -1 if one.receipted is None else one.receipted)
            proved[epoch, seq] = replace(entry, hash=_digest(entry))
            named[epoch, seq - 1] = prevhash_of(entry.text)
    return proved


def _is_named(entry: Saved, named: str | None, head: StateHead | None) -> bool:
    own = _digest(entry)
    return own in (entry.hash, named) or (
        head is not None and head.seq == entry.seq and head.hash == own
    )


def _digest(entry: Saved) -> str:
    return sha256(entry.text.encode()).hexdigest()


def _end(
    proved: Mapping[tuple[str, int], Saved], head: StateHead | None, witness: Witness | None
) -> Head | None:
    """Where the epoch ended, as far as anything sound says: entry, state or witness."""
    # A file's own entries are all of one epoch.
    own = [entry for entry in proved.values() if not entry.is_old]
    epoch = own[0].epoch if own else witness.epoch if witness else None
    if epoch is None:
        return None
    ends = [(entry.seq, entry.hash) for entry in own if entry.epoch == epoch]
    if head is not None:
        ends.append((head.seq, head.hash))
    if witness is not None and witness.epoch == epoch:
        ends.append((witness.seq, witness.hash))
    seq, hash_ = max(ends, default=(0, ""))
    return Head(epoch, seq, hash_) if seq else None


def _with_receipt(entry: Saved, delivered: int) -> Saved:
    is_delivered = entry.receipted is None and entry.seq <= delivered
    return replace(entry, receipted=0) if is_delivered else entry


def _state(
    finds: _Finds, head: StateHead | None, witness: Witness | None
) -> tuple[dict[str, str], str]:
    """The core's rows, and whether they are all there: kept, partly, none."""
    names = {name for name, _ in finds.rows} - OWN
    found = {name: row for name in names if (row := finds.row(name)) is not None}
    number = head.number if head else -1
    is_newest = head is not None and (witness is None or witness.number <= number)
    exact = {
        name
        for name, row in found.items()
        if head is not None and is_newest and head.rows.get(name) == row.number
    }
    if head is not None and is_newest and exact == set(head.rows) - OWN:
        word = "kept"
    else:
        # Counts that are a little old are better than none; a prompt that may be over is not.
        word = "partly" if found else "none"
        for name in [name for name in found if name.endswith(CASE_ROW) and name not in exact]:
            del found[name]
    # The position of receipts was the old epoch's.
    found.pop("outbox", None)
    return {name: row.value for name, row in found.items()}, word


def _gaps(there: set[int], first: int, last: int) -> tuple[tuple[int, int], ...]:
    gaps: list[tuple[int, int]] = []
    expected = first
    for seq in [*sorted(seq for seq in there if first <= seq <= last), last + 1]:
        if seq > expected:
            gaps.append((expected, seq - 1))
        expected = seq + 1
    return tuple(gaps)


def _row_number(data: bytes, start: int) -> int:
    """The row's number, which lies before its record: for an entry that is its own."""
    number, shift, at = 0, 0, start - 1
    while at >= 0 and shift < 63 and (not shift or data[at] & 0x80):
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at - 1
    return number


def _local_len(total: int) -> int:
    if total <= _LOCAL_MAX:
        return total
    local = _LOCAL_LEAST + (total - _LOCAL_LEAST) % (PAGE_LEN - 4)
    return local if local <= _LOCAL_MAX else _LOCAL_LEAST


def _text_len(kind: bytes) -> int:
    number = 0
    for byte in kind:
        number = number << 7 | byte & 0x7F
    return (number - 13) // 2 if number >= 13 and number % 2 else 1 << 40


def _integer(kind: int, value: bytes) -> int | None:
    if kind in (8, 9):
        return kind - 8
    return None if kind == 0 else int.from_bytes(value, "big", signed=True)
