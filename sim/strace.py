"""What a command does to one directory, call by call, as strace sees it. Real I/O.

The result is a History: writes, changes of names, syncs, and what the command said on its stdout.
Followed are the calls that SQLite and Python make for plain files in the directory and one level
below; a name there is "folder/name". At the
end the files on disk are compared with what the history makes of them, so that a call that is not
followed is never taken for one that was not made.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

# One write is one line of the trace; SQLite writes pages of at most 64 KiB.
WRITE_LEN_MAX = 1 << 20
# A leading "?": not every machine has the call.
CALLS = (
    "?open,openat,lseek,write,pwrite64,ftruncate,fsync,fdatasync,"
    "?rename,?renameat,renameat2,?unlink,unlinkat,?fork,?vfork,clone,?clone3"
)
# Every thread; only these calls stop it; names for descriptors; texts in hex and whole.
OPTIONS = (
    "-f",
    "--seccomp-bpf",
    f"-etrace={CALLS}",
    "-esignal=none",
    "-y",
    "-xx",
    f"-s{WRITE_LEN_MAX}",
)
_HEX = r"(?:\\x[0-9a-f]{2})*"
_CALL = re.compile(rf"(\w+)\((.*)\) += (-?\d+)(?:<({_HEX})>)?")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_UNFINISHED = " <unfinished ...>"
_DESCRIPTOR = re.compile(rf"(\d+)<({_HEX})>(\(deleted\))?")
_TEXT = re.compile(rf'"({_HEX})"')
_STDOUT = 1


class NotTraced(Exception):
    """There is no history: no strace, a command that failed, or a call that is not followed."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes put into a file; `data` None sets its length to `offset` instead."""

    file: int
    offset: int
    data: bytes | None

    def put(self, buffer: bytearray, part: tuple[int, int] | None = None) -> None:
        """Do it to a file's bytes; of the data only the bytes of `part`, if that is given."""
        if self.data is None:
            del buffer[self.offset :]
            grow(buffer, self.offset)
            return
        start, stop = part or (0, len(self.data))
        if start < stop:
            grow(buffer, self.offset + start)
            buffer[self.offset + start : self.offset + stop] = self.data[start:stop]


@dataclass(frozen=True, slots=True)
class Rename:
    """A change of names: `old` is gone, `new` means `file`; None where there is no such name."""

    old: str | None
    new: str | None
    file: int

    @property
    def folders(self) -> set[str]:
        """Whose names it changes; "" is the directory itself."""
        return {os.path.dirname(name) for name in (self.old, self.new) if name is not None}

    def put(self, names: dict[str, int]) -> None:
        if self.old is not None:
            names.pop(self.old, None)
        if self.new is not None:
            names[self.new] = self.file


@dataclass(frozen=True, slots=True)
class Sync:
    """What was done before operation `began` is on disk: to a file, or to a folder's names."""

    file: int | None
    began: int
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """Written to stdout."""

    text: str


Operation = Write | Rename | Sync | Said


@dataclass(slots=True)
class History:
    """What was done to a directory, and the files, by number, and names that were there before."""

    files: list[bytes]
    names: dict[str, int]
    operations: list[Operation] = field(default_factory=list)


