"""The recorded file system: the same files as on a host, on a chip that a power cut may leave."""

import errno
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.flash import (
    BLOCK_LEN,
    ERASED,
    PAGE_LEN,
    PICO_BLOCK_COUNT,
    Cut,
    Erase,
    Flash,
    HostFiles,
    LittleFiles,
    Operation,
    Prog,
    cuts,
)

Files = LittleFiles | HostFiles
# Path: its content; of a directory None.
Tree = dict[str, bytes | None]
SMALL, LARGE = b"small" * 20, bytes(range(256)) * 20
SEED = 1
CUTS_MIN, SECOND_CUTS_MIN = 700, 500


@pytest.fixture
def flash() -> Flash:
    """A chip with an empty file system."""
    flash = Flash()
    LittleFiles(flash, fresh=True)
    return flash.copy()


@pytest.fixture(params=[LittleFiles, HostFiles])
def files(request: pytest.FixtureRequest, flash: Flash, tmp_path: Path) -> Files:
    return LittleFiles(flash) if request.param is LittleFiles else HostFiles(tmp_path)


def put(files: Files, path: str, data: bytes) -> None:
    with files.open(path, "wb") as file:
        file.write(data)


def get(files: Files, path: str) -> bytes:
    with files.open(path, "rb") as file:
        return file.read()


def number_of(call: Callable[[], object]) -> int:
    """The errno it fails with; 0 = it does not."""
    try:
        call()
    except OSError as error:
        return error.errno or -1
    return 0


def tree(files: Files, folder: str = "") -> Tree:
    """Everything there is."""
    found: Tree = {}
    for name in files.listdir(folder or "/"):
        path = f"{folder}/{name}"
        try:
            found |= {path: None, **tree(files, path)}
        except NotADirectoryError:
            found[path] = get(files, path)
    return found


# -- the contract of the port


@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_file_that_was_closed_is_read_back(files: Files, data: bytes) -> None:
    put(files, "/x", data)
    assert get(files, "/x") == data


def test_file_is_written_and_read_in_pieces(files: Files) -> None:
    with files.open("/x", "wb") as file:
        assert [file.write(b"abc"), file.write(bytearray(b"de"))] == [3, 2]
    with files.open("/x", "rb") as file:
        assert [file.read(2), file.read(2), file.read(), file.read(1)] == [b"ab", b"cd", b"e", b""]


def test_file_that_is_written_anew_has_only_the_new_content(files: Files) -> None:
    put(files, "/x", LARGE)
    put(files, "/x", SMALL)
    assert tree(files) == {"/x": SMALL}


def test_file_that_is_closed_is_not_written_any_more(files: Files) -> None:
    file = files.open("/x", "wb")
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.write(b"late")


def test_file_renamed_over_another_takes_its_place(files: Files) -> None:
    put(files, "/x", LARGE)
    put(files, "/x.new", SMALL)
    files.rename("/x.new", "/x")
    assert tree(files) == {"/x": SMALL}


def test_folder_is_renamed_with_all_that_is_in_it(files: Files) -> None:
    files.mkdir("/a")
    put(files, "/a/x", SMALL)
    files.rename("/a", "/b")
    assert tree(files) == {"/b": None, "/b/x": SMALL}


def test_listing_has_the_names_of_one_folder(files: Files) -> None:
    files.mkdir("/a")
    files.mkdir("/a/b")
    put(files, "/a/x", SMALL)
    assert (files.listdir("/"), sorted(files.listdir("/a"))) == (["a"], ["b", "x"])
    assert files.listdir("/a/b") == []


def test_what_is_removed_is_gone(files: Files) -> None:
    files.mkdir("/a")
    put(files, "/a/x", LARGE)
    files.remove("/a/x")
    files.rmdir("/a")
    assert tree(files) == {}


