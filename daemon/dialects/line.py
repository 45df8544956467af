"""Dialect `line` (pure): delimited text of any vendor, cut as the configuration describes it."""

from collections.abc import Callable

from daemon.config.signal_line import LineFormat
from daemon.dialects.gate import Counts, Gate
from daemon.signals import Signal

# Longer than any record seen in the field; what grows past it without an end is noise.
RECORD_LEN_MAX = 512
# Two words that are one of ours with its state.
STATES = ("login", "logout")


class Line:
    def __init__(
        self, config: LineFormat, windows: tuple[str, ...], conceal: Callable[[str], str]
    ) -> None:
        self._config = config
        self._start = config.start.encode(config.encoding)
        self._end = config.end.encode(config.encoding)
        self._separator = config.separator.encode(config.encoding)
        self._buffer = bytearray()
        self._is_torn = False
        self._gate = Gate(windows, conceal)

    @property
    def counts(self) -> Counts:
        return self._gate.counts

    def closed(self, _window: str) -> bytes:
        return b""

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals: list[Signal] = []
        for byte in data:
            self._buffer.append(byte)
            if self._buffer.endswith(self._end):
                record = bytes(self._buffer[: -len(self._end)])
                is_torn, self._is_torn = self._is_torn, False
                self._buffer.clear()
                if is_torn or record.strip():
                    signals += self._read(now_ms, record, is_torn)
            elif len(self._buffer) > RECORD_LEN_MAX:
                # The latest bytes stay: a start mark among them begins a record of its own.
                del self._buffer[0]
                self._is_torn = True
        return signals

    def _read(self, now_ms: int, record: bytes, is_torn: bool) -> list[Signal]:
        if self._start:
            # What stands before the start mark is noise or the tail of a torn record.
            _, found, record = record.rpartition(self._start)
            is_torn = not found
        if is_torn:
            return self._gate.damaged()
        if self._config.checksum == "sum8":
            record, _, told = record.rpartition(self._separator)
            if told.strip().upper() != b"%02X" % (sum(record) & 0xFF):
                return self._gate.damaged()
        try:
            text = record.decode(self._config.encoding)
        except UnicodeDecodeError:
            return self._gate.damaged()
        # Cut as text: the second byte of a GBK character may look like a separator.
        texts = [field.strip() for field in text.split(self._config.separator)]
        values = {
            name: texts[position]
            for name, position in self._config.fields.items()
            if position < len(texts)
        }
        say = self._config.words.get(values.pop("say", ""))
        if say in STATES:
            values["state"], say = say, "staff"
        return self._gate.admit(now_ms, say, values)
