"""A disk of its own for one program, which somebody else can fill to the last byte. Real I/O.

A file system in memory, mounted in a name space that only who is run `inside` shares; anybody may
make one. It stays while programs inside are killed, as a disk does.
"""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PIECE_LEN = 1 << 16
# A commit takes some KiB: so little is left to it.
LAST_PIECE_LEN = 512
STOP_S = 5.0


class SmallDisk:
    """`folder` is empty for everybody else."""

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        mount = f'mount -t tmpfs -o size={size_mib}m tmpfs "$0" && echo up && exec cat'
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
        # It ends with us: then nobody writes to the `cat` any more.
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n", "a file system cannot be mounted here"

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command line with which a program finds this disk; the process is the program's."""
        holder = str(self._holder.pid)
        return ["nsenter", "--target", holder, "--user", "--mount", "--preserve-credentials",
                f"--wd={os.getcwd()}", "--", *argv]  # fmt: skip

    def fill(self) -> int:
        """A stranger takes all the room there is now; how many bytes that were."""
        taken_len = 0
        with self._stranger.open("ab", buffering=0) as stranger:
            for length in (PIECE_LEN, LAST_PIECE_LEN):
                with contextlib.suppress(OSError):
                    while True:
                        taken_len += stranger.write(bytes(length))
        return taken_len

    def free(self) -> None:
        """The stranger's file is gone, if there is one."""
        self._stranger.unlink(missing_ok=True)

    def close(self) -> None:
        """Gone with all that is on it, once nobody inside runs any more."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait(STOP_S)
        self._holder.stdout.close()

    @property
    def _stranger(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{self.folder}/stranger")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
