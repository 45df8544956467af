"""A journal's bytes as salvage finds them: whatever they say, each sound entry is saved."""

import json
from collections.abc import Iterator
from hashlib import sha256

from daemon.disk.salvage import Salvage, salvage
from daemon.disk.state_rows import HEAD, Row
from daemon.disk.wal import FRAME_HEADER_LEN, HEADER_LEN, PAGE_LEN
from daemon.disk.witness import Witness
from protocol.central.canonical import INT_MAX
from protocol.central.entry import GENESIS, KINDS
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target

EPOCHS = ("0a1b2c3d4e5f6071", "1b2c3d4e5f607182", "no epoch at all.")
NAMES = (HEAD, "outbox", "3/case", "tally", "marks", "salvage")
ORDERS = ("entry", "remain", "state", "head", "bytes", "page", "cut")
# Values that a head or a row of the state may hold where it should not.
VALUES = ("1", "0", "-1", "null", '"x"', "[]", "{}", "1e5", "9007199254740993", "9" * 30, "true")
PAGES_MAX = 6
SALT = b"saltsalt"


def seeds() -> Iterator[bytes]:
    entry = bytes((0, 0, 1, 0, 1, 8)) + b"what was"
    yield b"\x00" + entry + bytes((0, 0, 2, 0, 1, 4)) + b"more" + bytes((3, 1, 0, 0, 0, 0, 1))
    yield b"\x03" + bytes((1, 1, 9, 3, 1, 2)) + b"{}" + bytes((2, 1, 1, 14)) + b'{"delivered": '
    yield b"\x01" + bytes((5, 0, 0, 7, 2, 3)) + b"end" + bytes((4, 9)) + b"\x07\x00\x13\x81\x0dabcd"
    yield b"\x06" + bytes((3, 0, 3, 4, 5, 6, 7)) + bytes((6, 0, 200)) + entry


def check(data: bytes) -> None:
    tape = Tape(data)
    options = tape.byte()
    card = _Card()
    while tape and len(card.data) < PAGES_MAX * PAGE_LEN:
        card.obey(tape.choice(ORDERS), tape)
    file, log = (b"", _log(card.data)) if options & 1 else (bytes(card.data), b"")
    witness = Witness(EPOCHS[0], 1 << 60, 3, GENESIS, 0) if options & 2 else None
    is_late = bool(options & 4)
    found = salvage(_Whole(file), log, witness, lambda: is_late)
    _check(found)
    if not is_late:
        saved = {entry.text for entry in found.entries}
        assert saved >= card.sound(), "a sound entry that was not saved"


