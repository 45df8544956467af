"""The form of a trace on disk (pure): envelopes of one length that only the addressee can open.

    12    HEAD
    4144  the first envelope; its letter is
              4    its number, from 0, big-endian
              2    how much of it is text
              4090 text, filled up with zeros
    4144  the next one ...

The lines flow through the letters whatever their length, so neither the file's length nor an
envelope's tells what happened. A file that begins with a brace is the same lines in clear, as the
simulator writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.central.envelope import ENVELOPE_LEN_MORE, Addressee, EnvelopeError, Opener

HEAD = b"hcp trace 1\n"
LETTER_LEN = 4096
ENVELOPE_LEN = LETTER_LEN + ENVELOPE_LEN_MORE
NUMBER_LEN, LENGTH_LEN = 4, 2
TEXT_LEN = LETTER_LEN - NUMBER_LEN - LENGTH_LEN
assert TEXT_LEN < 1 << 8 * LENGTH_LEN


class Envelopes:
    """Fills letters with lines and closes each for its addressee."""

    def __init__(self, addressee: Addressee) -> None:
        self._addressee = addressee
        self._number = 0
        self._text = b""

    def add(self, line: str) -> bytes:
        """The envelopes that are full with this line; often none."""
        self._text += line.encode() + b"\n"
        out = b""
        while len(self._text) >= TEXT_LEN:
            out += self._closed()
        return out

    def rest(self) -> bytes:
        """The envelope with what waits, if anything does."""
        return self._closed() if self._text else b""

    def _closed(self) -> bytes:
        text, self._text = self._text[:TEXT_LEN], self._text[TEXT_LEN:]
        head = self._number.to_bytes(NUMBER_LEN, "big") + len(text).to_bytes(LENGTH_LEN, "big")
        self._number += 1
        return self._addressee.close((head + text).ljust(LETTER_LEN, b"\x00"))


@dataclass(frozen=True, slots=True)
class Missing:
    """A place where lines are missing, in words."""

    words: str


def read(raw: bytes, opener: Opener | None) -> Iterator[str | Missing]:
    """The lines in order; after Missing the next whole one. Raises EnvelopeError without a key."""
    if raw.startswith(b"{"):
        yield from raw.decode("utf-8", "replace").splitlines()
        return
    if not raw.startswith(HEAD):
        raise EnvelopeError("no trace: it does not begin as one")
    if opener is None:
        raise EnvelopeError("this trace is closed: name the key it was closed for (--key)")
    text, number, is_torn = b"", 0, False
    for at in range(len(HEAD), len(raw), ENVELOPE_LEN):
        envelope = raw[at : at + ENVELOPE_LEN]
        if len(envelope) < ENVELOPE_LEN:
            yield Missing(f"the file ends within block {number}: it was cut there")
            return
        found, more = _opened(envelope, opener, is_first=number == 0)
        if found != number:
            what = "is damaged" if found is None else f"is missing, block {found} follows"
            yield Missing(f"block {number} {what}")
            text, is_torn = b"", True
        number = (number if found is None else found) + 1
        if is_torn:
            # What is left of the line that the missing block began.
            _, ended, more = more.partition(b"\n")
            is_torn = not ended
        *whole, text = (text + more).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
    if text:
        yield Missing(
            "the file ends within a line: the process was killed before it wrote the rest"
        )


def _opened(envelope: bytes, opener: Opener, *, is_first: bool) -> tuple[int | None, bytes]:
    """A letter's number and text; a first one that cannot be opened tells of a wrong key."""
    try:
        letter = opener.open(envelope)
    except EnvelopeError:
        if is_first:
            raise
        return None, b""
    number = int.from_bytes(letter[:NUMBER_LEN], "big")
    text_len = int.from_bytes(letter[NUMBER_LEN : NUMBER_LEN + LENGTH_LEN], "big")
    return number, letter[NUMBER_LEN + LENGTH_LEN :][:text_len]
