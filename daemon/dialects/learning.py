"""A description proposed from a capture (pure): what is sure of it, and what is asked."""

import json

from daemon.dialects.learned import RECORDS_LEAST, Lesson
from daemon.dialects.learned_frames import frames
from daemon.dialects.learned_json import objects
from daemon.dialects.learned_text import lines
from daemon.dialects.native import FRAME_LEN_MAX
from protocol.pad.framing import Decoder

# What explains less than this of a capture is an accident, or the baud rate is wrong.
COVERAGE_LEAST = 0.4
# The bytes of plain text, and how many others there may be in it: noise.
PLAIN = bytes((*range(0x20, 0x7F), *b"\t\r\n\x02\x03"))
PLAIN_LESS = 0.03


def learn(data: bytes) -> str | None:
    """TOML to paste, with what is sure and what is asked as comments; None: nothing was found."""
    if not data:
        return None
    # Bytes may look like Chinese text; text never fits the sums of many frames.
    is_ascii = len(data.translate(None, PLAIN)) <= PLAIN_LESS * len(data)
    looks = (_native, objects, lines) if is_ascii else (_native, objects, frames, lines)
    for look in looks:
        lesson = look(data)
        if lesson is not None and lesson.coverage >= COVERAGE_LEAST:
            return _toml(lesson, len(data))
    return None


def _native(data: bytes) -> Lesson | None:
    decoder, count, covered = Decoder(FRAME_LEN_MAX), 0, 0
    for byte in data:
        body = decoder.push(byte)
        if body is not None and _says(body):
            count += 1
            covered += len(body)
    lesson = Lesson("native", covered / len(data), count)
    lesson.sure.append("the terminal speaks our own dialect: nothing needs to be described")
    return lesson if count >= RECORDS_LEAST else None


def _says(body: bytes) -> bool:
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "say" in record


def _toml(lesson: Lesson, data_len: int) -> str:
    share = f"{min(1.0, lesson.coverage):.0%}"
    head = [
        f"# Learned from {data_len} bytes: {lesson.record_count} records explain {share} of them.",
        *(f"# Sure: {sentence}." for sentence in lesson.sure),
        *(f"# Please find out {sentence}." for sentence in lesson.asks),
        "",
        "[signal]",
        f'dialect = "{lesson.dialect}"',
    ]
    return "\n".join([*head, *([""] if lesson.toml else []), *lesson.toml]) + "\n"