FAILURES: dict[str, tuple[int, Callable[[Files], object]]] = {
    "read what is not there": (errno.ENOENT, lambda files: files.open("/none", "rb")),
    "read a folder": (errno.EISDIR, lambda files: files.open("/a", "rb")),
    "read below a file": (errno.ENOTDIR, lambda files: files.open("/x/y", "rb")),
    "write into no folder": (errno.ENOENT, lambda files: files.open("/none/x", "wb")),
    "write a folder": (errno.EISDIR, lambda files: files.open("/a", "wb")),
    "write below a file": (errno.ENOTDIR, lambda files: files.open("/x/y", "wb")),
    "remove what is not there": (errno.ENOENT, lambda files: files.remove("/none")),
    "rename what is not there": (errno.ENOENT, lambda files: files.rename("/none", "/x")),
    "rename into no folder": (errno.ENOENT, lambda files: files.rename("/x", "/none/x")),
    "rename file over folder": (errno.EISDIR, lambda files: files.rename("/x", "/a")),
    "rename folder over file": (errno.ENOTDIR, lambda files: files.rename("/a", "/x")),
    "rename over full folder": (errno.ENOTEMPTY, lambda files: files.rename("/b", "/a")),
    "make a folder that is there": (errno.EEXIST, lambda files: files.mkdir("/a")),
    "make a folder that is a file": (errno.EEXIST, lambda files: files.mkdir("/x")),
    "make a folder in none": (errno.ENOENT, lambda files: files.mkdir("/none/a")),
    "remove no folder": (errno.ENOENT, lambda files: files.rmdir("/none")),
    "remove a full folder": (errno.ENOTEMPTY, lambda files: files.rmdir("/a")),
    "list what is not there": (errno.ENOENT, lambda files: files.listdir("/none")),
    "list a file": (errno.ENOTDIR, lambda files: files.listdir("/x")),
}


@pytest.mark.parametrize("what", FAILURES)
def test_what_cannot_be_done_is_said_and_changes_nothing(files: Files, what: str) -> None:
    number, fail = FAILURES[what]
    for folder in ("/a", "/b"):
        files.mkdir(folder)
    for path in ("/x", "/a/x"):
        put(files, path, SMALL)
    assert number_of(lambda: fail(files)) == number
    assert tree(files) == {"/a": None, "/b": None, "/x": SMALL, "/a/x": SMALL}


# -- any calls against a dict

FOLDERS, PATHS = ("/a", "/b"), ("/x", "/y", "/a/x", "/a/y", "/b/x")
ANY_FILE, ANY_FOLDER = st.sampled_from(PATHS), st.sampled_from(FOLDERS)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), ANY_FILE, st.integers(0, 9000)),
        st.tuples(st.sampled_from(["remove", "get"]), ANY_FILE),
        st.tuples(st.just("rename"), ANY_FILE, ANY_FILE),
        st.tuples(st.just("rename"), ANY_FOLDER, ANY_FOLDER),
        st.tuples(st.sampled_from(["mkdir", "rmdir", "listdir"]), ANY_FOLDER),
        st.tuples(st.just("restart")),
    ),
    max_size=40,
)


def in_a_dict(tree: Tree, call: str, *arguments: object) -> object:
    """What the call gives and makes of the tree; a KeyError where it cannot be done."""
    path, *rest = map(str, arguments)
    parent = path.rpartition("/")[0]
    inside = [other for other in tree if other.startswith(f"{path}/")]
    if call == "put":
        assert not parent or tree[parent] is None
        tree[path] = content(*arguments)
    elif call == "get":
        return tree[path]
    elif call in ("remove", "rmdir"):
        if inside:
            raise KeyError(path)
        del tree[path]
    elif call == "mkdir":
        if path in tree:
            raise KeyError(path)
        tree[path] = None
    elif call == "listdir":
        assert tree[path] is None
        return sorted(other.removeprefix(f"{path}/") for other in inside)
    else:
        rename_in_a_dict(tree, path, *rest)
    return None


def rename_in_a_dict(tree: Tree, old: str, new: str) -> None:
    parent = new.rpartition("/")[0]
    if parent:
        assert tree[parent] is None
    moved = {path: tree[path] for path in tree if path == old or path.startswith(f"{old}/")}
    if not moved or (old != new and any(path.startswith(f"{new}/") for path in tree)):
        raise KeyError(old)
    for path in moved:
        del tree[path]
    tree.update({new + path.removeprefix(old): data for path, data in moved.items()})


def content(path: object, length: object) -> bytes:
    assert isinstance(length, int)
    return (f"{path} {length} ".encode() * length)[:length]


def on_files(files: Files, call: str, *arguments: object) -> object:
    if call == "put":
        return put(files, str(arguments[0]), content(*arguments))
    if call == "get":
        return get(files, str(arguments[0]))
    given = getattr(files, call)(*arguments)
    return sorted(given) if call == "listdir" else given


