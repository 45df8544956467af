"""A unit on the desk: the real core, pad links and dialects over memory, in time that is a number.

The desk is the loop's double: it calls `step`, carries the effects out in order and hands the
answers back. `crash` forgets all but the journal and the pads, as a power cut of the Pi does.
What is said of one window without its number is said of the first.
"""

import json
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from daemon.case.rules import Rules
from daemon.core import Core
from daemon.dialects.native import FRAME_LEN_MAX, Native
from daemon.effects import (
    Commit,
    Effect,
    Fetch,
    FetchRemains,
    Publish,
    Report,
    SeekPad,
    SendToPad,
    SendToTerminal,
    Stop,
    TellTechnician,
    Tend,
)
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
    RemainsFetched,
    SignalOpened,
    SignalReceived,
    StoreMeasured,
    Woken,
)
from daemon.front.night import FULL_DAY, Looks
from daemon.privacy import concealer
from daemon.setup import Identity, Outputs, QueueLine, Setup
from daemon.signers import PublicKey
from daemon.snapshot import Screen, Snapshot
from daemon.traces.traced_core import TracedCore
from daemon.traces.transcript import Record, lines
from protocol.bundle import Bundle
from protocol.central.entry import Entry, Source, read
from protocol.central.signing import SigningKey
from protocol.pad.framing import encode as frame
from protocol.pad.line import RETRY_MS
from protocol.pad.messages import Message, encode
from protocol.pad.pad_end import PadEnd
from sim.desk_pad import DeskPad
from sim.stores import MemoryJournal

SOURCE = Source("330102", "h01", "w03")
WINDOW = "3"
STEP_MS = 10
RULES = Rules(
    keys=(5, 4, 3, 2, 1),
    key_table="k5-1",
    prompt_ms=10_000,
    correction_ms=3_000,
    not_public_hold_ms=1_200,
)


