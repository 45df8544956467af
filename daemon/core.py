"""The core (pure): composes the parts and decides nothing itself.

    step(now_ms, event) -> effects, wake_at_ms() -> when to call again without an event

No clock, randomness, file, socket or thread is in here. What a restart needs is in the store: the
parts are built from what was read there, and every change goes through the ledger before anything
outside may see it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from daemon import snapshot as view
from daemon.case.cases import TALLY
from daemon.case.milestones import Closed, Milestone
from daemon.case.tally import Tally
from daemon.case.window import Window, stored_windows
from daemon.dialects import Dialect
from daemon.disk.ledger import Ledger
from daemon.disk.tending import Tending, day_of
from daemon.effects import Effect, Report, SeekPad, SendToPad, SendToTerminal, Stop
from daemon.events import (
    Addressed,
    Asked,
    BrokerDown,
    BrokerUp,
    ClockRead,
    CommitFailed,
    Committed,
    Event,
    Fetched,
    PadFound,
    PadLost,
    PadOpened,
    PadReceived,
    PanelDrew,
    ReceiptReceived,
    ReceiptRefused,
    RemainsFetched,
    RemainsSettled,
    Restored,
    SignalLost,
    SignalOpened,
    SignalReceived,
    StopRequested,
    StoreMeasured,
    Taken,
    TrialAsked,
    TrialLeft,
    Woken,
)
from daemon.facts import Fact
from daemon.health import EVERY_MS, health
from daemon.net.outbox import Outbox
from daemon.net.remains import Remains
from daemon.setup import Setup
from daemon.signers import KEYS, PublicKey, signers
from daemon.timekeeper import Timekeeper
from daemon.trial.trials import Trials
from daemon.wire.pad_link import LOST
from daemon.wire.signal_line import OPEN, SignalLine
from protocol.central.canonical import canonical
from protocol.central.chain import Head

# A disk that does not take the stopped entry holds the process no longer than this.
STOP_WAIT_MS = 3000
# The bound of the entry's schema.
DETAIL_LEN_MAX = 256


class Core:
    """`dialects` are those of the setup's lines, one each."""

    def __init__(
        self, now_ms: int, setup: Setup, dialects: Sequence[Dialect], restored: Restored
    ) -> None:
        self._setup, self._epoch = setup, restored.epoch
        self._ledger: Ledger[Milestone] = Ledger(restored.epoch, restored.last_seq)
        self._time = Timekeeper(setup.identity.boot_id)
        tally = restored.state.get(TALLY)
        self._tally = Tally() if tally is None else Tally.restore(tally)
        self._windows = {number: self._window(now_ms, number, restored) for number in setup.windows}
        self._lines = [
            SignalLine(line, dialect) for line, dialect in zip(setup.lines, dialects, strict=True)
        ]
        delivered = min(
            restored.state.get("outbox", {"delivered": 0})["delivered"], restored.last_seq
        )
        self._outbox = Outbox(restored.epoch, delivered, restored.last_seq)
        self._remains = Remains(restored.remains)
        self._trials = Trials(
            self._windows, setup.outputs, self._ledger, self._time, self._outbox.why_silent
        )
        known = [PublicKey(**key) for key in restored.state.get(KEYS, [])]
        self._signers = signers(known, setup.identity.key)
        self._tending = Tending(now_ms)
        # The last entry that is on disk.
        self._head = Head(restored.epoch, restored.last_seq, restored.last_hash)
        self._health_at_ms: int | None = None
        self._told: list[SendToTerminal] = []
        self._address: str | None = None
        # Until the platform knows the unit or a citizen is here, the screen is the technician's.
        self._commissioning = delivered == 0 and restored.salvage is None
        self._stop_by_ms: int | None = None
        self._boot(now_ms, restored)

    def _window(self, now_ms: int, number: str, restored: Restored) -> Window:
        return Window(
            now_ms, number, self._setup, self._ledger, self._time, self._tally, restored.state
        )

    # -- the calls

    def step(self, now_ms: int, event: Event) -> tuple[Effect, ...]:
        """Take one event; the effects are to be executed in order."""
        if self._stop_by_ms is not None:
            # The stopped entry is the last one: what is not acked now the pad keeps.
            if isinstance(event, Committed | CommitFailed):
                self._HANDLERS[type(event)](self, now_ms, event)
            return self._effects(now_ms)
        self._HANDLERS[type(event)](self, now_ms, event)
        for window in self._windows.values():
            window.wake(now_ms)
        self._trials.wake(now_ms)
        self._turn_day(now_ms)
        return self._effects(now_ms)

    def wake_at_ms(self) -> int | None:
        """When `step` wants a Woken at the latest; after a step that is never in the past."""
        times: list[int | None] = [self._ledger.wake_at_ms(), self._stop_by_ms]
        if self._stop_by_ms is None:
            times += [window.wake_at_ms() for window in self._windows.values()]
            times += [self._outbox.wake_at_ms(), self._health_at_ms if self._head.seq else None]
            times += [self._remains.wake_at_ms(), self._tending.wake_at_ms()]
            times.append(self._trials.wake_at_ms())
        return min((at for at in times if at is not None), default=None)

    @property
    def delivered(self) -> int:
        """Up to which entry the platform's receipts count."""
        return self._outbox.delivered

    @property
    def settled(self) -> bool:
        """Whether all that was decided is on disk."""
        return self._ledger.settled

    @property
    def hears_terminals(self) -> bool:
        """Whether to read on from the queue lines; a pad holds back by itself."""
        return not self._ledger.behind

    def _effects(self, now_ms: int) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        commit = self._ledger.poll(now_ms)
        if commit is not None:
            effects.append(commit)
        for window in self._windows.values():
            data = window.to_pad(now_ms)
            if data:
                effects.append(SendToPad(window.number, data))
        # One look at USB serves every pad that is missed.
        if True in [window.pad.seeks(now_ms) for window in self._windows.values()]:
            effects.append(SeekPad())
        effects += self._told
        self._told = []
        effects += self._trials.poll()
        effects += self._outbox.poll(now_ms)
        if self._stop_by_ms is None:
            day = day_of(self._time.utc_ms(now_ms))
            effects += self._remains.poll(now_ms, day)
            effects += self._tending.poll(now_ms, self._outbox.delivered, day)
        effects += self._report(now_ms)
        if self._stop_by_ms is not None and (self._ledger.settled or now_ms >= self._stop_by_ms):
            effects.append(Stop())
        return tuple(effects)

    # -- events

    def _pad_opened(self, now_ms: int, event: PadOpened) -> None:
        self._windows[event.window].pad.port(now_ms, None)

    def _pad_received(self, now_ms: int, event: PadReceived) -> None:
        for tested in self._windows[event.window].received(now_ms, event.data):
            self._trials.tested(event.window, tested)

    def _pad_lost(self, now_ms: int, event: PadLost) -> None:
        window = self._windows[event.window]
        window.take(now_ms, window.pad.port(now_ms, event.reason))

    def _pad_found(self, now_ms: int, event: PadFound) -> None:
        for window in self._windows.values():
            window.take(now_ms, window.pad.found(event.words))

    def _signal_opened(self, now_ms: int, event: SignalOpened) -> None:
        line = self._lines[event.line]
        self._signal_facts(now_ms, line, line.opened())

    def _signal_lost(self, now_ms: int, event: SignalLost) -> None:
        line = self._lines[event.line]
        self._signal_facts(now_ms, line, line.lost(now_ms, event.reason))

    def _signal_facts(self, now_ms: int, line: SignalLine, facts: Iterable[Fact]) -> None:
        for fact in facts:
            data = {"windows": list(line.windows), **fact.data(self._time, line.counters())}
            self._ledger.write("signal", f"signal-{fact.state}", data, self._time.stamp(now_ms))

    def _signal_received(self, now_ms: int, event: SignalReceived) -> None:
        for signal in self._lines[event.line].received(now_ms, event.data):
            self._commissioning = False
            self._windows[signal.window].cases.signal(now_ms, signal)
            self._trials.comes(signal)

    def _committed(self, now_ms: int, event: Committed) -> None:
        reason = self._ledger.failure
        for then in self._ledger.committed(event.number):
            window = self._windows.get(then.window)
            if window is not None:
                window.act(now_ms, then)
            if isinstance(then, Closed):
                self._tell(then.window)
        failed_ms = self._ledger.recovered(now_ms)
        if failed_ms is not None and self._stop_by_ms is None:
            detail = f"nothing could be written for {failed_ms / 1000:.0f} s: {reason}"
            detail = detail[:DETAIL_LEN_MAX]
            data = {"window": None, "what": "store", "ok": False, "detail": detail}
            self._ledger.write("test", "store", data, self._time.stamp(now_ms))
        self._outbox.committed(event.sealed)
        self._trials.committed(event.sealed)
        if event.sealed:
            self._head = Head(self._epoch, event.sealed[-1].seq, event.sealed[-1].hash)

    def _tell(self, number: str) -> None:
        """The terminal that asked learns that the prompt is closed, and nothing else."""
        for index, line in enumerate(self._lines):
            words = line.closed(number) if number in line.windows else b""
            if words:
                self._told.append(SendToTerminal(index, words))

    def _commit_failed(self, now_ms: int, event: CommitFailed) -> None:
        self._ledger.failed(now_ms, event.number, event.reason)

    def _fetched(self, now_ms: int, event: Fetched) -> None:
        self._outbox.fetched(now_ms, event.first, event.sealed, event.trouble)
        self._keep_delivered(now_ms)

    def _broker_up(self, now_ms: int, event: BrokerUp) -> None:
        self._outbox.broker_up(event.warning)
        self._remains.broker_up(now_ms)
        self._health_at_ms = now_ms

    def _broker_down(self, _now_ms: int, event: BrokerDown) -> None:
        self._outbox.broker_down(event.reason, event.step)
        self._remains.broker_down()
        self._health_at_ms = None

    def _taken(self, _now_ms: int, event: Taken) -> None:
        self._outbox.taken(event.seqs, event.refused)

    def _receipt(self, now_ms: int, event: ReceiptReceived) -> None:
        if event.epoch != self._epoch:
            self._remains.receipt(event.epoch, event.upto, event.hash)
        self._outbox.receipt(now_ms, event.epoch, event.upto, event.hash)
        self._keep_delivered(now_ms)

    def _receipt_refused(self, _now_ms: int, event: ReceiptRefused) -> None:
        self._outbox.receipt_refused(event.reason)

    def _keep_delivered(self, now_ms: int) -> None:
        self._commissioning = self._commissioning and self._outbox.delivered == 0
        self._trials.delivered(now_ms, self._outbox.delivered)
        self._ledger.keep_lazily(now_ms, "outbox", {"delivered": self._outbox.delivered})

    def _asked(self, now_ms: int, event: Asked) -> None:
        if event.epoch != self._epoch:
            self._remains.asked(now_ms, event)
        self._outbox.asked(event.epoch, event.first, event.last)

    def _remains_fetched(self, now_ms: int, event: RemainsFetched) -> None:
        self._remains.fetched(now_ms, event.found)

    def _remains_settled(self, _now_ms: int, event: RemainsSettled) -> None:
        self._remains.settled(event.left)

    def _measured(self, now_ms: int, event: StoreMeasured) -> None:
        self._tending.measured(now_ms, event)

    def _clock(self, now_ms: int, event: ClockRead) -> None:
        anchor = self._time.read(now_ms, event.offset_ms, event.synced, event.error_ms)
        if anchor is not None:
            self._ledger.write("clock", "clock", anchor, self._time.stamp(now_ms))

    def _addressed(self, _now_ms: int, event: Addressed) -> None:
        self._address = event.address

    def _trial_asked(self, now_ms: int, event: TrialAsked) -> None:
        self._trials.asked(now_ms, event)

    def _trial_left(self, _now_ms: int, event: TrialLeft) -> None:
        self._trials.left(event.asker)

    def _panel_drew(self, _now_ms: int, event: PanelDrew) -> None:
        self._trials.drew(event)

    def _stop(self, now_ms: int, event: StopRequested) -> None:
        self._stop_by_ms = now_ms + STOP_WAIT_MS
        data = {"reason": event.reason}
        self._ledger.write("stopped", "unit", data, self._time.stamp(now_ms))

    def _woken(self, _now_ms: int, _event: Woken) -> None:
        return

    _HANDLERS: Mapping[type[Any], Callable[["Core", int, Any], None]] = {
        PadOpened: _pad_opened,
        PadReceived: _pad_received,
        PadLost: _pad_lost,
        PadFound: _pad_found,
        SignalOpened: _signal_opened,
        SignalReceived: _signal_received,
        SignalLost: _signal_lost,
        Committed: _committed,
        CommitFailed: _commit_failed,
        Fetched: _fetched,
        RemainsFetched: _remains_fetched,
        RemainsSettled: _remains_settled,
        StoreMeasured: _measured,
        BrokerUp: _broker_up,
        BrokerDown: _broker_down,
        Taken: _taken,
        ReceiptReceived: _receipt,
        ReceiptRefused: _receipt_refused,
        Asked: _asked,
        ClockRead: _clock,
        Addressed: _addressed,
        TrialAsked: _trial_asked,
        TrialLeft: _trial_left,
        PanelDrew: _panel_drew,
        StopRequested: _stop,
        Woken: _woken,
    }

    # -- start and day

    def _boot(self, now_ms: int, restored: Restored) -> None:
        # A window that the configuration knows no more still owes the record of its open prompt.
        former = [
            self._window(now_ms, number, restored)
            for number in stored_windows(restored.state)
            if number not in self._windows
        ]
        windows = [*self._windows.values(), *former]
        prompts = {window.number: window.restore(now_ms) for window in windows}
        for window in former:
            prompts[window.number] = window.retire()
        previous = {"epoch": restored.epoch, "seq": restored.last_seq, "hash": restored.last_hash}
        reason = "new_epoch" if restored.fresh else "start"
        data = {
            "reason": "quarantine" if restored.salvage else reason,
            "versions": dict(self._setup.identity.versions),
            "configHash": self._setup.identity.config_hash,
            "prompts": prompts,
            "previous": restored.previous if restored.fresh else previous,
        }
        if restored.salvage:
            data["salvage"] = dict(restored.salvage)
        known = restored.state.get(KEYS, [])
        if known and known[-1]["kid"] != self._setup.identity.key.kid:
            data["formerKid"] = known[-1]["kid"]
        keys = [asdict(key) for key in self._signers]
        if known != keys:
            self._ledger.keep(KEYS, keys)
        self._ledger.write("boot", "unit", data, self._time.stamp(now_ms))
        for window in windows:
            window.cases.resume(now_ms)

    def _turn_day(self, now_ms: int) -> None:
        daily = self._tally.turn(self._time.utc_ms(now_ms))
        if daily is not None:
            self._ledger.write("daily", daily["date"], daily, self._time.stamp(now_ms))

    # -- what is said and shown

    def _report(self, now_ms: int) -> list[Report]:
        """The unit's health, when it is due; a journal without an entry has no head to tell."""
        due_ms = self._health_at_ms
        if due_ms is None or now_ms < due_ms or self._head.seq == 0 or self._stop_by_ms is not None:
            return []
        self._health_at_ms = now_ms + EVERY_MS
        said = health(
            self.snapshot(now_ms),
            self._time.stamp(now_ms),
            self._head,
            self._setup.identity.versions,
        )
        return [Report(canonical(said))]

    def snapshot(self, now_ms: int) -> view.Snapshot:
        """Everything that may be shown; changes nothing."""
        return view.Snapshot(
            source=self._setup.identity.source,
            windows=tuple(
                window.view(self._screen(now_ms, window)) for window in self._windows.values()
            ),
            signals=tuple(line.view() for line in self._lines),
            journal=view.JournalView(
                epoch=self._epoch,
                last_seq=self._outbox.last_seq,
                writing=not self._ledger.settled,
                trouble=self._ledger.failure,
                disk=self._tending.disk,
                counters=self._tending.counters,
                signer=self._signers[-1],
                former_signers=self._signers[:-1],
            ),
            uplink=self._outbox.view(),
            day=self._tally.view(),
            clock=self._time.view(),
        )

    def _screen(self, now_ms: int, window: Window) -> view.Screen:
        signs = self._trials.screen(window.number)
        if signs is not None:
            return signs
        screen = window.screen(now_ms)
        is_plain = screen.name == view.IDLE or screen.trouble == view.PAD[LOST]
        if not self._commissioning or not is_plain:
            return screen
        queue = [line for line in self._lines if window.number in line.windows]
        return view.Screen(
            name=view.COMMISSIONING,
            window=window.number,
            unit=self._setup.identity.source,
            address=self._address,
            links=(
                ("pad", window.pad.up),
                ("queue", all(line.state == OPEN for line in queue)),
                ("broker", self._outbox.up),
            ),
        )
