"""Child programs: heard, stopped, killed."""

import signal
import sys
import threading
from pathlib import Path

from sim.processes import Process, free_port

WAIT_S = 10.0
SPEAKER = (
    "import sys, time; print('oops', file=sys.stderr); print('up', flush=True); time.sleep(60)"
)


class Ear:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.heard_any = threading.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self.heard_any.set()


def speaker(directory: Path) -> tuple[Process, Ear]:
    ear = Ear()
    process = Process([sys.executable, "-c", SPEAKER], log=directory / "log", heard=ear)
    process.start()
    assert ear.heard_any.wait(WAIT_S)
    return process, ear


def test_process_when_started_then_lines_are_heard_and_errors_logged(tmp_path: Path) -> None:
    process, ear = speaker(tmp_path)
    assert process.running
    process.stop()
    assert ear.lines == ["up"]
    assert "oops" in (tmp_path / "log").read_text()
    assert process.exit_code == -signal.SIGTERM
    assert process.pid is None


def test_process_when_killed_then_can_be_started_again(tmp_path: Path) -> None:
    process, ear = speaker(tmp_path)
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    ear.heard_any.clear()
    process.start()
    assert ear.heard_any.wait(WAIT_S)
    process.kill()
    assert ear.lines == ["up", "up"]


def test_process_when_never_started_then_stop_is_harmless(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", SPEAKER], log=tmp_path / "log")
    process.stop()
    assert not process.running


def test_free_port_when_asked_then_is_one_nobody_uses() -> None:
    assert 1024 <= free_port() < 65536
