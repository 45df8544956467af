"""What befalls a hall: each kind of trouble of its plan, again and again, each time healed."""

import random
from collections import Counter
from collections.abc import Callable

from sim.noise import Noise
from sim.world.agenda import Script
from sim.world.hall import Hall
from sim.world.machine import Machine
from sim.world.plan import TROUBLES

EFFECTS_MAX = 40  # a daemon dies within so many effects, wherever that is
STEPS_US = (-3_600_000_000, -61_000_000, -1_500_000, 1_500_000, 61_000_000, 3_600_000_000)
Heal = Callable[[], None]


class Faults:
    """A method for each kind of plan.TROUBLES: it strikes, and returns how it is healed."""

    def __init__(self, hall: Hall, drawn: random.Random) -> None:
        self._hall, self._random = hall, drawn
        self.struck: Counter[str] = Counter()

    def script(self, name: str, until_ms: int) -> Script:
        """One kind of trouble, until then: all that it did is healed at its end."""
        kind, agenda = TROUBLES[name], self._hall.agenda
        while True:
            wait_ms = 1 + int(self._random.expovariate(1 / kind.every_ms))
            if agenda.now_ms + wait_ms >= until_ms:
                return
            yield wait_ms
            heal = getattr(self, f"_{name}")()
            if heal is None:
                continue
            self.struck[name] += 1
            lasts_ms = min(
                self._random.randint(kind.least_ms, kind.most_ms), until_ms - agenda.now_ms
            )
            self._hall.say(f"{name} for {lasts_ms} ms")
            yield lasts_ms
            heal()
            self._hall.say(f"{name} is over")

    # -- lines

    def _pad_line_loses(self) -> Heal | None:
        return self._disturb("loses", 0.1)

    def _pad_line_flips(self) -> Heal | None:
        return self._disturb("flips", 0.1)

    def _pad_line_repeats(self) -> Heal | None:
        return self._disturb("repeats", 0.2)

    def _pad_line_splits(self) -> Heal | None:
        return self._disturb("splits", 0.5)

    def _disturb(self, what: str, share: float) -> Heal | None:
        machine, window = self._place()
        pad = machine.pads[window]
        pad.rouse()
        lines = (pad.line, machine.to_pads[window])
        for line in lines:
            setattr(line.trouble, what, share)

        def heal() -> None:
            for line in lines:
                setattr(line.trouble, what, 0.0)

        return heal

    def _queue_line_noisy(self) -> Heal | None:
        terminals = self._hall.terminals
        terminals.noise = Noise(self._random.getrandbits(32), damage=0.3)
        return lambda: setattr(terminals, "noise", None)

    def _pad_unplugged(self) -> Heal | None:
        machine, window = self._place()
        if not machine.to_pads[window].plugged:
            return None
        machine.unplug(window)
        return lambda: machine.plug(window)

    def _queue_unplugged(self) -> Heal | None:
        machine, _ = self._place()
        if not machine.queue_plugged:
            return None
        machine.unplug_queue()
        return machine.plug_queue

    def _pad_restarted(self) -> Heal | None:
        machine, window = self._place()
        self._hall.restart_pad(machine.pads[window])
        return _nothing

    # -- the machine

    def _daemon_killed(self) -> Heal | None:
        machine, _ = self._place()
        machine.kill()
        return machine.start_again

    def _killed_between_effects(self) -> Heal | None:
        machine, _ = self._place()
        machine.dies_after = self._random.randrange(EFFECTS_MAX)

        def heal() -> None:
            machine.dies_after = None
            machine.start_again()

        return heal

    def _daemon_stopped(self) -> Heal | None:
        machine, _ = self._place()
        machine.stop()

        def heal() -> None:
            # systemd kills what does not end by itself.
            machine.kill()
            machine.start_again()

        return heal

    def _power_cut(self) -> Heal | None:
        machine, _ = self._place()
        if not machine.has_power:
            return None
        machine.cut_power()
        return lambda: self._power_on(machine)

    def _power_on(self, machine: Machine) -> None:
        for pad in machine.pads.values():
            self._hall.restart_pad(pad)
        machine.boot()

    def _disk_stalls(self) -> Heal | None:
        machine, _ = self._place()
        kind = TROUBLES["disk_stalls"]
        stall_ms = self._random.randint(kind.least_ms, kind.most_ms)
        machine.disk.stalls_until_ms = self._hall.agenda.now_ms + stall_ms
        return lambda: setattr(machine.disk, "stalls_until_ms", 0)

    def _disk_full(self) -> Heal | None:
        machine, _ = self._place()
        machine.disk.journal.fail = "the disk is full"
        return lambda: setattr(machine.disk.journal, "fail", None)

    # -- the clock

    def _clock_stepped(self) -> Heal | None:
        machine, _ = self._place()
        machine.step_clock(self._random.choice(STEPS_US))
        return _nothing

    def _time_server_away(self) -> Heal | None:
        machine, _ = self._place()
        machine.has_time_server = False
        return lambda: setattr(machine, "has_time_server", True)

    # -- the way to the platform

    def _connection_torn(self) -> Heal | None:
        self._hall.broker.tear()
        return _nothing

    def _network_away(self) -> Heal | None:
        heal = self._behave("is_away")
        self._hall.broker.tear()
        return heal

    def _broker_slow(self) -> Heal | None:
        return self._behave("is_slow")

    def _broker_drops(self) -> Heal | None:
        return self._behave("drops")

    def _broker_refuses(self) -> Heal | None:
        return self._behave("refuses")

    def _broker_mute(self) -> Heal | None:
        return self._behave("is_mute")

    def _broker_forgets(self) -> Heal | None:
        self._hall.broker.forget()
        return self._network_away()

    def _broker_repeats(self) -> Heal | None:
        return self._behave("repeats")

    def _receipts_replayed(self) -> Heal | None:
        return self._behave("replays")

    def _receipts_forged(self) -> Heal | None:
        return self._behave("forges")

    def _behave(self, how: str) -> Heal | None:
        manners = self._hall.broker.manners
        if getattr(manners, how):
            return None
        setattr(manners, how, True)
        return lambda: setattr(manners, how, False)

    def _centre_killed(self) -> Heal | None:
        centre = self._hall.centre
        if not centre.is_up:
            return None
        centre.kill()
        return centre.start

    def _centre_away(self) -> Heal | None:
        return self._centre_killed()

    def _certificate_expired(self) -> Heal | None:
        machine, _ = self._place()
        refused = self._hall.broker.manners.refused_certificates
        if machine.source in refused:
            return None
        refused.add(machine.source)
        machine.uplink.lose("closed the connection")
        return lambda: refused.discard(machine.source)

    # -- where

    def _place(self) -> tuple[Machine, str]:
        machine = self._random.choice(self._hall.machines)
        return machine, self._random.choice(machine.windows)


def _nothing() -> None:
    """What is over at once needs no healing."""
