"""C1 and C3 by system calls: what the journal asks of the kernel, and what it does when refused."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.disk.journal import Journal
from sim import promises

needs_strace = pytest.mark.needs("strace")


def traced(
    directory: Path, steps: int, *options: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """A session in a child under strace, and the trace."""
    log = directory.with_suffix(".strace")
    child = [sys.executable, "-m", "sim.promises", str(directory), str(steps)]
    try:
        ended = subprocess.run(
            ["strace", "-f", "-y", "-o", str(log), *options, "--", *child],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.fail("strace is not installed: apt install strace")
    assert ended.returncode == 0, ended.stderr[-500:]
    return ended, log.read_text("utf-8", errors="replace")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a session has begun."""
    made = tmp_path / "unit"
    made.mkdir()
    with Journal(made / promises.DATABASE, promises.SOURCE, promises.KEY) as journal:
        promises.Session(journal).step()
    return made


@needs_strace
@pytest.mark.promise
def test_session_is_one_process_one_connection_and_synced_before_each_report(
    directory: Path, promise: Callable[..., None]
) -> None:
    calls = "openat,close,write,pwrite64,fsync,fdatasync"
    ended, log = traced(directory, 12, "-e", f"trace={calls}")
    assert len(ended.stdout.splitlines()) == 12
    assert len({line.split()[0] for line in log.splitlines()}) == 1
    opened: set[str] = set()
    unsynced = reports = 0
    for call, arguments, result in re.findall(r"(?m)^\d+ +(\w+)\((.*)\) += (-?\d+)", log):
        if call == "openat" and f'/{promises.DATABASE}", O_RDWR' in arguments:
            opened.add(result)
            assert len(opened) == 1
        elif call == "close" and f"/{promises.DATABASE}>" in arguments:
            opened.remove(arguments.partition("<")[0])
        elif "-wal>" in arguments:
            unsynced = 0 if call in ("fsync", "fdatasync") else unsynced + 1
        elif call == "write" and arguments.startswith("1<"):
            assert unsynced == 0
            reports += 1
    assert "-shm" not in log
    promise("C1", "journal: reports, each after its sync", reports)


@needs_strace
@pytest.mark.promise
@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        ("pwrite64", "ENOSPC", "the disk is full: free some space, nothing is lost meanwhile"),
        ("pwrite64", "EIO", "a write is refused: lift the size limit, if one is set, or replace"),
        ("fdatasync", "EIO", r"the disk fails \(SQLITE_IOERR_FSYNC\): replace the card"),
    ],
)
def test_commit_that_failed_is_said_and_holds_when_the_disk_does(
    directory: Path, promise: Callable[..., None], call: str, error: str, sentence: str
) -> None:
    inject = f"inject={call}:error={error}:when=5+13"
    ended, _ = traced(directory, 15, "-e", f"trace={call}", "-e", inject)
    assert re.search(sentence, ended.stderr), ended.stderr[-500:]
    promised = tuple(ended.stdout.splitlines())
    assert len(promised) == 15
    assert promises.check(directory, promised) is None
    failed_count = len(ended.stderr.splitlines())
    promise("A2", f"journal: commits failed by {error} of {call}", failed_count)
