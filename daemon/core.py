"""The core (pure): composes the parts and decides nothing itself.

    step(now_ms, event) -> effects, wake_at_ms() -> when to call again without an event

No clock, randomness, file, socket or thread is in here. What a restart needs is in the store: the
parts are built from what was read there, and every change goes through the ledger before anything
outside may see it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from daemon import snapshot as view
from daemon.cases import PRESSED, Cases, Heard, Lit, Rules, Thanked
from daemon.dialects import Dialect
from daemon.edges import KeyEdge, Position
from daemon.effects import Effect, Report, SeekPad, SendToPad, Stop
from daemon.events import (
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
    ReceiptReceived,
    ReceiptRefused,
    Restored,
    SignalLost,
    SignalOpened,
    SignalReceived,
    StopRequested,
    Taken,
    Woken,
)
from daemon.facts import Fact, Tested
from daemon.firmware import Firmware
from daemon.health import EVERY_MS, health
from daemon.ledger import Ledger
from daemon.night import Looks
from daemon.outbox import Outbox
from daemon.pad_link import Face, PadLink
from daemon.signal_line import SignalLine
from daemon.tally import Tally
from daemon.timekeeper import Timekeeper
from protocol.central.canonical import canonical
from protocol.central.chain import Head
from protocol.pad import messages

# How long the screen thanks; the pad's own thanks lasts as long.
THANKS_MS = 3000
# A disk that does not take the stopped entry holds the process no longer than this.
STOP_WAIT_MS = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this unit is and what runs on it."""

    source: str
    boot_id: str
    versions: Mapping[str, str]
    config_hash: str


@dataclass(frozen=True, slots=True)
class Safe:
    """Pad edges up to this position are on disk."""

    position: Position


Then = Lit | Heard | Thanked | Safe