def trace(command: Sequence[str], directory: Path) -> History:
    """Run the command to its end; what it did to the directory. Raises NotTraced."""
    if shutil.which("strace") is None:
        raise NotTraced("strace is not installed: apt install strace")
    directory = directory.resolve()
    reader = _Reader(directory)
    with tempfile.NamedTemporaryFile(prefix="strace-") as log:
        ended = subprocess.run(
            ["strace", *OPTIONS, "-o", log.name, "--", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise NotTraced(f"exit code {ended.returncode}: {ended.stderr.strip()[-1000:]}")
        for line in Path(log.name).read_text("ascii").splitlines():
            reader.line(line)
    reader.compare()
    return reader.history


def grow(buffer: bytearray, length: int) -> None:
    """Make it at least so long; what is new is zeros."""
    buffer.extend(bytes(max(0, length - len(buffer))))


@dataclass(slots=True)
class _Place:
    """A descriptor's place in its file."""

    append: bool
    position: int = 0


class _Reader:
    """Reads a trace line by line. Threads share their descriptors; one process is followed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        before = _content(directory)
        self._live = [bytearray(data) for data in before.values()]
        self._names = {name: file for file, name in enumerate(before)}
        self.history = History(list(before.values()), dict(self._names))
        self._places: dict[int, _Place] = {}
        # Thread: the first half of a call during which others were seen, and when it began.
        self._begun: dict[str, tuple[str, int]] = {}

    def line(self, line: str) -> None:
        thread, _, text = line.partition(" ")
        text, began = text.strip(), len(self.history.operations)
        resumed = _RESUMED.match(text)
        if resumed is not None:
            half, began = self._begun.pop(thread)
            text = half + resumed[1]
        elif text.startswith(f"write({_STDOUT}<"):
            # A promise binds when its write begins.
            self.history.operations.append(Said(_data(text).decode(errors="replace")))
        if text.endswith(_UNFINISHED):
            self._begun[thread] = (text.removesuffix(_UNFINISHED), began)
        elif (call := _CALL.match(text)) is not None and int(call[3]) >= 0:
            self._call(call[1], call[2], int(call[3]), call[4] or "", began)

    def compare(self) -> None:
        """Raise NotTraced when the disk is not as the history says."""
        found = _content(self._directory)
        told = {name: bytes(self._live[file]) for name, file in self._names.items()}
        differing = {
            name for name in found.keys() | told.keys() if found.get(name) != told.get(name)
        }
        if differing:
            raise NotTraced(f"changed by calls that are not followed: {sorted(differing)}")

    def _call(self, name: str, arguments: str, result: int, opened: str, began: int) -> None:
        descriptor, file = self._file(arguments)
        last = arguments.rpartition(", ")[2]
        texts = _TEXT.findall(arguments)
        match name:
            case "open" | "openat" if "O_DIRECTORY" not in arguments:
                self._open(result, self._name(opened), arguments)
            case "lseek" if file is not None:
                self._places[descriptor].position = result
            case "write" if file is not None:
                place = self._places[descriptor]
                offset = len(self._live[file]) if place.append else place.position
                place.position = offset + result
                self._write(file, offset, _data(arguments)[:result])
            case "pwrite64" if file is not None:
                self._write(file, int(last), _data(arguments)[:result])
            case "ftruncate" if file is not None:
                self._write(file, int(last), None)
            case "fsync" | "fdatasync" if file is not None:
                self.history.operations.append(Sync(file, began))
            case "fsync" | "fdatasync" if (folder := self._folder(arguments)) is not None:
                self.history.operations.append(Sync(None, began, folder))
            case "rename" | "renameat" | "renameat2":
                self._move(self._name(texts[0]), self._name(texts[1]))
            case "unlink" | "unlinkat":
                self._move(self._name(texts[0]), None)
            case "fork" | "vfork" | "clone" | "clone3" if "CLONE_FILES" not in arguments:
                raise NotTraced("the command starts another process: only threads are followed")

    def _open(self, descriptor: int, name: str | None, arguments: str) -> None:
        self._places[descriptor] = _Place("O_APPEND" in arguments)
        if name is not None and name not in self._names:
            self._live.append(bytearray())
            self.history.files.append(b"")
            self._rename(Rename(None, name, len(self._live) - 1))
        elif name is not None and "O_TRUNC" in arguments:
            self._write(self._names[name], 0, None)

    def _move(self, old: str | None, new: str | None) -> None:
        if old is not None:
            self._rename(Rename(old, new, self._names[old]))
        elif new is not None:
            raise NotTraced(f"{new} was moved into the directory")

    def _rename(self, rename: Rename) -> None:
        rename.put(self._names)
        self.history.operations.append(rename)

    def _write(self, file: int, offset: int, data: bytes | None) -> None:
        write = Write(file, offset, data)
        write.put(self._live[file])
        self.history.operations.append(write)

    def _name(self, path: str) -> str | None:
        """The name of a path when it is in the directory, or in a folder of it."""
        parent, name = os.path.split(_bytes(path).decode(errors="replace"))
        folder = self._relative(os.path.realpath(parent))
        return None if not name or folder is None else os.path.join(folder, name)

    def _relative(self, path: str) -> str | None:
        """A folder as names begin with it; None when it is not followed."""
        if path == str(self._directory):
            return ""
        above, folder = os.path.split(path)
        return folder if above == str(self._directory) else None

    def _file(self, arguments: str) -> tuple[int, int | None]:
        """A call's descriptor, and the file it means when it has a name in the directory."""
        found = _DESCRIPTOR.match(arguments)
        if found is None:
            return -1, None
        name = None if found[3] else self._name(found[2])
        return int(found[1]), None if name is None else self._names.get(name)

    def _folder(self, arguments: str) -> str | None:
        """The folder whose names a descriptor syncs."""
        found = _DESCRIPTOR.match(arguments)
        return None if found is None else self._relative(_bytes(found[2]).decode())


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _data(arguments: str) -> bytes:
    found = _TEXT.search(arguments)
    assert found, arguments
    return _bytes(found[1])


def _content(directory: Path) -> dict[str, bytes]:
    paths = sorted((*directory.glob("*"), *directory.glob("*/*")))
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths if path.is_file()}
