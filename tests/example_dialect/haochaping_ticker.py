"""An example of a dialect in a package of its own: fixed columns, `*C03A023#`.

Copy it, and change what is between its two marks. docs/dialects.md says what a dialect must do.
"""

from collections.abc import Callable
from functools import partial

from daemon.config.table import Table
from daemon.dialects.gate import Counts, Gate
from daemon.wire.signals import Signal

WORDS = {"C": "called", "R": "recalled", "E": "completed", "P": "skipped"}
START, END = b"*", b"#"
RECORD_LEN = 7


def described(table: Table) -> Callable[[tuple[str, ...], Callable[[str], str]], "Ticker"]:
    """What [signal.ticker] says, as a maker of the dialect; a mistake is said at its place."""
    offset = table.integer("window_offset", 0, 90, 0)
    table.done()
    return partial(Ticker, offset)


class Ticker:
    def __init__(
        self, offset: int, windows: tuple[str, ...], conceal: Callable[[str], str]
    ) -> None:
        self._offset = offset
        self._record: bytearray | None = None
        # Everything goes through the gate: bounds, windows, repeats, ID numbers.
        self._gate = Gate(windows, conceal)

    @property
    def counts(self) -> Counts:
        return self._gate.counts

    def closed(self, window: str) -> bytes:
        """What the terminal is told when the prompt of a window is closed; nothing else may be."""
        return b"*Z%s#" % window.encode()

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        """The signals in whatever bytes come, in whatever pieces; never raises on them."""
        signals: list[Signal] = []
        for byte in data:
            if byte == START[0]:
                self._record = bytearray()
            elif byte == END[0] and self._record is not None:
                signals += self._read(now_ms, bytes(self._record))
                self._record = None
            elif self._record is not None and len(self._record) <= RECORD_LEN:
                self._record.append(byte)
        return signals

    def _read(self, now_ms: int, record: bytes) -> list[Signal]:
        text = record.decode("ascii", "replace")
        if len(record) != RECORD_LEN or not text[1:3].isdecimal():
            return self._gate.damaged("it is no letter, two digits and a ticket")
        values = {
            "say": text[0],
            "window": str(int(text[1:3]) - self._offset),
            "ticket": text[3:],
        }
        return self._gate.translate(now_ms, WORDS, values)


def careless(table: Table) -> Callable[..., "Careless"]:
    """A dialect as it should not be."""
    table.done()
    return Careless


class Careless:
    """Lets through what a gate would not; the daemon's own gate stops it."""

    def __init__(self, _windows: tuple[str, ...], _conceal: Callable[[str], str]) -> None:
        self.counts = Counts()

    def closed(self, _window: str) -> bytes:
        return b""

    def received(self, _now_ms: int, data: bytes) -> list[Signal]:
        text = data.decode("latin-1")
        return [
            Signal(say="called", window="3", ticket="A1", project_no="999999194911211120"),
            Signal(say="called", window="3", ticket=text),
            Signal(say="shouted", window="3"),
            Signal(say="called", window="44", ticket="A1"),
        ]
