"""The virtual pad on a pty, against the unit's real end of the line."""

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol.pad.link import UnitEnd
from protocol.pad.messages import HEARD, IDLE, PLEASE_RATE, THANKS, Edge, Message
from sim.pads import VirtualPad
from sim.wire import Wire

TURN_S = 0.002
TURNS_MAX = 5000
PROMPT = 7


class Desk:
    """A pad, its wire and a unit's end, all on one clock that only `turn` moves."""

    def __init__(self, path: Path) -> None:
        self.now_s = 100.0
        self.wire = Wire(path)
        self.pad = VirtualPad(self.wire, clock=lambda: self.now_s)
        self.unit = UnitEnd(0, 0)
        self.heard: list[Message] = []
        self.far = -1
        self.plug_in()

    def plug_in(self) -> None:
        self.wire.replug()
        self.far = os.open(self.wire.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def pull_out(self) -> None:
        os.close(self.far)
        self.far = -1
        self.wire.unplug()

    def turn(self) -> None:
        self.now_s += TURN_S
        now_ms = int(self.now_s * 1000)
        self.pad.turn(self.now_s)
        if self.far < 0:
            return
        if select.select([self.far], [], [], 0)[0]:
            self.heard += self.unit.received(now_ms, os.read(self.far, 4096))
        out = self.unit.poll(now_ms)
        if out:
            os.write(self.far, out)

    def until(self, is_true: Callable[[], object]) -> None:
        for _ in range(TURNS_MAX):
            if is_true():
                return
            self.turn()
        raise AssertionError("it never became so")

    @property
    def edges(self) -> list[Edge]:
        return [each for each in self.heard if isinstance(each, Edge)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "pad")
    yield desk
    if desk.far >= 0:
        os.close(desk.far)
    desk.wire.close()


def ask(desk: Desk) -> None:
    desk.until(lambda: desk.unit.boot_id)
    desk.unit.open(int(desk.now_s * 1000), PROMPT, 30_000)
    desk.until(lambda: desk.pad.prompt_id == PROMPT)


def test_pad_when_key_is_pressed_in_a_prompt_then_edge_carries_it(desk: Desk) -> None:
    ask(desk)
    assert desk.pad.face == PLEASE_RATE
    desk.pad.press(2)
    desk.until(lambda: len(desk.edges) == 2)
    assert [(edge.key, edge.down, edge.prompt_id) for edge in desk.edges] == [
        (2, 1, PROMPT),
        (2, 0, PROMPT),
    ]
    assert desk.pad.face == HEARD


def test_pad_when_unit_commits_then_press_has_its_ack_time(desk: Desk) -> None:
    ask(desk)
    desk.pad.press(4)
    desk.until(lambda: desk.edges)
    (press,) = desk.pad.presses
    assert press.ack_ms is None
    assert desk.pad.queued
    desk.until(lambda: desk.pad.untouched)
    desk.until(lambda: len(desk.edges) == 2)
    desk.unit.committed(desk.pad.boot_id, 2)
    desk.until(lambda: press.acked_s)
    assert press.ack_ms is not None
    assert press.ack_ms > 0
    assert desk.pad.queued == 0
    desk.unit.close(int(desk.now_s * 1000), PROMPT, THANKS)
    desk.until(lambda: desk.pad.face == THANKS)
    desk.until(lambda: desk.pad.face == IDLE)


def test_pad_when_pressed_while_unplugged_then_brings_the_press_once(desk: Desk) -> None:
    ask(desk)
    desk.pull_out()
    desk.pad.press(5)
    desk.until(lambda: desk.pad.presses)
    desk.until(lambda: desk.pad.untouched)
    assert not desk.edges
    desk.plug_in()
    desk.until(lambda: len(desk.edges) == 2)
    desk.unit.committed(desk.pad.boot_id, 2)
    desk.until(lambda: desk.pad.queued == 0)
    assert [(edge.key, edge.down) for edge in desk.edges] == [(5, 1), (5, 0)]


def test_pad_when_any_key_is_pressed_then_shows_and_sounds_alike(tmp_path: Path) -> None:
    shown = []
    for key in range(1, 6):
        desk = Desk(tmp_path / f"pad{key}")
        desk.until(lambda desk=desk: desk.unit.boot_id)
        ask(desk)
        desk.pad.press(key)
        desk.until(lambda desk=desk: desk.pad.presses)
        shown.append((desk.pad.face, desk.pad.lamps, desk.pad.buzzer_hz))
        desk.pull_out()
    assert len(set(shown)) == 1


def test_pad_when_running_by_itself_then_ends_when_stopped(desk: Desk) -> None:
    with desk.pad.running() as pad:
        pad.press(1)
    assert desk.pad.queued == 0
