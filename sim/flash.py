"""A pad's flash: a NOR chip that records what is done to it, and the board's own file system on it.

    Flash        the chip: an operation erases one block or programs one page
    LittleFiles  the files of a board, by littlefs, the C code that MicroPython has on the board
    HostFiles    the same files in a directory of this machine
    cuts         every chip that a power cut during recorded operations may leave

A cut leaves all operations before it, none after it, and of its own anything between nothing and
everything: no order of the bytes or bits within a page or block is relied on. Not modelled: bits
that read differently each time, and damage to other blocks than the one at work. Each file of a
board also carries its time of writing, twelve bytes more in the same commit.
"""

import errno
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self, cast
from weakref import finalize

from littlefs import LFSConfig, LittleFSError, lfs

# What the chip erases and programs at once: FLASH_SECTOR_SIZE and FLASH_PAGE_SIZE, which
# ports/rp2/rp2_flash.c of MicroPython takes from the pico-sdk.
BLOCK_LEN = 4096
PAGE_LEN = 256
# ports/rp2/modules/_boot.py mounts with this; the others are the defaults of extmod/vfs_lfs.c and
# init_config() of extmod/vfs_lfsx.c. littlefs is 2.11 there as here, lib/littlefs/lfs2.h.
PROG_LEN = 256
READ_LEN = 32
LOOKAHEAD_LEN = 32
CACHE_LEN = min(BLOCK_LEN, 4 * max(READ_LEN, PROG_LEN))
BLOCK_CYCLES = 100
# The 1408 KiB that ports/rp2/boards/RPI_PICO/mpconfigboard.h leaves for files.
PICO_BLOCK_COUNT = 352

MODES = ("rb", "wb")
# What littlefs finds out before it changes anything.
HARMLESS = (errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY)
ERASED = b"\xff" * BLOCK_LEN


@dataclass(frozen=True, slots=True)
class Erase:
    block: int

    def __str__(self) -> str:
        return f"erase of block {self.block}"


@dataclass(frozen=True, slots=True)
class Prog:
    """Of one page; it can only clear bits."""

    block: int
    offset: int
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"prog of block {self.block} at {self.offset}"


Operation = Erase | Prog


class Flash:
    """A chip and what was done to it since it was made or copied; a new one is erased."""

    def __init__(self, block_count: int = 64) -> None:
        self.blocks = [ERASED] * block_count
        self.operations: list[Operation] = []
        self.erase_counts = [0] * block_count

    def copy(self) -> "Flash":
        """Another chip with the same content and nothing recorded."""
        other = Flash(len(self.blocks))
        other.blocks[:] = self.blocks
        return other

    def read(self, block: int, offset: int, length: int) -> bytes:
        return self.blocks[block][offset : offset + length]

    def erase(self, block: int) -> None:
        self.do(Erase(block))

    def prog(self, block: int, offset: int, data: bytes) -> None:
        """Program whole pages, one after the other."""
        assert offset % PAGE_LEN == len(data) % PAGE_LEN == 0, f"{offset} and {len(data)}"
        for start in range(0, len(data), PAGE_LEN):
            self.do(Prog(block, offset + start, data[start : start + PAGE_LEN]))

    def do(self, operation: Operation) -> None:
        number = operation.block
        if isinstance(operation, Erase):
            self.erase_counts[number] += 1
            self.blocks[number] = ERASED
        else:
            block, start, data = self.blocks[number], operation.offset, operation.data
            stop = start + len(data)
            assert not _bits(data) & ~_bits(block[start:stop]), f"{operation} would set a bit"
            self.blocks[number] = block[:start] + data + block[stop:]
        self.operations.append(operation)


@dataclass(frozen=True, slots=True)
class Cut:
    """What a cut left: a chip, after how many whole operations, what became of the next."""

    point: int
    left: str
    chip: Flash = field(repr=False)

    def flash(self) -> Flash:
        """The chip to go on with; a new one each time."""
        return self.chip.copy()

    def __str__(self) -> str:
        return f"cut at {self.point}, {self.left}"


