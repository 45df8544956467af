"""A hall put together from its plan: machines, pads, lines, counters, broker, centre."""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from central.registry import Registry, Unit
from daemon.traces.transcript import Record, lines
from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from protocol.pad import messages
from sim.clocks import Clocks
from sim.noise import Noise
from sim.stores import MemoryJournal
from sim.world.agenda import Agenda
from sim.world.broker import Broker
from sim.world.centre import Centre
from sim.world.checks import Checks, Journal
from sim.world.counter import Counter
from sim.world.disk import Disk
from sim.world.doze import Doze
from sim.world.line import Line
from sim.world.machine import UTC_US, Machine
from sim.world.pad import WindowPad
from sim.world.plan import BEGUN_UTC_MS, Plan
from sim.world.uplink import Uplink

PAD_BAUD, QUEUE_BAUD = 115_200, 9_600
PLATFORM_KEY = SigningKey.from_seed(bytes(31) + b"\x09")


class Terminals:
    """The terminals' ends of a queue line, and the noise on it."""

    def __init__(self) -> None:
        self.noise: Noise | None = None

    def write(self, line: Line, frame: bytes) -> None:
        """One copy of a frame."""
        line.write(frame if self.noise is None else self.noise.disturb(frame))


class Hall:
    """`trace` gets a line for each trouble, each event and each effect of a core."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        *,
        dozes: bool = True,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """dozes: whether time in which nothing happens is passed over, see doze.py and rest.py."""
        self.plan, self._dozes, self._trace = plan, dozes, trace
        self.agenda = Agenda()
        self.checks = Checks(self.agenda, plan)
        self.terminals = Terminals()
        self.broker = Broker(self.agenda, self.drawn("broker"))
        self._of_window: dict[str, Machine] = {}
        self._heard_ms: dict[str, int] = {}  # when each window's pad was heard last
        self.machines = [self._machine(index, part) for index, part in enumerate(plan.units)]
        registry = Registry(
            {
                one.source: Unit.of(self._key(index).public)
                for index, one in enumerate(self.machines)
            }
        )
        self.centre = Centre(
            self.agenda, self.drawn("centre"), self.broker, registry, PLATFORM_KEY, folder,
            BEGUN_UTC_MS, self.checks,
        )  # fmt: skip
        self.counters = [
            self._counter(machine, window)
            for machine in self.machines
            for window in machine.windows
        ]

    # -- how it stands

    @property
    def is_empty(self) -> bool:
        """No clerk has work left, and nobody stands before a pad."""
        return all(counter.is_closed for counter in self.counters)

    @property
    def is_delivered(self) -> bool:
        """Every unit runs, and all it has decided is on disk and receipted."""
        return all(
            machine.core is not None
            and machine.core.settled
            and machine.core.delivered == machine.disk.journal.last_seq
            and all(pad.is_at_rest for pad in machine.pads.values())
            for machine in self.machines
        )

    def source(self, window: str) -> Source:
        """The unit of a window."""
        return self._of_window[window].source

    def close(self) -> None:
        """Let go of the platform's database."""
        self.centre.close()

    # -- what is said of it

    def say(self, text: str) -> None:
        """A line of the trace, if there is one."""
        if self._trace is not None:
            self._trace(f"-- {self.agenda.now_ms / 1000:.3f} s: {text}")

    def _record(self, record: Record) -> None:
        assert self._trace is not None
        for line in lines(record):
            self._trace(line)

    # -- what it is made of

    def drawn(self, who: str) -> random.Random:
        """The chance of one of its parts: nobody else's draws change it."""
        return random.Random(f"{who} {self.plan.seed}")

    def _key(self, index: int) -> SigningKey:
        return SigningKey.from_seed(bytes(31) + bytes([index + 1]))

    def _machine(self, index: int, windows: tuple[str, ...]) -> Machine:
        agenda, plan, drawn = self.agenda, self.plan, self.drawn(f"machine {index}")
        source = Source("330102", "h01", f"w{index + 1:02}")
        self.checks.journals[source] = Journal()
        key = self._key(index)
        clocks = Clocks(UTC_US)
        clocks.drift_ppm, clocks.server_error_ms = plan.drift_ppm[index], 10
        journal = MemoryJournal(source, key, f"{index:016x}")
        keys = {PLATFORM_KEY.kid: PLATFORM_KEY.public}
        machine = Machine(
            agenda, drawn, plan, source, windows, key, clocks,
            Disk(agenda, drawn, journal, partial(self.checks.wrote, source)),
            Uplink(agenda, drawn, source, self.broker, keys),
            self.checks.delivered,
            None if self._trace is None else self._record,
        )  # fmt: skip
        self._of_window |= dict.fromkeys(windows, machine)
        machine.pads = {window: self._pad(machine, window) for window in windows}
        machine.to_pads = {
            window: Line(agenda, self.drawn(f"to pad {window}"), PAD_BAUD, pad.hear)
            for window, pad in machine.pads.items()
        }
        return machine

    def _pad(self, machine: Machine, window: str) -> WindowPad:
        def arrive(data: bytes) -> None:
            self._heard_ms[window] = self.agenda.now_ms
            machine.hear_pad(window, data)

        line = Line(self.agenda, self.drawn(f"from pad {window}"), PAD_BAUD, arrive)
        return WindowPad(self.agenda, self.drawn(f"pad {window}"), window, self, line)

    def _counter(self, machine: Machine, window: str) -> Counter:
        drawn = self.drawn(f"counter {window}")
        line = Line(self.agenda, drawn, QUEUE_BAUD, machine.hear_queue)
        pad, write = machine.pads[window], partial(self.terminals.write, line)
        return Counter(self.agenda, drawn, self.plan, window, pad, write)

    # -- the pads' watch

    def accepted(self, pad: WindowPad, edge: messages.Edge) -> None:
        """The debounce accepted an edge, and the pad keeps it."""
        self.checks.accepted(pad, edge)

    def acked(self, pad: WindowPad, seq: int) -> None:
        """The pad keeps no edge up to this one any more."""
        text = self._of_window[pad.window].disk.journal.row(f"{pad.window}/pad")
        durable = {} if text is None else json.loads(text)
        self.checks.acked(pad.window, pad.end.boot_id, seq, durable)

    def shown(self, pad: WindowPad) -> None:
        """Its face has changed."""
        counted = self.checks.journals[self.source(pad.window)].windows[pad.window]
        self.checks.shown(pad.window, pad.face, pad.prompt_id, counted)

    def roused(self, pad: WindowPad) -> None:
        """It does not doze any more."""
        self._of_window[pad.window].plan_wake()

    def doze(self, pad: WindowPad) -> Doze | None:
        """Whether it may doze: its unit has nothing to say to it either, and the line is good."""
        machine = self._of_window[pad.window]
        if machine.core is None or not self._dozes:
            return None
        window, lines = machine.core._windows[pad.window], (pad.line, machine.to_pads[pad.window])
        link = window.pad._end
        is_idle = window.pad.up and not (link._wanted or link._hello_due or link._ack_due)
        if not is_idle or any(not line.is_good for line in lines):
            return None
        heard_ms = self._heard_ms[pad.window]
        boottime_ms = window.pad._heard_ms
        assert boottime_ms is not None
        return Doze(pad.end, window, heard_ms=heard_ms, answered_ms=pad.answered_ms,
                    boottime_ms=boottime_ms)  # fmt: skip

    def restart_pad(self, pad: WindowPad) -> None:
        """Its power fails for a moment."""
        pad.rouse()
        pad.start()
