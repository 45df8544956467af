"""A virtual board for --virtual: the simulator as a child process, found by its port (real I/O)."""

import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioning.pad.errors import BoardNotFound

START_S, END_S = 60.0, 5.0  # `npm ci` on a slow line
_NEXT = "install what the simulator needs: pip install 'haochaping[sim]', apt install nodejs npm"


@contextmanager
def board() -> Iterator[str]:
    """The port of a new, empty board, as long as the block lasts. Raises BoardNotFound."""
    with tempfile.TemporaryDirectory(prefix="haochaping-") as folder:
        port = Path(folder) / "ttyVIRTUAL"
        command = [sys.executable, "-m", "sim", "board", "--port-file", str(port)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            try:
                _wait(child)
                yield str(port)
            finally:
                _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None
    child.stdin.close()  # at the end of its input it leaves
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _wait(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdout is not None
    assert child.stderr is not None
    ready, _, _ = select.select([child.stdout], [], [], START_S)
    if not ready:
        raise BoardNotFound(f"the virtual board has not started within {START_S:.0f} s", _NEXT)
    if not child.stdout.readline():
        said = child.stderr.read().decode("utf-8", "replace").strip().splitlines()
        raise BoardNotFound(
            f"there is no virtual board: {said[-1] if said else 'no reason'}", _NEXT
        )
