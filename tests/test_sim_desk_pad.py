"""The desk's pad does as the whole firmware does: one session on both, step by step."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protocol.pad.link import UnitEnd
from protocol.pad.messages import HEARD, IDLE, PLEASE_RATE, THANKS, Edge, Message
from sim.desk_pad import DeskPad
from sim.pads import VirtualPad
from sim.wire import Wire

TURN_MS = 2
START_MS = 100_000
HELD_MS = 300


class Rig:
    """A pad and a unit's real end of the line, on one clock."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.unit = UnitEnd(0, 0)
        self.heard: list[Message] = []
        self.is_deaf = False

    def run(self, for_ms: int) -> None:
        for _ in range(0, for_ms, TURN_MS):
            self.now_ms += TURN_MS
            said = self.turn()
            if not self.is_deaf:
                self.heard += self.unit.received(self.now_ms, said)
            self.send(self.unit.poll(self.now_ms))

    @property
    def edges(self) -> list[tuple[int, int, int, int]]:
        """Each once: prompt, key, whether down, and for how long it was, to a tenth of a second."""
        edges = {one.seq: one for one in self.heard if isinstance(one, Edge)}
        return [
            (one.prompt_id, one.key, one.down, round(one.held_ms, -2)) for one in edges.values()
        ]

    @property
    def state(self) -> tuple[int, int]:
        raise NotImplementedError

    def turn(self) -> bytes:
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def touch(self, key: int, down: bool) -> None:
        raise NotImplementedError


class OnDesk(Rig):
    def __init__(self) -> None:
        super().__init__()
        self._pad = DeskPad(1)

    @property
    def state(self) -> tuple[int, int]:
        return self._pad.face, self._pad.prompt

    def turn(self) -> bytes:
        return self._pad.poll(self.now_ms)

    def send(self, data: bytes) -> None:
        if data:
            self._pad.hear(self.now_ms, data)

    def touch(self, key: int, down: bool) -> None:
        self._pad.edge(self.now_ms, key, down)


class OnWire(Rig):
    """The firmware's loop, with its debounce, behind a pseudo terminal."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._pad = VirtualPad(wire, clock=lambda: self.now_ms / 1000)
        self._far = os.open(wire.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    @property
    def state(self) -> tuple[int, int]:
        return self._pad.face, self._pad.prompt_id

    def turn(self) -> bytes:
        self._pad.turn(self.now_ms / 1000)
        return os.read(self._far, 4096) if select.select([self._far], [], [], 0)[0] else b""

    def send(self, data: bytes) -> None:
        if data:
            os.write(self._far, data)

    def touch(self, key: int, down: bool) -> None:
        (self._pad.down if down else self._pad.up)(key)

    def close(self) -> None:
        os.close(self._far)


@contextmanager
def on_wire(folder: Path) -> Iterator[OnWire]:
    with Wire(folder / "pad") as wire:
        rig = OnWire(wire)
        yield rig
        rig.close()


@pytest.fixture(params=["desk", "wire"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Has greeted already."""
    if request.param == "desk":
        rig: Rig = OnDesk()
        rig.run(500)
        yield rig
        return
    with on_wire(tmp_path) as wired:
        wired.run(500)
        yield wired


def ask(rig: Rig, prompt: int, timeout_ms: int) -> None:
    rig.unit.open(rig.now_ms, prompt, timeout_ms)
    rig.run(200)
    assert rig.state == (PLEASE_RATE, prompt)


def press(rig: Rig, key: int) -> None:
    for down in (True, False):
        rig.touch(key, down)
        rig.run(HELD_MS)


def test_press_is_heard_and_its_release_says_how_long(rig: Rig) -> None:
    ask(rig, 7, 30_000)
    press(rig, 2)
    assert rig.state == (HEARD, 7)
    assert rig.edges == [(7, 2, 1, 0), (7, 2, 0, HELD_MS)]


def test_release_after_the_prompt_was_closed_belongs_to_its_press(rig: Rig) -> None:
    ask(rig, 7, 30_000)
    rig.touch(4, True)
    rig.run(HELD_MS)
    rig.unit.close(rig.now_ms, 7, THANKS)
    rig.run(HELD_MS)
    assert rig.state == (THANKS, 0)
    rig.touch(4, False)
    rig.run(HELD_MS)
    assert rig.edges == [(7, 4, 1, 0), (7, 4, 0, 2 * HELD_MS)]


def test_thanks_ends_by_itself(rig: Rig) -> None:
    ask(rig, 7, 30_000)
    press(rig, 1)
    rig.unit.close(rig.now_ms, 7, THANKS)
    rig.run(2900)
    assert rig.state == (THANKS, 0)
    rig.run(400)
    assert rig.state == (IDLE, 0)


def test_press_after_the_pad_s_own_time_carries_the_prompt_and_lights_nothing(rig: Rig) -> None:
    ask(rig, 7, 1000)
    rig.run(1200)
    assert rig.state == (IDLE, 7)
    press(rig, 3)
    assert rig.state == (IDLE, 7)
    assert rig.edges == [(7, 3, 1, 0), (7, 3, 0, HELD_MS)]


def test_press_without_a_prompt_is_said_and_lights_nothing(rig: Rig) -> None:
    press(rig, 5)
    assert rig.state == (IDLE, 0)
    assert rig.edges == [(0, 5, 1, 0), (0, 5, 0, HELD_MS)]


def test_edges_that_nobody_heard_are_kept_and_said_again(rig: Rig) -> None:
    ask(rig, 7, 30_000)
    rig.is_deaf = True
    press(rig, 2)
    assert rig.edges == []
    rig.is_deaf = False
    rig.run(500)
    assert rig.edges == [(7, 2, 1, 0), (7, 2, 0, HELD_MS)]
