"""The pad at a window: the real firmware's pad, fingers on its keys, its end of the line."""

import random
from collections import Counter
from functools import partial
from typing import Protocol

from device.debounce import SAMPLE_MS
from device.pad import Pad
from device.update import Update
from protocol.pad import VERSION, messages
from protocol.pad.line import RETRY_MS, STATUS_MS, TICKS_MAX, ticks_diff
from protocol.pad.messages import KEY_COUNT
from protocol.pad.pad_end import PadEnd
from sim.flash import Flash, LittleFiles
from sim.world.agenda import Agenda
from sim.world.doze import Doze
from sim.world.line import Line

BOUNCE_MS_MAX = 18  # promises F1: up to 20
# Anything that only time brings about on a touched pad is seen within this.
LOOK_MS = 50
RESTING = (messages.IDLE, messages.PAUSED)
# No firmware is offered in a hall of this world: its flash is never written.
FILES = LittleFiles(Flash(), fresh=True)


class Watch(Protocol):
    """Who looks at the pads of a hall."""

    def accepted(self, pad: "WindowPad", edge: messages.Edge) -> None:
        """The debounce accepted an edge, and the pad keeps it."""

    def acked(self, pad: "WindowPad", seq: int) -> None:
        """The pad keeps no edge up to this one any more."""

    def shown(self, pad: "WindowPad") -> None:
        """Its face has changed."""

    def doze(self, pad: "WindowPad") -> Doze | None:
        """Whether it may doze from now on."""

    def roused(self, pad: "WindowPad") -> None:
        """It does not doze any more."""


