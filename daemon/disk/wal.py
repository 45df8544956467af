"""The write-ahead log as bytes (pure): what lies in it, and whether a power cut can leave it so.

A log is a header and frames, each the new text of one page; the last frame of a transaction says
so. Every frame's checksum goes on from the one before, so SQLite believes a log up to the first
frame that does not fit and drops what follows without a word. After a power cut that is right:
only the last transaction can be torn, each one before it was synced before the next began. Where a
whole transaction is followed by another that goes on from it, both were synced: if SQLite does not
reach them, something else than a cut has been at the file.
Source: sqlite.org/fileformat2.html 4.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

PAGE_LEN = 4096
HEADER_LEN = 32
FRAME_HEADER_LEN = 24
FRAME_LEN = FRAME_HEADER_LEN + PAGE_LEN
# The magic's last bit tells in which byte order the checksums are.
MAGICS = {0x377F0682: "<", 0x377F0683: ">"}
_MASK = 0xFFFFFFFF

Sum = tuple[int, int]


class Frame(NamedTuple):
    """A frame of the log's present round: the page it holds, where its data begin."""

    page: int
    commits: bool
    start: int
    sum: Sum


def damage(log: bytes) -> str | None:
    """What no power cut can have done to the log; None when there is nothing."""
    if len(log) <= HEADER_LEN:
        return None
    order = MAGICS.get(int.from_bytes(log[:4], "big"))
    if order is None or _sum(order, log[:24], (0, 0)) != struct.unpack(">2I", log[24:HEADER_LEN]):
        # The header is synced before the first frame, and no sector of a card is torn.
        return "the header of its log is damaged" if any(log[HEADER_LEN:]) else None
    found = dict(frames(log))
    last = _valid_count(log, order, found)
    for number, frame in found.items():
        following = found.get(number + 1)
        if number < last or not frame.commits or following is None:
            continue
        if _frame_sum(log, order, following, frame.sum) == following.sum:
            return f"its log is damaged in frame {last + 1}, and {number + 1} were committed"
    return None


def frames(log: bytes) -> Iterator[tuple[int, Frame]]:
    """Every frame that belongs to the log's present round, by its number from 0."""
    salts = log[16:24]
    for number in range((len(log) - HEADER_LEN) // FRAME_LEN):
        at = HEADER_LEN + number * FRAME_LEN
        page, size, salt, first, second = struct.unpack_from(">2I8s2I", log, at)
        if salt == salts and page:
            yield number, Frame(page, bool(size), at + FRAME_HEADER_LEN, (first, second))


def _valid_count(log: bytes, order: str, found: dict[int, Frame]) -> int:
    """How many frames SQLite believes."""
    total: Sum = struct.unpack(">2I", log[24:HEADER_LEN])
    for number in range(len(found)):
        frame = found.get(number)
        if frame is None or _frame_sum(log, order, frame, total) != frame.sum:
            return number
        total = frame.sum
    return len(found)


def _frame_sum(log: bytes, order: str, frame: Frame, before: Sum) -> Sum:
    head = frame.start - FRAME_HEADER_LEN
    total = _sum(order, log[head : head + 8], before)
    return _sum(order, log[frame.start : frame.start + PAGE_LEN], total)


def _sum(order: str, data: bytes, before: Sum) -> Sum:
    first, second = before
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for even, odd in zip(words, words, strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