@pytest.mark.parametrize("kind", [LittleFiles, HostFiles])
@given(calls=CALLS)
def test_any_calls_give_what_a_dict_gives(
    kind: type[Files], calls: list[tuple[object, ...]]
) -> None:
    model: Tree = {}
    flash = Flash()
    with tempfile.TemporaryDirectory() as root:
        files = HostFiles(Path(root)) if kind is HostFiles else LittleFiles(flash, fresh=True)
        for name, *arguments in calls:
            if name == "restart":
                files = files if isinstance(files, HostFiles) else LittleFiles(flash)
                continue
            try:
                wanted = in_a_dict(model, str(name), *arguments)
            except KeyError:
                assert number_of(partial(on_files, files, str(name), *arguments)) != 0
            else:
                assert on_files(files, str(name), *arguments) == wanted
        assert tree(files) == model


# -- what only the board does


def test_board_does_not_tell_a_file_from_an_empty_folder(flash: Flash) -> None:
    files = LittleFiles(flash)
    files.mkdir("/a")
    put(files, "/x", SMALL)
    files.remove("/a")
    files.rmdir("/x")
    assert tree(files) == {}


def test_file_being_written_is_empty_or_as_before_until_it_is_closed(flash: Flash) -> None:
    files = LittleFiles(flash)
    put(files, "/old", SMALL)
    for path in ("/old", "/new"):
        files.open(path, "wb").write(LARGE)
    assert tree(LittleFiles(flash)) == {"/old": SMALL, "/new": b""}


def test_used_space_is_counted_in_blocks(flash: Flash) -> None:
    files = LittleFiles(flash)
    empty = files.used_bytes
    put(files, "/x", LARGE)
    assert files.used_bytes - empty == 2 * BLOCK_LEN
    files.remove("/x")
    assert files.used_bytes == empty


def test_wear_is_spread_over_a_board_s_chip() -> None:
    """Which is larger than what littlefs looks ahead."""
    flash = Flash(PICO_BLOCK_COUNT)
    files = LittleFiles(flash, fresh=True)
    put(files, "/kept", SMALL)
    flash.erase_counts = [0] * PICO_BLOCK_COUNT
    for _ in range(2 * PICO_BLOCK_COUNT):
        put(files, "/x", LARGE)
    # Two blocks each time; the root's own pair is where all changes are noted.
    assert set(flash.erase_counts[2:]) == {4, 5}
    assert tree(LittleFiles(flash)) == {"/kept": SMALL, "/x": LARGE}


def test_chip_without_a_file_system_is_not_mounted() -> None:
    with pytest.raises(OSError, match="LFS_ERR_CORRUPT"):
        LittleFiles(Flash())


@pytest.mark.parametrize(
    ("name_len", "length", "number"),
    [
        # littlefs takes it for the name's fault if there is no room for a new one.
        (200, 0, errno.ENAMETOOLONG),
        (2, 200, errno.ENOSPC),
        (2, 3000, errno.ENOSPC),
        (2, 20_000, errno.ENOSPC),
    ],
)
def test_full_chip_is_said_and_damages_nothing(name_len: int, length: int, number: int) -> None:
    flash = Flash(16)
    files = LittleFiles(flash, fresh=True)
    kept: Tree = {}
    path, failed = "", 0
    while not failed:
        path = f"/{len(kept):0{name_len}}"
        kept[path] = content(path, length)
        failed = number_of(partial(put, files, path, content(path, length)))
    assert failed == number
    del kept[path]
    first = next(iter(kept))
    with pytest.raises(AssertionError, match="before the next start"):
        files.remove(first)
    for started in (files, LittleFiles(flash)):
        left = tree(started)
        # Of what did not fit there may be the name.
        assert left.pop(path, b"") == b""
        assert left == kept
    started.remove(first)
    put(started, first, b"room")
    assert tree(LittleFiles(flash)).items() >= {**kept, first: b"room"}.items()


# -- the chip


def test_prog_clears_bits_and_erase_sets_them() -> None:
    flash = Flash(2)
    flash.prog(1, PAGE_LEN, b"\xf0" * PAGE_LEN)
    flash.prog(1, PAGE_LEN, b"\x30" * PAGE_LEN)
    assert flash.read(1, PAGE_LEN - 1, 2) == b"\xff\x30"
    flash.erase(1)
    assert flash.blocks == [ERASED, ERASED]
    assert [str(operation) for operation in flash.operations] == [
        "prog of block 1 at 256", "prog of block 1 at 256", "erase of block 1",
    ]  # fmt: skip
    assert flash.erase_counts == [0, 1]


