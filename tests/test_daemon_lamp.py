"""A window's lamp and buzzer: what they do when, and that they hold nobody up."""

import logging
import queue
import threading
from itertools import pairwise

import pytest

from daemon import snapshot as view
from daemon.config.lamp import Lamp as LampConfig
from daemon.config.window import Window
from daemon.front.faces import FACES, begins, counted, face, is_spoken, moment
from daemon.front.gpio import Gpio
from daemon.front.lamp import Lamp
from daemon.front.night import Look, Looks
from daemon.snapshot import Screen
from protocol.pad import messages
from protocol.pad.faces import MIDDLE, PATTERNS, Player
from sim.desk import Desk
from sim.gpio import Board

WAIT_S = 10.0
LAMP, BUZZER = 17, 27
SHOWN = sorted(set(FACES.values()))
NIGHT = Looks(day=Look(80, 60), night=(21 * 60, 6 * 60))
NOON_MS, MIDNIGHT_MS = 4 * 3_600_000, 16 * 3_600_000  # UTC; the hall is in UTC+8


def screen(name, **facts):
    return Screen(name=name, window="3", **facts)


# -- what is played


@pytest.mark.parametrize("shown", SHOWN)
def test_face_at_every_millisecond_is_what_the_pads_middle_lamp_and_buzzer_do(shown):
    player, steps = Player(), PATTERNS[shown][0]
    player.start(0, PATTERNS[shown])
    for now_ms in range(2 * sum(ms for _, ms in steps) + 700):
        player.play(now_ms)
        now = moment(shown, now_ms)
        assert (now.lit, now.hz) == (bool(player.lamps & MIDDLE), player.buzzer_hz), now_ms


@pytest.mark.parametrize("shown", [*SHOWN, None])
def test_face_changes_after_the_wait_it_named_and_never_before(shown):
    now_ms = 0
    for _ in range(20):
        now = moment(shown, now_ms)
        wait_ms = 12_000 if now.wait_ms is None else now.wait_ms
        assert wait_ms > 0
        for later_ms in range(now_ms, now_ms + wait_ms):
            later = moment(shown, later_ms)
            assert (later.lit, later.hz) == (now.lit, now.hz), later_ms
        now_ms += wait_ms


@pytest.mark.promise
def test_lamp_of_an_idle_window_wakes_twice_in_five_seconds_and_of_a_closed_one_never(promise):
    def wakes(shown):
        now_ms, count = 0, 0
        while now_ms < 60_000 and (wait_ms := moment(shown, now_ms).wait_ms) is not None:
            now_ms, count = now_ms + wait_ms, count + 1
        return count

    idle = wakes(messages.IDLE)
    assert (wakes(messages.PAUSED), wakes(None)) == (0, 0)
    promise("G3", "wake-ups of an idle lamp in a minute: 24", idle, int(idle > 24))


def test_two_faces_of_the_one_lamp_never_look_the_same():
    def rhythm(shown):
        now_ms, seen = 0, []
        while now_ms < 12_000:
            now = moment(shown, now_ms)
            wait_ms = now.wait_ms or 12_000
            seen.append((now.lit, min(wait_ms, 12_000 - now_ms)))
            now_ms += wait_ms
        return [(lit, ms) for (lit, ms), _ in pairwise([*seen, (None, 0)])]

    looks = [rhythm(shown) for shown in SHOWN]
    assert all(one != other for index, one in enumerate(looks) for other in looks[:index])


def test_face_of_a_screen_that_says_nothing_of_the_window_is_dark():
    assert face(screen(view.STARTING)) is face(None) is None
    assert face(screen(view.OUT_OF_SERVICE)) == messages.FAULT
    assert moment(face(None), 0) == (False, 0, None)


def test_face_begins_anew_with_another_prompt_and_not_with_each_second():
    asked = [screen(view.PLEASE_RATE, remaining_s=left_s) for left_s in (30, 29, 28, 30)]
    assert begins(None, asked[0])
    assert [begins(before, now) for before, now in pairwise(asked)] == [False, False, True]
    assert begins(screen(view.HEARD), screen(view.REASONS, remaining_s=8))
    assert not begins(screen(view.REASONS, remaining_s=8), screen(view.REASONS, remaining_s=7))
    assert begins(screen(view.HEARD), screen(view.THANKS))
    assert not begins(screen(view.IDLE), screen(view.CALLED, ticket="A001"))


def test_question_why_lights_up_as_the_first_one_and_is_not_spoken():
    assert face(screen(view.REASONS)) == face(screen(view.PLEASE_RATE))
    assert is_spoken(screen(view.PLEASE_RATE))
    assert not is_spoken(screen(view.REASONS))


