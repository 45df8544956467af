"""Byte frames learned from a capture (pure): header, length, end and sum, by trying what fits.

A guess is a header byte and either where a length stands and how many bytes it leaves out, or what
the frame ends with. The guess that explains most of the capture wins, and only one whose sum fits
as well is believed: lengths fit by chance now and then, sums of many frames do not.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise

from daemon.dialects.learned import RECORDS_LEAST, Lesson
from daemon.dialects.learned_layout import Guess, lesson_of

# Of a few thousand guesses some fit three frames by chance: a sum does in one of 256.
DIFFERENT_LEAST = 5
# What is searched; a minute of a busy line is less.
CAPTURE_LEN_MAX = 3000
# Frames repeated three times by a terminal that nobody answers, and one more.
COPIES_MAX = 4
GRAM_LEN = 8
HEADS_MAX = 8
LENGTH_AT_MAX = 6
# Bytes of a frame that its length does not count: header, length itself, sum and end.
UNCOUNTED_MAX = 12
FRAME_LEN_MAX = 256
SUM_FROM_MAX = 7
# The sum of a byte or two is found in any text.
SUMMED_LEAST = 3
# Of the places where the first byte stands outside of a frame, so many begin one, or none does.
FITTING_LEAST = 0.5
HEADER_LEN_MAX = 3
PAIRS_MAX = 8
# End bytes that are looked past: data holds one now and then, and each look is a chance to err.
ENDS_INSIDE_MAX = 3


def frames(data: bytes) -> Lesson | None:
    data = _news(data)
    # Sums of all beginnings: that of any range is a difference.
    sums = [0, *accumulate(data)]
    guesses = [*_with_length(data, sums), *_without_length(data, sums)]
    # What begins or ends in the middle of the frames misses those beside a pause or noise.
    best = max(guesses, key=lambda guess: (guess.covered, _trust(guess)), default=None)
    return None if best is None else lesson_of(best, len(data))


def _trust(guess: Guess) -> int:
    """A length that changes with the frame is one; one that never does may be any byte."""
    if guess.length_at is None:
        return 1
    told = {frame[guess.length_at] for frame in guess.frames}
    return 2 if len(told) > 1 else 0


def _news(data: bytes) -> bytes:
    """The capture without what came again and again: a master polls all day, and calls are few."""
    seen: Counter[bytes] = Counter()
    kept = bytearray()
    kept_to = 0
    for at in range(len(data)):
        gram = data[at : at + GRAM_LEN]
        seen[gram] += 1
        if seen[gram] <= COPIES_MAX:
            kept += data[max(at, kept_to) : at + GRAM_LEN]
            kept_to = max(kept_to, at + GRAM_LEN)
        if len(kept) >= CAPTURE_LEN_MAX:
            break
    return bytes(kept)


# -- guesses


def _heads(data: bytes) -> list[int]:
    """The bytes that frames could begin with: the more frequent ones."""
    return [byte for byte, count in Counter(data).most_common() if count >= RECORDS_LEAST][
        :HEADS_MAX
    ]


def _with_length(data: bytes, sums: list[int]) -> Iterator[Guess]:
    for head in _heads(data):
        starts = [at for at, byte in enumerate(data) if byte == head]
        for length_at in range(1, LENGTH_AT_MAX + 1):
            for uncounted in range(length_at + 1, UNCOUNTED_MAX + 1):
                spans = _spans(data, starts, length_at, uncounted)
                if len(spans) < RECORDS_LEAST:
                    continue
                for sum_at in (-1, -2, -3):
                    for sum_from in range(SUM_FROM_MAX + 1):
                        found = _chain(data, sums, spans, sum_at, sum_from)
                        yield from _guess(head, length_at, uncounted, sum_at, sum_from, found)


def _spans(data: bytes, starts: list[int], length_at: int, uncounted: int) -> list[tuple[int, int]]:
    """Where frames begin and end if the length stands there."""
    spans = []
    for start in starts:
        if start + length_at < len(data):
            stop = start + data[start + length_at] + uncounted
            if start + length_at + 2 < stop <= min(len(data), start + FRAME_LEN_MAX):
                spans.append((start, stop))
    return spans


def _chain(
    data: bytes, sums: list[int], spans: list[tuple[int, int]], sum_at: int, sum_from: int
) -> list[bytes]:
    """The frames whose sum fits, one after another; none when it is an accident that some do."""
    found, tried, free_at = [], 0, 0
    for start, stop in spans:
        if start < free_at:
            continue
        tried += 1
        at = stop + sum_at
        first = start + sum_from
        if at >= first + SUMMED_LEAST and (sums[at] - sums[first]) & 0xFF == data[at]:
            found.append(data[start:stop])
            free_at = stop
    return found if len(found) >= FITTING_LEAST * tried else []


def _guess(
    head: int, length_at: int | None, uncounted: int, sum_at: int, sum_from: int, found: list[bytes]
) -> Iterator[Guess]:
    """One guess, if enough different frames with one end prove it."""
    ends = Counter(frame[len(frame) + sum_at + 1 :] for frame in found)
    if not ends:
        return
    # A torn frame fits by chance now and then, with some other end.
    ((end, _),) = ends.most_common(1)
    found = [frame for frame in found if frame.endswith(end)]
    if len(set(found)) >= DIFFERENT_LEAST:
        yield Guess(
            head=head, length_at=length_at, uncounted=uncounted, end=end, sum_at=sum_at,
            sum_from=sum_from, frames=tuple(found), covered=sum(map(len, found)),
        )  # fmt: skip


def _without_length(data: bytes, sums: list[int]) -> Iterator[Guess]:
    heads = _heads(data)
    pairs = Counter(pairwise(data)).most_common(PAIRS_MAX)
    ends = [*(bytes((byte,)) for byte in heads), *(bytes(pair) for pair, _ in pairs)]
    for head in heads:
        starts = [at for at, byte in enumerate(data) if byte == head]
        for end in ends:
            for sum_from in range(HEADER_LEN_MAX):
                found = _ended(data, sums, starts, end, sum_from)
                yield from _guess(head, None, 0, -1 - len(end), sum_from, found)


def _ended(
    data: bytes, sums: list[int], starts: list[int], end: bytes, sum_from: int
) -> list[bytes]:
    """As `_chain`, for frames that end with `end`."""
    found, tried, free_at = [], 0, 0
    for start in starts:
        if start < free_at:
            continue
        tried += 1
        end_at = start + 2
        for _ in range(ENDS_INSIDE_MAX):
            end_at = data.find(end, end_at + 1, start + FRAME_LEN_MAX)
            if end_at < 0:
                break
            at = end_at - 1
            is_sum = (sums[at] - sums[start + sum_from]) & 0xFF == data[at]
            if at >= start + sum_from + SUMMED_LEAST and is_sum:
                free_at = end_at + len(end)
                found.append(data[start:free_at])
                break
    return found if len(found) >= FITTING_LEAST * tried else []
