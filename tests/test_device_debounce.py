"""Promise F1 in its fast form: bouncing contacts in, one press one edge out, within 40 ms."""

import random
from bisect import bisect_right

import pytest

from device.debounce import SAMPLE_COUNT, SAMPLE_MS, STUCK_MS, Debounce
from protocol.pad.line import TICKS_MAX

TRACES, TRACES_MAX = 2500, 100_000
LATENCY_MS_MAX = 40
SETTLED_MS = 40  # a spike earlier than that would rightly restart the count


class Finger:
    """One key over one press: contacts that bounce for 0.1 to 20 ms, and spikes under 1 ms."""

    def __init__(self, rng: random.Random) -> None:
        self.down_ms = 50 + rng.random() * 10
        self.up_ms = self.down_ms + rng.uniform(60, 300)
        self.end_ms = self.up_ms + 120
        self.flips: list[float] = []  # when the contact changes; it begins open
        self.spikes(rng, 5, self.down_ms)
        self.bounces(rng, self.down_ms)
        self.spikes(rng, self.down_ms + SETTLED_MS, self.up_ms)
        self.bounces(rng, self.up_ms)
        self.spikes(rng, self.up_ms + SETTLED_MS, self.end_ms)

    def bounces(self, rng: random.Random, start: float) -> None:
        """An odd number of flips, the last at the end of the bouncing."""
        at, end, before = start, start + rng.uniform(0.1, 20), len(self.flips)
        while at < end:
            self.flips.append(at)
            at += rng.expovariate(1 / rng.uniform(0.05, 3))
        if (len(self.flips) - before) % 2 == 0:
            self.flips.append(end)

    def spikes(self, rng: random.Random, start: float, end: float) -> None:
        at = start + rng.uniform(0, 30)
        while at + 1 < end:
            self.flips += [at, at + rng.uniform(0.01, 0.99)]
            at += rng.uniform(6, 60)

    def level(self, now_ms: float) -> int:
        return bisect_right(self.flips, now_ms) & 1


def edges_of(rng: random.Random, finger: Finger, key: int) -> list[tuple[float, int, int]]:
    """(when, changed, down) at turns of 0.4 to 1.9 ms that begin anywhere in the ticks."""
    debounce, start = Debounce(), rng.choice((0, TICKS_MAX - 100, rng.randrange(TICKS_MAX)))
    edges = []
    now_ms = rng.random()
    while now_ms < finger.end_ms:
        levels = finger.level(now_ms) << key
        changed = debounce.sample((start + int(now_ms)) & TICKS_MAX, levels)
        if changed:
            edges.append((now_ms, changed, debounce.down))
        now_ms += rng.choice((0.4, 1.5, 1.9))
    assert debounce.chord_count == debounce.stuck == 0
    return edges


@pytest.mark.promise
def test_bouncing_press_then_one_edge_down_and_one_up_within_forty_ms(promise, scale):
    rng = random.Random("F1")
    slowest_ms = 0.0
    count = min(TRACES_MAX, TRACES * scale)
    for _ in range(count):
        finger, key = Finger(rng), rng.randrange(5)
        (down_ms, pressed, held), (up_ms, released, free) = edges_of(rng, finger, key)
        assert (pressed, held, released, free) == (1 << key, 1 << key, 1 << key, 0)
        slowest_ms = max(slowest_ms, down_ms - finger.down_ms, up_ms - finger.up_ms)
    assert slowest_ms <= LATENCY_MS_MAX
    promise("F1", "bouncing presses, one edge each within 40 ms", count)


class Keys:
    """Five steady keys, sampled every SAMPLE_MS."""

    def __init__(self) -> None:
        self.debounce = Debounce()
        self.now = 0
        self.changes: list[tuple[int, int]] = []

    def hold(self, levels: int, for_ms: int = 40) -> list[tuple[int, int]]:
        """(changed, down) of what was reported meanwhile."""
        changes = []
        for _ in range(for_ms // SAMPLE_MS):
            changed = self.debounce.sample(self.now & TICKS_MAX, levels)
            if changed:
                changes.append((changed, self.debounce.down))
            self.now += SAMPLE_MS
        return changes


def test_level_when_it_lasts_one_sample_less_than_needed_then_is_no_edge():
    keys = Keys()
    assert keys.hold(0b1, (SAMPLE_COUNT - 1) * SAMPLE_MS) == []
    assert keys.hold(0) == []
    assert keys.hold(0b1, SAMPLE_COUNT * SAMPLE_MS) == [(0b1, 0b1)]


def test_second_key_while_one_is_down_then_refused_with_its_release():
    keys = Keys()
    assert keys.hold(0b00010) == [(0b00010, 0b00010)]
    assert keys.hold(0b01010) == []
    assert keys.debounce.chord_count == 1
    assert keys.hold(0b00010) == []
    assert keys.hold(0) == [(0b00010, 0)]
    assert keys.hold(0b01000) == [(0b01000, 0b01000)]


def test_two_keys_pressed_by_one_hand_then_neither_is_believed():
    for gap_ms in range(0, 12, 2):
        keys = Keys()
        assert keys.hold(0b00100, gap_ms) == []
        assert keys.hold(0b01100) == []
        assert keys.debounce.chord_count >= 1
        assert keys.hold(0) == []


def test_key_when_another_is_released_just_before_then_is_no_chord():
    keys = Keys()
    keys.hold(0b00001)
    assert keys.hold(0b00010) == [(0b00011, 0b00010)]
    assert keys.debounce.chord_count == 0


def test_spike_on_another_key_at_the_moment_of_acceptance_then_is_no_chord():
    keys = Keys()
    keys.hold(0b00001, (SAMPLE_COUNT - 1) * SAMPLE_MS)
    assert keys.hold(0b00011, SAMPLE_MS) == [(0b00001, 0b00001)]
    assert keys.debounce.chord_count == 0


def test_key_held_for_half_a_minute_then_stuck_and_the_others_work_again():
    keys = Keys()
    keys.hold(0b00001, STUCK_MS)
    assert keys.debounce.stuck == 0
    keys.hold(0b00001)
    assert keys.debounce.stuck == 0b00001
    assert keys.hold(0b10001) == [(0b10000, 0b10001)]
    assert keys.hold(0) == [(0b10001, 0)]
    assert (keys.debounce.stuck, keys.debounce.chord_count) == (0, 0)


def test_sample_after_a_long_turn_then_goes_on_from_there():
    debounce = Debounce()
    seen = [debounce.sample(now, 1) for now in range(0, 20_000, 1000)]
    assert seen[:9] == [0] * 7 + [1, 0]
    assert [debounce.sample(19_000, 0) for _ in range(20)] == [0] * 20
