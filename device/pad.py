"""The pad itself: keys and line in, line, lamps and sound out (pure; both interpreters).

The face is the whole state of a session. Every face but a lasting one has an end by the pad's own
clock, and falls back to IDLE, so a dead unit never leaves a lamp on:

  IDLE, PAUSED, FAULT ──Open──▶ PLEASE_RATE ──press──▶ HEARD ──Close(THANKS)──▶ THANKS
        ▲                          │ timeout              │ HEARD_MS after the last press,
        └──────────────────────────┴──────────────────────┴─ THANKS_MS, Close(IDLE), ...

THANKS is the unit's to say, because only the unit knows that the press is on disk. NO_LINK is
shown over whatever the face is. The prompt stays the last one opened until the unit closes it: a
press that comes late by the pad's clock carries it too, and the unit judges.
"""

from device.debounce import SAMPLE_MS, Debounce
from device.selftest import KEY_TESTS, SelfTest
from device.update import Update
from protocol.pad import messages
from protocol.pad.faces import OUTER, PATTERNS, Player
from protocol.pad.line import ticks_diff
from protocol.pad.pad_end import PadEnd

PROMPT_MS_MAX = 3_600_000  # far from the wrap of the ticks
HEARD_MS = 15_000  # the unit's correction window (3 s) and reasons (8 s), and then some
THANKS_MS = 3000
SERVICE_MS = 3000  # both outer keys held so long: the self-test


class Pad:
    """One pad; `step` is its only clock. Light and sound of the turn are its attributes."""

    def __init__(self, link: PadEnd, update: Update, is_faulty: bool) -> None:
        self.face = messages.FAULT if is_faulty else messages.IDLE
        self.brightness = self.volume = messages.FULL
        self._link, self._update = link, update
        self._debounce = Debounce()
        self.light = Player()
        self._test: SelfTest | None = None
        self._shown: object = None  # the pattern being played
        self._step_ticks = self._face_ticks = self._chord_ticks = 0
        self._face_ms = 0  # 0 = lasts
        self._press_prompt_ids = [0] * messages.KEY_COUNT
        self._unsent = 0  # keys whose press was the self-test's, so that their release is, too

    @property
    def prompt_id(self) -> int:
        """The prompt opened last and not closed by the unit; 0 = none."""
        return int(self._link.status.prompt_id)

    def step(self, now_ticks: int, levels: int, received: bytes) -> bytes:
        """One turn; the bytes to send."""
        if received:
            for command in self._link.received(now_ticks, received):
                self._obey(now_ticks, command)
        elif 0 <= ticks_diff(now_ticks, self._step_ticks) < SAMPLE_MS:
            return b""  # nothing can be due; a whole turn takes more than a millisecond
        self._step_ticks = now_ticks
        if self._face_ms and ticks_diff(now_ticks, self._face_ticks) >= self._face_ms:
            self._set(now_ticks, messages.IDLE, 0)
        changed = self._debounce.sample(now_ticks, levels)
        if changed:
            self._report(now_ticks, changed)
        self._attend_service(now_ticks)
        self._play(now_ticks)
        return self._link.poll(now_ticks)

    def _play(self, now_ticks: int) -> None:
        """Light, sound, and what the next status says of them."""
        face = messages.NO_LINK if self._link.link_lost(now_ticks) else self.face
        pattern = PATTERNS[face]
        if self._test is not None:
            face = messages.SELF_TEST
            pattern = KEY_TESTS[self._test.key] if self._test.key >= 0 else PATTERNS[face]
        if pattern is not self._shown:
            self._shown = pattern
            self.light.start(now_ticks, pattern)
        self.light.play(now_ticks)
        status, keys = self._link.status, self._debounce
        status.face = face
        status.chords = min(keys.chord_count, messages.U16_MAX)
        if status.stuck != keys.stuck:
            status.stuck = keys.stuck
            self._link.status_due = True

    def _obey(self, now_ticks: int, command: messages.Message) -> None:
        if isinstance(command, (messages.Offer, messages.Piece)):
            state = self._update.heard(command, self.face in messages.ASKING)
            self._link.answer(self._update.digest, self._update.offset, state)
        elif isinstance(command, (messages.Open, messages.Close)):
            self.brightness, self.volume = command.brightness, command.volume
            if isinstance(command, messages.Open):
                self._end_test()
                self._link.status.prompt_id = command.prompt_id
                timeout_ms = max(1, min(command.timeout_ms, PROMPT_MS_MAX))
                self._set(now_ticks, messages.PLEASE_RATE, timeout_ms)
            else:
                self._link.status.prompt_id = 0
                lasts_ms = THANKS_MS if command.face == messages.THANKS else 0
                self._set(now_ticks, command.face, lasts_ms)
        else:
            self._begin_test(now_ticks)

    def _report(self, now_ticks: int, changed: int) -> None:
        """Hand the changed keys to the link; a kept press inside a prompt is heard."""
        keys = self._debounce
        for index in range(messages.KEY_COUNT):
            if not changed >> index & 1:
                continue
            down, held_ms = keys.down >> index & 1, 0
            if not down:
                held_ms = ticks_diff(now_ticks, keys.since_ticks[index])
            elif self._test is not None:
                self._unsent |= 1 << index
                self._test.press(now_ticks, index)
            else:
                self._press_prompt_ids[index] = self.prompt_id
            if self._unsent >> index & 1:
                self._unsent ^= (1 - down) << index
                continue
            # A release belongs to the prompt of its press, so that how long it was held is known.
            prompt_id = self._press_prompt_ids[index]
            kept = self._link.edge(now_ticks, prompt_id, index + 1, down, held_ms)
            if down and kept and self.face in messages.ASKING:
                left_ms = self._face_ms - ticks_diff(now_ticks, self._face_ticks)
                self._set(now_ticks, messages.HEARD, max(left_ms, HEARD_MS))

    def _attend_service(self, now_ticks: int) -> None:
        """Both outer keys, long: the self-test; and its end."""
        keys = self._debounce
        if keys.stable != OUTER or keys.stuck:
            self._chord_ticks = now_ticks
        elif ticks_diff(now_ticks, self._chord_ticks) >= SERVICE_MS:
            self._begin_test(now_ticks)
        if self._test is not None and self._test.is_over(now_ticks):
            self._end_test()

    def _begin_test(self, now_ticks: int) -> None:
        if self._test is None and self.face not in messages.ASKING:  # the citizen comes first
            self._test = SelfTest(now_ticks)

    def _end_test(self) -> None:
        if self._test is not None:
            status = self._link.status
            status.tests, status.tested = (status.tests + 1) & 0xFF, self._test.passed
            self._test = None
            self._link.status_due = True

    def _set(self, now_ticks: int, face: int, face_ms: int) -> None:
        self.face = face
        self._face_ticks = now_ticks
        self._face_ms = face_ms
        self._shown = None  # from its beginning, also when it is the same again
