"""The line's contract, held by the world's lines and by a port of the daemon on a pseudo terminal.

What is not promised is how many pieces the bytes come in, and when.
"""

import json
import random
import select
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from daemon.errors import PortLost
from daemon.wire.ports import Port
from protocol.pad.framing import encode
from sim.wire import Wire
from sim.world.agenda import Agenda
from sim.world.hall import Hall
from sim.world.line import Line
from sim.world.plan import draw

BAUD = 115200
HANG_S = 10.0
# Longer than the double needs for anything that is to arrive here.
PATIENCE_MS = 1_000
EVERY_BYTE = bytes(range(256))
MINUTE_LEN = 60 * BAUD // 10  # what the line carries in a minute
FRAMES = [encode(b"frame %d" % number) for number in range(100)]


class OnPty:
    """The daemon's port at one end of a pseudo terminal, a pad's wire at the other."""

    def __init__(self, folder: Path) -> None:
        self._wire = Wire(folder / "pad")
        self._port = Port(str(folder / "pad"), BAUD)
        self._port.open()

    def pad_says(self, data: bytes) -> None:
        self._wire.write(data)

    def unit_says(self, data: bytes) -> None:
        """As daemon.loop does it: to a port that is not open, nothing; a lost one is found out."""
        if self._port.is_open:
            with suppress(PortLost):
                self._port.write(data)

    def unit_hears(self, length: int) -> bytes:
        heard = b""
        while len(heard) < length:
            assert select.select([self._port], [], [], HANG_S)[0], heard
            heard += self._port.read()
        return heard

    def pad_hears(self, length: int) -> bytes:
        heard = b""
        while len(heard) < length:
            self._wire.wait(HANG_S)
            said = self._wire.read()
            assert said, heard
            heard += said
        return heard

    def pull(self) -> None:
        self._wire.unplug()

    def put_back(self) -> None:
        """The unit finds out what has become of its port, and opens the new one."""
        with suppress(PortLost):
            while self._port.is_open:
                assert select.select([self._port], [], [], HANG_S)[0]
                assert not self._port.read(), "it came through a cable that is out"
        self._wire.replug()
        self._port.open()

    def close(self) -> None:
        self._port.close()
        self._wire.close()


class InTheWorld:
    """Two lines of the world, one to each side."""

    def __init__(self, _folder: Path) -> None:
        self._agenda = Agenda()
        self._at_unit = self._at_pad = b""
        self._to_unit = Line(self._agenda, random.Random(1), BAUD, self._unit_heard)
        self._to_pad = Line(self._agenda, random.Random(2), BAUD, self._pad_heard)
        self.pad_says, self.unit_says = self._to_unit.write, self._to_pad.write

    def _unit_heard(self, data: bytes) -> None:
        self._at_unit += data

    def _pad_heard(self, data: bytes) -> None:
        self._at_pad += data

    def unit_hears(self, length: int) -> bytes:
        self._agenda.run(self._agenda.now_ms + PATIENCE_MS)
        heard, self._at_unit = self._at_unit, b""
        assert len(heard) >= length
        return heard

    def pad_hears(self, length: int) -> bytes:
        self._agenda.run(self._agenda.now_ms + PATIENCE_MS)
        heard, self._at_pad = self._at_pad, b""
        assert len(heard) >= length
        return heard

    def pull(self) -> None:
        self._to_unit.unplug()
        self._to_pad.unplug()

    def put_back(self) -> None:
        self._to_unit.plug()
        self._to_pad.plug()

    def close(self) -> None:
        pass


@pytest.fixture(params=[OnPty, InTheWorld])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnPty | InTheWorld]:
    made: OnPty | InTheWorld = request.param(tmp_path)
    yield made
    made.close()


def test_every_byte_arrives_as_it_was_sent_both_ways(line: OnPty | InTheWorld) -> None:
    line.pad_says(EVERY_BYTE)
    line.unit_says(EVERY_BYTE[::-1])
    assert line.unit_hears(256) == EVERY_BYTE
    assert line.pad_hears(256) == EVERY_BYTE[::-1]


def test_what_is_said_one_after_the_other_arrives_whole_and_in_order(
    line: OnPty | InTheWorld,
) -> None:
    for frame in FRAMES:
        line.pad_says(frame)
        line.unit_says(frame)
    all_of_it = b"".join(FRAMES)
    assert line.unit_hears(len(all_of_it)) == all_of_it
    assert line.pad_hears(len(all_of_it)) == all_of_it


def test_pulled_cable_loses_what_is_under_way_and_what_is_said_into_it(
    line: OnPty | InTheWorld,
) -> None:
    line.pad_says(b"under way")
    line.unit_says(b"under way")
    line.pull()
    line.pad_says(b"to nobody")
    line.unit_says(b"to nobody")
    line.put_back()
    line.pad_says(b"from the pad")
    line.unit_says(b"from the unit")
    assert line.unit_hears(len(b"from the pad")) == b"from the pad"
    assert line.pad_hears(len(b"from the unit")) == b"from the unit"


def test_what_was_lost_holds_up_nothing_that_is_said_later(line: OnPty | InTheWorld) -> None:
    line.pad_says(bytes(MINUTE_LEN))
    line.unit_says(bytes(MINUTE_LEN))
    line.pull()
    line.put_back()
    line.pad_says(b"from the pad")
    line.unit_says(b"from the unit")
    assert line.unit_hears(len(b"from the pad")) == b"from the pad"
    assert line.pad_hears(len(b"from the unit")) == b"from the unit"


def test_cable_works_as_often_as_it_is_put_back(line: OnPty | InTheWorld) -> None:
    for number in range(20):
        line.pad_says(b"lost")
        line.pull()
        line.put_back()
        line.pad_says(b"%02d" % number)
        line.unit_says(b"%02d" % number)
        assert line.unit_hears(2) == line.pad_hears(2) == b"%02d" % number


def test_unit_of_the_world_hears_nothing_of_a_port_before_it_is_open(tmp_path: Path) -> None:
    said: list[str] = []
    calm = next(seed for seed in range(200) if draw(seed).is_calm)
    hall = Hall(draw(calm), tmp_path, trace=said.append)
    machine, agenda = hall.machines[0], hall.agenda
    machine.boot()
    agenda.run(5_000)
    for _ in range(20):
        machine.unplug("1")
        agenda.run(agenda.now_ms + 700)
        machine.plug("1")
        agenda.run(agenda.now_ms + 3_000)
    hall.close()
    events = [json.loads(line) for line in said if line.startswith('{"at"')]
    names = [each["event"] for each in events if each["with"].get("window") == "1"]
    after_lost = [after for before, after in pairwise(names) if before == "PadLost"]
    assert after_lost == 20 * ["PadOpened"]
