"""The cable: what it carries, what it loses, and what pulling it leaves behind."""

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.pad.framing import Decoder, encode
from sim.noise import Noise
from sim.wire import Wire

WAIT_S = 5.0


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with Wire(tmp_path / "port") as wire:
        yield wire


def open_far_end(wire: Wire) -> int:
    return os.open(wire.path, os.O_RDWR | os.O_NOCTTY)


def read_far(fd: int) -> bytes:
    assert select.select([fd], [], [], WAIT_S)[0]
    return os.read(fd, 4096)


def open_count() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_wire_when_open_at_both_ends_then_carries_bytes_both_ways(wire: Wire) -> None:
    far = open_far_end(wire)
    wire.write(b"\x00\x03\r\n\xff")
    assert read_far(far) == b"\x00\x03\r\n\xff"
    os.write(far, b"\x11\x13")
    wire.wait(WAIT_S)
    assert wire.read() == b"\x11\x13"
    os.close(far)


def test_wire_when_replugged_100_times_then_works_and_no_descriptor_leaks(wire: Wire) -> None:
    before = open_count()
    for number in range(100):
        far = open_far_end(wire)
        wire.write(b"%d" % number)
        assert read_far(far) == b"%d" % number
        wire.unplug()
        assert not wire.path.is_symlink()
        os.close(far)
        wire.replug()
    assert open_count() == before


def test_wire_when_unplugged_then_far_end_hangs_up(wire: Wire) -> None:
    far = open_far_end(wire)
    wire.unplug()
    poll = select.poll()
    poll.register(far, select.POLLIN)
    assert poll.poll(WAIT_S * 1000)[0][1] & select.POLLHUP
    assert wire.read() == b""
    os.close(far)


def test_wire_when_nobody_listens_then_bytes_are_lost_not_kept(wire: Wire) -> None:
    wire.write(b"early")
    assert wire.lost_len == 5
    far = open_far_end(wire)
    wire.write(b"late")
    assert read_far(far) == b"late"
    os.close(far)


def test_wire_when_closed_then_leaves_no_descriptor(tmp_path: Path) -> None:
    before = open_count()
    with Wire(tmp_path / "port"):
        assert open_count() == before + 1
    assert open_count() == before


@given(seed=st.integers(0, 2**32))
def test_noise_when_seeded_alike_then_disturbs_alike(seed: int) -> None:
    one, other = Noise(seed), Noise(seed)
    frame = encode(b"a frame as it is sent")
    assert [one.disturb(frame) for _ in range(9)] == [other.disturb(frame) for _ in range(9)]


@given(seed=st.integers(0, 2**32))
def test_noise_when_a_frame_is_said_three_times_then_one_arrives_whole(seed: int) -> None:
    noise, decoder = Noise(seed, damage=0.95), Decoder()
    for number in range(20):
        body = b"frame %d" % number
        arrived = b"".join(noise.disturb(encode(body)) for _ in range(3))
        bodies = [decoder.push(byte) for byte in arrived]
        assert body in bodies
        assert {each for each in bodies if each is not None} == {body}
