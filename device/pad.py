"""The pad itself: keys and line in, line, lamps and sound out (pure; both interpreters).

The face is the whole state of a session. Every face but a lasting one has an end by the pad's own
clock, and falls back to IDLE with no prompt open, so a dead unit never leaves a lamp on:

  IDLE, PAUSED, FAULT ──Open──▶ PLEASE_RATE ──press──▶ HEARD ──Close(THANKS)──▶ THANKS
        ▲                          │ timeout              │ HEARD_MS after the last press,
        └──────────────────────────┴──────────────────────┴─ THANKS_MS, Close(IDLE), ...

THANKS is the unit's to say, because only the unit knows that the press is on disk. NO_LINK is
shown over whatever the face is; presses inside an open prompt are still kept.
"""

from device.debounce import Debounce
from device.lamps import Lamps
from device.settings import Settings
from protocol.pad.line import ticks_diff
from protocol.pad.messages import (
    FAULT,
    HEARD,
    IDLE,
    KEY_COUNT,
    NO_LINK,
    PLEASE_RATE,
    SELF_TEST,
    THANKS,
    Close,
    Message,
    Open,
)
from protocol.pad.pad_end import PadEnd

PROMPT_MS_MAX = 3_600_000  # far from the wrap of the ticks
HEARD_MS = 15_000  # the unit's correction window (3 s) and reasons (8 s), and then some
THANKS_MS = 3000
SELF_TEST_MS = 3000  # one round of its pattern


class Pad:
    """One pad; `step` is its only clock."""

    def __init__(self, link: PadEnd, settings: Settings) -> None:
        self.prompt_id = 0
        self.face = FAULT if settings.problems else IDLE
        self._quiet = settings.quiet
        self._link = link
        self._debounce = Debounce()
        self._lamps = Lamps()
        self._shown = -1  # the face being played
        self._face_ticks = 0
        self._face_ms = 0  # 0 = lasts
        self._press_prompt_ids = [0] * KEY_COUNT
        self._turn = (b"", 0, 0)

    def step(self, now_ticks: int, levels: int, received: bytes) -> tuple[bytes, int, int]:
        """One turn: bytes to send, mask of lamps on, Hz of the buzzer (0 = silent)."""
        if received:
            for command in self._link.received(now_ticks, received):
                self._obey(now_ticks, command)
        if self._face_ms and ticks_diff(now_ticks, self._face_ticks) >= self._face_ms:
            self._set(now_ticks, IDLE, 0, 0)
        changed = self._debounce.sample(now_ticks, levels)
        if changed:
            self._report(now_ticks, changed)
        face = NO_LINK if self._link.link_lost(now_ticks) else self.face
        if face != self._shown:
            self._shown = face
            self._lamps.start(now_ticks, face)
        self._lamps.play(now_ticks)
        keys = self._debounce
        out = self._link.poll(now_ticks, self.prompt_id, face, keys.stuck, keys.chord_count)
        return self._result(out, self._lamps.lamps, 0 if self._quiet else self._lamps.buzzer)

    def _result(self, out: bytes, lamps: int, buzzer: int) -> tuple[bytes, int, int]:
        """The turn's answer; the last one again if nothing differs, so idling allocates nothing."""
        last = self._turn
        if out != last[0] or lamps != last[1] or buzzer != last[2]:
            self._turn = (out, lamps, buzzer)
        return self._turn

    def _obey(self, now_ticks: int, command: Message) -> None:
        if isinstance(command, Open):
            timeout_ms = max(1, min(command.timeout_ms, PROMPT_MS_MAX))
            self._set(now_ticks, PLEASE_RATE, command.prompt_id, timeout_ms)
        elif isinstance(command, Close):
            self._set(now_ticks, command.face, 0, THANKS_MS if command.face == THANKS else 0)
        elif not self.prompt_id:  # a self-test waits for no citizen to be asked
            self._set(now_ticks, SELF_TEST, 0, SELF_TEST_MS)

    def _report(self, now_ticks: int, changed: int) -> None:
        """Hand the changed keys to the link; a kept press inside a prompt is heard."""
        for index in range(KEY_COUNT):
            if not changed >> index & 1:
                continue
            down = self._debounce.down >> index & 1
            if down:
                self._press_prompt_ids[index] = self.prompt_id
            # A release belongs to the prompt of its press, so that how long it was held is known.
            kept = self._link.edge(now_ticks, self._press_prompt_ids[index], index + 1, down)
            if down and kept and self.prompt_id:
                left_ms = self._face_ms - ticks_diff(now_ticks, self._face_ticks)
                self._set(now_ticks, HEARD, self.prompt_id, max(left_ms, HEARD_MS))

    def _set(self, now_ticks: int, face: int, prompt_id: int, face_ms: int) -> None:
        self.face = face
        self.prompt_id = prompt_id
        self._face_ticks = now_ticks
        self._face_ms = face_ms
        self._shown = -1  # from its beginning, also when it is the same again
