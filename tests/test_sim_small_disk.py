"""The disk that somebody else fills: what a program on it meets, and what stays."""

import subprocess
import sys
from pathlib import Path

import pytest

from sim.small_disk import SmallDisk

WRITE = "import sys; open(sys.argv[1], 'ab', buffering=0).write(bytes(4096))"


def write(disk: SmallDisk) -> str:
    """A program inside writes a page; the last line of what it says."""
    argv = disk.inside([sys.executable, "-c", WRITE, str(disk.folder / "file")])
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
    return said.strip().rpartition("\n")[2]


@pytest.mark.needs("namespaces")
def test_disk_when_filled_takes_nothing_and_when_freed_takes_it_again(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", 1) as disk:
        assert write(disk) == ""
        assert 0 < disk.fill() < 1 << 20
        assert write(disk).startswith("OSError: [Errno 28]")
        assert disk.fill() == 0
        disk.free()
        disk.free()
        assert write(disk) == ""
        # For everybody else it is an empty folder.
        assert list(disk.folder.iterdir()) == []
