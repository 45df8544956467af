"""The layout of byte frames found in a capture (pure): what is sure of it, and what is asked."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from daemon.dialects.learned import MOST, WORD_COUNT_MAX, Lesson


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


def lesson_of(guess: Guess, data_len: int) -> Lesson:
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
