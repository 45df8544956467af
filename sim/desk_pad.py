"""The pad at one window of the desk: the firmware's own pad, behind keys that never bounce."""

from collections import deque

from device.debounce import SAMPLE_MS, Debounce
from device.pad import Pad
from device.update import Update
from protocol.pad import VERSION
from protocol.pad.faces import Player
from protocol.pad.line import TICKS_MAX
from protocol.pad.messages import NOT_OFFERED, POWER_ON, Hello
from protocol.pad.pad_end import PadEnd
from sim.flash import Flash, LittleFiles

SENT_LEN_MAX = 1024
# No desk offers firmware: this flash is never written.
FILES = LittleFiles(Flash(), fresh=True)


class _AcceptedKeys(Debounce):
    """The levels are what a debounce has accepted already."""

    def sample(self, now_ticks: int, levels: int) -> int:
        changed = levels ^ self.down
        self.down = self.stable = levels
        for index in range(len(self.since_ticks)):
            if (changed & levels) >> index & 1:
                self.since_ticks[index] = now_ticks
        return changed


class _Dark(Player):
    """Nobody sees the lamps of a desk."""

    def play(self, now_ticks: int) -> None:
        pass


class DeskPad:
    """`line_up` is the cable; `sent` keeps what the unit sent, heard or not."""

    def __init__(self, boot_id: int) -> None:
        self.line_up = True
        self.sent: deque[bytes] = deque(maxlen=SENT_LEN_MAX)
        self.restart(boot_id)

    def restart(self, boot_id: int) -> None:
        """Power it on anew; edges it kept are gone."""
        end = PadEnd(Hello(boot_id, 1, VERSION, b"desk-pad", reset_cause=POWER_ON))
        self._pad = Pad(end, Update(FILES, "/b", NOT_OFFERED), False)
        self._pad._debounce, self._pad.light = _AcceptedKeys(), _Dark()
        # A firmware, not ours, whose self-test has no end.
        self.tests_forever = False
        self._levels = 0
        self._said = b""

    @property
    def end(self) -> PadEnd:
        """Its end of the line."""
        return self._pad._link

    @end.setter
    def end(self, end: PadEnd) -> None:
        self._pad._link = end

    @property
    def face(self) -> int:
        return self._pad.face

    @property
    def prompt(self) -> int:
        """The prompt opened last and not closed by the unit; 0 = none."""
        return self._pad.prompt_id

    def hear(self, now_ms: int, data: bytes) -> None:
        """Bytes from the unit."""
        self.sent.append(data)
        if self.line_up:
            self._step(now_ms, data)

    @property
    def is_testing(self) -> bool:
        return self._pad._test is not None

    def begin_test(self, now_ms: int) -> None:
        """Somebody holds both outer keys."""
        self._pad._begin_test(_ticks(now_ms))

    def end_test(self, keys: int) -> None:
        """The self-test is over, if there is one; `keys` is the mask of those proven."""
        if self._pad._test is not None:
            self._pad._test.passed = keys
            self._pad._end_test()

    def stick(self, mask: int) -> None:
        """These keys have been down for longer than anybody means."""
        self._pad._debounce.stuck = mask

    def edge(self, now_ms: int, key: int, down: bool) -> None:
        """One key edge, as the pad's debounce accepts it."""
        mask = 1 << (key - 1)
        self._levels = self._levels | mask if down else self._levels & ~mask
        self._step(now_ms, b"")

    def poll(self, now_ms: int) -> bytes:
        """The bytes that reach the unit now."""
        self._step(now_ms, b"")
        said, self._said = self._said, b""
        return said if self.line_up else b""

    def _step(self, now_ms: int, received: bytes) -> None:
        # A turn of its own, also twice in one millisecond.
        self._pad._step_ticks = (_ticks(now_ms) - SAMPLE_MS) & TICKS_MAX
        if self.tests_forever and self._pad._test is not None:
            self._pad._test._since_ticks = _ticks(now_ms)
        self._said += self._pad.step(_ticks(now_ms), self._levels, received)


def _ticks(now_ms: int) -> int:
    return now_ms & TICKS_MAX
