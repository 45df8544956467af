"""Byte frames learned from a capture (pure): header, length, end and sum, by trying what fits.

A guess is a header byte and either where a length stands and how many bytes it leaves out, or what
the frame ends with. The guess that explains most of the capture wins, and only one whose sum fits
as well is believed: lengths fit by chance now and then, sums of many frames do not.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from daemon.dialects.learned import MOST, RECORDS_LEAST, WORD_COUNT_MAX, Lesson

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """How frames may be built; `length_at` None: they end with `end`."""

    head: int
    length_at: int | None
    uncounted: int
    end: bytes
    sum_at: int
    sum_from: int
    frames: tuple[bytes, ...]
    covered: int


def frames(data: bytes) -> Lesson | None:
    data = _news(data)
    # Sums of all beginnings: that of any range is a difference.
    sums = [0, *accumulate(data)]
    guesses = [*_with_length(data, sums), *_without_length(data, sums)]
    # What begins or ends in the middle of the frames misses those beside a pause or noise.
    best = max(guesses, key=lambda guess: (guess.covered, _trust(guess)), default=None)
    return None if best is None else _lesson(best, len(data))


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


# -- what the best one says


def _lesson(guess: Guess, data_len: int) -> Lesson:
    lesson = Lesson("frame", guess.covered / data_len, len(guess.frames))
    again = _again(guess)
    header = _header(guess, again)
    lesson.sure += [
        f"a frame begins with {header}"
        + (f" and ends with {guess.end.hex().upper()}" if guess.end else ""),
        f"its sum is at {guess.sum_at}, over the bytes from {guess.sum_from} to {guess.sum_at}",
    ]
    lesson.toml = ["[signal.frame]", f'header = "{header}"']
    if guess.end:
        lesson.toml.append(f'end = "{guess.end.hex(" ").upper()}"')
    if guess.length_at is not None:
        stop = max(guess.sum_at, -guess.uncounted)
        lesson.sure.append(
            f"its length is at {guess.length_at} and leaves {guess.uncounted} bytes out"
        )
        lesson.toml += ["", "[signal.frame.length]", f"at = {guess.length_at}"]
        lesson.toml += [] if again is None else [f"again = {again}"]
        lesson.toml += [f"from = {guess.uncounted + stop}", f"to = {stop}"]
    lesson.toml += [
        "",
        "[signal.frame.sum8]",
        f"at = {guess.sum_at}",
        f"from = {guess.sum_from}",
        f"to = {guess.sum_at}",
        "",
        *_fields(guess, len(header.split()), lesson),
    ]
    return lesson


def _column(guess: Guess, at: int) -> list[int]:
    return [frame[at] for frame in guess.frames if at < len(frame) + guess.sum_at]


def _again(guess: Guess) -> int | None:
    """Where the length stands once more: beside it, the same in every frame."""
    at = guess.length_at
    if at is None:
        return None
    told = _column(guess, at)
    return at + 1 if told == _column(guess, at + 1) else None


def _header(guess: Guess, again: int | None) -> str:
    """What all frames begin with; behind a length that is told twice one more byte may belong."""
    last = 0
    if guess.length_at is not None:
        last = guess.length_at - 1 if again is None else again + 1
        if again is not None and len(set(_column(guess, last))) > 1:
            last = guess.length_at - 1
    told = {guess.length_at, again}
    marks = []
    for at in range(last + 1):
        column = set(_column(guess, at))
        is_same = len(column) == 1 and at not in told
        marks.append(f"{column.pop():02X}" if is_same else "??")
    return " ".join(marks)


def _fields(guess: Guess, header_len: int, lesson: Lesson) -> Iterator[str]:
    """Window and word where few values change; a ticket where letters and digits stand."""
    told_len = 0 if guess.length_at is None else max(header_len, guess.length_at + 1)
    body = range(max(header_len, told_len), min(map(len, guess.frames)) + guess.sum_at)
    few = [at for at in body if 1 < len(set(_column(guess, at))) <= WORD_COUNT_MAX]
    window, say = _window_and_word(guess, few)
    yield "[signal.frame.fields]"
    yield "# say = ?" if say is None else f'say = {{at = {say}, as = "hex"}}    # ? by its look'
    if window is not None:
        yield f'window = {{at = {window}, as = "uint"}}    # ? by its look'
    ticket = _ticket(guess, [at for at in body if at not in (say, window)])
    if ticket is not None:
        yield f'ticket = {{at = {ticket[0]}, len = {ticket[1]}, as = "ascii"}}    # ? by its look'
    others = [at for at in few if at not in (say, window)]
    if others:
        yield f"# what else changes: {', '.join(map(str, others))}"
    lesson.asks.append(
        "which bytes are say, window and ticket, and how they are written (as = uint, bcd, ascii, "
        "gbk or hex): compare the frames under `python -m daemon listen` with what was pressed"
    )
    yield ""
    yield "[signal.frame.words]"
    if say is not None:
        for byte, count in Counter(_column(guess, say)).most_common():
            yield f'# {byte:02X} = "?"    # {count} times: what does it mean?'
        lesson.asks.append(
            "what each word marked with ? means: press each button of the terminal once and see "
            "which byte comes"
        )


def _window_and_word(guess: Guess, few: list[int]) -> tuple[int | None, int | None]:
    """Of the first bytes that change: the window is a small number, and fewer of them."""
    first = few[:2]
    if len(first) < 2:
        return None, first[0] if first else None
    left, right = ({*_column(guess, at)} for at in first)
    is_left = max(left) < 100 and (max(right) >= 100 or len(left) <= len(right))
    if min(left) >= 0x41 and max(right) < 0x41:
        is_left = False
    return (first[0], first[1]) if is_left else (first[1], first[0])


def _ticket(guess: Guess, body: list[int]) -> tuple[int, int] | None:
    """Where a letter and digits stand, and how long."""
    for at in body:
        size = 0
        while at + size in body and _mostly(guess, at + size, b"0123456789" if size else _LETTERS):
            size += 1
        if size >= 3:
            return at, size
    return None


_LETTERS = bytes(range(0x41, 0x5B))


def _mostly(guess: Guess, at: int, allowed: bytes) -> bool:
    column = [byte for byte in _column(guess, at) if byte]
    return bool(column) and sum(byte in allowed for byte in column) >= MOST * len(column)
