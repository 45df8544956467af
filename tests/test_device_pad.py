"""The pad's sessions: keys and commands in, edges, faces, light and sound out."""

from itertools import groupby

import pytest

from device.debounce import STUCK_MS
from device.loop import Loop
from device.pad import HEARD_MS, SERVICE_MS, THANKS_MS
from device.selftest import KEY_MS, SHOW_MS
from protocol.pad import framing
from protocol.pad.line import LINK_LOST_MS, QUEUE_LEN_MAX, TICKS_MAX
from protocol.pad.link import UnitEnd
from protocol.pad.messages import (
    FAULT,
    FULL,
    HEARD,
    IDLE,
    NO_LINK,
    PAUSED,
    PLEASE_RATE,
    POWER_ON,
    SELF_TEST,
    THANKS,
    Edge,
    Status,
    decode,
)
from sim.flash import Flash, LittleFiles

TURN_MS = 2
BOOT = 0xB007


class Desk:
    """The real loop on a virtual board, joined to a real unit's end; time is the turns."""

    uid = b"uid-of-8"
    reset_cause, resets = POWER_ON, 0

    def __init__(self, problems: tuple[str, ...] = (), start_ticks: int = 0) -> None:
        self.problems = list(problems)
        self.files = LittleFiles(Flash(), fresh=True)
        self.now_ms = 0
        self.start_ticks = start_ticks
        self.held = 0
        self.plugged = True
        self.commits = True
        self.to_pad = b""
        self.edges: list[Edge] = []
        self.status: Status | None = None
        self.shown: list[tuple[int, int]] = []
        self.look = (0, 0)
        self.sent = b""
        self.fed_count = 0
        self.unit = UnitEnd(0, 0)
        self.loop = Loop(self, BOOT, b"firmware", "/lib", False)

    # What the loop needs of a board

    def ticks_ms(self) -> int:
        return (self.start_ticks + self.now_ms) & TICKS_MAX

    def levels(self) -> int:
        return self.held

    def read(self) -> bytes:
        data, self.to_pad = self.to_pad, b""
        return data

    def write(self, data: bytes) -> None:
        self.sent += data
        if self.plugged:
            self.hear(self.unit.received(self.now_ms, data))

    def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
        self.shown.append((lamps, buzzer_hz))
        self.look = (brightness, volume)

    def feed(self) -> None:
        self.fed_count += 1

    def proven(self) -> None:
        self.proven_ms = self.now_ms

    def restart(self, cause: int) -> None:
        raise AssertionError(f"restart for {cause}")

    # What a test does

    def hear(self, messages) -> None:
        for message in messages:
            if isinstance(message, Edge):
                self.edges.append(message)
                if self.commits:
                    self.unit.committed(message.boot_id, message.seq)
            elif isinstance(message, Status):
                self.status = message

    def run(self, for_ms: int) -> None:
        for _ in range(for_ms // TURN_MS):
            self.now_ms += TURN_MS
            said = self.unit.poll(self.now_ms)
            if self.plugged:
                self.to_pad += said
            self.loop.turn()

    def press(self, key: int, hold_ms: int = 60) -> None:
        self.held = 1 << (key - 1)
        self.run(hold_ms)
        self.held = 0
        self.run(60)

    def open(self, prompt_id: int, timeout_ms: int = 30_000) -> None:
        self.unit.open(self.now_ms, prompt_id, timeout_ms)
        self.run(10)

    def close(self, prompt_id: int, face: int) -> None:
        self.unit.close(self.now_ms, prompt_id, face)
        self.run(10)

    @property
    def face(self) -> int:
        self.run(1000)
        assert self.status is not None
        return self.status.face

    def reported(self) -> list[tuple[int, int, int]]:
        return [(edge.prompt_id, edge.key, edge.down) for edge in self.edges]


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.run(20)
    return desk


def test_prompt_when_a_key_is_pressed_then_heard_and_thanks_only_from_the_unit(desk):
    desk.open(7)
    assert desk.face == PLEASE_RATE
    desk.press(2)
    assert desk.reported() == [(7, 2, 1), (7, 2, 0)]
    assert desk.face == HEARD
    desk.close(7, THANKS)
    assert desk.loop.pad.face == THANKS
    assert desk.loop.pad.prompt_id == 0
    desk.run(THANKS_MS)
    assert desk.face == IDLE


def test_prompt_when_corrected_then_all_edges_carry_it(desk):
    desk.open(7)
    desk.press(2)
    desk.shown.clear()
    desk.press(5)
    assert desk.reported() == [(7, 2, 1), (7, 2, 0), (7, 5, 1), (7, 5, 0)]
    assert max(buzzer for _, buzzer in desk.shown) > 0


def test_prompt_when_nobody_presses_then_ends_by_the_pads_own_clock(desk):
    desk.open(7, timeout_ms=5000)
    desk.plugged = False
    desk.run(4950)
    assert desk.loop.pad.prompt_id == 7
    desk.run(60)
    assert (desk.loop.pad.prompt_id, desk.loop.pad.face) == (7, IDLE)


def test_press_when_late_by_the_pads_own_clock_then_kept_for_the_unit_to_judge(desk):
    desk.open(7, timeout_ms=5000)
    desk.plugged = False
    desk.run(6000)
    desk.shown.clear()
    desk.press(2)
    assert {buzzer for _, buzzer in desk.shown} == {0}
    desk.plugged = True
    desk.run(1200)
    assert desk.reported() == [(7, 2, 1), (7, 2, 0)]
    assert desk.face == IDLE
    desk.close(7, IDLE)
    desk.press(2)
    assert desk.reported()[2:] == [(0, 2, 1), (0, 2, 0)]


def test_prompt_when_pressed_at_its_end_then_leaves_the_unit_its_correction_window(desk):
    desk.open(7, timeout_ms=1000)
    desk.run(900)
    desk.press(1)
    desk.run(HEARD_MS - 500)
    assert (desk.loop.pad.prompt_id, desk.loop.pad.face) == (7, HEARD)
    desk.run(600)
    assert (desk.loop.pad.prompt_id, desk.loop.pad.face) == (7, IDLE)


def test_prompt_when_pressed_early_then_stays_open_for_its_whole_time(desk):
    desk.open(7, timeout_ms=60_000)
    desk.press(1)
    desk.run(59_000)
    assert (desk.loop.pad.prompt_id, desk.loop.pad.face) == (7, HEARD)
    desk.run(1000)
    assert (desk.loop.pad.prompt_id, desk.loop.pad.face) == (7, IDLE)


def test_prompt_when_asked_again_then_its_time_starts_anew(desk):
    desk.open(7, timeout_ms=2000)
    desk.run(1500)
    desk.open(7, timeout_ms=2000)
    desk.run(1500)
    assert desk.loop.pad.face == PLEASE_RATE


def test_press_outside_a_prompt_then_reported_without_light_or_sound(desk):
    quiet = Desk()
    quiet.run(20)
    desk.press(3)
    quiet.run(120)
    assert desk.reported() == [(0, 3, 1), (0, 3, 0)]
    assert desk.shown == quiet.shown


def test_release_then_says_how_long_the_key_was_held(desk):
    desk.open(7)
    desk.press(2, hold_ms=1300)
    desk.plugged = False
    desk.press(3, hold_ms=200)
    desk.run(1000)
    desk.plugged = True
    desk.run(200)
    assert [(edge.down, edge.held_ms) for edge in desk.edges] == [
        (1, 0), (0, 1300), (1, 0), (0, 200),
    ]  # fmt: skip


def test_release_after_the_prompt_then_belongs_to_the_prompt_of_its_press(desk):
    desk.open(7)
    desk.held = 0b1
    desk.run(60)
    desk.close(7, THANKS)
    desk.open(8)
    desk.held = 0
    desk.run(60)
    assert desk.reported() == [(7, 1, 1), (7, 1, 0)]
    assert desk.loop.pad.face == PLEASE_RATE


def test_light_and_sound_of_a_case_then_the_same_for_all_five_keys():
    traces = []
    for key in (1, 2, 3, 4, 5):
        desk = Desk()
        desk.run(20)
        desk.open(7)
        desk.run(2000)
        desk.press(key)
        desk.close(7, THANKS)
        desk.run(4000)
        traces.append(desk.shown)
    assert all(trace == traces[0] for trace in traces)
    assert {buzzer for _, buzzer in traces[0]} > {0}


def test_faces_then_each_looks_different_and_none_singles_out_a_key(desk):
    looks = set()
    for face in (IDLE, PLEASE_RATE, HEARD, THANKS, PAUSED, FAULT, SELF_TEST):
        desk.close(0, face)
        desk.shown.clear()
        desk.run(2400)
        looks.add(tuple(lamps for lamps, _ in desk.shown))
    desk.plugged = False
    desk.run(LINK_LOST_MS)
    desk.shown.clear()
    desk.run(2400)
    looks.add(tuple(lamps for lamps, _ in desk.shown))
    assert len(looks) == 8


def test_link_when_lost_then_shown_and_presses_of_the_open_prompt_are_kept(desk):
    desk.open(7)
    desk.plugged = False
    desk.run(LINK_LOST_MS + 1000)
    desk.press(4)
    desk.shown.clear()
    desk.run(4000)
    assert {lamps for lamps, _ in desk.shown} == {0, 0b10001}
    desk.plugged = True
    desk.run(1200)
    assert desk.reported() == [(7, 4, 1), (7, 4, 0)]
    assert desk.edges[0].age_ms > 4000
    assert desk.loop.pad.face == HEARD


def test_pad_when_never_linked_then_shows_no_link():
    desk = Desk()
    desk.plugged = False
    desk.run(3000)
    statuses = [decode(body) for body in map(framing.Decoder().push, desk.sent) if body]
    assert [m.face for m in statuses if isinstance(m, Status)] == [NO_LINK] * 3


def test_press_when_the_queue_is_full_then_counted_and_not_called_heard(desk):
    desk.commits = False
    for _ in range(QUEUE_LEN_MAX // 2):
        desk.press(1)
    desk.open(7)
    desk.press(2)
    assert desk.face == PLEASE_RATE
    assert desk.status is not None
    assert (desk.status.queued, desk.status.dropped) == (QUEUE_LEN_MAX, 2)
    assert len(desk.edges) == QUEUE_LEN_MAX


@pytest.mark.promise
def test_chords_and_stuck_keys_then_told_in_the_status_within_five_seconds(desk, promise):
    desk.held = 0b00101
    desk.run(STUCK_MS)
    assert desk.status is not None
    assert desk.status.stuck == 0
    desk.run(50)
    assert (desk.status.chords, desk.status.stuck) == (1, 0b00101)
    desk.held = 0
    desk.run(50)
    assert desk.status.stuck == 0
    assert desk.reported() == []
    promise("F3", "stuck keys, told within 5 s", 2, int(STUCK_MS + 50 >= 5000))


def test_self_test_then_runs_through_the_lamps_and_back_to_idle(desk):
    desk.unit.self_test(desk.now_ms)
    desk.shown.clear()
    desk.run(2990)
    lit = [lamps for lamps, _ in groupby(lamps for lamps, _ in desk.shown)]
    assert lit == [0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b11111]
    for key in (1, 2, 3, 4):
        desk.run(20)
        assert desk.loop.pad.light.lamps == 1 << (key - 1)
        assert desk.status is not None
        assert (desk.status.face, desk.status.tests) == (SELF_TEST, 0)
        desk.press(key)
    desk.press(5)
    assert (desk.status.tests, desk.status.tested) == (1, 0b11111)
    assert desk.reported() == []
    assert desk.face == IDLE


def test_self_test_when_a_key_is_dead_or_wired_wrongly_then_the_others_are_still_tried(desk):
    desk.unit.self_test(desk.now_ms)
    desk.run(SHOW_MS + 20)
    desk.press(1)
    desk.press(3)
    desk.run(KEY_MS)
    for key in (3, 4, 5):
        desk.press(key)
    desk.run(20)
    assert desk.status is not None
    assert (desk.status.tests, desk.status.tested) == (1, 0b11101)
    desk.unit.self_test(desk.now_ms)
    desk.run(SHOW_MS + 5 * KEY_MS + 100)
    assert (desk.status.tests, desk.status.tested) == (2, 0)


def test_outer_keys_held_long_then_a_self_test_even_without_the_unit(desk):
    desk.plugged = False
    desk.run(LINK_LOST_MS)
    desk.held = 0b10001
    desk.run(SERVICE_MS - 20)
    assert desk.loop.pad.light.lamps in (0, 0b10001)
    desk.run(SHOW_MS - 200)
    assert desk.loop.pad.light.lamps == 0b11111
    desk.held = 0
    desk.run(300)
    for key in (1, 2, 3, 4, 5):
        desk.press(key)
    desk.plugged = True
    desk.run(1200)
    assert desk.status is not None
    assert (desk.status.tests, desk.status.tested, desk.status.stuck) == (1, 0b11111, 0)


def test_outer_keys_when_stuck_for_good_then_one_self_test_and_no_more(desk):
    desk.held = 0b10001
    desk.run(3 * (SERVICE_MS + SHOW_MS + 5 * KEY_MS))
    assert desk.status is not None
    assert (desk.status.tests, desk.status.tested, desk.status.stuck) == (1, 0, 0b10001)


def test_self_test_when_a_prompt_opens_then_ends_and_the_release_of_its_press_is_not_sent(desk):
    desk.unit.self_test(desk.now_ms)
    desk.run(SHOW_MS + 20)
    desk.held = 0b00001
    desk.run(40)
    desk.open(7)
    desk.held = 0
    desk.run(40)
    desk.press(2)
    assert desk.reported() == [(7, 2, 1), (7, 2, 0)]
    assert desk.face == HEARD
    assert desk.status is not None
    assert (desk.status.tests, desk.status.tested) == (1, 0b00001)


def test_self_test_while_a_prompt_is_open_then_the_citizen_comes_first(desk):
    desk.open(7)
    desk.unit.self_test(desk.now_ms)
    assert desk.face == PLEASE_RATE


def test_brightness_and_volume_then_those_of_the_last_command(desk):
    assert desk.look == (FULL, FULL)
    desk.unit.brightness, desk.unit.volume = 10, 0
    desk.close(0, IDLE)
    assert desk.look == (10, 0)
    desk.unit.brightness, desk.unit.volume = 80, 60
    desk.open(7)
    assert desk.look == (80, 60)


def test_pad_when_its_settings_are_wrong_then_shows_fault():
    desk = Desk(problems=("key_pin: there is no such setting",))
    desk.run(20)
    assert desk.face == FAULT
    desk.open(7)
    assert desk.face == PLEASE_RATE


def test_case_across_the_wrap_of_the_ticks_then_nothing_differs():
    traces = []
    for start_ticks in (0, TICKS_MAX - 2500):
        desk = Desk(start_ticks=start_ticks)
        desk.run(20)
        desk.open(7, timeout_ms=6000)
        desk.run(2000)
        desk.press(2)
        desk.close(7, THANKS)
        desk.run(5000)
        traces.append((desk.shown, desk.reported(), [edge.age_ms for edge in desk.edges]))
    assert traces[0] == traces[1]


def test_turn_then_feeds_the_watchdog_last_and_answers_the_same_object_when_idle(desk):
    desk.run(4000)
    assert desk.fed_count == len(desk.shown) == desk.now_ms // TURN_MS
    pad = desk.loop.pad
    assert pad.step(desk.ticks_ms(), 0, b"") is pad.step(desk.ticks_ms(), 0, b"")
