"""`python -m sim bench`: speed and size, each beside a floor measured in the same run.

A figure alone says as much about the machine as about us; the ratio says what proof costs.
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from daemon.disk.journal import Journal
from protocol.central.entry import Draft, Stamp
from protocol.central.envelope import Opener
from protocol.central.signing import SigningKey
from sim import backlog, storing, throughput
from sim.brokers import Mosquitto
from sim.demo import premises
from sim.demo.hall import Hall
from sim.demo.morning import Morning
from sim.demo.report import latencies
from sim.desk import RULES, Desk
from sim.figures import Figure, percentiles
from sim.processes import Process, module
from sim.wire import Wire
from sim.world import command

NAME = "bench"
HELP = "speed and size, each beside a floor measured in the same run"

PRESSES = 200
COMMITS = 300
IDLE_S = 5.0
ANSWER_S = 5.0
LIT_S = 10.0
SEEDS = 40


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")


def run(asked: argparse.Namespace) -> int:
    for measure in (
        commits, stored, presses, process, lit, core, traced, drained, throughput.figures,
    ):  # fmt: skip
        for figure in measure():
            print(figure.json() if asked.json else figure.line(), flush=True)
    return 0


def _timed_ms(count: int, once: Callable[[int], object]) -> list[float]:
    times = []
    for index in range(count):
        started = time.perf_counter()
        once(index)
        times.append((time.perf_counter() - started) * 1000)
    return times


# -- what is measured


def commits() -> Iterator[Figure]:
    """One synced transaction: a signed, chained rating with its state against a bare row."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        floor = sqlite3.connect(directory / "floor.db", isolation_level=None)
        floor.execute("pragma journal_mode = wal")
        floor.execute("pragma synchronous = full")
        floor.execute("create table entry (seq integer primary key, body text) strict")
        body = "x" * 1000
        floor_ms = _timed_ms(
            COMMITS, lambda _: floor.execute("insert into entry (body) values (?)", (body,))
        )
        floor.close()
        data = _rating_data()
        stamp = Stamp("bench", 1, None, False, None)
        written = _written_len()
        with Journal(
            directory / "journal.db", premises.SOURCE, SigningKey.from_seed(bytes(32))
        ) as journal:
            ours_ms = _timed_ms(
                COMMITS,
                lambda index: journal.commit(
                    (Draft(index + 1, "rating", "bench", data, stamp),),
                    {"pad": json.dumps({"boot_id": 1, "seq": index}), "window": "x" * 600},
                ),
            )
        written = _written_len() - written
    for label, ours, least in zip(
        ("p50", "p99"), percentiles(ours_ms), percentiles(floor_ms), strict=True
    ):
        yield Figure("", f"one signed entry on disk, {label}", "ms", ours, least)
    yield Figure("C4", "written for one entry, file system", "KiB", written / COMMITS / 1024, None)


def stored() -> Iterator[Figure]:
    """What the card has to bear, and a journal of years."""
    yield from storing.figures(_rating_data(), _written_len)