def pulses(count, read):
    """When it goes on within a minute."""
    now_ms, was_on, ons = 0, False, []
    while now_ms < 60_000:
        now = counted(count, 0, now_ms) if read == "lit" else counted(0, count, now_ms)
        is_on = bool(getattr(now, read))
        if is_on and not was_on:
            ons.append(now_ms)
        was_on, now_ms = is_on, now_ms + (now.wait_ms or 60_000)
    return ons


@pytest.mark.parametrize("read", ["lit", "hz"])
@pytest.mark.parametrize("count", range(10))
def test_what_a_technician_counts_is_there_so_often_and_then_a_pause(count, read):
    ons = pulses(count, read)
    gaps = [later_ms - before_ms for before_ms, later_ms in pairwise(ons)]
    pauses = [index for index, gap_ms in enumerate(gaps, 1) if gap_ms > 2000]
    assert bool(ons) is bool(count)
    # A pause after each `count` of them, and nowhere else.
    assert pauses == list(range(count, len(ons), count or 1))
    assert min(gaps, default=800) >= 800


def test_what_a_technician_counts_changes_after_the_wait_it_named_and_never_before():
    now_ms = 0
    for _ in range(40):
        now = counted(3, 2, now_ms)
        assert now.wait_ms > 0
        for later_ms in range(now_ms, now_ms + now.wait_ms, 10):
            assert counted(3, 2, later_ms)[:2] == now[:2]
        now_ms += now.wait_ms
    assert counted(0, 0, 0).wait_ms is None


