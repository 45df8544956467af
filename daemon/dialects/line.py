"""Dialect `line` (pure): a vendor's text, cut as the configuration describes it.

A record is either fields between separators, or one of the sentences that are known.
"""

import re
from collections.abc import Callable

from daemon.config.line_format import PLACEHOLDER, LineFormat
from daemon.config.vocabulary import filled
from daemon.dialects.gate import Counts, Gate
from daemon.dialects.records import RECORD_LEN_MAX, Cutter
from daemon.wire.signals import Signal

__all__ = ["RECORD_LEN_MAX", "Line"]


class Line:
    def __init__(
        self, config: LineFormat, windows: tuple[str, ...], conceal: Callable[[str], str]
    ) -> None:
        self._config = config
        self._start = config.start.encode(config.encoding)
        self._separator = config.separator.encode(config.encoding)
        self._cutter = Cutter(config.end.encode(config.encoding))
        self._sentences = [(_Sentence(text), word) for text, word in config.sentences.items()]
        self._gate = Gate(windows, conceal)

    @property
    def counts(self) -> Counts:
        return self._gate.counts

    def closed(self, window: str) -> bytes:
        return filled(self._config.closed, window, self._config.encoding)

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals: list[Signal] = []
        for byte in data:
            cut = self._cutter.push(byte)
            if cut is not None:
                signals += self._read(now_ms, *cut)
        return signals

    def _read(self, now_ms: int, record: bytes, is_torn: bool) -> list[Signal]:
        if self._start:
            # What stands before the start mark is noise or the tail of a torn record.
            _, found, record = record.rpartition(self._start)
            is_torn = not found
        if is_torn:
            return self._gate.damaged("its beginning is missing")
        if self._config.checksum == "sum8":
            record, _, told = record.rpartition(self._separator)
            if told.strip().upper() != b"%02X" % (sum(record) & 0xFF):
                return self._gate.damaged("its sum does not fit")
        try:
            text = record.decode(self._config.encoding)
        except UnicodeDecodeError:
            return self._gate.damaged(f"it is no text in {self._config.encoding}")
        if self._sentences:
            return self._understand(now_ms, text.strip())
        # Cut as text: the second byte of a GBK character may look like a separator.
        texts = [field.strip() for field in text.split(self._config.separator)]
        values = {
            name: texts[position]
            for name, position in self._config.fields.items()
            if position < len(texts)
        }
        return self._gate.translate(now_ms, self._config.words, values)

    def _understand(self, now_ms: int, text: str) -> list[Signal]:
        for sentence, word in self._sentences:
            values = sentence.read(text)
            if values is not None:
                return self._gate.translate(now_ms, {word: word}, values | {"say": word})
        return self._gate.translate(now_ms, {}, {})


class _Sentence:
    """A sentence with fields in it: 请{ticket}到{window}窗口."""

    def __init__(self, text: str) -> None:
        self._head = text.partition("{")[0]
        parts = PLACEHOLDER.split(text)
        # Every other part is a name, the one after it what follows the field.
        self._pattern = re.compile(
            "".join(
                _field(part, parts[index + 1][:1]) if index % 2 else re.escape(part)
                for index, part in enumerate(parts)
            )
        )

    def read(self, text: str) -> dict[str, str] | None:
        """Its fields, when the text is this sentence; what a torn one left before it is no harm."""
        if self._head:
            text = text[max(0, text.rfind(self._head)) :]
        found = self._pattern.fullmatch(text)
        return None if found is None else found.groupdict()


def _field(name: str, following: str) -> str:
    """A field up to the first character of what follows: so no line, however long, is costly."""
    character = "." if name == "taskName" else r"[0-9A-Za-z_.:/-]"
    before = f"(?!{re.escape(following)})" if following else ""
    return f"(?P<{name}>(?:{before}{character})+)"
