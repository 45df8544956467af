"""A display that does everything a bad one does, on a unit that serves: no record and no delay."""

import pytest

from sim.demo import premises
from sim.demo.hall import Hall
from sim.demo.judging import judge
from sim.demo.morning import Morning
from sim.demo.report import latencies
from sim.lit_unit import FAULTS, STALL_S
from sim.processes import Process, module

# Slow enough that the screens of each case are drawn, and not only its last.
RULES = premises.Rules(prompt_s=1.5, correction_s=0.1, not_public_hold_s=0.0)
ROUNDS_MAX = 12


def lit_unit(hall, *arguments, heard=None):
    """The daemon of a hall with a display on doubled wires, to be started instead of the usual."""
    file = hall.site.unit_config
    file.write_text(file.read_text() + '[panel]\ndisplay = "ssd1306"\n')
    argv = module("sim.lit_unit", "--config", str(file), *arguments)
    return Process(argv, log=hall.directory / "daemon.log", heard=heard)


def faults(log):
    return log.read_text().count("fault ")


@pytest.mark.promise
def test_display_that_fails_in_every_way_costs_no_record_and_no_delay(tmp_path, promise, scale):
    log, turns = tmp_path / "kept/daemon.log", min(10, scale)
    with Hall(RULES, keep=log.parent) as hall:
        hall.unit.stop()
        hall.unit = lit_unit(hall, "--failing")
        hall.unit.start()
        try:
            assert hall.wait(hall.is_serving, 20)
            morning = Morning(hall)
            # Until each fault has been there in each turn of them.
            for _ in range(ROUNDS_MAX * turns):
                morning.each_level_once(calm=True)
                if faults(log) >= len(FAULTS) * turns:
                    break
            morning.deliver()
        finally:
            hall.unit.stop()
        verdict = judge(morning.expected, [each.data for each in hall.arrivals.all("rating")])
        acked_ms, _ = latencies(morning, hall.arrivals)
    said = log.read_text()
    assert faults(log) >= len(FAULTS) * turns
    assert said.count("panel state=failing") >= 2 * turns
    assert "worker panel died" not in said
    assert verdict.good
    assert len(acked_ms) == len(morning.expected)
    late = sum(ms > STALL_S * 1000 / 4 for ms in acked_ms)
    promise("H2", "presses while the display stalls, fails, vanishes", len(acked_ms), late)
