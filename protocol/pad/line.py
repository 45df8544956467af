"""What both ends of the pad's line share: limits, ticks, bytes in (pure; both interpreters)."""

from protocol.pad.errors import ProtocolError
from protocol.pad.framing import Decoder
from protocol.pad.messages import FROM_UNIT, Message, decode

QUEUE_LEN_MAX = 8  # edges; a citizen with three corrections makes as many
RETRY_MS = 100  # eight edges take 21 ms at 115200 baud
STATUS_MS = 1000
LINK_LOST_MS = 3000  # three heartbeats
TICKS_MAX = (1 << 30) - 1  # MicroPython's millisecond counter wraps here
_TICKS_HALF = 1 << 29


def ticks_diff(later: int, earlier: int) -> int:
    """Milliseconds between two readings of the wrapping counter, right up to six days."""
    diff = (later - earlier) & TICKS_MAX
    return diff if diff < _TICKS_HALF else diff - TICKS_MAX - 1


class End:
    """One end: bytes in, whole messages of the far end out; the rest is only counted."""

    def __init__(self, hears: int) -> None:
        self.decoder = Decoder()
        self.bad_message_count = 0
        self._hears = hears  # direction bit of the far end, so that an echo is never believed

    def _messages(self, data: bytes) -> list[Message]:
        messages = []
        for byte in data:
            body = self.decoder.push(byte)
            if body is None or body[0] & FROM_UNIT != self._hears:
                continue
            try:
                messages.append(decode(body))
            except ProtocolError:
                self.bad_message_count += 1
        return messages
