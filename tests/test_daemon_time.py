"""Time (D1): whatever the clocks do, seq is the order, and the truth lies where it is said to."""

import random

import pytest

from daemon.events import Woken
from protocol.central.entry import read
from protocol.central.truetime import Anchor, interval
from sim.clocks import Clocks
from sim.desk import Desk

HISTORIES = 60
HISTORIES_PER_SCALE, HISTORIES_MAX = 90, 10_000
ACTIONS = 14
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
TRUE_US = 1_795_000_000 * SECOND_US
# The loop reads the wall clock at least so often.
READ_US = 10 * SECOND_US


class Machine:
    """A unit whose clocks do what the seed says."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.clocks = Clocks(TRUE_US)
        self.clocks.server_error_ms = self.chance.choice((0, 50, 5000))
        self.clocks.drift_ppm = self.chance.randint(-100, 100)
        self.desk = Desk()
        count_us = self.desk.now_ms * 1000
        self.clocks.boot(self.desk.boot_id, count_us=count_us - SECOND_US, wall_us=0)
        self.clocks.run(SECOND_US)

    def follow(self):
        """The desk spent time of its own."""
        self.clocks.run(self.desk.now_ms * 1000 - self.clocks.count_us)

    def wait(self, for_us):
        """Time passes; at its end the loop has read the clock within the last ten seconds."""
        late_us = min(for_us, self.chance.randint(0, READ_US))
        self.clocks.run(for_us - late_us)
        self.look()
        self.clocks.run(late_us)
        self.desk.now_ms = self.clocks.boottime_ms
        self.desk.give(Woken())
        self.desk.run(100)
        self.follow()

    def look(self):
        self.desk.now_ms = self.clocks.boottime_ms
        self.desk.give(self.clocks.read())

    def act(self):
        self.chance.choice((
            self.serve, self.serve, self.serve, self.sleep, self.answer, self.answer,
            self.set_by_hand, self.reboot, self.restart, self.change_rate, self.replug,
        ))()  # fmt: skip
        self.wait(self.chance.choice((0, SECOND_US, READ_US, HOUR_US // 10)))

    def serve(self):
        number = self.chance.randint(1, 10**9)
        self.desk.say("called", ticket="A001", ticketSerial=f"T{number}")
        self.desk.say("completed", projectNo=f"P{number}")
        self.desk.press(self.chance.randint(1, 5))
        self.desk.run(3500)
        self.follow()

    def sleep(self):
        """An hour to three days, as in a suspended or idle machine; sync may be lost meanwhile."""
        self.wait(self.chance.randint(1, 72) * HOUR_US)

    def answer(self):
        most_us = self.clocks.server_error_ms * 1000
        self.clocks.answer(self.chance.randint(-most_us, most_us))

    def set_by_hand(self):
        self.clocks.set_by_hand(self.chance.choice((-HOUR_US, HOUR_US, -SECOND_US // 2, -TRUE_US)))

    def reboot(self):
        wall_us = self.chance.choice((0, TRUE_US - HOUR_US, self.clocks.true_us))
        name = f"boot-{self.desk.crash_count + 2}"
        self.clocks.boot(name, count_us=4 * SECOND_US, wall_us=wall_us)
        self.desk.now_ms = self.clocks.boottime_ms
        self.desk.crash(power=True)
        assert self.desk.boot_id == name
        self.follow()

    def restart(self):
        self.desk.crash()
        self.follow()
        self.look()

    def change_rate(self):
        self.clocks.drift_ppm = self.chance.randint(-100, 100)

    def replug(self):
        self.desk.unplug()
        self.desk.replug()
        self.desk.run(1500)
        self.follow()


def lies(seed):
    """What is wrong in one history, in words; and whether its wall clock ever went backwards."""
    machine = Machine(seed)
    for _ in range(ACTIONS):
        machine.act()
    entries = [read(sealed.text) for sealed in machine.desk.journal.entries]
    anchors = [Anchor.of(entry) for entry in entries if entry.kind == "clock"]
    found, before_ms, shown_ms, went_back = [], 0.0, 0, False
    for entry in entries:
        stamp = entry.stamp
        true_ms = machine.clocks.true_ms(stamp.boot_id, stamp.boottime_ms)
        if true_ms < before_ms:
            found.append(f"{seed}: entry {entry.seq} is older than the one before")
        before_ms = true_ms
        went_back = went_back or (stamp.utc_ms or 0) < shown_ms
        shown_ms = stamp.utc_ms or 0
        lies_in = interval(stamp.boot_id, stamp.boottime_ms, anchors)
        if lies_in is not None and not lies_in[0] - 1 <= true_ms <= lies_in[1] + 1:
            found.append(f"{seed}: entry {entry.seq} ({entry.kind}) {true_ms} not in {lies_in}")
        if stamp.synced and abs(stamp.utc_ms - true_ms) > stamp.error_ms + 3:
            found.append(f"{seed}: entry {entry.seq} says {stamp}, it was {true_ms}")
    return found, went_back, len(entries)


@pytest.mark.promise
def test_history_of_clocks_when_they_do_anything_then_order_and_intervals_hold(promise, scale):
    count = HISTORIES if scale == 1 else min(HISTORIES_MAX, HISTORIES_PER_SCALE * scale)
    told = [lies(seed) for seed in range(count)]
    bad = [line for found, _, _ in told for line in found]
    assert not bad, bad[:5]
    # Where an order by the wall clock would have been another one.
    assert sum(went_back for _, went_back, _ in told) > count // 3
    promise("D1", "histories of clocks: order and interval hold", count)
    promise("D1", "entries in them", sum(entries for _, _, entries in told))
