"""The machine's clocks as the unit reads them."""

import re
import time

import pytest

from daemon.wallclock import HOST_ERROR_MS, WallClock, boot_id, boottime_ms


def test_boottime_never_goes_back():
    times = [boottime_ms() for _ in range(1000)]
    assert times == sorted(times)
    assert times[0] > 0


def test_boot_is_named_as_the_kernel_names_it():
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", boot_id())
    assert boot_id() == boot_id()


@pytest.mark.parametrize("trust", ["kernel", "host"])
def test_wall_clock_is_boottime_and_the_offset(trust):
    before_ms = time.time_ns() // 1_000_000
    read = WallClock(trust).read()
    now_ms = boottime_ms() + read.offset_ms
    after_ms = time.time_ns() // 1_000_000
    # Whole milliseconds of three clocks, each cut off.
    assert before_ms - 3 <= now_ms <= after_ms + 3


def test_wall_clock_when_the_host_is_trusted_is_synchronised():
    read = WallClock("host").read()
    assert (read.synced, read.error_ms) == (True, HOST_ERROR_MS)


def test_wall_clock_when_the_kernel_is_asked_has_an_error_bound_of_at_most_its_16_s():
    read = WallClock("kernel").read()
    assert isinstance(read.synced, bool)
    assert 1 <= read.error_ms <= 16_000 or not read.synced


def test_wall_clock_tells_the_time_only_when_it_is_vouched_for():
    utc_ms = WallClock("host").utc_ms()
    assert utc_ms is not None
    assert abs(utc_ms - time.time_ns() // 1_000_000) < 10_000
    assert (WallClock("kernel").utc_ms() is None) == (not WallClock("kernel").read().synced)
