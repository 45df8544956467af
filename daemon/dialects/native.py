"""Dialect `native` (pure): our own messages, one JSON object in a frame of the pad's kind.

The frame is that of protocol/pad (COBS, CRC-32, 0x00 on both sides), at most 512 bytes, so that a
damaged one is never believed. `n` numbers the messages: a repeat carries the number it repeats.
"""

import json
from collections.abc import Callable

from daemon.dialects.gate import Counts, Gate
from daemon.wire.signals import Signal
from protocol.pad.framing import Decoder, encode

# An item name of 64 characters in UTF-8 beside keys and codes as long as they are in the field.
FRAME_LEN_MAX = 512


class Native:
    def __init__(self, windows: tuple[str, ...], conceal: Callable[[str], str]) -> None:
        self._decoder = Decoder(FRAME_LEN_MAX)
        self._bad_count = 0
        self._gate = Gate(windows, conceal)

    @property
    def counts(self) -> Counts:
        return self._gate.counts

    def closed(self, window: str) -> bytes:
        said = json.dumps({"say": "closed", "window": window}, separators=(",", ":"))
        return encode(said.encode(), FRAME_LEN_MAX)

    def received(self, now_ms: int, data: bytes) -> list[Signal]:
        signals: list[Signal] = []
        decoder = self._decoder
        for byte in data:
            body = decoder.push(byte)
            if body is not None:
                signals += self._read(now_ms, body)
            elif not byte and decoder.bad_count > self._bad_count:
                # A frame is judged by its delimiter alone.
                self._bad_count = decoder.bad_count
                self._gate.damaged("it is no whole frame: stuffing, length or checksum")
        return signals

    def _read(self, now_ms: int, body: bytes) -> list[Signal]:
        try:
            record = json.loads(body)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            return self._gate.damaged("it is no JSON object")
        say = record.get("say")
        return self._gate.admit(
            now_ms, say if isinstance(say, str) else None, record, record.get("n")
        )
