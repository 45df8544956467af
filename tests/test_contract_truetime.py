"""True time: whatever the clocks do within their bounds, the moment lies inside the interval."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.central.entry import Source, read
from protocol.central.truetime import DRIFT_PPM, Anchor, interval
from sim.journals import Writer, key

BOOT = "5f1c2f6e-2d5a-4c1e-9c2b-7a4f0d3b8e11"
DAY_MS = 86_400_000


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, int, list[Anchor]]:
    """One boot: (count of the event, its true UTC, the anchors), drift changing as it likes.

    The wall clock may be stepped at any time: it shows the true time with an error that is new
    after each step and never above what the anchor claims.
    """
    true_us = draw(st.integers(0, 2_000_000_000_000)) * 1000
    count_us = draw(st.integers(0, DAY_MS)) * 1000
    moments = []
    for _ in range(draw(st.integers(2, 6))):
        passed_us = draw(st.integers(0, 3 * DAY_MS)) * 1000 + draw(st.integers(0, 999))
        drift_ppm = draw(st.integers(-DRIFT_PPM, DRIFT_PPM))
        true_us += passed_us
        count_us += passed_us + passed_us * drift_ppm // 1_000_000
        moments.append((true_us, count_us))
    event_true_us, event_count_us = moments.pop(draw(st.integers(0, len(moments) - 1)))
    anchors = []
    for anchor_true_us, anchor_count_us in moments:
        error_ms = draw(st.integers(0, 5_000))
        shown_ms = anchor_true_us // 1000 + draw(st.integers(-error_ms, error_ms))
        anchors.append(Anchor(BOOT, anchor_count_us // 1000, shown_ms, error_ms))
    return event_count_us // 1000, event_true_us // 1000, anchors


@given(histories())
def test_interval_when_clocks_keep_their_bounds_then_holds_the_true_time(
    history: tuple[int, int, list[Anchor]],
) -> None:
    count_ms, true_ms, anchors = history
    found = interval(BOOT, count_ms, anchors)
    assert found is not None
    earliest, latest = found
    assert earliest <= true_ms <= latest


@given(histories())
def test_interval_when_there_are_more_anchors_then_is_not_wider(
    history: tuple[int, int, list[Anchor]],
) -> None:
    count_ms, _, anchors = history
    one, all_ = interval(BOOT, count_ms, anchors[:1]), interval(BOOT, count_ms, anchors)
    assert one is not None
    assert all_ is not None
    assert all_[1] - all_[0] <= one[1] - one[0]


def test_interval_when_the_boot_has_no_anchor_then_is_unknown() -> None:
    anchor = Anchor("another boot", 1000, 1_790_000_000_000, 5)
    assert interval(BOOT, 1000, [anchor]) is None
    assert interval(BOOT, 1000, []) is None


def test_interval_when_anchors_contradict_each_other_then_covers_all_of_them() -> None:
    honest = Anchor(BOOT, 1000, 1_790_000_000_000, 5)
    wrong = Anchor(BOOT, 1000, 1_790_003_600_000, 5)
    found = interval(BOOT, 1000, [honest, wrong])
    assert found is not None
    assert found[0] <= 1_790_000_000_000
    assert found[1] >= 1_790_003_600_000


def test_interval_when_a_day_has_passed_then_is_as_wide_as_the_drift_allows() -> None:
    found = interval(BOOT, DAY_MS, [Anchor(BOOT, 0, 0, 0)])
    assert found is not None
    assert found[1] - found[0] == 2 * (8641 + 2)


def test_anchor_when_taken_from_a_clock_entry_then_has_its_boot_and_count() -> None:
    writer = Writer(Source("330102", "h01", "w03"), key(1), 1)
    entry = read(writer.write("clock", utcMs=1_790_000_012_345, errorMs=7))
    assert Anchor.of(entry) == (entry.stamp.boot_id, entry.stamp.boottime_ms, 1_790_000_012_345, 7)