def presses() -> Iterator[Figure]:
    """Press to ack and to the platform, through the real processes, against the least agent."""
    rules = premises.Rules(correction_s=0.0, not_public_hold_s=0.0)
    with Hall(rules) as hall:
        morning = Morning(hall)
        for _ in range(PRESSES // 5):
            morning.each_level_once(calm=True)
        morning.deliver()
        acked_ms, shown_ms = latencies(morning, hall.arrivals)
    floor_ms = _floor_presses()
    for label, ours, least in zip(
        ("p50", "p99"), percentiles(acked_ms), percentiles(floor_ms), strict=True
    ):
        yield Figure("G1", f"press on disk and acked, {label}", "ms", ours, least)
    for label, ours in zip(("p50", "p99"), percentiles(shown_ms), strict=True):
        yield Figure("G1", f"press at the platform, {label}", "ms", ours, None)


def process() -> Iterator[Figure]:
    """The daemon as a process: start, memory, idle load; the floor is a bare interpreter."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare_s = time.perf_counter() - started
    with Hall(premises.Rules()) as hall:
        hall.unit.stop()
        started = time.perf_counter()
        hall.unit.start()
        if not hall.wait(hall.is_serving, ANSWER_S):
            raise RuntimeError("the daemon did not serve again")
        serving_s = time.perf_counter() - started
        pid = hall.unit.pid
        before, switches = _cpu_s(pid), _switches(pid)
        time.sleep(IDLE_S)
        cpu, woken = _cpu_s(pid) - before, _switches(pid) - switches
        rss_mib = _status_kib(pid, "VmRSS") / 1024
    yield Figure("G3", "start until the pad is heard", "s", serving_s, bare_s)
    yield Figure("G3", "resident memory", "MiB", rss_mib, None)
    yield Figure("G3", "idle, of one core", "%", cpu / IDLE_S * 100, None)
    yield Figure("G3", "idle, wake-ups a second", "/s", woken / IDLE_S, None)


def lit() -> Iterator[Figure]:
    """The daemon with an OLED and its driver: until the first picture is on the glass, memory."""
    with Hall(premises.Rules()) as hall:
        hall.unit.stop()
        file = hall.site.unit_config
        file.write_text(file.read_text() + '[panel]\ndisplay = "sh1106"\n')
        is_lit = threading.Event()
        unit = Process(
            module("sim.lit_unit", "--config", str(file)),
            log=hall.directory / "lit_unit.log",
            heard=lambda _: is_lit.set(),
        )
        started = time.perf_counter()
        unit.start()
        try:
            if not is_lit.wait(LIT_S):
                raise RuntimeError(f"nothing was lit: see {hall.directory}/lit_unit.log")
            lit_s = time.perf_counter() - started
            if not hall.wait(hall.is_serving, ANSWER_S):
                raise RuntimeError("the daemon with a display does not serve")
            rss_mib = _status_kib(unit.pid, "VmRSS") / 1024
        finally:
            unit.stop()
    yield Figure("G3", "start until the OLED is lit", "s", lit_s, None)
    yield Figure("G3", "resident memory, with an OLED", "MiB", rss_mib, None)


def core() -> Iterator[Figure]:
    """Simulated window-hours a minute of one core: the halls of the first seeds, faults and all."""
    started, window_ms = time.process_time(), 0
    for seed in range(SEEDS):
        lived = command.live(seed, command.HOURS)
        if lived.day is None:
            raise RuntimeError(f"{lived.broken}; {command.again(seed, command.HOURS)}")
        window_ms += lived.day.window_ms
    minutes = (time.process_time() - started) / 60
    hours = window_ms / 3_600_000
    yield Figure("G5", "simulated window-hours a minute, one core", "h/min", hours / minutes, None)


def traced() -> Iterator[Figure]:
    """What a trace adds to a press until its ack, through the real processes."""
    rules = premises.Rules(correction_s=0.0, not_public_hold_s=0.0)
    plain_ms, traced_ms = list[float](), list[float]()
    for _ in range(2):
        plain_ms += _presses(Hall(rules))
        hall = Hall(rules)
        support = hall.site.directory / "support.pub"
        Opener.generate().public.save(support)
        with hall.site.unit_config.open("a") as config:
            config.write('[trace]\nfile = "trace.bin"\nkey = "support.pub"\n')
        traced_ms += _presses(hall)
    for label, ours, least in zip(
        ("p50", "p99"), percentiles(traced_ms), percentiles(plain_ms), strict=True
    ):
        yield Figure("", f"press on disk and acked while traced, {label}", "ms", ours, least)


def _presses(hall: Hall) -> list[float]:
    """The times of PRESSES calm presses until their ack."""
    with hall:
        morning = Morning(hall)
        for _ in range(PRESSES // 5):
            morning.each_level_once(calm=True)
        morning.deliver()
        return latencies(morning, hall.arrivals)[0]


def drained() -> Iterator[Figure]:
    """A backlog of days, through everything."""
    yield from backlog.figures(_rating_data())


# -- how


def _rating_data() -> dict[str, object]:
    desk = Desk()
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1", serviceNumber=1)
    desk.press(2)
    desk.run(RULES.correction_ms)
    data = dict(desk.ratings[0])
    del data["stamp"]
    return data


def _floor_presses() -> list[float]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = Mosquitto()
        broker.start()
        stack.callback(broker.stop)
        wire = stack.enter_context(Wire(directory / "port"))
        agent = subprocess.Popen(
            [sys.executable, "-m", "sim.floor", str(wire.path), str(directory / "floor.db"),
             str(broker.port)]
        )  # fmt: skip
        stack.callback(agent.wait)
        stack.callback(agent.kill)
        _answer(wire, b"ready\n")

        def once(index: int) -> None:
            line = b"press %d\n" % index
            wire.write(line)
            _answer(wire, line)

        return _timed_ms(PRESSES, once)


def _answer(wire: Wire, wanted: bytes) -> None:
    heard, until = b"", time.monotonic() + ANSWER_S
    while not heard.endswith(wanted):
        if time.monotonic() > until:
            raise RuntimeError("the least agent does not answer")
        wire.wait(0.05)
        heard += wire.read()


def _written_len() -> int:
    fields = dict(
        line.split(": ") for line in Path("/proc/self/io").read_text().splitlines()
    )  # fmt: skip
    return int(fields["write_bytes"])


def _status_kib(pid: int | None, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def _cpu_s(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _switches(pid: int | None) -> int:
    return sum(
        int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir()
        for line in (task / "status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )
