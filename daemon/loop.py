"""The loop: the one thread that owns ports, clock and core, and the only caller of `step`.

It stamps every input at its read, hands it to the core and carries the effects out in order. What
may block is done by workers; their answers come back through the inbox.
"""

import logging
import os
import selectors
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from daemon.control import Control
from daemon.core import Core
from daemon.disk.store import Store
from daemon.effects import (
    Commit,
    Effect,
    Publish,
    Report,
    SeekPad,
    SendToPad,
    SendToTerminal,
    Stop,
    StoreJob,
    TellTechnician,
)
from daemon.errors import PortLost
from daemon.events import (
    Addressed,
    Event,
    PadFound,
    PadLost,
    PadOpened,
    PadReceived,
    SignalLost,
    SignalOpened,
    SignalReceived,
    StopRequested,
    Woken,
)
from daemon.front.lamp import Lamp
from daemon.front.panel import Panel
from daemon.inbox import Inbox
from daemon.net.network import address
from daemon.net.uplink import Uplink
from daemon.page.page import Page
from daemon.snapshot import Snapshot
from daemon.state_log import StateLog
from daemon.supervisor import Supervisor, in_words
from daemon.wallclock import WallClock, boottime_ms
from daemon.wire.ports import REOPEN_MS, Port
from daemon.wire.usb import attached

log = logging.getLogger(__name__)

# A step of the wall clock is anchored within this, and a new address shown; the kernel's own poll
# of the time is minutes.
LOOK_MS = 10_000
# A turn longer than this is said: something that may block got into this thread.
TURN_MS_MAX = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One serial port and the events its bytes, opening and loss become."""

    port: Port
    opened: Callable[[], Event]
    received: Callable[[bytes], Event]
    lost: Callable[[str], Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the loop turns: by the number of its window, or in the order of the queue lines."""

    pads: Mapping[str, Port]
    terminals: Sequence[Port]
    panels: Mapping[str, Panel]
    lamps: Mapping[str, Lamp]
    store: Store
    uplink: Uplink
    page: Page
    control: Control
    wall_clock: WallClock
    inbox: Inbox
    supervisor: Supervisor


