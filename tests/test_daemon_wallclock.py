"""The machine's clocks as the unit reads them."""

import re
import time

import pytest

from daemon.wallclock import HOST_ERROR_MS, SLEW_MS, WallClock, boot_id, boottime_ms, bound_ms


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
    read = WallClock(trust, 0).read()
    now_ms = boottime_ms() + read.offset_ms
    after_ms = time.time_ns() // 1_000_000
    # Whole milliseconds of three clocks, each cut off.
    assert before_ms - 3 <= now_ms <= after_ms + 3


def test_wall_clock_when_the_host_is_trusted_is_synchronised():
    read = WallClock("host", 5000).read()
    assert read.synced
    # 1 for the time between the readings, more on a machine that had other things to do.
    assert HOST_ERROR_MS < read.error_ms <= HOST_ERROR_MS + 100


def test_wall_clock_when_the_kernel_is_asked_has_an_error_bound_of_at_most_its_16_s():
    read = WallClock("kernel", 0).read()
    assert isinstance(read.synced, bool)
    assert SLEW_MS < read.error_ms <= 16_000 + 500 + SLEW_MS + 100 or not read.synced


def test_bound_is_never_less_than_what_the_parts_may_be_off():
    assert bound_ms(0, 0, 0) == SLEW_MS
    assert bound_ms(1, 0, 5000) == SLEW_MS + 5001
    assert bound_ms(2500, -399_001, 100) == SLEW_MS + 402 + 100


def test_wall_clock_tells_the_time_only_when_it_is_vouched_for():
    utc_ms = WallClock("host", 0).utc_ms()
    assert utc_ms is not None
    assert abs(utc_ms - time.time_ns() // 1_000_000) < 10_000
    assert (WallClock("kernel", 0).utc_ms() is None) == (not WallClock("kernel", 0).read().synced)