class Core:
    def __init__(
        self,
        now_ms: int,
        identity: Identity,
        rules: Rules,
        dialect: Dialect,
        restored: Restored,
        looks: Looks,
        firmware: Firmware,
    ) -> None:
        state = restored.state
        self._identity, self._rules, self._epoch = identity, rules, restored.epoch
        self._looks = looks
        self._ledger: Ledger[Then] = Ledger(restored.epoch, restored.last_seq)
        self._time = Timekeeper(identity.boot_id)
        tally = Tally.restore(state["tally"]) if "tally" in state else Tally()
        self._cases = Cases(rules, self._ledger, self._time, tally)
        position = Position(**state.get("pad", {"boot_id": 0, "seq": 0}))
        self._pad = PadLink(now_ms, position, firmware)
        delivered = min(state.get("outbox", {"delivered": 0})["delivered"], restored.last_seq)
        self._outbox = Outbox(restored.epoch, delivered, restored.last_seq)
        # The last entry that is on disk.
        self._head = Head(restored.epoch, restored.last_seq, restored.last_hash)
        self._health_at_ms: int | None = None
        self._signal = SignalLine(dialect)
        self._thanks_until_ms = 0
        self._heard: int | None = None
        self._stop_by_ms: int | None = None
        self._boot(now_ms, restored)

    # -- the two calls

    def step(self, now_ms: int, event: Event) -> tuple[Effect, ...]:
        """Take one event; the effects are to be executed in order."""
        if self._stop_by_ms is not None:
            # The stopped entry is the last one: what is not acked now the pad keeps.
            if isinstance(event, Committed | CommitFailed):
                self._HANDLERS[type(event)](self, now_ms, event)
            return self._effects(now_ms)
        self._HANDLERS[type(event)](self, now_ms, event)
        facts = self._pad.wake(now_ms)
        if facts:
            self._pad_facts(now_ms, facts)
        # A correction window of 0 is over at once: the press and its record share one commit.
        self._cases.wake(now_ms)
        if now_ms >= self._thanks_until_ms:
            self._thanks_until_ms = 0
        self._turn_day(now_ms)
        return self._effects(now_ms)

    def wake_at_ms(self) -> int | None:
        """When `step` wants a Woken at the latest; after a step that is never in the past."""
        times: tuple[int | None, ...] = (self._ledger.wake_at_ms(), self._stop_by_ms)
        if self._stop_by_ms is None:
            times += (
                self._cases.wake_at_ms(),
                self._outbox.wake_at_ms(),
                self._pad.wake_at_ms(),
                self._thanks_until_ms or None,
                self._health_at_ms if self._head.seq else None,
            )
        return min((at for at in times if at is not None), default=None)

    def _effects(self, now_ms: int) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        commit = self._ledger.poll(now_ms)
        if commit is not None:
            effects.append(commit)
        if self._cases.unthanked is None:
            # Between press and thanks the pad goes on saying that it heard.
            self._pad.show(now_ms, self._face(now_ms))
        data = self._pad.poll(now_ms, is_asking=self._cases.prompt is not None)
        if data:
            effects.append(SendToPad(data))
        if self._pad.seeks(now_ms):
            effects.append(SeekPad())
        effects += self._outbox.poll(now_ms)
        effects += self._report(now_ms)
        if self._stop_by_ms is not None and (self._ledger.settled or now_ms >= self._stop_by_ms):
            effects.append(Stop())
        return tuple(effects)

    # -- events

    def _pad_received(self, now_ms: int, event: PadReceived) -> None:
        edges, facts = self._pad.received(now_ms, event.data)
        self._pad_facts(now_ms, facts)
        for edge in edges:
            self._edge(now_ms, edge)

    def _edge(self, now_ms: int, edge: KeyEdge) -> None:
        self._ledger.keep("pad", asdict(edge.position))
        self._cases.edge(now_ms, edge)
        self._ledger.then(Safe(edge.position))

    def _pad_opened(self, now_ms: int, _event: PadOpened) -> None:
        self._pad.port(now_ms, None)

    def _pad_lost(self, now_ms: int, event: PadLost) -> None:
        self._pad_facts(now_ms, self._pad.port(now_ms, event.reason))

    def _pad_found(self, now_ms: int, event: PadFound) -> None:
        self._pad_facts(now_ms, self._pad.found(event.words))

    def _pad_facts(self, now_ms: int, facts: Sequence[Fact | Tested]) -> None:
        self._cases.pad_heard(now_ms, self._pad.up)
        for fact in facts:
            if isinstance(fact, Tested):
                data = {"what": "self_test", "ok": fact.ok, "detail": fact.detail}
                self._ledger.write("test", "self_test", data, self._time.stamp(now_ms))
                continue
            if fact.state == "back" and fact.since_ms is not None:
                self._cases.tally.fault_ms += now_ms - fact.since_ms
            self._line_entry(now_ms, "pad", fact, self._pad.counters())

    def _signal_opened(self, now_ms: int, _event: SignalOpened) -> None:
        self._signal_facts(now_ms, self._signal.opened())

    def _signal_lost(self, now_ms: int, event: SignalLost) -> None:
        self._signal_facts(now_ms, self._signal.lost(now_ms, event.reason))

    def _signal_facts(self, now_ms: int, facts: list[Fact]) -> None:
        for fact in facts:
            self._line_entry(now_ms, "signal", fact, self._signal.counters())

    def _signal_received(self, now_ms: int, event: SignalReceived) -> None:
        for signal in self._signal.received(now_ms, event.data):
            self._cases.signal(now_ms, signal)

    def _line_entry(self, now_ms: int, line: str, fact: Fact, counters: dict[str, int]) -> None:
        data = {
            "state": fact.state,
            "reason": fact.reason,
            "since": self._time.moment(fact.since_ms),
            "counters": counters,
        }
        self._ledger.write(line, f"{line}-{fact.state}", data, self._time.stamp(now_ms))

    def _committed(self, now_ms: int, event: Committed) -> None:
        for then in self._ledger.committed(event.number):
            self._act(now_ms, then)
        self._outbox.committed(event.sealed)
        if event.sealed:
            self._head = Head(self._epoch, event.sealed[-1].seq, event.sealed[-1].hash)

    def _act(self, now_ms: int, then: Then) -> None:
        """What waited for the disk."""
        if isinstance(then, Safe):
            self._pad.safe(then.position)
        elif isinstance(then, Lit):
            self._cases.lit(now_ms, then.prompt)
        elif isinstance(then, Heard):
            self._heard = then.prompt
        elif isinstance(then, Thanked):
            self._cases.thanked(then.prompt)
            self._thanks_until_ms = now_ms + THANKS_MS

    def _commit_failed(self, now_ms: int, event: CommitFailed) -> None:
        self._ledger.failed(now_ms, event.number, event.reason)

    def _fetched(self, now_ms: int, event: Fetched) -> None:
        self._outbox.fetched(now_ms, event.first, event.sealed, event.trouble)
        self._keep_delivered(now_ms)

    def _broker_up(self, now_ms: int, _event: BrokerUp) -> None:
        self._outbox.broker_up()
        self._health_at_ms = now_ms

    def _broker_down(self, _now_ms: int, event: BrokerDown) -> None:
        self._outbox.broker_down(event.reason)
        self._health_at_ms = None

    def _taken(self, _now_ms: int, event: Taken) -> None:
        self._outbox.taken(event.seqs, event.refused)

    def _receipt(self, now_ms: int, event: ReceiptReceived) -> None:
        self._outbox.receipt(now_ms, event.epoch, event.upto, event.hash)
        self._keep_delivered(now_ms)

    def _receipt_refused(self, _now_ms: int, event: ReceiptRefused) -> None:
        self._outbox.receipt_refused(event.reason)

    def _keep_delivered(self, now_ms: int) -> None:
        self._ledger.keep_lazily(now_ms, "outbox", {"delivered": self._outbox.delivered})

    def _asked(self, _now_ms: int, event: Asked) -> None:
        self._outbox.asked(event.epoch, event.first, event.last)

    def _clock(self, now_ms: int, event: ClockRead) -> None:
        anchor = self._time.read(now_ms, event.offset_ms, event.synced, event.error_ms)
        if anchor is not None:
            self._ledger.write("clock", "clock", anchor, self._time.stamp(now_ms))

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
        BrokerUp: _broker_up,
        BrokerDown: _broker_down,
        Taken: _taken,
        ReceiptReceived: _receipt,
        ReceiptRefused: _receipt_refused,
        Asked: _asked,
        ClockRead: _clock,
        StopRequested: _stop,
        Woken: _woken,
    }

    # -- start and day

    def _boot(self, now_ms: int, restored: Restored) -> None:
        window = restored.state.get("window")
        prompt = "none"
        if window is not None:
            prompt = self._cases.restore(now_ms, window, restored.state.get("recent", []))
        previous = {"epoch": restored.epoch, "seq": restored.last_seq, "hash": restored.last_hash}
        data = {
            "reason": "new_epoch" if restored.fresh else "start",
            "versions": dict(self._identity.versions),
            "configHash": self._identity.config_hash,
            "prompt": prompt,
            "previous": None if restored.fresh else previous,
        }
        self._ledger.write("boot", "unit", data, self._time.stamp(now_ms))
        self._cases.resume(now_ms)

    def _turn_day(self, now_ms: int) -> None:
        daily = self._cases.tally.turn(self._time.utc_ms(now_ms))
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
            self.snapshot(now_ms), self._time.stamp(now_ms), self._head, self._identity.versions
        )
        return [Report(canonical(said))]

    def _face(self, now_ms: int) -> Face:
        prompt = self._cases.prompt
        look = self._looks.at(self._time.utc_ms(now_ms))
        if prompt is not None and self._cases.asking:
            return Face(messages.PLEASE_RATE, prompt.number, prompt.deadline_ms, look)
        if now_ms < self._thanks_until_ms:
            return Face(messages.THANKS, look=look)
        if self._cases.suspended or self._ledger.failure is not None:
            return Face(messages.PAUSED, look=look)
        return Face(messages.IDLE, look=look)

    def _screen(self, now_ms: int) -> view.Screen:
        cases, prompt, window = self._cases, self._cases.prompt, self._rules.window
        ticket = None if cases.ticket is None else cases.ticket.name
        pressed = prompt.number if prompt and cases.state == PRESSED else cases.unthanked
        if pressed is not None and self._heard == pressed:
            return view.Screen(name=view.HEARD, window=window, ticket=ticket)
        if now_ms < self._thanks_until_ms:
            return view.Screen(name=view.THANKS, window=window)
        trouble = view.DISK if self._ledger.failure is not None else view.PAD.get(self._pad.state)
        if trouble is not None:
            # Also while a rating is asked for: nobody may be asked what cannot be heard or kept.
            return view.Screen(name=view.OUT_OF_SERVICE, window=window, trouble=trouble)
        if prompt is not None and cases.asking:
            return view.Screen(
                name=view.PLEASE_RATE,
                window=window,
                ticket=prompt.service.ticket,
                task_name=prompt.service.task_name,
                remaining_s=-(-max(0, prompt.deadline_ms - now_ms) // 1000),
            )
        if cases.suspended:
            return view.Screen(name=view.PAUSED, window=window)
        name = view.IDLE if ticket is None else view.CALLED
        return view.Screen(name=name, window=window, ticket=ticket)

    def snapshot(self, now_ms: int) -> view.Snapshot:
        """Everything that may be shown; changes nothing."""
        return view.Snapshot(
            source=self._identity.source,
            screen=self._screen(now_ms),
            state=self._cases.state,
            pad=self._pad.view(),
            signal=self._signal.view(),
            journal=view.JournalView(
                epoch=self._epoch,
                last_seq=self._outbox.last_seq,
                writing=not self._ledger.settled,
                trouble=self._ledger.failure,
            ),
            uplink=self._outbox.view(),
            day=self._cases.tally.view(),
            clock_synced=self._time.synced,
        )
