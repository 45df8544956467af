"""The pad at one window of the desk: the real pad's end of the line, and the face it was told."""

from collections import deque

from protocol.pad import VERSION
from protocol.pad.messages import (
    ASKING,
    HEARD,
    IDLE,
    PLEASE_RATE,
    POWER_ON,
    SELF_TEST,
    Close,
    Hello,
    Message,
    Open,
    SelfTest,
)
from protocol.pad.pad_end import PadEnd

SENT_LEN_MAX = 1024


class DeskPad:
    """`line_up` is the cable; `sent` keeps what the unit sent, heard or not."""

    def __init__(self, boot_id: int) -> None:
        self.line_up = True
        self.sent: deque[bytes] = deque(maxlen=SENT_LEN_MAX)
        self.restart(boot_id)

    def restart(self, boot_id: int) -> None:
        """Power it on anew; edges it kept are gone."""
        self.end = PadEnd(Hello(boot_id, 1, VERSION, b"desk-pad", reset_cause=POWER_ON))
        self.face, self.prompt = IDLE, 0
        self.is_testing = False
        self._pressed_ms: dict[int, int] = {}

    def hear(self, now_ms: int, data: bytes) -> None:
        """Bytes from the unit."""
        self.sent.append(data)
        if self.line_up:
            for command in self.end.received(_ticks(now_ms), data):
                self._obey(command)

    def _obey(self, command: Message) -> None:
        if isinstance(command, Open):
            self.end_test(0)
            self.face, self.prompt = PLEASE_RATE, command.prompt_id
        elif isinstance(command, Close):
            self.face, self.prompt = command.face, 0
        elif isinstance(command, SelfTest):
            self.is_testing = self.is_testing or self.face not in ASKING

    def end_test(self, keys: int) -> None:
        """The self-test is over, if there is one; `keys` is the mask of those proven."""
        if self.is_testing:
            self.is_testing = False
            self.end.status.tests += 1
            self.end.status.tested = keys
            self.end.status_due = True

    def edge(self, now_ms: int, key: int, down: bool) -> None:
        """One key edge, as the pad's debounce accepts it."""
        held_ms = 0 if down else now_ms - self._pressed_ms.get(key, now_ms)
        self._pressed_ms[key] = now_ms
        self.end.edge(_ticks(now_ms), self.prompt, key, int(down), held_ms)
        if self.prompt and down:
            self.face = HEARD

    def poll(self, now_ms: int) -> bytes:
        """The bytes that reach the unit now."""
        self.end.status.prompt_id = self.prompt
        self.end.status.face = SELF_TEST if self.is_testing else self.face
        data = self.end.poll(_ticks(now_ms))
        return data if self.line_up else b""


def _ticks(now_ms: int) -> int:
    return now_ms % (1 << 30)
