"""A window on the desk: the real core, pad link and dialect over memory, in time that is a number.

The desk is the loop's double: it calls `step`, carries the effects out in order and hands the
answers back. `crash` forgets everything but the journal and the pad, as a power cut of the Pi does.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from daemon.cases import Rules
from daemon.core import Core, Identity
from daemon.dialects.native import FRAME_LEN_MAX, Native
from daemon.effects import Commit, Effect, Fetch, Publish, Report, SeekPad, SendToPad, Stop
from daemon.errors import StoreFailed
from daemon.events import (
    BrokerUp,
    CommitFailed,
    Committed,
    Event,
    Fetched,
    PadFound,
    PadLost,
    PadOpened,
    PadReceived,
    ReceiptReceived,
    SignalReceived,
    Woken,
)
from daemon.firmware import Firmware
from daemon.night import Looks
from daemon.privacy import concealer
from protocol.bundle import Bundle
from protocol.central.entry import Entry, Source, read
from protocol.central.signing import SigningKey
from protocol.pad import VERSION
from protocol.pad.framing import encode as frame
from protocol.pad.line import RETRY_MS
from protocol.pad.link import PadEnd
from protocol.pad.messages import (
    HEARD,
    IDLE,
    PLEASE_RATE,
    POWER_ON,
    Close,
    Hello,
    Message,
    Open,
    encode,
)
from sim.stores import MemoryJournal

SOURCE = Source("330102", "h01", "w03")
LOOKS = Looks()
STEP_MS = 10
SENT_LEN_MAX = 1024
RULES = Rules(
    window="3",
    keys=(5, 4, 3, 2, 1),
    key_table="k5-1",
    prompt_ms=10_000,
    correction_ms=3_000,
    not_public_hold_ms=1_200,
)


class Desk:
    """`crash_before` may stop the unit before any effect is carried out, as a power cut would."""

    def __init__(
        self, rules: Rules = RULES, looks: Looks = LOOKS, bundle: Bundle | None = None
    ) -> None:
        self.rules, self.looks, self.bundle = rules, looks, bundle
        self.key = SigningKey.from_seed(bytes(31) + b"\x03")
        self.journal = MemoryJournal(SOURCE, self.key)
        self.now_ms = 1_000_000
        self.boot_id = "boot-1"
        self.line_up = True
        self.plugged_in: str | None = None  # at USB, in words
        self.face, self.prompt = IDLE, 0
        self.published: list[int] = []
        self.reports: list[bytes] = []
        self.sent_to_pad: deque[bytes] = deque(maxlen=SENT_LEN_MAX)
        self.platform = False
        self.stopped = False
        self.crash_before: Callable[[Effect], bool] = lambda _effect: False
        self.crash_count = 0
        self._arrived: set[int] = set()
        self._upto = 0
        self._said = 0
        self._pads = 0
        self.restart_pad()
        self.start()

    # -- the unit

    def start(self) -> None:
        """Start the daemon on what the journal holds."""
        identity = Identity(
            source=str(SOURCE), boot_id=self.boot_id, versions={"daemon": "0"}, config_hash="0" * 64
        )
        dialect = Native(self.rules.window, concealer(b"desk", 20250101))
        self.core = Core(
            self.now_ms,
            identity,
            self.rules,
            dialect,
            self.journal.restored,
            self.looks,
            Firmware(self.bundle),
        )
        self.give(PadOpened())
        if self.platform:
            self.give(BrokerUp())
        self.run(200)

    def crash(self, *, off_ms: int = 0, power: bool = False) -> None:
        """Kill the daemon; with `power` the machine boots anew and the pad with it."""
        self.crash_count += 1
        self.now_ms += off_ms
        if power:
            self.boot_id = f"boot-{self.crash_count + 1}"
            self.restart_pad()
        self.start()

    def give(self, event: Event) -> None:
        """Step the core and carry out what follows from it, to the end."""
        events = [event]
        while events:
            for effect in self.core.step(self.now_ms, events.pop(0)):
                if self.crash_before(effect):
                    self.crash()
                    return
                answer = self._do(effect)
                if answer is not None:
                    events.append(answer)

        wake_at_ms = self.core.wake_at_ms()
        spins = wake_at_ms is not None and wake_at_ms <= self.now_ms
        assert self.stopped or not spins, "the loop would spin"

    def _do(self, effect: Effect) -> Event | None:
        if isinstance(effect, Commit):
            try:
                return Committed(effect.number, self.journal.commit(effect.drafts, effect.state))
            except StoreFailed as error:
                return CommitFailed(effect.number, str(error))
        if isinstance(effect, Fetch):
            return Fetched(effect.first, self.journal.read(effect.first, effect.limit))
        if isinstance(effect, Publish):
            self.published.append(effect.entry.seq)
            return self._receipted(effect.entry.seq) if self.platform else None
        if isinstance(effect, Report):
            self.reports.append(effect.payload)
        if isinstance(effect, SeekPad):
            return PadFound(self.plugged_in)
        if isinstance(effect, SendToPad):
            self.sent_to_pad.append(effect.data)
            if self.line_up:
                self._pad_hears(effect.data)
        self.stopped = self.stopped or isinstance(effect, Stop)
        return None

    def _receipted(self, seq: int) -> Event | None:
        """The platform's answer to an entry: it holds all that came below the first hole."""
        self._arrived.add(seq)
        while self._upto + 1 in self._arrived:
            self._upto += 1
        if self._upto == 0:
            return None
        last = self.journal.entries[self._upto - 1]
        return ReceiptReceived(self.journal.restored.epoch, self._upto, last.hash)

    # -- the pad

    def restart_pad(self) -> None:
        self._pads += 1
        self.pad = PadEnd(Hello(self._pads, 1, VERSION, b"desk-pad", reset_cause=POWER_ON))
        self.face, self.prompt = IDLE, 0
        self._pressed_ms: dict[int, int] = {}

    def unplug(self) -> None:
        self.line_up = False
        self.give(PadLost("unplugged"))

    def replug(self) -> None:
        self.line_up = True
        self.give(PadOpened())

    def hear(self, message: Message) -> None:
        """Let the unit hear one message that this pad did not send."""
        self.hear_bytes(frame(encode(message)))

    def hear_bytes(self, data: bytes) -> None:
        """Let the unit hear bytes that are no pad's."""
        self.give(PadReceived(data))

    def _pad_hears(self, data: bytes) -> None:
        for command in self.pad.received(self._ticks, data):
            self._obey(command)

    def _obey(self, command: Message) -> None:
        if isinstance(command, Open):
            self.face, self.prompt = PLEASE_RATE, command.prompt_id
        elif isinstance(command, Close):
            self.face, self.prompt = command.face, 0

    @property
    def _ticks(self) -> int:
        return self.now_ms % (1 << 30)

    def edge(self, key: int, down: bool) -> None:
        """One key edge, as the pad's debounce accepts it."""
        held_ms = 0 if down else self.now_ms - self._pressed_ms.get(key, self.now_ms)
        self._pressed_ms[key] = self.now_ms
        self.pad.edge(self._ticks, self.prompt, key, int(down), held_ms)
        if self.prompt and down:
            self.face = HEARD

    def press(self, key: int, hold_ms: int = 100) -> None:
        self.edge(key, True)
        self.run(hold_ms)
        self.edge(key, False)
        self.run(STEP_MS)

    # -- the terminal

    def say(self, say: str, **fields: Any) -> None:
        """Let the terminal say something, in a frame of the native dialect."""
        self._said += 1
        body = json.dumps({"say": say, "n": self._said, "window": self.rules.window, **fields})
        self.give(SignalReceived(frame(body.encode(), FRAME_LEN_MAX)))
        self.run(STEP_MS)

    # -- time

    def run(self, for_ms: int) -> None:
        """Let time pass; pad and unit talk at once, then as often as anything can be due."""
        until_ms, step_ms = self.now_ms + for_ms, STEP_MS
        while self.now_ms < until_ms:
            wake_at_ms = self.core.wake_at_ms()
            next_ms = self.now_ms + step_ms
            if wake_at_ms is not None and self.now_ms < wake_at_ms < next_ms:
                next_ms = wake_at_ms
            self.now_ms = min(until_ms, next_ms)
            step_ms = RETRY_MS
            self.pad.status.prompt_id, self.pad.status.face = self.prompt, self.face
            data = self.pad.poll(self._ticks)
            if data and self.line_up:
                self.give(PadReceived(data))
            wake_at_ms = self.core.wake_at_ms()
            if wake_at_ms is not None and wake_at_ms <= self.now_ms:
                self.give(Woken())

    # -- what is on disk

    def entries(self, kind: str) -> list[Entry]:
        return [read(entry.text) for entry in self.journal.entries if entry.kind == kind]

    @property
    def ratings(self) -> list[dict[str, Any]]:
        return [entry.data for entry in self.entries("rating")]