class _Card:
    """What lies on a card: rows as SQLite writes them, and anything else."""

    def __init__(self) -> None:
        self.data = bytearray()
        # Each whole entry that was written, and where it ends.
        self._written: list[tuple[int, int, str, tuple[str, int]]] = []

    def obey(self, order: str, tape: Tape) -> None:
        if order in ("entry", "remain"):
            self._entry(tape, is_old=order == "remain")
        elif order == "state":
            self._row(tape, tape.choice(NAMES), tape.text().decode("utf-8", "replace"))
        elif order == "head":
            self._head(tape)
        elif order == "bytes":
            self.data += tape.text()
        elif order == "page":
            self.data += bytes(-len(self.data) % PAGE_LEN)
        else:
            del self.data[max(0, len(self.data) - tape.number(2)) :]
            self._written = [one for one in self._written if one[1] <= len(self.data)]

    def sound(self) -> set[str]:
        """The entries that are whole and whose number nobody else has."""
        keys = [key for *_, key in self._written]
        return {
            text
            for start, end, text, key in self._written
            if keys.count(key) == 1 and start // PAGE_LEN == (end - 1) // PAGE_LEN
        }

    def _entry(self, tape: Tape, *, is_old: bool) -> None:
        epoch, kind = tape.choice(EPOCHS), tape.choice(KINDS)
        seq = tape.choice((1, 2, 3, 4, 5, 9, INT_MAX, INT_MAX + 1, 10**20 - 1))
        is_honest = tape.byte() % 4
        data = tape.text().decode("utf-8", "replace")
        text = (
            f'{{"data":{json.dumps(data)},"epoch":"{epoch}","prevhash":"{GENESIS}",'
            f'"sequence":"{seq:020}","type":"hcp.{kind}.v1"}}'
        )
        hash_ = sha256(text.encode()).hexdigest() if is_honest else GENESIS
        before = [epoch, min(seq, INT_MAX)] if is_old else [None]
        after = [tape.choice((None, 0, 1, 20_000))] if is_old else []
        start = len(self.data)
        self.data += _record([*before, kind, hash_, text, *after])
        if is_honest and seq <= INT_MAX:
            self._written.append((start, len(self.data), text, (epoch, seq)))

    def _head(self, tape: Tape) -> None:
        members = {name: tape.choice(VALUES) for name in ("seq", "pruned")}
        rows = tape.choice(("{}", '{"tally":0}', "[]", "null", '{"3/case":"x"}', "7"))
        hash_ = tape.choice((f'"{GENESIS}"', "null", "1"))
        pairs = [f'"{name}":{value}' for name, value in members.items()]
        text = f'{{{",".join(pairs)},"hash":{hash_},"rows":{rows}}}'
        self._row(tape, HEAD, text)

    def _row(self, tape: Tape, name: str, value: str) -> None:
        row = Row.of(name, value, tape.choice((0, 1, 2, 1 << 40)))
        self.data += _record([row.name, row.value, row.number, row.sum])


def _record(values: list[str | int | None]) -> bytes:
    """A row as it lies on a leaf (sqlite.org/fileformat2 2.1); what is long goes nowhere else."""
    kinds, body = b"", b""
    for value in values:
        if isinstance(value, str):
            raw = value.encode()
            kinds += _varint(13 + 2 * len(raw))
        elif value is None or value in (0, 1):
            raw = b""
            kinds += bytes((0 if value is None else 8 + value,))
        else:
            raw = value.to_bytes(8, "big")
            kinds += b"\x06"
        body += raw
    return bytes((len(kinds) + 1,)) + kinds + body


def _varint(number: int) -> bytes:
    raw = bytes((number & 0x7F,))
    while number := number >> 7:
        raw = bytes((0x80 | number & 0x7F,)) + raw
    return raw


def _log(data: bytes | bytearray) -> bytes:
    """The bytes as pages of a write-ahead log; nothing that is salvaged asks for its sums."""
    log = b"\x37\x7f\x06\x82" + bytes(12) + SALT + bytes(HEADER_LEN - 24)
    for at in range(0, len(data), PAGE_LEN):
        head = (at // PAGE_LEN + 1).to_bytes(4, "big") + bytes(4) + SALT
        log += head.ljust(FRAME_HEADER_LEN, b"\0") + data[at : at + PAGE_LEN].ljust(PAGE_LEN, b"\0")
    return log


class _Whole:
    """A file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.length, self._data = len(data), data

    def read(self, at: int, length: int) -> bytes:
        return self._data[max(0, at) : max(0, at) + length]


def _check(found: Salvage) -> None:
    """What is told can be written into the new journal, and is true of itself."""
    for entry in found.entries:
        assert sha256(entry.text.encode()).hexdigest() == entry.hash, "saved what is not sound"
        assert 1 <= entry.seq <= INT_MAX
        assert f'"sequence":"{entry.seq:020}"' in entry.text
    assert all(json.dumps(json.loads(value)) for value in found.state.values())
    assert json.dumps(found.missing)
    assert found.head is None or (type(found.head.seq) is int and len(found.head.hash) == 64)
    assert all(1 <= first <= last for first, last in found.missing)


TARGET = Target(promise="C2", what="salvage of a journal's bytes", seeds=seeds, check=check)
