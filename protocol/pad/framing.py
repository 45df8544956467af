"""Frames on a byte line: 0x00, COBS(body, CRC-32 big-endian), 0x00 (pure; both interpreters).

Both delimiters are sent, so noise before a frame costs the noise and never the frame. A body
is believed only when stuffing, length and checksum all fit; everything else is a counter.
"""

import binascii

from protocol.pad.errors import BadChecksum, BadLength, BadStuffing

FRAME_LEN_MAX = 64  # with both delimiters: the longest message of the pad's line takes 52
CRC_LEN = 4
BLOCK_LEN_MAX = 254  # COBS: code 0xFF stands for 254 bytes and no zero


def encode(body: bytes, frame_len_max: int = FRAME_LEN_MAX) -> bytes:
    """One whole frame around `body`, delimiters included; BadLength if it exceeds the limit."""
    raw = body + binascii.crc32(body).to_bytes(CRC_LEN, "big")
    out = bytearray(b"\x00")
    for part in raw.split(b"\x00"):
        while len(part) >= BLOCK_LEN_MAX:
            out += b"\xff" + part[:BLOCK_LEN_MAX]
            part = part[BLOCK_LEN_MAX:]
        out += bytes((len(part) + 1,)) + part
    if not part and raw[-1]:
        out[-1] = 0  # a full last block has no empty one after it
    else:
        out += b"\x00"
    if not body or len(out) > frame_len_max:
        raise BadLength(f"a body of {len(body)} bytes does not fit a frame of {frame_len_max}")
    return bytes(out)


def _unstuff(buffer: bytearray, stuffed_len: int) -> int:
    """Undo COBS inside `buffer`, in place; the length of what it held."""
    read = write = 0
    while read < stuffed_len:
        code = buffer[read]
        end = read + code
        if end > stuffed_len:
            raise BadStuffing
        for index in range(read + 1, end):
            buffer[write] = buffer[index]
            write += 1
        if code <= BLOCK_LEN_MAX and end < stuffed_len:
            buffer[write] = 0
            write += 1
        read = end
    return write


class Decoder:
    """Turns a byte stream into believed bodies; memory is one buffer, noise is only counted."""

    def __init__(self, frame_len_max: int = FRAME_LEN_MAX) -> None:
        self.good_count = 0
        self.bad_stuffing_count = 0
        self.bad_length_count = 0
        self.bad_checksum_count = 0
        self._buffer = bytearray(frame_len_max - 2)
        self._len = 0  # bytes since the last delimiter, also those that no longer fit

    @property
    def bad_count(self) -> int:
        """Frames that were not believed, for whatever reason."""
        return self.bad_stuffing_count + self.bad_length_count + self.bad_checksum_count

    def push(self, byte: int) -> bytes | None:
        """Take one byte; the body of the frame it ended (without CRC), if one can be believed."""
        if byte:
            if self._len < len(self._buffer):
                self._buffer[self._len] = byte
                self._len += 1
            elif self._len == len(self._buffer):
                self._len += 1
            return None
        stuffed_len, self._len = self._len, 0
        if not stuffed_len:
            return None
        try:
            body = self._body(stuffed_len)
        except BadStuffing:
            self.bad_stuffing_count += 1
        except BadLength:
            self.bad_length_count += 1
        except BadChecksum:
            self.bad_checksum_count += 1
        else:
            self.good_count += 1
            return body
        return None

    def _body(self, stuffed_len: int) -> bytes:
        """The body of a closed frame; BadLength, BadStuffing or BadChecksum."""
        if stuffed_len > len(self._buffer):
            raise BadLength
        body_len = _unstuff(self._buffer, stuffed_len) - CRC_LEN
        if body_len < 1:
            raise BadLength
        body = bytes(self._buffer[:body_len])
        crc = bytes(self._buffer[body_len : body_len + CRC_LEN])
        if binascii.crc32(body).to_bytes(CRC_LEN, "big") != crc:
            raise BadChecksum
        return body
