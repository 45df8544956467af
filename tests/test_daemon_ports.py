"""A serial port that is missing, taken, no port or pulled out: one sentence, never a leak."""

import os
import select
import time
from pathlib import Path

import pytest

from daemon.errors import PortLost
from daemon.wire.ports import Port
from sim.wire import Wire

BAUD = 115200
# Words that tell the technician what to do next.
ADVICE = ("plug", "mend", "stop", "add", "try", "restart")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def lost(do):
    """The sentence of the PortLost that `do` raises; it says what to do."""
    with pytest.raises(PortLost) as caught:
        do()
    sentence = str(caught.value)
    assert any(word in sentence for word in ADVICE), sentence
    assert sentence.isprintable()
    return sentence


@pytest.fixture
def wire(tmp_path):
    with Wire(tmp_path / "pad") as wire:
        yield wire


@pytest.fixture
def port(wire):
    port = Port(str(wire.path), BAUD)
    port.open()
    yield port
    port.close()


def wait_readable(port, timeout_s=5.0):
    assert select.select([port], [], [], timeout_s)[0], "nothing came"


def test_port_when_missing_says_to_plug_it_in(tmp_path):
    sentence = lost(Port(str(tmp_path / "pad"), BAUD).open)
    assert sentence.startswith(f"{tmp_path}/pad does not exist: plug the cable in")


def test_port_when_a_directory_is_missing_says_to_plug_it_in():
    assert "does not exist" in lost(Port("/dev/null/pad", BAUD).open)


def test_port_when_in_use_says_to_stop_the_other(wire, port):
    assert "is in use by another program" in lost(Port(str(wire.path), BAUD).open)


def test_port_when_the_other_has_left_opens(wire, port):
    port.close()
    other = Port(str(wire.path), BAUD)
    other.open()
    assert other.is_open
    other.close()


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self/mem", "/", __file__])
def test_port_when_it_is_none_says_to_mend_the_path(path):
    assert "is not a serial port: mend the path" in lost(Port(path, BAUD).open)


def test_port_when_a_fifo_says_to_mend_the_path(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert "is not a serial port" in lost(Port(str(tmp_path / "fifo"), BAUD).open)


def test_port_when_a_link_points_nowhere_says_to_plug_it_in(tmp_path):
    (tmp_path / "pad").symlink_to("/dev/pts/999999")
    assert "does not exist" in lost(Port(str(tmp_path / "pad"), BAUD).open)


def test_bytes_when_written_arrive_on_the_other_side(wire, port):
    wire.write(b"\x00hello\x11\x13\r\n\x03\xff\x00")
    wait_readable(port)
    assert port.read() == b"\x00hello\x11\x13\r\n\x03\xff\x00"
    port.write(bytes(range(256)))
    wire.wait(5.0)
    assert wire.read() == bytes(range(256))


def test_port_when_the_far_end_goes_away_is_lost_and_closed(wire, port):
    wire.unplug()
    wait_readable(port)
    assert lost(port.read) == f"{wire.path} went away: plug the cable in again"
    assert not port.is_open


def test_port_when_the_far_end_goes_away_is_lost_in_writing_too(wire, port):
    wire.unplug()
    assert "went away" in lost(lambda: port.write(b"x"))
    assert not port.is_open


def test_port_when_read_to_the_end_and_unplugged_is_lost(wire, port):
    wire.write(b"last words")
    wait_readable(port)
    assert port.read() == b"last words"
    wire.unplug()
    assert "went away" in lost(port.read)


def test_port_when_replugged_opens_again(wire, port):
    wire.unplug()
    lost(port.read)
    assert "does not exist" in lost(port.open)
    wire.replug()
    port.open()
    wire.write(b"again")
    wait_readable(port)
    assert port.read() == b"again"


def test_write_when_nobody_reads_gives_up_at_once(port):
    started_s = time.monotonic()
    for _ in range(300):
        port.write(b"x" * 1000)
    assert time.monotonic() - started_s < 2.0
    assert port.is_open


@pytest.mark.promise
def test_port_when_unplugged_a_hundred_times_leaks_no_descriptor(tmp_path, promise, scale):
    wire = Wire(tmp_path / "pad")
    port = Port(str(wire.path), BAUD)
    cycles, before = min(1000, 100 * scale), descriptors()
    for cycle in range(cycles):
        port.open()
        wire.write(b"%d" % cycle)
        wait_readable(port)
        assert port.read() == b"%d" % cycle
        wire.unplug()
        lost(port.read if cycle % 2 else lambda: port.write(b"x"))
        lost(port.open)
        wire.replug()
    leaked = descriptors() - before
    wire.close()
    promise("B3", "unplug and replug a port, descriptors counted", cycles, leaked)


@pytest.mark.parametrize("path", ["/dev/null", "/nowhere", "/", "/proc/self/mem"])
def test_port_when_it_cannot_be_opened_leaks_no_descriptor(path):
    before = descriptors()
    for _ in range(20):
        lost(Port(path, BAUD).open)
    assert descriptors() == before


def test_every_sentence_begins_with_the_path(tmp_path):
    for path in ("/dev/null", "/", str(tmp_path / "missing")):
        assert lost(Port(path, BAUD).open).startswith(f"{path} ")
        assert Path(path).is_absolute()
