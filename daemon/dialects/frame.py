"""Dialect `frame` (pure): a vendor's byte frames, found and read as the configuration describes.

Theory of operation
-------------------
Every place where the header stands may be the beginning of a frame: a candidate. With each byte
every candidate is asked, the oldest first, whether it ends here. With a length it knows; without
one it ends at each end mark where the sum fits. The first that fits is the frame; all that was
begun before it is torn, and nothing that begins inside of it is one. So a torn frame costs itself
and never the next one, not even for as long as it claims to be.
"""

from collections import deque
from collections.abc import Callable

from daemon.config.frame_format import SUM8, WINDOW, FrameFormat, Part
from daemon.dialects.gate import Counts, Gate
from daemon.wire.signals import Signal

# Headers that may stand inside of one frame's data, and of the torn ones before it.
CANDIDATES_MAX = 16


class Frame:
    def __init__(
        self, config: FrameFormat, windows: tuple[str, ...], conceal: Callable[[str], str]
    ) -> None:
        self._config = config
        self._buffer = bytearray()
        # Where in the buffer a header begins.
        self._starts: deque[int] = deque()
        # Up to here the buffer is counted as damaged.
        self._counted = 0
        self._gate = Gate(windows, conceal)

    @property
    def counts(self) -> Counts:
        return self._gate.counts

    def closed(self, window: str) -> bytes:
        return built(self._config, window)

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals: list[Signal] = []
        for byte in data:
            self._buffer.append(byte)
            self._begin()
            frame = self._ended()
            if frame is not None:
                signals += self._read(now_ms, frame)
            self._forget()
        return signals

    def _begin(self) -> None:
        header = self._config.header
        start = len(self._buffer) - len(header)
        if start >= 0 and all(
            want is None or want == byte
            for want, byte in zip(header, self._buffer[start:], strict=True)
        ):
            self._starts.append(start)
            if len(self._starts) > CANDIDATES_MAX:
                self._torn(self._starts[0])
                self._starts.popleft()

    def _ended(self) -> bytes | None:
        """The frame that ends with the latest byte."""
        for start in tuple(self._starts):
            frame = bytes(self._buffer[start:])
            verdict = judged(self._config, frame)
            if verdict is None:
                continue
            if verdict:
                if start != self._starts[0]:
                    self._torn(self._starts[0])
                self._starts.clear()
                return frame
            if start == self._starts[0]:
                self._torn(start)
            self._starts.remove(start)
        return None

    def _torn(self, start: int) -> None:
        """Count the damaged frame that began there, once with all that began inside of it."""
        if start >= self._counted:
            self._gate.damaged("its length, its end or its sum does not fit")
            self._counted = len(self._buffer)

    def _forget(self) -> None:
        """Drop what no frame can begin in any more."""
        count = self._starts[0] if self._starts else len(self._buffer) - len(self._config.header)
        if count > 0:
            del self._buffer[:count]
            self._starts = deque(start - count for start in self._starts)
            self._counted = max(0, self._counted - count)

    def _read(self, now_ms: int, frame: bytes) -> list[Signal]:
        self._buffer.clear()
        self._counted = 0
        values: dict[str, str] = {}
        for name, parts in self._config.fields.items():
            try:
                values[name] = value(parts, frame, is_said=name == "say")
            except ValueError:
                return self._gate.damaged(f"{name} is not written as described")
        return self._gate.translate(now_ms, self._config.words, values)


def judged(config: FrameFormat, frame: bytes) -> bool | None:
    """Whether these bytes, which begin with the header, are a frame; None while they may become."""
    if len(frame) > config.longest:
        return False
    length, sum8 = config.length, config.sum8
    if length is not None:
        if len(frame) < max(length.at, length.again or 0) + length.size:
            return None
        told = frame[length.at : length.at + length.size]
        again = told if length.again is None else frame[length.again : length.again + length.size]
        if again != told:
            return False
        count = int.from_bytes(told, length.order)
        whole_len = count + length.counts.start - length.counts.stop
        if len(frame) > whole_len or whole_len > config.longest:
            return False
        if len(frame) < whole_len:
            return None
    unfit = False if length is not None else None
    if len(frame) < len(config.header) + len(config.end) or not frame.endswith(config.end):
        return unfit
    if sum8 is not None:
        at = sum8.at if sum8.at >= 0 else len(frame) + sum8.at
        if (
            not len(config.header) <= at < len(frame)
            or sum(sum8.over.of(frame)) & 0xFF != frame[at]
        ):
            return unfit
    return True


def value(parts: tuple[Part, ...], frame: bytes, *, is_said: bool) -> str:
    """What a field says; empty when the frame ends before it. Raises ValueError.

    A field of zeros says nothing, since fields stand in every frame; `say` may be a zero.
    """
    raws = [_raw(part, frame) for part in parts]
    if not is_said and not any(map(any, raws)):
        return ""
    return "".join(_text(part, raw) for part, raw in zip(parts, raws, strict=True) if raw)


def _raw(part: Part, frame: bytes) -> bytes:
    at = part.at if part.at >= 0 else len(frame) + part.at
    stop = at + part.size if part.stop is None else len(frame) + part.stop
    return frame[at:stop] if 0 <= at < stop <= len(frame) else b""


def _text(part: Part, raw: bytes) -> str:
    if part.form == "uint":
        number = int.from_bytes(raw, part.order)
        return str(number).zfill(part.digits)
    if part.form == "hex":
        return raw.hex().upper()
    if part.form == "bcd":
        if not raw.hex().isdecimal():
            raise ValueError("no decimal digits")
        return raw.hex()
    return raw.strip(b"\0 ").decode(part.form)


def built(config: FrameFormat, window: str) -> bytes:
    """The answer to the terminal of a window; empty when its number cannot be written so."""
    frame, sum_at = bytearray(), None
    for mark in config.closed:
        if mark == WINDOW:
            number = _written(config.fields.get("window", ()), window)
            if not number:
                return b""
            frame += number
        elif mark == SUM8:
            sum_at = len(frame)
            frame.append(0)
        else:
            assert isinstance(mark, int)
            frame.append(mark)
    if sum_at is not None and config.sum8 is not None:
        frame[sum_at] = sum(config.sum8.over.of(bytes(frame))) & 0xFF
    return bytes(frame)


def _written(parts: tuple[Part, ...], text: str) -> bytes:
    """A window's number as the frames write it, empty when it does not fit there."""
    (part,) = parts
    try:
        if part.form == "uint":
            return int(text).to_bytes(part.size, part.order)
        if part.form in ("hex", "bcd"):
            raw = bytes.fromhex(text.zfill(part.size * 2))
        else:
            raw = text.zfill(part.size).encode(part.form)
    except (ValueError, OverflowError):
        return b""
    return raw if len(raw) == part.size else b""