class Desk:
    """`crash_before` may stop the unit before any effect is carried out, as a power cut would."""

    def __init__(
        self,
        rules: Rules = RULES,
        looks: Looks = FULL_DAY,
        bundle: Bundle | None = None,
        windows: tuple[str, ...] = (WINDOW,),
        qr: str = "",
        *,
        traced: bool = False,
    ) -> None:
        self.rules, self.looks, self.bundle, self.windows = rules, looks, bundle, windows
        self.qr = qr
        # The lines of a trace in clear, as `python -m sim replay` reads them.
        self.transcript: list[str] = []
        self._make = partial(TracedCore, self._record) if traced else Core
        self.key = SigningKey.from_seed(bytes(31) + b"\x03")
        self.journal = MemoryJournal(SOURCE, self.key)
        self.now_ms = 1_000_000
        self.boot_id = "boot-1"
        self.plugged_in: str | None = None  # at USB, in words
        self.published: list[int] = []
        self.reports: list[bytes] = []
        self.told: list[bytes] = []  # to the terminals
        self.answers: list[TellTechnician] = []
        # What hangs at each window beside its pad.
        self.outputs = dict.fromkeys(windows, Outputs(display=True, lamp=True, buzzer=True))
        self.platform = False
        self.stopped = False
        self.crash_before: Callable[[Effect], bool] = lambda _effect: False
        self.crash_count = 0
        self._arrived: set[int] = set()
        self._upto = 0
        self._said = 0
        self._pad_boots = 0
        self.pads = {number: DeskPad(self._next_pad_boot()) for number in windows}
        self.start()

    # -- the unit

    def start(self) -> None:
        """Start the daemon on what the journal holds."""
        identity = Identity(
            source=str(SOURCE),
            boot_id=self.boot_id,
            versions={"daemon": "0"},
            config_hash="0" * 64,
            key=PublicKey(self.key.kid, self.key.public.to_text()),
        )
        setup = Setup(
            identity=identity,
            lines=(QueueLine(port="/dev/queue", windows=self.windows),),
            rules=self.rules,
            looks=self.looks,
            bundle=self.bundle,
            qr=self.qr,
            outputs=self.outputs,
        )
        dialect = Native(self.windows, concealer(b"desk", 20250101))
        self.core = self._make(self.now_ms, setup, [dialect], self.journal.restored)
        self.give(SignalOpened(0))
        for number in self.windows:
            self.give(PadOpened(number))
        if self.platform:
            self.give(BrokerUp())
        self.run(200)

    def crash(self, *, off_ms: int = 0, power: bool = False) -> None:
        """Kill the daemon; with `power` the machine boots anew and the pads with it."""
        self.crash_count += 1
        self.now_ms += off_ms
        if power:
            self.boot_id = f"boot-{self.crash_count + 1}"
            for number in self.pads:
                self.restart_pad(number)
        self.start()

    def rotate(self, key: SigningKey) -> None:
        """Exchange the signing key while the daemon is stopped, and start it again."""
        self.key = self.journal.key = key
        self.crash()

    def _record(self, what: Record) -> None:
        self.transcript += lines(what)

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
        if isinstance(effect, FetchRemains):
            return RemainsFetched(())
        if isinstance(effect, Tend):
            return StoreMeasured("sound", {"kept": len(self.journal.entries)})
        if isinstance(effect, Publish):
            self.published.append(effect.entry.seq)
            return self._receipted(effect.entry.seq) if self.platform else None
        if isinstance(effect, Report):
            self.reports.append(effect.payload)
        if isinstance(effect, SeekPad):
            return PadFound(self.plugged_in)
        if isinstance(effect, SendToPad):
            self.pads[effect.window].hear(self.now_ms, effect.data)
        if isinstance(effect, SendToTerminal):
            self.told.append(effect.data)
        if isinstance(effect, TellTechnician):
            self.answers.append(effect)
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

    # -- the pads

    @property
    def pad(self) -> PadEnd:
        return self._first.end

    @property
    def face(self) -> int:
        return self._first.face

    @property
    def prompt(self) -> int:
        return self._first.prompt

    @property
    def sent_to_pad(self) -> deque[bytes]:
        return self._first.sent

    @property
    def line_up(self) -> bool:
        return self._first.line_up

    @line_up.setter
    def line_up(self, is_up: bool) -> None:
        self._first.line_up = is_up

    @property
    def _first(self) -> DeskPad:
        return self.pads[self.windows[0]]

    def _next_pad_boot(self) -> int:
        self._pad_boots += 1
        return self._pad_boots

    def restart_pad(self, window: str | None = None) -> None:
        self.pads[window or self.windows[0]].restart(self._next_pad_boot())

    def unplug(self) -> None:
        self.line_up = False
        self.give(PadLost(self.windows[0], "unplugged"))

    def replug(self) -> None:
        self.line_up = True
        self.give(PadOpened(self.windows[0]))

    def hear(self, message: Message) -> None:
        """Let the unit hear one message that this pad did not send."""
        self.hear_bytes(frame(encode(message)))

    def hear_bytes(self, data: bytes) -> None:
        """Let the unit hear bytes that are no pad's."""
        self.give(PadReceived(self.windows[0], data))

    def edge(self, key: int, down: bool, window: str | None = None) -> None:
        """One key edge, as the pad's debounce accepts it."""
        self.pads[window or self.windows[0]].edge(self.now_ms, key, down)

    def press(self, key: int, hold_ms: int = 100, window: str | None = None) -> None:
        self.edge(key, True, window)
        self.run(hold_ms)
        self.edge(key, False, window)
        self.run(STEP_MS)

    # -- the terminal

    def say(self, say: str, window: str | None = None, **fields: Any) -> None:
        """Let the terminal say something, in a frame of the native dialect."""
        self._said += 1
        body = {"say": say, "n": self._said, "window": window or self.windows[0], **fields}
        self.give(SignalReceived(0, frame(json.dumps(body).encode(), FRAME_LEN_MAX)))
        self.run(STEP_MS)

    # -- time

    def run(self, for_ms: int) -> None:
        """Let time pass; pads and unit talk at once, then as often as anything can be due."""
        until_ms, step_ms = self.now_ms + for_ms, STEP_MS
        while self.now_ms < until_ms:
            wake_at_ms = self.core.wake_at_ms()
            next_ms = self.now_ms + step_ms
            if wake_at_ms is not None and self.now_ms < wake_at_ms < next_ms:
                next_ms = wake_at_ms
            self.now_ms = min(until_ms, next_ms)
            step_ms = RETRY_MS
            for number, pad in self.pads.items():
                data = pad.poll(self.now_ms)
                if data:
                    self.give(PadReceived(number, data))
            wake_at_ms = self.core.wake_at_ms()
            if wake_at_ms is not None and wake_at_ms <= self.now_ms:
                self.give(Woken())

    # -- what is shown

    @property
    def snapshot(self) -> Snapshot:
        return self.core.snapshot(self.now_ms)

    @property
    def screen(self) -> Screen:
        """Of the first window."""
        return self.snapshot.windows[0].screen

    # -- what is on disk

    def entries(self, kind: str) -> list[Entry]:
        return [read(entry.text) for entry in self.journal.entries if entry.kind == kind]

    @property
    def ratings(self) -> list[dict[str, Any]]:
        return [entry.data for entry in self.entries("rating")]