def test_prog_never_sets_a_bit() -> None:
    flash = Flash()
    flash.prog(0, 0, b"\xf0" * PAGE_LEN)
    with pytest.raises(AssertionError, match="prog of block 0 at 0 would set a bit"):
        flash.prog(0, 0, b"\xf0" * (PAGE_LEN - 1) + b"\xf1")


@pytest.mark.parametrize(("offset", "length"), [(1, PAGE_LEN), (0, PAGE_LEN - 1)])
def test_prog_is_of_whole_pages(offset: int, length: int) -> None:
    with pytest.raises(AssertionError, match=f"{offset} and {length}"):
        Flash().prog(0, offset, bytes(length))


def test_chip_that_breaks_its_rules_ends_the_run(flash: Flash) -> None:
    class NeverErased(Flash):
        def erase(self, block: int) -> None:
            self.blocks[block] = bytes(BLOCK_LEN)

    chip = NeverErased(len(flash.blocks))
    chip.blocks = flash.blocks
    with pytest.raises(AssertionError, match="would set a bit"):
        put(LittleFiles(chip), "/x", LARGE)


def test_copy_of_a_chip_goes_its_own_way(flash: Flash) -> None:
    other = flash.copy()
    put(LittleFiles(other), "/x", LARGE)
    assert tree(LittleFiles(flash)) == {}
    assert not flash.operations
    assert sum(other.erase_counts) == sum(isinstance(one, Erase) for one in other.operations) == 2


# -- power cuts


class Session:
    """Calls, and what the files may be after so many operations of the chip."""

    def __init__(self, flash: Flash) -> None:
        self.flash, self.files = flash, LittleFiles(flash)
        self.seen = [(0, tree(self.files))]

    def note(self) -> None:
        """Between two notes there is one call that changes something: a cut there leaves either."""
        now = LittleFiles(self.flash.copy())
        self.seen.append((len(self.flash.operations), tree(now)))

    def put(self, path: str, data: bytes) -> None:
        file = self.files.open(path, "wb")
        self.note()
        file.write(data)
        file.close()
        self.note()

    def call(self, name: str, *paths: str) -> None:
        getattr(self.files, name)(*paths)
        self.note()

    def allowed(self, cut: Cut) -> list[Tree]:
        last = max(at for at, (point, _) in enumerate(self.seen) if point <= cut.point)
        return [left for _, left in self.seen[last : last + 2]]


def install(session: Session) -> None:
    """As an update does, over what is there."""
    session.put("/keep", SMALL)
    session.put("/slot", b"a")
    session.call("mkdir", "/b")
    session.put("/b/pad", LARGE)
    session.put("/b/small", SMALL)
    session.put("/b/pad", LARGE[::-1])
    session.put("/slot.new", b"b")
    session.call("rename", "/slot.new", "/slot")
    session.call("rename", "/b/small", "/moved")
    session.call("remove", "/b/pad")
    session.call("rmdir", "/b")
    session.put("/keep", LARGE * 2)


def wrong(session: Session, cut: Cut) -> str | None:
    """What is wrong with the files after the cut, and after they were used again."""
    flash = cut.flash()
    try:
        left = tree(LittleFiles(flash))
        if left not in session.allowed(cut):
            return f"{cut}: {sorted(left)}"
        files = LittleFiles(flash)
        put(files, "/after", LARGE)
        again = tree(LittleFiles(flash))
        return None if again == {**left, "/after": LARGE} else f"{cut}, used again: {again}"
    except OSError as error:
        return f"{cut}: {error}"


def test_files_are_as_before_or_as_after_the_call_that_was_cut(flash: Flash, scale: int) -> None:
    before = flash.copy()
    session = Session(flash)
    install(session)
    for seed in range(SEED, SEED + scale):
        tried = list(cuts(before, flash.operations, seed))
        assert [bad for cut in tried if (bad := wrong(session, cut))] == []
        assert len(tried) >= CUTS_MIN


def test_change_that_takes_two_calls_is_found_bad(flash: Flash) -> None:
    before = flash.copy()
    session = Session(flash)
    session.put("/slot", b"a")
    session.put("/slot.new", b"b")
    session.files.remove("/slot")
    session.files.rename("/slot.new", "/slot")
    session.note()
    bad = [sentence for cut in cuts(before, flash.operations) if (sentence := wrong(session, cut))]
    assert bad
    assert all(sentence.endswith(": ['/slot.new']") for sentence in bad)


