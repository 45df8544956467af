"""What a service manager hears of the daemon (H1): alive only while everything vital is alive."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest

from daemon.disk.store import READ_S
from daemon.net.uplink import JOB_S_MAX
from daemon.supervisor import Supervisor
from daemon.worker import Worker
from protocol.central.signing import SigningKey
from sim.wire import Wire

DEADLINE_S = 20.0
# Twenty times what a turn of the loop takes on a busy machine.
WATCHDOG_S = 1.0
# One that a busy machine does not miss while the loop lives.
PATIENT_S = 4.0
WATCHDOG = "WATCHDOG=1"
CONFIG = """
[unit]
area = "330102"
hall = "h01"
unit = "w03"
signing_key = "signing.pem"
[[window]]
number = "3"
pad = "{folder}/pad"
signal = "{folder}/signal"
[store]
database = "j.db"
[uplink]
broker = "127.0.0.1"
port = {port}
platform_key = "platform.pub.pem"
[page]
port = 0
"""


class Manager:
    """The service manager's end: a socket, and the messages that came, each with its lines."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.environ = {"NOTIFY_SOCKET": address}
        self.heard = []

    def watching(self, watchdog_s):
        return self.environ | {"WATCHDOG_USEC": str(int(watchdog_s * 1e6))}

    def next(self, wait_s):
        """The next message; None if there is none in time."""
        self.socket.settimeout(max(0.001, wait_s))
        try:
            self.heard.append(self.socket.recv(4096).decode())
        except TimeoutError:
            return None
        return self.heard[-1]

    def wait_for(self, wanted, wait_s=DEADLINE_S):
        """The message that has it, when it comes in time."""
        deadline_s = time.monotonic() + wait_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            message = self.next(left_s)
            if message is not None and re.search(wanted, message):
                return message
        return None

    def would_restart(self, watchdog_s, within_s):
        """Whether the watchdog's time passes without a word, as the manager would see it."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            if self.wait_for(WATCHDOG, watchdog_s) is None:
                return True
        return False


@pytest.fixture(params=["path", "abstract"])
def either(request, tmp_path):
    """A manager that listens at a path, and one with an abstract name."""
    names = {
        "path": f"{tmp_path}/notify",
        "abstract": f"@haochaping-{os.getpid()}-{time.time_ns()}",
    }
    manager = Manager(names[request.param])
    with closing(manager.socket):
        yield manager


@pytest.fixture
def manager(tmp_path):
    manager = Manager(f"{tmp_path}/notify")
    with closing(manager.socket):
        yield manager


class Stubborn(Worker):
    """Is at one job until it is let go."""

    job_s_max = 0.05

    def __init__(self):
        super().__init__("stubborn", lambda _name: None)
        self.busy, self.let_go, self.idle = threading.Event(), threading.Event(), threading.Event()

    def work(self):
        with self.job():
            self.busy.set()
            self.let_go.wait(DEADLINE_S)
        self.idle.set()


# -- the protocol


def test_every_word_when_said_reaches_a_manager_of_either_kind(either):
    supervisor = Supervisor(environ=either.environ)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    for say in (supervisor.ready, supervisor.reloading, supervisor.stopping):
        say()
    supervisor.say("pad up")
    supervisor.say("pad up")
    supervisor.say("pad lost")
    heard = [either.next(DEADLINE_S) for _ in range(5)]
    reloading = heard.pop(1)
    assert heard == ["READY=1", "STOPPING=1", "STATUS=pad up", "STATUS=pad lost"]
    said = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)
    assert before <= int(said[1]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "soon"},
    ],
)
def test_supervisor_without_a_manager_then_does_nothing(environ):
    supervisor = Supervisor(environ=environ)
    supervisor.ready()
    supervisor.feed()
    supervisor.say("pad up")


def test_watchdog_when_it_is_another_process_s_is_not_fed(manager):
    environ = manager.watching(0.001) | {"WATCHDOG_PID": "1"}
    Supervisor(environ=environ).feed()
    Supervisor(environ=environ).ready()
    assert manager.next(DEADLINE_S) == "READY=1"


def test_watchdog_then_is_fed_twice_in_its_time_and_no_oftener(manager):
    supervisor = Supervisor(environ=manager.watching(60))
    for _ in range(100):
        supervisor.feed()
    supervisor.ready()
    assert [manager.next(DEADLINE_S) for _ in range(2)] == [WATCHDOG, "READY=1"]


def test_manager_that_does_not_read_then_stops_nobody(manager):
    supervisor = Supervisor(environ=manager.watching(1e-6))
    # net.unix.max_dgram_qlen is 10 on many systems, 512 on systemd's own.
    for _ in range(2000):
        supervisor.feed()
    assert manager.next(DEADLINE_S) == WATCHDOG


# -- a worker that hangs


def test_watchdog_when_a_worker_hangs_is_not_fed_until_it_is_back(manager, caplog):
    worker = Stubborn()
    supervisor = Supervisor((worker,), manager.watching(1e-6))
    worker.start()
    assert worker.busy.wait(DEADLINE_S)
    supervisor.feed()
    assert manager.next(DEADLINE_S) == WATCHDOG
    until_s = time.monotonic() + DEADLINE_S
    while not worker.hangs(time.monotonic()):
        assert time.monotonic() < until_s
    supervisor.feed()
    supervisor.feed()
    assert manager.next(0) is None
    assert [record.getMessage() for record in caplog.records] == [
        "worker stubborn hangs: the watchdog is not fed until it comes back"
    ]
    worker.let_go.set()
    assert worker.idle.wait(DEADLINE_S)
    supervisor.feed()
    assert manager.next(DEADLINE_S) == WATCHDOG
    assert caplog.records[-1].getMessage() == "worker stubborn is back"
    worker.join(DEADLINE_S)


def test_uplink_that_waits_for_a_silent_name_service_then_does_not_hang():
    # glibc with three silent servers and no search domain: 3 x 2 x 5 s, then paho's 5 s and 30 s.
    assert JOB_S_MAX > 2 * (3 * 2 * 5 + 5 + 30)


# -- the daemon as a process


class Unit:
    """A daemon that a manager watches, with nothing on its lines and no broker."""

    def __init__(self, folder, manager, through=(), watchdog_s=WATCHDOG_S):
        self.log = folder / "stderr"
        SigningKey.from_seed(bytes(31) + b"\x03").save(folder / "signing.pem")
        SigningKey.from_seed(bytes(31) + b"\x09").public.save(folder / "platform.pub.pem")
        # The discard port (RFC 863): nobody serves it.
        (folder / "unit.toml").write_text(CONFIG.format(folder=folder, port=9))
        command = [sys.executable, "-m", "daemon", "--config", str(folder / "unit.toml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*through, *command], env=os.environ | manager.watching(watchdog_s), stderr=log
            )

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


@contextmanager
def hanging(pid, call):
    """Whoever makes this call waits in it, from now on."""
    command = ["strace", "-f", f"-p{pid}", "-o/dev/null", f"-etrace={call}"]
    strace = subprocess.Popen(
        [*command, f"-einject={call}:delay_enter=90s"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert "attached" in strace.stderr.readline()
        yield
    finally:
        strace.kill()
        strace.communicate()


def test_unit_then_is_ready_says_how_it_does_lives_and_stops_in_good_order(manager, tmp_path):
    with Unit(tmp_path, manager) as unit:
        assert manager.wait_for("READY=1"), unit.log.read_text()
        said = manager.wait_for("STATUS=")
        assert "pad does not exist: plug the cable in" in said
        for _ in range(3):
            assert manager.wait_for(WATCHDOG, WATCHDOG_S)
        assert unit.end(signal.SIGTERM) == 0
    assert manager.wait_for("STOPPING=1", WATCHDOG_S)
    assert "INFO daemon stopped code=0" in unit.log.read_text()


def test_unit_when_it_reloads_says_so_and_is_ready_again(manager, tmp_path):
    with Unit(tmp_path, manager) as unit:
        assert manager.wait_for("READY=1"), unit.log.read_text()
        unit.process.send_signal(signal.SIGHUP)
        assert manager.wait_for(r"RELOADING=1\nMONOTONIC_USEC=\d+"), unit.log.read_text()
        assert manager.wait_for("READY=1"), unit.log.read_text()
        assert manager.wait_for(WATCHDOG, WATCHDOG_S)
        assert not [one for one in manager.heard if "STOPPING" in one]
        assert unit.process.poll() is None
        (tmp_path / "unit.toml").write_text("[unit]\n")
        unit.process.send_signal(signal.SIGHUP)
        # A configuration with mistakes changes nothing.
        for _ in range(3):
            assert manager.wait_for(WATCHDOG, WATCHDOG_S)
        assert len([one for one in manager.heard if "RELOADING" in one]) == 1
    assert "the configuration stays as it is" in unit.log.read_text()


def test_unit_when_it_is_to_end_while_it_reloads_ends(manager, tmp_path):
    with Unit(tmp_path, manager) as unit:
        assert manager.wait_for("READY=1"), unit.log.read_text()
        # Both wait for it when it goes on, and the reload comes first.
        for number in (signal.SIGSTOP, signal.SIGHUP, signal.SIGTERM):
            unit.process.send_signal(number)
        assert unit.end(signal.SIGCONT) == 0
    assert manager.wait_for("STOPPING=1", WATCHDOG_S)
    assert not [one for one in manager.heard if "RELOADING" in one]


@pytest.mark.promise
def test_unit_when_it_is_stopped_in_its_tracks_is_not_alive(manager, tmp_path, promise):
    with Unit(tmp_path, manager) as unit:
        assert manager.wait_for("READY=1"), unit.log.read_text()
        unit.process.send_signal(signal.SIGSTOP)
        restarts = manager.would_restart(WATCHDOG_S, 3 * WATCHDOG_S)
        promise("H1", "a hung daemon never feeds its watchdog", 1, int(not restarts))


@pytest.mark.needs("strace")
@pytest.mark.promise
def test_unit_when_its_loop_hangs_is_not_alive(manager, tmp_path, promise):
    with Unit(tmp_path, manager) as unit:
        assert manager.wait_for("READY=1"), unit.log.read_text()
        with hanging(unit.process.pid, "?epoll_wait,?epoll_pwait"):
            restarts = manager.would_restart(WATCHDOG_S, 3 * WATCHDOG_S)
    promise("H1", "the loop hangs: restarted within the watchdog time", 1, int(not restarts))


@pytest.mark.needs("strace")
@pytest.mark.promise
@pytest.mark.campaign
def test_unit_when_its_disk_hangs_is_not_alive(manager, tmp_path, promise):
    with Unit(tmp_path, manager, watchdog_s=PATIENT_S) as unit:
        assert manager.wait_for("READY=1"), unit.log.read_text()
        with hanging(unit.process.pid, "fdatasync"), Wire(tmp_path / "signal"):
            # The line's opening is an entry, which the store cannot bring to the disk.
            began_s = time.monotonic()
            restarts = manager.would_restart(PATIENT_S, READ_S + 3 * PATIENT_S)
            hung_s = time.monotonic() - began_s
        # As the manager does it; the log then says where every thread was.
        assert unit.end(signal.SIGABRT) == -signal.SIGABRT
    log = unit.log.read_text()
    assert "worker store hangs: the watchdog is not fed until" in log
    assert re.search(r"Fatal Python error: Aborted[\s\S]* in commit\n", log), log
    assert hung_s > READ_S
    promise("H1", "the store hangs: restarted once no card is that slow", 1, int(not restarts))


@pytest.mark.needs("strace")
@pytest.mark.promise
def test_unit_when_a_worker_dies_ends(manager, tmp_path, promise):
    # The control socket alone has nobody above it that takes an error of accept.
    refusing = ["-f", "--seccomp-bpf", "-o/dev/null", "-etrace=accept4"]
    through = ["strace", "-D", *refusing, "-einject=accept4:error=EBADF", "--"]
    with Unit(tmp_path, manager, through) as unit:
        code = unit.process.wait(DEADLINE_S)
        log = unit.log.read_text()
        assert "stopping: the worker control died" in log
        promise("H1", "a worker dies: the process ends", 1, int(code != os.EX_SOFTWARE))
    assert manager.wait_for("STOPPING=1", WATCHDOG_S)
