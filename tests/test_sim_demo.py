"""The hall in a box with every real part: one case through finger, unit, broker and centre."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.__main__ import main
from sim.demo.hall import Hall, HallError
from sim.demo.judging import judge
from sim.demo.morning import RULES, Morning
from sim.demo.orders import Orders
from sim.demo.server import BadOrder


def test_hall_when_each_key_is_pressed_then_platform_holds_each_level(tmp_path: Path) -> None:
    with Hall(RULES, keep=tmp_path / "kept") as hall:
        morning = Morning(hall)
        morning.each_level_once()
        orders = Orders(hall)
        for action in ("recall", "skip"):
            orders.perform(action, {})
        with pytest.raises(BadOrder):
            orders.perform("complete", {})
        morning.deliver()
        verdict = judge(morning.expected, [each.data for each in hall.arrivals.all("rating")])
        assert verdict.good
        assert hall.verify()
        processes = (hall.unit, hall.centre)
    assert not any(process.running for process in processes)
    report = json.loads((tmp_path / "kept" / "verify.json").read_text())
    assert report["chain_verified"]


def test_demo_when_its_directory_is_not_empty_then_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "something").touch()
    assert main(["demo", "--once", "--keep", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    with pytest.raises(HallError):
        Hall(RULES, keep=tmp_path)


@pytest.mark.promise
def test_morning_when_every_plug_is_pulled_then_platform_holds_one_record_per_case(
    capsys: pytest.CaptureFixture[str], promise: Callable[..., None], scale: int
) -> None:
    for _ in range(1 + scale // 20):
        assert main(["demo", "--once", "--json"]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert set(figures["outcomes"]) == {
            "rated", "timeout", "superseded", "cancelled", "pad_lost", "interrupted",
        }  # fmt: skip
        assert figures["ratings_matching"] == figures["cases_completed"] >= 30
        bad = figures["lost"] + figures["doubled"]
        promise("A3", "cases of a morning, every plug pulled", figures["cases_completed"], bad)


def test_main_when_asked_for_help_then_names_every_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "demo" in capsys.readouterr().out
    assert sys.modules["sim.demo.command"].NAME == "demo"