def test_second_cut_after_a_first_leaves_the_same_choice(flash: Flash) -> None:
    first = Session(flash.copy())
    install(first)
    tried = 0
    for cut in islice(cuts(flash, first.flash.operations), 5, None, 60):
        second = Session(cut.flash())
        install_again(second)
        for again in islice(cuts(cut.flash(), second.flash.operations), 0, None, 5):
            assert wrong(second, again) is None, cut
            tried += 1
    assert tried >= SECOND_CUTS_MIN


def install_again(session: Session) -> None:
    """Into whatever is left of the first time."""
    if "/b" not in tree(session.files):
        session.call("mkdir", "/b")
    session.put("/b/pad", LARGE)
    session.put("/slot.new", b"b")
    session.call("rename", "/slot.new", "/slot")


# -- the explorer itself


def bits(data: bytes) -> int:
    return int.from_bytes(data, "big")


Worked = tuple[Flash, list[Operation]]


@pytest.fixture
def worked() -> Worked:
    """A chip with something on it, and operations on that."""
    before = Flash(3)
    before.prog(1, 0, LARGE[: 2 * PAGE_LEN])
    flash = before.copy()
    flash.erase(1)
    flash.prog(1, PAGE_LEN, LARGE[: 2 * PAGE_LEN])
    flash.erase(2)
    return before, flash.operations


def is_whole(cut: Cut) -> bool:
    return cut.left.startswith(("before ", "after "))


def test_cut_between_operations_leaves_all_before_it(worked: Worked) -> None:
    flash, operations = worked
    whole = [cut for cut in cuts(*worked) if is_whole(cut)]
    assert [str(cut) for cut in whole] == [
        "cut at 0, before erase of block 1",
        "cut at 1, before prog of block 1 at 256",
        "cut at 2, before prog of block 1 at 512",
        "cut at 3, before erase of block 2",
        "cut at 4, after everything",
    ]
    for cut in whole:
        assert cut.chip.blocks == flash.blocks
        for operation in operations[cut.point : cut.point + 1]:
            flash.do(operation)


def test_cut_within_an_operation_leaves_something_between(worked: Worked) -> None:
    flash, operations = worked
    torn = {operation: set[bytes]() for operation in operations}
    for cut in cuts(*worked):
        if is_whole(cut):
            continue
        operation = operations[cut.point]
        assert cut.left.startswith(f"{operation}, ")
        if flash.operations != operations[: cut.point]:
            flash.do(operations[cut.point - 1])
        after = flash.copy()
        after.do(operation)
        left = cut.flash().blocks
        was, torn_block, is_done = (
            blocks.pop(operation.block) for blocks in (flash.copy().blocks, left, after.blocks)
        )
        assert left == after.blocks
        assert torn_block not in (was, is_done, *torn[operation])
        torn[operation].add(torn_block)
        if isinstance(operation, Prog):
            assert bits(torn_block) & ~bits(was) == bits(is_done) & ~bits(torn_block) == 0
    assert [len(found) for found in torn.values()] == [8, 6, 6, 2]


def test_same_seed_gives_the_same_cuts(worked: Worked) -> None:
    first, again, other = (
        [(str(cut), cut.chip.blocks) for cut in cuts(*worked, seed)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_chip_of_a_cut_is_new_each_time(worked: Worked) -> None:
    cut = next(cuts(*worked))
    cut.flash().erase(1)
    assert cut.flash().blocks == cut.chip.blocks == worked[0].blocks


def in_place(flash: Flash) -> None:
    flash.erase(0)
    flash.prog(0, 0, LARGE[:PAGE_LEN])


def into_another_block(flash: Flash) -> None:
    flash.erase(1)
    flash.prog(1, 0, LARGE[:PAGE_LEN])


@pytest.mark.parametrize("write", [in_place, into_another_block])
def test_writer_without_a_checksum_is_found_bad(write: Callable[[Flash], None]) -> None:
    """It reads the second block if anything is there, else the first."""
    before = Flash(2)
    before.prog(0, 0, b"o" * PAGE_LEN)
    flash = before.copy()
    write(flash)
    left = [
        (cut.chip.blocks[1] if cut.chip.blocks[1] != ERASED else cut.chip.blocks[0])[:PAGE_LEN]
        for cut in cuts(before, flash.operations)
    ]
    assert {b"o" * PAGE_LEN, LARGE[:PAGE_LEN]} < set(left)