class WindowPad:
    """`watch` hears of each accepted edge and of each change of its face."""

    def __init__(
        self, agenda: Agenda, drawn: random.Random, window: str, watch: Watch, line: Line
    ) -> None:
        """line: to the unit."""
        self._agenda, self._random, self.window, self._watch = agenda, drawn, window, watch
        self.line = line
        self.doze: Doze | None = None
        self.levels = 0
        self.touches: Counter[int] = Counter()  # by key, ever
        self._turn = 0
        self.start()

    # -- power

    def start(self) -> None:
        """Power on: what it kept is gone."""
        self.doze = None
        boot_id = self._random.getrandbits(32) or 1
        hello = messages.Hello(
            boot_id, 1, VERSION, b"world-" + self.window.encode()[:2].rjust(2),
            reset_cause=messages.POWER_ON,
        )  # fmt: skip
        # Its ticks are its own, and may wrap at any moment of the day.
        self._ticks = self._random.randint(0, TICKS_MAX)
        self.end = PadEnd(hello)
        self.pad = Pad(self.end, Update(FILES, "/b", messages.NOT_OFFERED), False)
        self._face = self.pad.face
        self._powered_ms, self._received = self._agenda.now_ms, b""
        self._edges = self.end._next_seq
        self._acked_seq = 0
        # A finger that stays where it is touches a pad that starts anew.
        self.touches.update(key for key in range(1, KEY_COUNT + 1) if self.levels >> (key - 1) & 1)
        self._look(0)

    @property
    def face(self) -> int:
        """What a citizen sees."""
        return self.pad.face

    @property
    def prompt_id(self) -> int:
        return self.pad.prompt_id

    @property
    def ticks(self) -> int:
        return (self._agenda.now_ms + self._ticks) & TICKS_MAX

    # -- fingers

    def touch(self, key: int) -> None:
        """A finger goes down on a key, and the contact bounces."""
        self.touches[key] += 1
        self._bounce(1 << (key - 1), down=True)

    def lift(self, key: int) -> None:
        """The finger leaves it."""
        self._bounce(1 << (key - 1), down=False)

    def _bounce(self, mask: int, *, down: bool) -> None:
        # Between two samples: at the very moment of one it would be chance what that one sees.
        first_ms = 1 - (self._agenda.now_ms - self._powered_ms) % SAMPLE_MS
        last_ms = first_ms + BOUNCE_MS_MAX
        count = 2 * self._random.randint(0, 2)
        bounces = sorted(
            self._random.sample(range(first_ms + SAMPLE_MS, last_ms, SAMPLE_MS), count)
        )
        for index, at_ms in enumerate([first_ms, *bounces]):
            level = not down if index % 2 else down
            self._agenda.after(at_ms, partial(self._set, mask, level))

    def _set(self, mask: int, down: bool) -> None:
        self.rouse()
        self.levels = self.levels | mask if down else self.levels & ~mask
        self._look(0)

    # -- turns

    def hear(self, data: bytes) -> None:
        """Bytes from the unit."""
        self.rouse()
        self._received += data
        self._look(0)

    def rouse(self) -> None:
        """End the doze, as though it had not been."""
        if self.doze is not None:
            doze, self.doze = self.doze, None
            doze.end(self._agenda.now_ms)
            self._watch.roused(self)
            self._look(0)

    def _look(self, for_ms: int) -> None:
        """Turn then, at a moment at which the pad samples its keys."""
        self._turn += 1
        turn = self._turn
        for_ms += -(self._agenda.now_ms + for_ms - self._powered_ms) % SAMPLE_MS
        self._agenda.after(for_ms, lambda: self._step() if turn == self._turn else None)

    def _step(self) -> None:
        if self.doze is not None:
            # Its own time has come: a prompt that ends.
            self.rouse()
        received, self._received = self._received, b""
        out = self.pad.step(self.ticks, self.levels, received)
        self._tell()
        if out:
            self.line.write(out)
        if not out and self.is_quiet:
            self.doze = self._watch.doze(self)
        self._turn += 1  # whatever look was planned, it is not needed any more
        wait_ms = self._due_ms()
        if wait_ms is not None:
            self._look(wait_ms)

    def _tell(self) -> None:
        for edge in self.end._queue:
            if edge.seq >= self._edges:
                self._watch.accepted(self, edge)
        self._edges = self.end._next_seq
        acked_seq = self.end._base() - 1
        if acked_seq != self._acked_seq:
            self._acked_seq = acked_seq
            self._watch.acked(self, acked_seq)
        if self.pad.face != self._face:
            self._face = self.pad.face
            self._watch.shown(self)

    @property
    def is_untouched(self) -> bool:
        """No key is down, nor on its way."""
        keys = self.pad._debounce
        return not (self.levels or keys.stable or keys._ones or keys._twos or keys._fours)

    @property
    def is_at_rest(self) -> bool:
        """Nobody touches it, nobody is asked, and the unit has all there was."""
        return self.is_untouched and self.face in RESTING and not self.end._queue

    @property
    def answered_ms(self) -> int:
        """When the unit was heard last."""
        return self._agenda.now_ms - ticks_diff(self.ticks, self.end._heard_ticks)

    @property
    def is_quiet(self) -> bool:
        """All it has to say is that it is there."""
        end, pad = self.end, self.pad
        return (
            self.is_untouched
            and pad._test is None
            and not (end._queue or end._hello_due or end.status_due or end._answer_due or end._lost)
            and end._progress is None
        )

    def _due_ms(self) -> int | None:
        """For how long nothing can happen here; None: for as long as it dozes."""
        pad, end, ticks = self.pad, self.end, self.ticks
        keys = pad._debounce
        due = []
        if pad._face_ms:
            due.append(pad._face_ms - ticks_diff(ticks, pad._face_ticks))
        if self.doze is None:
            due.append(STATUS_MS - ticks_diff(ticks, end._status_ticks))
            if end._queue:
                due.append(RETRY_MS - ticks_diff(ticks, end._retry_ticks))
            if end._hello_due or end.status_due or end._progress is not None:
                due.append(SAMPLE_MS)
            if self.levels != keys.stable or keys._ones | keys._twos | keys._fours:
                due.append(SAMPLE_MS)
            if keys.stable or pad._test is not None:
                due.append(LOOK_MS)
        return max(SAMPLE_MS, min(due)) if due else None
