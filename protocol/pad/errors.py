"""What can be wrong with bytes from the pad's line (pure; CPython and MicroPython).

ProtocolError
  FrameError      BadStuffing, BadLength, BadChecksum
  MessageError    UnknownKind, BadField
"""


class ProtocolError(Exception):
    """Whatever the other end did wrong."""


class FrameError(ProtocolError):
    """Bytes that do not make a frame."""


class BadStuffing(FrameError):
    """A COBS block that points past the end of its frame."""


class BadLength(FrameError):
    """Too few or too many bytes for what they claim to be."""


class BadChecksum(FrameError):
    """The CRC-32 does not fit the body."""


class MessageError(ProtocolError):
    """A sound frame whose content means nothing."""


class UnknownKind(MessageError):
    """A kind byte no message has."""


class BadField(MessageError):
    """A field outside its range."""
