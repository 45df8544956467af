"""The unit: a machine with its clock and its disk, and the real core as the process that runs."""

import random
from collections.abc import Callable, Mapping

from daemon.case.tally import local_date
from daemon.core import Core
from daemon.dialects.native import Native
from daemon.effects import Effect, Publish, Report, SeekPad, SendToPad, Stop, StoreJob
from daemon.events import (
    ClockRead,
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
from daemon.privacy import concealer
from daemon.setup import Identity, QueueLine, Setup
from daemon.signers import PublicKey
from daemon.timekeeper import STEP_MS
from daemon.traces.traced_core import TracedCore
from daemon.traces.transcript import Record
from daemon.wire.ports import REOPEN_MS
from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from sim.clocks import Clocks
from sim.world.agenda import Agenda
from sim.world.broken import Broken
from sim.world.disk import Disk
from sim.world.doze import NEVER_MS
from sim.world.line import Line
from sim.world.pad import WindowPad
from sim.world.plan import BEGUN_UTC_MS, Plan
from sim.world.rest import Rest
from sim.world.uplink import Uplink

LOOK_MS = 10_000  # daemon.loop: how often the wall clock is read
LOOK_AT_REST_MS = 60_000  # nobody is there, and nothing differs
BOOT_MS = 12_000  # the count of a Raspberry Pi when systemd starts the daemon
START_MS = 500
POLL_MS = 64_000  # of systemd-timesyncd, once it follows a server
FIRST_ANSWER_MS = (2_000, 90_000)
UTC_US = BEGUN_UTC_MS * 1000
ASLEEP_US = 3_600_000_000  # a machine without a clock begins where it was switched off
CONCEAL = concealer(b"world", 20250101)


class Machine:
    """`pads` and `to_pads` are by window, and are put in by whoever makes the hall."""

    def __init__(
        self,
        agenda: Agenda,
        drawn: random.Random,
        plan: Plan,
        source: Source,
        windows: tuple[str, ...],
        key: SigningKey,
        clocks: Clocks,
        disk: Disk,
        uplink: Uplink,
        stepped: Callable[[Source, int], None],
        record: Callable[[Record], None] | None,
    ) -> None:
        """stepped: hears after each step up to where the unit takes its entries for delivered."""
        self._agenda, self._random, self._plan = agenda, drawn, plan
        self.source, self.windows, self._key = source, windows, key
        self.clocks, self.disk, self.uplink = clocks, disk, uplink
        self.stepped, self._record = stepped, record
        self.pads: Mapping[str, WindowPad] = {}
        self.to_pads: Mapping[str, Line] = {}
        self.core: Core | None = None
        self._unread = b""
        self._rest: Rest | None = None
        # Of the clock: what was read last, and what the core was not told of.
        self._seen: tuple[int, ClockRead] = (0, ClockRead(0, False, 0))
        self._unsaid: tuple[int, ClockRead] | None = None
        self.boot_id = ""
        self.has_power = False
        self.has_time_server = self.queue_plugged = True
        self._process = self._wake = self._living_boot = 0
        # The daemon is killed when so many effects more have been carried out.
        self.dies_after: int | None = None

    # -- power and process

    @property
    def boottime_ms(self) -> int:
        """The machine's own count of time."""
        self.clocks.run_until(self._true_us)
        return self.clocks.boottime_ms

    @property
    def _true_us(self) -> int:
        return UTC_US + self._agenda.now_ms * 1000

    def boot(self) -> None:
        """Power on: a new count, and a wall clock that is behind, or in 1970."""
        self.clocks.true_us = self._true_us
        self.has_power = True
        wall_us = 0 if self._plan.starts_in_1970 else self._true_us - ASLEEP_US
        self.boot_id = f"{self._random.getrandbits(128):032x}"
        self.clocks.boot(self.boot_id, count_us=BOOT_MS * 1000, wall_us=wall_us)
        self._living_boot += 1
        self._agenda.after(
            self._random.randint(*FIRST_ANSWER_MS), self._in_this_boot(self._ask_time)
        )
        self._agenda.after(START_MS, self._in_this_boot(self.start))

    def cut_power(self) -> None:
        """No daemon, no clock; the pads hang at the machine and go dark with it."""
        self.kill()
        self.has_power = False
        self._living_boot += 1

    def step_clock(self, by_us: int) -> None:
        """Somebody sets the wall clock."""
        self.clocks.run_until(self._true_us)
        self.clocks.set_by_hand(by_us)

    def start(self) -> None:
        """Start the daemon on what the journal holds."""
        if self.core is not None:
            return
        self._process += 1
        now_ms = self.boottime_ms
        dialect = Native(self.windows, CONCEAL)
        restored = self.disk.journal.restored
        if self._record is None:
            self.core = Core(now_ms, self._setup(), [dialect], restored)
        else:
            self.core = TracedCore(self._record, now_ms, self._setup(), [dialect], restored)
        answer = self._in_this_process(self.give)
        self.disk.start(answer)
        self.give(Woken())
        self._look(self._process)
        self._reopen()
        self.uplink.start(answer)

    def kill(self) -> None:
        """kill -9, or its own end."""
        if self.core is None:
            return
        for pad in self.pads.values():
            pad.rouse()
        self.core, self.dies_after, self._unread = None, None, b""
        self._rest = self._unsaid = None
        self._process += 1
        self.disk.kill()
        self.uplink.kill()

    def start_again(self) -> None:
        """As systemd does it; not in a machine without power."""
        if self.has_power:
            self.start()

    def stop(self) -> None:
        """SIGTERM: it ends by itself."""
        self.give(StopRequested("SIGTERM"))

    def _setup(self) -> Setup:
        identity = Identity(
            source=str(self.source),
            boot_id=self.boot_id,
            versions={"daemon": "0"},
            config_hash="0" * 64,
            key=PublicKey(self._key.kid, self._key.public.to_text()),
        )
        line = QueueLine(port="/dev/queue", windows=self.windows)
        return Setup(identity=identity, lines=(line,), rules=self._plan.rules)

    # -- the core

    def give(self, event: Event) -> None:
        """Step the core and carry out what follows."""
        self._end_rest(event)
        now_ms = self.boottime_ms
        self._step(now_ms, event)
        self._begin_rest()
        self.plan_wake(now_ms)
        self._read_queue()

    def _step(self, now_ms: int, event: Event) -> None:
        core = self.core
        if core is None:
            return
        dozing = [pad.doze for pad in self.pads.values() if pad.doze is not None]
        for doze in dozing:
            doze.present(self._agenda.now_ms)
        effects = core.step(now_ms, event)
        for doze in dozing:
            doze.absent()
        for effect in effects:
            if self.dies_after is not None:
                self.dies_after -= 1
                if self.dies_after < 0:
                    self.kill()
                    return
            self._do(effect)
        if self.core is core:
            self.stepped(self.source, core.delivered)

    def plan_wake(self, stepped_ms: int | None = None) -> None:
        """Wake the core when it wants to be; stepped_ms: it was stepped just then."""
        self._wake += 1
        wake_at_ms = None if self.core is None else self.core.wake_at_ms()
        if wake_at_ms is None or wake_at_ms >= NEVER_MS:
            return
        if stepped_ms is not None and wake_at_ms <= stepped_ms:
            raise Broken("the loop would spin: the core wants to be woken in the past")
        wake = self._wake
        self._agenda.after(wake_at_ms - self.boottime_ms, lambda: self._woken(wake, wake_at_ms))

    def _woken(self, wake: int, wake_at_ms: int) -> None:
        if self._wake != wake:
            return
        if self.boottime_ms < wake_at_ms:
            # The machine's count is slower than true time.
            self._agenda.after(1, lambda: self._woken(wake, wake_at_ms))
        else:
            self.give(Woken())

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, StoreJob):
            self.disk.do(effect)
        elif isinstance(effect, SendToPad):
            self.pads[effect.window].rouse()
            self.to_pads[effect.window].write(effect.data)
        elif isinstance(effect, Publish):
            self.uplink.publish(effect.entry, live=effect.live)
        elif isinstance(effect, Report):
            self.uplink.report(effect.payload)
        elif isinstance(effect, SeekPad):
            self._agenda.after(1, lambda: self.give(PadFound(None)))
        elif isinstance(effect, Stop):
            self.kill()

    # -- clock

    def _ask_time(self) -> None:
        """systemd-timesyncd."""
        if self.has_time_server:
            off_us = 1000 * self.clocks.server_error_ms
            self.clocks.run_until(self._true_us)
            self.clocks.answer(self._random.randint(-off_us, off_us))
        self._agenda.after(POLL_MS, self._in_this_boot(self._ask_time))

    def _look(self, process: int) -> None:
        if self._process != process:
            return
        now_ms = self.boottime_ms
        reading = self.clocks.read()
        if self._rest is not None and self._is_as_before(now_ms, reading):
            self._unsaid = (now_ms, reading)
        else:
            self.give(reading)
        self._seen = (now_ms, reading)
        is_at_rest = all(pad.is_at_rest for pad in self.pads.values())
        wait_ms = LOOK_AT_REST_MS if is_at_rest else LOOK_MS
        self._agenda.after(wait_ms, lambda: self._look(process))

    def _is_as_before(self, now_ms: int, reading: ClockRead) -> bool:
        """The core would do nothing about it: neither a clock that was set, nor a new day."""
        before_ms, before = self._seen
        day = local_date(max(0, now_ms + reading.offset_ms))
        return (
            reading.synced == before.synced
            and abs(reading.offset_ms - before.offset_ms) < STEP_MS // 2
            and day == local_date(max(0, before_ms + before.offset_ms))
        )

    # -- rest

    def _begin_rest(self) -> None:
        core = self.core
        if core is None or not self.uplink.is_up or self._rest is not None:
            return
        has_all = core.settled and core.delivered == self.disk.journal.last_seq
        if has_all and all(pad.doze is not None for pad in self.pads.values()):
            self._rest = Rest.of(core)

    def _end_rest(self, event: Event) -> None:
        """Something happens: the core knows all that it would have been told."""
        rest, self._rest = self._rest, None
        unsaid, self._unsaid = self._unsaid, None
        if rest is None or self.core is None:
            return
        rest.end(self.boottime_ms)
        if unsaid is not None and not isinstance(event, ClockRead):
            self._step(*unsaid)

    # -- lines

    def hear_pad(self, window: str, data: bytes) -> None:
        """Bytes that have come from a window's pad."""
        self.give(PadReceived(window, data))

    def hear_queue(self, data: bytes) -> None:
        """Bytes that have come from the terminals; the kernel keeps what is not read yet."""
        if self.queue_plugged and self.core is not None:
            self._unread += data
            self._read_queue()

    def _read_queue(self) -> None:
        if self._unread and self.core is not None and self.core.hears_terminals:
            data, self._unread = self._unread, b""
            self.give(SignalReceived(0, data))

    def unplug(self, window: str) -> None:
        """The cable of a window's pad is out."""
        self.pads[window].rouse()
        self.pads[window].line.unplug()
        self.to_pads[window].unplug()
        self.give(PadLost(window, "unplugged"))

    def plug(self, window: str) -> None:
        """And in again: the port is opened soon, and carries nothing before."""

        def opened() -> None:
            self.pads[window].line.plug()
            self.to_pads[window].plug()
            self.give(PadOpened(window))

        self._agenda.after(self._random.randint(1, REOPEN_MS), opened)

    def unplug_queue(self) -> None:
        """The cable of the queue line is out."""
        self.queue_plugged = False
        self.give(SignalLost(0, "unplugged"))

    def plug_queue(self) -> None:
        """And in again."""

        def opened() -> None:
            self.queue_plugged = True
            self.give(SignalOpened(0))

        self._agenda.after(self._random.randint(1, REOPEN_MS), opened)

    def _reopen(self) -> None:
        for window in self.windows:
            plugged = self.to_pads[window].plugged
            self.give(PadOpened(window) if plugged else PadLost(window, "unplugged"))
        self.give(SignalOpened(0) if self.queue_plugged else SignalLost(0, "unplugged"))

    # -- as long as something lives

    def _in_this_process(self, call: Callable[[Event], None]) -> Callable[[Event], None]:
        process = self._process
        return lambda event: call(event) if process == self._process else None

    def _in_this_boot(self, call: Callable[[], None]) -> Callable[[], None]:
        boot = self._living_boot
        return lambda: call() if boot == self._living_boot else None
