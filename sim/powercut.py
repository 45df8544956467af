"""The power-cut explorer: every state a cut may leave a directory in, each one checked. Real I/O.

    explore    run a command under strace, then write out and check every state of its history
    states     for each point of a history, what a cut there may leave

What a cut leaves for certain is only what was synced: of a file, what was written before an fsync
or fdatasync of it began that has returned; of the names, what was changed before such a sync of the
folder (of both, when a file is moved from one to another). Everything later may be there or not: up
to some point, one without the others, in another order between files, torn at a sector's edge, or
as zeros where a file has already grown.
A promise is a line the command wrote to its stdout; it binds from the moment the write began.
"""

import hashlib
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sim import memory
from sim.strace import History, Operation, Rename, Said, Sync, Write, grow, trace

# What no disk tears: the smallest unit any card or disk writes.
SECTOR_LEN = 512
# Unsynced writes that are dropped, kept and torn one by one; random states reach those before.
RECENT_MAX = 16

Check = Callable[[Path, tuple[str, ...]], str | None]


@dataclass(frozen=True, slots=True)
class State:
    """What a cut left: the files by name, after how many operations, what became of the rest."""

    files: Mapping[str, bytes] = field(repr=False)
    promised: tuple[str, ...]
    point: int
    left: str

    def write(self, directory: Path) -> None:
        """Make the state's files in an empty directory."""
        for name, data in self.files.items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_bytes(data)

    def check(self, check: Check) -> str | None:
        """What the checker finds wrong with the state, written out somewhere of its own."""
        with tempfile.TemporaryDirectory(prefix="powercut-", dir=memory.folder()) as directory:
            self.write(Path(directory))
            return check(Path(directory), self.promised)


