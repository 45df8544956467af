"""What a technician sees of a queue line (pure): each record as it was read, beside its bytes.

Every byte goes through the dialect alone, so what its counters then say is said of the bytes since
the last record. Nothing is kept but those, and what bears an ID number is shown as asterisks.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daemon.dialects import Dialect
from daemon.dialects.gate import record
from daemon.wire.signals import Signal

# More than any record of the field; what goes on without one is shown in such pieces.
RAW_LEN_MAX = 2048
BYTES_A_LINE = 16
# A number that goes on may become an ID number: so many digits wait for what follows them.
DIGITS_SHOWN_MAX = 7
DIGITS_WAITING_MAX = 64
# An ID number in full-width digits takes 54 bytes.
BEFORE_LEN = 54
HIDDEN = "hidden: it bears an ID number"
# In the order in which one record can move several.
WORDS = {
    "damaged": "damaged",
    "unknown": "passed over",
    "other_window": "another window",
    "no_window": "no window",
    "repeated": "repeated",
}

_DIGITS_AT_END = re.compile(rb"[0-9]{%d,%d}\Z" % (DIGITS_SHOWN_MAX + 1, DIGITS_WAITING_MAX))
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
_NUMBER = re.compile(r"[0-9]+[Xx]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Bytes, and what the dialect made of them: a signal, a verdict, or nothing at all."""

    raw: bytes
    verdict: str = ""
    signal: Signal | None = None
    is_hidden: bool = False


class Listener:
    def __init__(self, dialect: Dialect, bears_id_number: Callable[[str], bool]) -> None:
        self._dialect, self._bears = dialect, bears_id_number
        self._raw = bytearray()
        # The end of what was shown last: an ID number may have begun in it.
        self._before = b""

    def received(self, now_ms: int, data: bytes) -> Iterator[Row]:
        """A row for each record that these bytes end."""
        for byte in data:
            before = self._dialect.counts.as_dict()
            self._raw.append(byte)
            signals = self._dialect.received(now_ms, bytes((byte,)))
            after = self._dialect.counts
            moved = [word for name, word in WORDS.items() if getattr(after, name) > before[name]]
            if signals or moved:
                yield from self._rows(signals, moved, after.why)
            elif len(self._raw) >= RAW_LEN_MAX:
                yield self._row()

    def paused(self) -> Iterator[Row]:
        """What stands there without a record, when the line has been silent for a while."""
        row = self._row()
        if row.raw:
            yield row

    def _rows(self, signals: list[Signal], moved: list[str], why: str) -> Iterator[Row]:
        reasons = ("damaged", "passed over", "no window")
        verdict = ", ".join(f"{word}: {why}" if word in reasons else word for word in moved)
        yield self._row(verdict, signals[0] if signals else None)
        for signal in signals[1:]:
            yield Row(raw=b"", signal=signal)

    def _row(self, verdict: str = "", signal: Signal | None = None) -> Row:
        waiting = _DIGITS_AT_END.search(self._before + self._raw)
        kept_len = min(len(waiting.group()), len(self._raw)) if waiting else 0
        raw, kept = bytes(self._raw), b""
        if kept_len:
            raw, kept = raw[:-kept_len], raw[-kept_len:]
        # Digits without end are cut somewhere, and an ID number in them with it.
        is_hidden = len(kept) == DIGITS_WAITING_MAX or self._is_personal(self._before + raw)
        self._raw = bytearray(kept)
        self._before = b"" if is_hidden else (self._before + raw)[-BEFORE_LEN:]
        return Row(raw=raw, verdict=verdict, signal=signal, is_hidden=is_hidden)

    def _is_personal(self, raw: bytes) -> bool:
        """Whether the bytes bear an ID number: as text of any encoding, escaped, or as BCD."""
        texts = [raw.decode(encoding, "replace") for encoding in ("utf-8", "gbk")]
        texts += [_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) for text in texts]
        plain = [unicodedata.normalize("NFKC", text) for text in texts]
        numbers = [number for text in plain for number in _NUMBER.findall(text)]
        return any(map(self._bears, [*plain, *numbers, raw.hex()]))


def shown(row: Row, own: tuple[str, ...], bears_id_number: Callable[[str], bool]) -> list[str]:
    """The lines of a row: hex, text, and beside them what was understood.

    own: the windows of this unit, if it is known which they are.
    """
    words = [row.verdict] if row.verdict else []
    if row.signal is not None:
        words += _said(row.signal, own, bears_id_number)
    if row.is_hidden:
        words.append(HIDDEN)
    words = words or ["no record"]
    dump = list(_dump(row))
    blank = " " * (BYTES_A_LINE * 4 + 3)
    dump += [blank] * (len(words) - len(dump))
    words += [""] * (len(dump) - len(words))
    return [f"{left}  {word}".rstrip() for left, word in zip(dump, words, strict=True)]


def _said(
    signal: Signal, own: tuple[str, ...], bears_id_number: Callable[[str], bool]
) -> Iterator[str]:
    whose = ""
    if own:
        is_own = signal.window.lstrip("0") in {number.lstrip("0") for number in own}
        whose = " (of this unit)" if is_own else " (not of this unit)"
    window = f"window {signal.window}{whose}" if signal.window else "no window named"
    yield f"{signal.say}{f' {signal.state}' if signal.state else ''}, {window}"
    for name, value in record(signal).items():
        if value is not None and name not in ("window", "state"):
            yield f"{name} {HIDDEN if bears_id_number(str(value)) else value}"


def _dump(row: Row) -> Iterator[str]:
    cells = ["*"] * len(row.raw) if row.is_hidden else _cells(row.raw)
    for at in range(0, len(row.raw), BYTES_A_LINE):
        raw = row.raw[at : at + BYTES_A_LINE]
        hexes = " ".join("**" if row.is_hidden else f"{byte:02X}" for byte in raw)
        text = "".join(cells[at : at + BYTES_A_LINE])
        # A Chinese character is two columns wide.
        width = sum(2 if _is_wide(character) else 1 for character in text)
        yield f"{hexes:<{BYTES_A_LINE * 3 - 1}}  {text}{' ' * (BYTES_A_LINE + 2 - width)}"


def _cells(raw: bytes) -> list[str]:
    """What is printed for each byte, so that text stays below its bytes' numbers."""
    encoding = "utf-8" if _is_text(raw, "utf-8") else "gbk"
    cells: list[str] = []
    while len(cells) < len(raw):
        at = len(cells)
        for size in (1, 2, 3):
            try:
                character = raw[at : at + size].decode(encoding)
            except UnicodeDecodeError:
                continue
            if len(character) == 1 and character.isprintable():
                wide = _is_wide(character)
                cells += [character] + [""] * (size > 1 and wide) + [" "] * (size - 1 - wide)
                break
        else:
            cells.append(".")
    return cells[: len(raw)]


def _is_text(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
