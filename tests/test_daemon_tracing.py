"""The worker that writes traces: never in the way, bounded, and gone without harm when it fails."""

import logging
import resource

import pytest

from daemon.config.tracing import Trace
from daemon.errors import DaemonError
from daemon.events import Woken
from daemon.traces import tracing
from daemon.traces.trace_file import ENVELOPE_LEN, HEAD, read
from daemon.traces.tracing import KEPT, QUEUE_LEN_MAX, Tracing, addressee
from daemon.traces.transcript import Dropped, Step, lines
from protocol.central.envelope import Opener

SUPPORT = Opener.generate()
DEADLINE_S = 20.0
MEGABYTE = 1 << 20


def step(number):
    return Step(number, Woken(), (), ())


def text(*records):
    return [line for record in records for line in lines(record)]


def died(name):
    raise AssertionError(name)


def made(path, len_max=MEGABYTE):
    return Tracing(path, SUPPORT.public, len_max, died)


def run(worker):
    """Let it write what it has, to its end."""
    worker.start()
    worker.stop(DEADLINE_S)
    assert not worker.is_alive()


def test_steps_when_stopped_are_all_on_disk_in_order_for_their_owner_alone(tmp_path):
    worker = made(tmp_path / "trace.bin")
    for number in range(100):
        worker.record(step(number))
    run(worker)
    assert (tmp_path / "trace.bin").stat().st_mode & 0o777 == 0o600
    found = list(read((tmp_path / "trace.bin").read_bytes(), SUPPORT))
    assert found == text(*map(step, range(100)))


def test_steps_when_they_come_faster_than_the_disk_are_dropped_and_counted(tmp_path):
    worker = made(tmp_path / "trace.bin", len_max=100 * MEGABYTE)
    for number in range(QUEUE_LEN_MAX + 7):
        worker.record(step(number))
    worker._write_records()  # into no file yet, and there is room again
    worker.record(step(-1))
    run(worker)
    *_, last, dropped, next_one = read((tmp_path / "trace.bin").read_bytes(), SUPPORT)
    assert [last, dropped, next_one] == text(step(QUEUE_LEN_MAX - 1), Dropped(7), step(-1))


def test_steps_that_were_dropped_last_are_counted_at_the_end(tmp_path):
    worker = made(tmp_path / "trace.bin", len_max=100 * MEGABYTE)
    for number in range(QUEUE_LEN_MAX + 7):
        worker.record(step(number))
    run(worker)
    *_, dropped = read((tmp_path / "trace.bin").read_bytes(), SUPPORT)
    assert [dropped] == text(Dropped(7))


def test_file_when_full_ends_and_says_so_once(tmp_path, caplog):
    len_max = len(HEAD) + 2 * ENVELOPE_LEN
    worker = made(tmp_path / "trace.bin", len_max)
    with caplog.at_level(logging.INFO):
        for number in range(1000):
            worker.record(step(number))
        run(worker)
        worker.record(step(0))
    assert (tmp_path / "trace.bin").stat().st_size <= len_max
    said = [record.getMessage() for record in caplog.records]
    assert [one for one in said if "state=full" in one] == [
        f"trace state=full trouble={f'{tmp_path}/trace.bin: {tracing.FULL}'!r}"
    ]


def test_file_of_each_start_is_its_own_and_the_oldest_goes(tmp_path):
    path = tmp_path / "trace.bin"
    for number in range(KEPT + 3):
        worker = made(path)
        worker.record(step(number))
        run(worker)
    names = ["trace.bin", *(f"trace.bin.{number}" for number in range(1, KEPT + 1))]
    assert sorted(one.name for one in tmp_path.iterdir()) == names
    numbers = [list(read((tmp_path / name).read_bytes(), SUPPORT)) for name in names]
    assert numbers == [text(step(number)) for number in range(KEPT + 2, 1, -1)]


def test_file_when_it_cannot_be_written_is_said_and_nothing_else_happens(tmp_path, caplog):
    worker = made(tmp_path / "nowhere" / "trace.bin")
    worker.record(step(1))
    run(worker)
    assert "trace state=failing" in caplog.text
    assert "No such file or directory: give [trace] file another place" in caplog.text
    worker.record(step(2))
    assert not worker._records


def test_disk_when_it_takes_no_more_is_said_and_nothing_else_happens(caplog, tmp_path):
    worker = made(tmp_path / "trace.bin")
    for number in range(1000):
        worker.record(step(number))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        run(worker)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "trace state=failing" in caplog.text
    assert "File too large: give [trace] file another place" in caplog.text


def test_trace_when_not_configured_is_none():
    assert Tracing.of(Trace(file=None, key=None, file_len_max=1), died) is None


def test_key_when_it_is_none_is_a_sentence_with_what_to_do(tmp_path):
    with pytest.raises(DaemonError, match="openssl genpkey -algorithm x25519"):
        addressee(tmp_path / "support.pub")