@dataclass(frozen=True, slots=True)
class Bad:
    """A state that does not keep what was promised, and why not."""

    state: State
    sentence: str

    def __str__(self) -> str:
        return f"cut at {self.state.point}, left {self.state.left}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Result:
    tried: int
    bad: tuple[Bad, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """Which of the uncertain operations reached the disk; of `torn` only the bytes `part`."""

    left: str
    kept: frozenset[int]
    names: frozenset[int]
    torn: int = -1
    part: tuple[int, int] = (0, 0)
    zeros: bool = False


@dataclass(slots=True)
class Disk:
    """The directory at one point of its history: what is certain, and what is not yet."""

    files: list[bytearray]
    names: dict[str, int]
    writes: dict[int, Write] = field(default_factory=dict)
    renames: dict[int, Rename] = field(default_factory=dict)
    # Of each change of names that is not certain: the folders that were not synced since.
    unsynced: dict[int, set[str]] = field(default_factory=dict)

    def do(self, number: int, operation: Operation) -> None:
        if isinstance(operation, Write):
            self.writes[number] = operation
        elif isinstance(operation, Rename):
            self.renames[number] = operation
            self.unsynced[number] = operation.folders
        elif isinstance(operation, Sync):
            self._sync(operation)

    def after(self, cut: Cut) -> dict[str, bytes]:
        """The files by name as the cut leaves them."""
        files: dict[int, bytearray] = {}
        for number, write in self.writes.items():
            buffer = files.setdefault(write.file, bytearray(self.files[write.file]))
            if number == cut.torn:
                write.put(buffer, cut.part)
            elif number in cut.kept:
                write.put(buffer)
            elif cut.zeros and write.data is not None:
                grow(buffer, write.offset + len(write.data))
        names = dict(self.names)
        for number, rename in self.renames.items():
            if number in cut.names:
                rename.put(names)
        return {name: bytes(files.get(file, self.files[file])) for name, file in names.items()}

    def _sync(self, sync: Sync) -> None:
        if sync.file is None:
            for number in [number for number in self.renames if number < sync.began]:
                self.unsynced[number].discard(sync.folder)
                if not self.unsynced[number]:
                    del self.unsynced[number]
                    self.renames.pop(number).put(self.names)
            return
        covered = [
            number
            for number, write in self.writes.items()
            if write.file == sync.file and number < sync.began
        ]
        for number in covered:
            self.writes.pop(number).put(self.files[sync.file])


def explore(
    command: Sequence[str],
    directory: Path,
    check: Check,
    *,
    random_states: int,
    seed: int,
    promised: tuple[str, ...] = (),
    bad_max: int | None = None,
    each: int = 1,
) -> Result:
    """Check every state a cut may leave while the command works on the directory.

    check: what is wrong with a directory, given the promises made before the cut; None if nothing.
    promised: what was promised before the command began.
    bad_max: how many bad states are enough.
    each: only every so many states are checked.
    """
    tried, bad = 0, []
    every = states(trace(command, directory), random_states, seed, promised)
    for state in islice(every, None, None, each):
        tried += 1
        sentence = state.check(check)
        if sentence is not None:
            bad.append(Bad(state, sentence))
            if len(bad) == bad_max:
                break
    return Result(tried, tuple(bad))


def states(
    history: History, random_states: int, seed: int, promised: tuple[str, ...] = ()
) -> Iterator[State]:
    """Every distinct state, in the order of the history.

    random_states: how many random ones at each point, beside the systematic ones.
    """
    chance = random.Random(seed)
    disk = Disk([bytearray(data) for data in history.files], dict(history.names))
    said, seen = "", set()
    for point in range(len(history.operations) + 1):
        if point:
            operation = history.operations[point - 1]
            disk.do(point - 1, operation)
            said += operation.text if isinstance(operation, Said) else ""
        # A line that is not whole yet promises nothing.
        lines = (*promised, *said.split("\n")[:-1])
        for cut in cuts(disk, chance, random_states):
            files = disk.after(cut)
            known = _digest(files, len(lines))
            if known not in seen:
                seen.add(known)
                yield State(files, lines, point, cut.left)


def cuts(disk: Disk, chance: random.Random, random_states: int) -> Iterator[Cut]:
    """What may become of the operations that are not certain yet."""
    writes, names = frozenset(disk.writes), frozenset(disk.renames)
    yield Cut("everything", writes, names)
    if not writes and not names:
        return
    yield Cut("nothing", frozenset(), frozenset())
    yield Cut("names and sizes", frozenset(), names, zeros=True)
    for name in sorted(names):
        before = frozenset(number for number in names if number < name)
        yield Cut(f"everything but name {name}", writes, names - {name})
        yield Cut(f"data, names before {name}", writes, before)
        yield Cut(f"names before {name}", frozenset(), before)
    for number in sorted(writes)[-RECENT_MAX:]:
        yield from _cuts_of(disk.writes[number], number, writes, names)
    files = {write.file for write in disk.writes.values()}
    for file in sorted(files) if len(files) > 1 else ():
        own = frozenset(number for number in writes if disk.writes[number].file == file)
        yield Cut(f"only file {file}", own, names)
        yield Cut(f"all but file {file}", writes - own, names)
    for number in range(random_states if len(writes) + len(names) > 1 else 0):
        yield _random_cut(disk, chance, number)


def _cuts_of(
    write: Write, number: int, writes: frozenset[int], names: frozenset[int]
) -> Iterator[Cut]:
    """One write there, not there, alone, or in parts."""
    before = frozenset(other for other in writes if other < number)
    others = writes - {number}
    yield Cut(f"writes up to {number}", before | {number}, names)
    yield Cut(f"only write {number}", frozenset({number}), names)
    yield Cut(f"all but write {number}", others, names)
    yield Cut(f"zeros for write {number}", others, names, zeros=True)
    start, *edges, stop = _edges(write)
    for edge in sorted({edges[0], edges[len(edges) // 2], edges[-1]}) if edges else ():
        for part in ((start, edge), (edge, stop)):
            left = f"of write {number} bytes {part[0]} to {part[1]}"
            yield Cut(left, others, names, number, part)
            yield Cut(f"{left}, none after", before, names, number, part)


def _random_cut(disk: Disk, chance: random.Random, number: int) -> Cut:
    torn, part = -1, (0, 0)
    if disk.writes and chance.random() < 0.5:
        torn = chance.choice(sorted(disk.writes))
        edges = _edges(disk.writes[torn])
        start, stop = sorted((chance.choice(edges), chance.choice(edges)))
        part = (start, stop)
    return Cut(
        f"random state {number}",
        frozenset(write for write in disk.writes if chance.random() < 0.5),
        frozenset(name for name in disk.renames if chance.random() < 0.5),
        torn,
        part,
        chance.random() < 0.5,
    )


def _edges(write: Write) -> list[int]:
    """Where its data begin, may tear and end."""
    length = len(write.data or b"")
    first = SECTOR_LEN - write.offset % SECTOR_LEN
    return [0, *range(first, length, SECTOR_LEN), length]


def _digest(files: Mapping[str, bytes], promise_count: int) -> bytes:
    known = hashlib.blake2b(b"%d" % promise_count, digest_size=16)
    for name, data in sorted(files.items()):
        known.update(f"{name} {len(data)} ".encode() + data)
    return known.digest()
