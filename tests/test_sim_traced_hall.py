"""A unit's own trace: real processes, one killed in the middle, replayed equal up to the cut."""

import pytest

from daemon.traces.trace_file import ENVELOPE_LEN, read
from protocol.central.envelope import Opener
from sim.demo import premises
from sim.demo.hall import Hall
from sim.demo.morning import Morning
from sim.replay import replay

WAIT_S = 20.0
# Some of the first five cases, which make 70 KB.
SEEN_LEN = 8 * ENVELOPE_LEN
TRACE = """
[trace]
file = "trace.bin"
key = "support.pub"
"""


@pytest.mark.needs("mosquitto")
def test_trace_of_a_unit_that_was_killed_is_equal_up_to_the_cut():
    support = Opener.generate()
    hall = Hall(premises.Rules(correction_s=0.0, not_public_hold_s=0.0))
    folder = hall.site.unit_config.parent
    with hall.site.unit_config.open("a") as config:
        config.write(TRACE)
    support.public.save(folder / "support.pub")
    with hall:
        morning = Morning(hall)
        morning.each_level_once(calm=True)
        path = folder / "trace.bin"
        assert hall.wait(lambda: path.stat().st_size > SEEN_LEN, WAIT_S)
        hall.switch("power", False)
        hall.switch("power", True)
        assert hall.wait(hall.is_serving, WAIT_S)
        morning.each_level_once(calm=True)
        morning.deliver()
        hall.unit.stop()
        raw = [(folder / name).read_bytes() for name in ("trace.bin.1", "trace.bin")]
    killed, stopped = (list(read(one, support)) for one in raw)
    for lines in (killed, stopped):
        verdict = replay(lines)
        assert verdict.is_equal, verdict.sentence
        assert verdict.effect_count > 20
    assert 0 < ratings(killed) <= 5 == ratings(stopped)
    for word in (b"satisfaction", b"PadReceived", b"A001"):
        assert word not in b"".join(raw)


def ratings(lines):
    """How many ratings came back from the disk."""
    sealed = [line for line in lines if isinstance(line, str) and '"Committed"' in line]
    return sum(line.count('"kind":"rating"') for line in sealed)