def cuts(before: Flash, operations: Sequence[Operation], seed: int = 1) -> Iterator[Cut]:
    """In the order of the operations, which were recorded since the chip was like `before`."""
    chip = before.copy()
    for point, operation in enumerate(operations):
        yield Cut(point, f"before {operation}", chip.copy())
        whole = chip.copy()
        whole.do(operation)
        was, is_done = chip.blocks[operation.block], whole.blocks[operation.block]
        seen = {was, is_done}
        # Each operation has its own: one more before it changes nothing here.
        chance = random.Random(f"{seed} {point}")
        for how, block in _torn(operation, was, is_done, chance):
            if block not in seen:
                seen.add(block)
                chip.blocks[operation.block] = block
                yield Cut(point, f"{operation}, {how}", chip.copy())
        chip = whole
    yield Cut(len(operations), "after everything", chip)


def _torn(
    operation: Operation, was: bytes, is_done: bytes, chance: random.Random
) -> Iterator[tuple[str, bytes]]:
    """What may have become of the block, and how."""
    if isinstance(operation, Erase):
        # A chip clears all bits before it sets them, so that they wear alike.
        yield "all bits cleared", bytes(BLOCK_LEN)
        yield "garbage", chance.randbytes(BLOCK_LEN)
    changing = [at for at in range(BLOCK_LEN) if was[at] != is_done[at]]
    if not changing:
        return
    half, last, one = changing[len(changing) // 2], changing[-1], chance.choice(changing)
    for at in (half, last):
        yield f"torn at {at}", is_done[:at] + was[at:]
    yield f"only from {half}", was[:half] + is_done[half:]
    some = _bits(was) ^ (_bits(was) ^ _bits(is_done)) & _bits(chance.randbytes(BLOCK_LEN))
    yield "some bits changed", some.to_bytes(BLOCK_LEN, "big")
    bit = chance.choice([1 << n for n in range(8) if (was[one] ^ is_done[one]) >> n & 1])
    yield f"one bit changed at {one}", _flipped(was, one, bit)
    yield f"all but one bit at {one}", _flipped(is_done, one, bit)


def _flipped(block: bytes, at: int, bit: int) -> bytes:
    return block[:at] + bytes([block[at] ^ bit]) + block[at + 1 :]


def _bits(data: bytes) -> int:
    return int.from_bytes(data, "big")


class LittleFiles:
    """The files on a chip as `open` and `os` of a board give them; made anew at each start.

    Where mounting raises, _boot.py of the board formats instead: everything is lost.

    Once a call has found no room, the next change is an assertion. littlefs keeps half of what it
    could not finish (littlefs-project/littlefs#760) and would abort; built without its assertions,
    as extmod/extmod.mk does for boards, it goes on and may lose any file. Start anew before that.
    """

    def __init__(self, flash: Flash, *, fresh: bool = False) -> None:
        """fresh: format the chip first."""
        self._mounted = _Mounted(flash, fresh)
        self._fs = self._mounted.fs

    @property
    def used_bytes(self) -> int:
        """In whole blocks, as statvfs of the board counts them."""
        with self._mounted.reading("/"):
            return lfs.fs_size(self._fs) * BLOCK_LEN

    def open(self, path: str, mode: str) -> BinaryIO:
        return cast(BinaryIO, _File(self._mounted, path, mode))

    def remove(self, path: str) -> None:
        """Of a directory too, if it is empty."""
        with self._mounted.changing(path):
            lfs.remove(self._fs, path)

    def rename(self, src: str, dst: str) -> None:
        with self._mounted.changing(src):
            lfs.rename(self._fs, src, dst)

    def mkdir(self, path: str) -> None:
        with self._mounted.changing(path):
            lfs.mkdir(self._fs, path)

    def rmdir(self, path: str) -> None:
        """Of a file too: MicroPython does not tell them apart."""
        self.remove(path)

    def listdir(self, path: str) -> list[str]:
        with self._mounted.reading(path):
            directory = lfs.dir_open(self._fs, path)
            try:
                entries = list(iter(lambda: lfs.dir_read(self._fs, directory), None))
            finally:
                lfs.dir_close(self._fs, directory)
        return [entry.name for entry in entries if entry and entry.name not in (".", "..")]


class _File:
    """What the firmware uses of a file. Only `close` closes it: a power cut does not."""

    def __init__(self, mounted: "_Mounted", path: str, mode: str) -> None:
        assert mode in MODES, mode
        self._mounted, self._path, self._mode = mounted, path, mode
        with mounted.reading(path) if mode == "rb" else mounted.changing(path):
            self._file = lfs.file_open(mounted.fs, path, mode)
        self._is_open = True
        mounted.files.append(self._file)

    def read(self, count: int = -1) -> bytes:
        fs = self._usable("rb")
        with self._mounted.reading(self._path):
            left = lfs.file_size(fs, self._file) - lfs.file_tell(fs, self._file)
            return lfs.file_read(fs, self._file, left if count < 0 else count)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        fs = self._usable("wb")
        with self._mounted.changing(self._path):
            return lfs.file_write(fs, self._file, bytes(data))

    def close(self) -> None:
        if self._is_open and not self._mounted.is_spoilt:
            self._mounted.files.remove(self._file)
            with self._mounted.changing(self._path):
                lfs.file_close(self._mounted.fs, self._file)
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _usable(self, mode: str) -> lfs.LFSFilesystem:
        assert mode == self._mode, f"{self._path} is open as {self._mode}"
        if not self._is_open:
            raise ValueError(f"{self._path} is closed")
        return self._mounted.fs


class _Mounted:
    """One mount, and the files open on it: littlefs points to them, so none may be collected."""

    def __init__(self, flash: Flash, fresh: bool) -> None:
        self._driver = _Driver(flash)
        config = LFSConfig(
            self._driver,
            block_size=BLOCK_LEN,
            block_count=len(flash.blocks),
            read_size=READ_LEN,
            prog_size=PROG_LEN,
            cache_size=CACHE_LEN,
            lookahead_size=LOOKAHEAD_LEN,
            block_cycles=BLOCK_CYCLES,
        )
        self.fs = lfs.LFSFilesystem()
        self.files: list[lfs.LFSFile] = []
        self.is_spoilt = False
        with self.changing("/"):
            if fresh:
                lfs.format(self.fs, config)
            lfs.mount(self.fs, config)
        # It frees its buffers and writes nothing.
        finalize(self, _unmount, self.fs, config).atexit = False

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """What littlefs says, as MicroPython raises it: its numbers are those of errno."""
        try:
            yield
        except LittleFSError as error:
            self.is_spoilt |= -error.code not in HARMLESS
            raise self._driver.bug or OSError(-error.code, error.name, path) from None

    @contextmanager
    def changing(self, path: str) -> Iterator[None]:
        assert not self.is_spoilt, f"{path}: nothing more can be changed before the next start"
        with self.reading(path):
            yield


def _unmount(fs: lfs.LFSFilesystem, _config: LFSConfig) -> None:
    lfs.unmount(fs)


class _Driver:
    """The chip as littlefs calls it."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash
        # No exception passes through C.
        self.bug: AssertionError | None = None

    def read(self, _config: LFSConfig, block: int, offset: int, length: int) -> bytes:
        return self._flash.read(block, offset, length)

    def prog(self, _config: LFSConfig, block: int, offset: int, data: bytes) -> int:
        try:
            self._flash.prog(block, offset, data)
        except AssertionError as bug:
            self.bug = bug
            return -errno.EIO
        return 0

    def erase(self, _config: LFSConfig, block: int) -> int:
        self._flash.erase(block)
        return 0

    def sync(self, _config: LFSConfig) -> int:
        return 0


class HostFiles:
    """The same files below a directory of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, path: str, mode: str) -> BinaryIO:
        assert mode in MODES, mode
        return cast(BinaryIO, open(self._at(path), mode))

    def remove(self, path: str) -> None:
        os.remove(self._at(path))

    def rename(self, src: str, dst: str) -> None:
        os.replace(self._at(src), self._at(dst))

    def mkdir(self, path: str) -> None:
        os.mkdir(self._at(path))

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def listdir(self, path: str) -> list[str]:
        return os.listdir(self._at(path))

    def _at(self, path: str) -> Path:
        assert path.startswith("/"), path
        return self._root / path[1:]