class Loop:
    def __init__(self, core: Core, parts: Parts) -> None:
        self._core, self._parts, self._inbox = core, parts, parts.inbox
        # The pads first: a press before the call that would end its prompt, when one turn has both.
        self._pads = {window: _pad_line(window, port) for window, port in parts.pads.items()}
        self._terminals = [_signal_line(index, port) for index, port in enumerate(parts.terminals)]
        self._lines = (*self._pads.values(), *self._terminals)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._inbox.waker, selectors.EVENT_READ)
        self._reopen_at_ms = self._look_at_ms = 0
        self._shown: Snapshot | None = None
        self._state_log = StateLog()
        self._running = True
        self._committing = False
        self._hears_terminals = True
        self._calls: deque[Callable[[], None]] = deque()

    def stop(self, reason: str) -> None:
        """Write the stopped entry, then leave; may be called by a signal handler."""
        self._inbox.post(StopRequested(reason))

    def call(self, function: Callable[[], None]) -> None:
        """Have it called between two turns: a signal handler may not log, nor read files."""
        self._calls.append(function)
        self._inbox.waker.wake()

    def run(self) -> int:
        """Serve until stopped; the exit code."""
        self._step(boottime_ms(), Woken())
        # Before anything is said of the unit: its first health shall know the time.
        self._keep_time(boottime_ms())
        self._parts.supervisor.ready()
        while self._running and self._inbox.dead_worker is None:
            self._turn()
        if self._inbox.dead_worker is not None:
            log.error("stopping: the worker %s died", self._inbox.dead_worker)
            return os.EX_SOFTWARE
        return os.EX_OK

    def _turn(self) -> None:
        self._hear(self._core.hears_terminals)
        due = [self._core.wake_at_ms(), self._reopen_at_ms, self._look_at_ms]
        wait_ms = min(at for at in due if at is not None) - boottime_ms()
        ready = {key.fileobj for key, _ in self._selector.select(max(0, wait_ms) / 1000)}
        started_ms = boottime_ms()
        for line in self._lines:
            if line.port in ready:
                self._read(line)
        if self._inbox.waker in ready:
            for event in self._inbox.take():
                self._step(boottime_ms(), event)
        while self._calls:
            self._calls.popleft()()
        self._keep_time(boottime_ms())
        if self._committing:
            # Drawing can wait for the disk's answer, which wakes the loop; the disk cannot wait.
            self._committing = False
        else:
            self._show(boottime_ms())
        spent_ms = boottime_ms() - started_ms
        if spent_ms > TURN_MS_MAX:
            log.warning("slow turn ms=%d", spent_ms)

    def _keep_time(self, now_ms: int) -> None:
        # The ports' clock brings the loop here often enough for any watchdog.
        self._parts.supervisor.feed()
        if now_ms >= self._reopen_at_ms:
            self._reopen_at_ms = now_ms + REOPEN_MS
            for line in self._lines:
                if not line.port.is_open:
                    self._open(line)
        if now_ms >= self._look_at_ms:
            self._look_at_ms = now_ms + LOOK_MS
            self._step(now_ms, self._parts.wall_clock.read())
            self._step(now_ms, Addressed(address()))
        wake_at_ms = self._core.wake_at_ms()
        if wake_at_ms is not None and now_ms >= wake_at_ms:
            self._step(now_ms, Woken())

    # -- lines

    def _hear(self, hears: bool) -> None:
        """What a terminal says at once waits in the kernel while the disk has enough to write."""
        if hears == self._hears_terminals:
            return
        self._hears_terminals = hears
        for line in self._terminals:
            if not line.port.is_open:
                continue
            if hears:
                self._selector.register(line.port, selectors.EVENT_READ)
            else:
                self._selector.unregister(line.port)

    def _open(self, line: Line) -> None:
        try:
            line.port.open()
        except PortLost as error:
            self._step(boottime_ms(), line.lost(str(error)))
        else:
            if self._hears_terminals or line not in self._terminals:
                self._selector.register(line.port, selectors.EVENT_READ)
            self._step(boottime_ms(), line.opened())

    def _read(self, line: Line) -> None:
        descriptor = line.port.fileno()
        try:
            data = line.port.read()
        except PortLost as error:
            self._selector.unregister(descriptor)
            self._step(boottime_ms(), line.lost(str(error)))
        else:
            self._step(boottime_ms(), line.received(data))

    # -- effects

    def _step(self, now_ms: int, event: Event) -> None:
        for effect in self._core.step(now_ms, event):
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, SendToPad):
            self._send(self._pads[effect.window], effect.data)
        elif isinstance(effect, SendToTerminal):
            self._send(self._terminals[effect.line], effect.data)
        elif isinstance(effect, SeekPad):
            self._inbox.post(PadFound(attached()))
        elif isinstance(effect, StoreJob):
            self._committing = isinstance(effect, Commit) or self._committing
            self._parts.store.do(effect)
        elif isinstance(effect, Publish):
            self._parts.uplink.publish(effect.entry, live=effect.live)
        elif isinstance(effect, Report):
            self._parts.uplink.report(effect.payload)
        elif isinstance(effect, TellTechnician):
            self._parts.control.tell(effect.asker, effect.answer, is_last=effect.is_last)
        elif isinstance(effect, Stop):
            self._running = False

    def _send(self, line: Line, data: bytes) -> None:
        if not line.port.is_open:
            return
        descriptor = line.port.fileno()
        try:
            line.port.write(data)
        except PortLost as error:
            # A terminal that is not heard just now is not in the selector.
            with suppress(KeyError):
                self._selector.unregister(descriptor)
            self._inbox.post(line.lost(str(error)))

    # -- what is shown

    def _show(self, now_ms: int) -> None:
        shown = self._core.snapshot(now_ms)
        if shown == self._shown:
            return
        before, self._shown = self._shown, shown
        self._parts.page.show(shown)
        for index, window in enumerate(shown.windows):
            if before is None or window.screen != before.windows[index].screen:
                self._parts.panels[window.number].show(window.screen)
                if window.number in self._parts.lamps:
                    self._parts.lamps[window.number].show(window.screen)
        self._state_log.show(now_ms, shown)
        self._parts.supervisor.say(in_words(shown))


def _pad_line(window: str, port: Port) -> Line:
    return Line(
        port, partial(PadOpened, window), partial(PadReceived, window), partial(PadLost, window)
    )


def _signal_line(index: int, port: Port) -> Line:
    return Line(
        port, partial(SignalOpened, index), partial(SignalReceived, index),
        partial(SignalLost, index),
    )  # fmt: skip
