"""Who is on the pad's line while no frame can be believed, in words (pure).

A sign is a text that only one kind of program says; once found it counts until a frame is believed,
however the bytes were cut into reads. Without a sign it is the look of all bytes that decides.
"""

import re

from protocol.pad.errors import ProtocolError
from protocol.pad.framing import Decoder
from protocol.pad.messages import FROM_UNIT, decode

# Brings any prompt to show itself: Enter, to end the line or block that noise began, and Ctrl-B,
# for the banner. To the firmware it is noise. Ctrl-C is not in it: a firmware that starts, and has
# not yet come to its kbd_intr(-1), would not survive that.
PROBE = b"\r\r\x02"
TAIL_LEN = 128  # longer than any sign
GLITCH_LEN = 2  # a plug that goes in makes a byte or two by itself
TEXT_PERCENT = 90

_TEXT = bytes(range(0x20, 0x7F)) + b"\b\t\n\r\x1b"
_AGAIN = "unplug the pad and plug it in again; if that does not help, "
_INSTALL = "install the firmware that came with this daemon"
_HERE = f"plug the pad in here, or mend the path in the configuration; if it is the pad, {_INSTALL}"
# The first that is found decides. From MicroPython's shared/runtime/pyexec.c and ports/rp2/main.c,
# CircuitPython's main.c. The last is how a paste or a block that is not finished answers the probe.
_SIGNS = (
    (
        re.compile(rb"Adafruit CircuitPython|Use CTRL-D to reload|code\.py output:"),
        f"CircuitPython is on the pad: put MicroPython there, then {_INSTALL}",
    ),
    (
        re.compile(rb'\(most recent call last\):\r?\n  File "(?!<stdin>)[^\r\n]{7}'),
        f"the pad's firmware ended in an error: {_AGAIN}{_INSTALL}",
    ),
    (
        re.compile(
            rb'MicroPython v|MPY: soft reboot|>>> |raw REPL; CTRL-B|paste mode; Ctrl-C|"<stdin>"|'
            rb"\r\n(===|\.\.\.) +\r\n\1 "
        ),
        f"the prompt of {{}} answers instead of the pad's firmware: {_AGAIN}{_INSTALL}",
    ),
)
# Three small numbers: nothing else that came over a line may get into a sentence.
_VERSION = re.compile(rb"(MicroPython v\d{1,2}\.\d{1,2}(?:\.\d{1,2})?)[ -]")
_FOREIGN = f"the pad's frames are of another version: {_INSTALL}"
_ECHO = f"the unit hears itself and no pad: take the loop off the cable, or {_AGAIN}{_INSTALL}"
_OTHER = f"text comes instead of frames, from another device or firmware: {_HERE}"
_NOISE = f"bytes come that are no frames, of another device or baud rate: {_HERE}"


class Stranger:
    """Who is on the pad's line while no frame can be believed."""

    def __init__(self) -> None:
        self.believed()

    def believed(self) -> None:
        """A good frame came, or the port was opened anew: forget everything."""
        self._decoder = Decoder()
        self._is_foreign = self._is_echo = False
        self._is_only_probe = True
        self._count = self._text_count = 0
        self._sign = len(_SIGNS)
        self._name = "MicroPython"
        self._tail = b""

    def heard(self, data: bytes) -> None:
        """Bytes that arrived; a message of the pad among them is believed."""
        start = 0
        for at, byte in enumerate(data, 1):
            body = self._decoder.push(byte)
            if body is not None and body[0] & FROM_UNIT:
                self._is_echo = True
            elif body is not None:
                try:
                    decode(body)
                except ProtocolError:
                    self._is_foreign = True
                else:
                    self.believed()
                    start = at
        self._look(data[start:])

    def words(self) -> str | None:
        """One sentence with what to do next, or None when nothing worth a word was heard."""
        if self._count <= GLITCH_LEN:
            return None
        if self._is_foreign:
            return _FOREIGN
        if self._sign < len(_SIGNS):
            return _SIGNS[self._sign][1].format(self._name)
        if self._is_echo or self._is_only_probe:
            return _ECHO
        return _OTHER if self._text_count * 100 >= self._count * TEXT_PERCENT else _NOISE

    def _look(self, data: bytes) -> None:
        self._count += len(data)
        self._is_only_probe = self._is_only_probe and not data.translate(None, PROBE)
        self._text_count += len(data) - len(data.translate(None, _TEXT))
        seen = self._tail + data
        found = (sign for sign in range(self._sign) if _SIGNS[sign][0].search(seen))
        self._sign = next(found, self._sign)
        if version := _VERSION.search(seen):
            self._name = version[1].decode("ascii")
        self._tail = seen[-TAIL_LEN:]
