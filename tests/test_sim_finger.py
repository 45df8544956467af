"""Whoever answers a pad's self-test, in time that is a number."""

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.pad.messages import SELF_TEST, Message, Status
from protocol.pad.unit_end import UnitEnd
from sim.finger import LOOK_S, Finger
from sim.pads import VirtualPad
from sim.wire import Wire

TURN_S = 0.002
TURNS_PER_LOOK = round(LOOK_S / TURN_S)
# A self-test that nobody answers takes 53 s.
LOOKS_MAX = round(60 / LOOK_S)


class Stand:
    """A pad, a unit's end of its line and a finger, on one clock that only `look` moves."""

    def __init__(self, path: Path) -> None:
        self.now_s = 100.0
        self.wire = Wire(path)
        self.pad = VirtualPad(self.wire, clock=lambda: self.now_s)
        self.finger = Finger(self.pad)
        self.unit = UnitEnd(0, 0)
        self.heard: list[Message] = []
        self.far = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def look(self) -> int | None:
        for _ in range(TURNS_PER_LOOK):
            self.now_s += TURN_S
            now_ms = int(self.now_s * 1000)
            self.pad.turn(self.now_s)
            if select.select([self.far], [], [], 0)[0]:
                self.heard += self.unit.received(now_ms, os.read(self.far, 4096))
            if out := self.unit.poll(now_ms):
                os.write(self.far, out)
        return self.finger.look()

    def pressed_in_a_self_test(self) -> list[int]:
        for _ in range(TURNS_PER_LOOK):
            self.look()
        assert self.unit.boot_id
        self.unit.self_test(int(self.now_s * 1000))
        keys, has_begun = [], False
        for _ in range(LOOKS_MAX):
            key = self.look()
            keys += [] if key is None else [key]
            is_on = self.pad.face == SELF_TEST
            if has_begun and not is_on:
                return keys
            has_begun = has_begun or is_on
        raise AssertionError("it does not end")

    @property
    def tested(self) -> int:
        """The keys that the pad says were proven, as a mask."""
        (*_, last) = (one for one in self.heard if isinstance(one, Status))
        tested: int = last.tested
        return tested


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path / "pad")
    yield stand
    os.close(stand.far)
    stand.wire.close()


def test_finger_when_a_pad_tests_itself_then_proves_every_key_in_turn(stand: Stand) -> None:
    for _ in range(2):
        assert stand.pressed_in_a_self_test() == [1, 2, 3, 4, 5]
        assert stand.tested == 0b11111


def test_finger_when_a_key_is_dead_then_proves_the_others(stand: Stand) -> None:
    stand.finger.dead = {2}
    assert stand.pressed_in_a_self_test() == [1, 3, 4, 5]
    assert stand.tested == 0b11101


def test_finger_when_no_self_test_is_on_then_touches_nothing(stand: Stand) -> None:
    assert {stand.look() for _ in range(TURNS_PER_LOOK)} == {None}
    assert stand.pad.presses == []