def played(key):
    """Each face that began while one case was rated with that key, and when."""
    desk, before, seen = Desk(), None, []
    start_ms = desk.now_ms

    def look(for_ms):
        nonlocal before
        for _ in range(for_ms // 100):
            desk.run(100)
            now = desk.core.snapshot(desk.now_ms).windows[0].screen
            if begins(before, now):
                seen.append((desk.now_ms - start_ms, face(now)))
            before = now

    look(300)
    desk.say("called", ticket="A001", ticketSerial="20261122-01-001")
    desk.say("completed", ticketSerial="20261122-01-001", projectNo="P1", serviceNumber=1)
    look(2_000)
    desk.press(key)
    look(9_000)
    return seen


@pytest.mark.promise
def test_light_and_sound_of_a_case_then_the_same_for_every_level(promise):
    told = [played(key) for key in range(1, 6)]
    assert [shown for _, shown in told[0]][-4:] == [
        messages.PLEASE_RATE, messages.HEARD, messages.THANKS, messages.IDLE,
    ]  # fmt: skip
    differing = sum(one != told[0] for one in told)
    promise("E4", "faces of the unit's lamp and buzzer, and when: level by level", 5, differing)


# -- the worker


class Pins:
    """The outputs as they are set; they fail or stall as long as they are told to."""

    def __init__(self):
        self.said = queue.Queue()
        self.error = None
        self.gate = threading.Event()
        self.gate.set()

    def _do(self, *what):
        self.gate.wait(WAIT_S)
        self.said.put(what)
        if self.error is not None:
            raise self.error

    def light(self, percent):
        self._do("light", percent)

    def sound(self, hz, percent):
        self._do("sound", hz, percent)

    def close(self):
        self._do("close")

    def until(self, *what):
        """Wait for that; what was said before it."""
        before = []
        while (one := self.said.get(timeout=WAIT_S)) != what:
            before.append(one)
        return before


@pytest.fixture
def pins():
    return Pins()


@pytest.fixture
def lamp_of(pins):
    """Makes a started lamp; it is stopped at the end."""
    made = []

    def make(looks=None, utc_ms=None, **more):
        lamp = Lamp(
            "3", more.pop("outputs", pins), looks or Looks(), lambda: utc_ms, pytest.fail, **more
        )
        made.append(lamp)
        lamp.start()
        return lamp

    yield make
    pins.error = None
    pins.gate.set()
    for lamp in made:
        lamp.stop(WAIT_S)
        assert not lamp.is_alive()


def test_prompt_then_lamp_and_notes_as_in_the_table_and_off_at_the_end(pins, lamp_of):
    lamp = lamp_of()
    lamp.show(screen(view.PLEASE_RATE, remaining_s=30))
    assert pins.until("sound", 1760, 100) == [("light", 100)]
    pins.until("sound", 0, 0)
    pins.until("sound", 2093, 100)
    pins.until("light", 0)
    lamp.stop(WAIT_S)
    pins.until("close")


@pytest.mark.parametrize(
    ("utc_ms", "bright", "loud"), [(NOON_MS, 80, 60), (None, 80, 60), (MIDNIGHT_MS, 10, 0)]
)
def test_look_then_that_of_the_pad_by_day_and_by_night(pins, lamp_of, utc_ms, bright, loud):
    lamp_of(NIGHT, utc_ms).show(screen(view.HEARD))
    assert pins.until("sound", 2093, loud) == [("light", bright)]


def test_prompt_when_night_begins_keeps_its_look_to_the_thanks(pins):
    now_ms = NOON_MS
    lamp = Lamp("3", pins, NIGHT, lambda: now_ms, pytest.fail)
    lamp.start()
    lamp.show(screen(view.PLEASE_RATE, remaining_s=2))
    pins.until("light", 80)
    now_ms = MIDNIGHT_MS
    lamp.show(screen(view.HEARD))
    pins.until("sound", 2093, 60)
    lamp.show(screen(view.THANKS))
    pins.until("light", 10)
    lamp.stop(WAIT_S)


def test_signs_at_night_are_as_bright_and_loud_as_they_can_be_and_not_spoken(pins, lamp_of):
    said = queue.Queue()
    lamp = lamp_of(NIGHT, MIDNIGHT_MS, speak=lambda *what: said.put(what))
    lamp.show(screen(view.SIGNS, number="4711", blinks=1, beeps=1))
    assert pins.until("sound", 2093, 100) == [("light", 100)]
    assert said.get(timeout=WAIT_S) == ("3", None)
    pins.until("sound", 0, 0)
    assert lamp.trouble is None
    lamp.show(screen(view.HEARD))
    assert pins.until("sound", 2093, 0)[-1] == ("light", 10)


def test_other_signs_begin_anew_and_the_same_ones_do_not():
    one = screen(view.SIGNS, number="4711", blinks=1, beeps=2)
    assert begins(screen(view.IDLE), one)
    assert begins(one, screen(view.SIGNS, number="4711", blinks=2, beeps=1))
    assert not begins(one, screen(view.SIGNS, number="4711", blinks=1, beeps=2))
    assert begins(one, screen(view.IDLE))


def test_pins_when_they_fail_are_said_once_and_tried_again(pins, lamp_of, caplog):
    caplog.set_level(logging.INFO, "daemon.front.lamp")
    pins.error = OSError("GPIO busy: end it")
    lamp = lamp_of(retry_s=0.01)
    lamp.show(screen(view.PAUSED))
    for _ in range(5):
        pins.until("light", 0)
    pins.error = None
    pins.until("sound", 0, 0)
    lamp.show(screen(view.HEARD))
    pins.until("sound", 2093, 100)
    assert [record.getMessage() for record in caplog.records] == [
        "lamp window=3 state=failing trouble='GPIO busy: end it'",
        "lamp window=3 state=sound",
    ]


def test_pins_when_they_fail_at_the_end_are_said_and_it_ends_all_the_same(pins, lamp_of, caplog):
    lamp = lamp_of()
    lamp.show(screen(view.PAUSED))
    pins.until("sound", 0, 0)
    pins.error = OSError("GPIO not allocated: look")
    lamp.stop(WAIT_S)
    assert not lamp.is_alive()
    assert "trouble='GPIO not allocated: look'" in caplog.text


def test_pins_when_they_stall_hold_nobody_up_and_the_latest_face_wins(pins, lamp_of):
    pins.gate.clear()
    lamp = lamp_of()
    for name in (view.PLEASE_RATE, view.HEARD, view.THANKS, view.PAUSED):
        lamp.show(screen(name))
    lamp.stop(0.01)
    assert lamp.is_alive()
    pins.gate.set()
    lamp.join(WAIT_S)
    assert ("sound", 2637, 100) not in pins.until("close")


def test_unit_without_pins_then_speaks_all_the_same(lamp_of):
    said = queue.Queue()
    lamp = lamp_of(outputs=None, speak=lambda *what: said.put(what))
    for name in (view.IDLE, view.PLEASE_RATE):
        lamp.show(screen(name))
        assert said.get(timeout=WAIT_S) == ("3", FACES[name])
    lamp.stop(WAIT_S)
    assert said.get(timeout=WAIT_S) == ("3", None)


def test_face_at_night_is_not_spoken(lamp_of):
    said = queue.Queue()
    lamp = lamp_of(NIGHT, MIDNIGHT_MS, speak=lambda *what: said.put(what))
    lamp.show(screen(view.PLEASE_RATE))
    assert said.get(timeout=WAIT_S) == ("3", None)


def test_whole_window_on_the_modules_double_then_ends_dark_with_its_pins_free():
    changes = queue.Queue()
    board = Board(changed=lambda *what: changes.put(what))
    config = LampConfig(kind="gpio", buzzer="passive", active_low=False)
    window = Window(number="3", pad="p", signal="s", lamp_pin=LAMP, buzzer_pin=BUZZER)
    lamp = Lamp("3", Gpio(config, window, load=lambda: board), Looks(), lambda: None, pytest.fail)
    lamp.start()
    lamp.show(screen(view.THANKS))
    while changes.get(timeout=WAIT_S) != (BUZZER, (2637, 50.0)):
        pass
    lamp.stop(WAIT_S)
    assert board.states == {LAMP: "in", BUZZER: "in"}
