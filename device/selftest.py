"""The pad tries itself (pure; both interpreters): every lamp and sound, then each key in turn.

First all is shown. Then one lamp after the other asks for its key; who presses the key whose lamp
is lit has proven lamp, key and their order. A key that is not pressed in time was not proven.
"""

from protocol.pad.line import ticks_diff
from protocol.pad.messages import KEY_COUNT

SHOW_MS = 3000  # one round of the face's pattern
KEY_MS = 10_000
# What is played while it waits for one key.
KEY_TESTS = tuple([(((1 << index, 500), (0, 250)), ((2093, 80),)) for index in range(KEY_COUNT)])


class SelfTest:
    """`key` is the index of the key asked for, -1 while all is shown, KEY_COUNT at the end."""

    def __init__(self, now_ticks: int) -> None:
        self.key = -1
        self.passed = 0  # mask
        self._since_ticks = now_ticks

    def press(self, now_ticks: int, index: int) -> None:
        """A key went down."""
        if index == self.key:
            self.passed |= 1 << index
            self._next(now_ticks)

    def is_over(self, now_ticks: int) -> bool:
        """Whether it is over; what was waited for in vain is passed by."""
        wait_ms = SHOW_MS if self.key < 0 else KEY_MS
        if ticks_diff(now_ticks, self._since_ticks) >= wait_ms:
            self._next(now_ticks)
        return self.key >= KEY_COUNT

    def _next(self, now_ticks: int) -> None:
        self.key += 1
        self._since_ticks = now_ticks
