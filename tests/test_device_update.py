"""New firmware over the line: whatever happens, a whole firmware starts, the old or the new."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.wire.firmware import CURRENT, FAILED, OFFERING, SENDING, Firmware
from device import firmware
from device.loop import HEARTBEATS_GOOD, TRIAL_S, Loop, TrialFailed
from device.main import BAD_ROW_MAX, choose
from device.update import MANIFEST_LEN_MAX, Update, confirm
from protocol.bundle import DIGEST_LEN, PIECE_LEN, Bundle, build, read
from protocol.central.signing import SigningKey
from protocol.pad import VERSION
from protocol.pad.line import TICKS_MAX
from protocol.pad.link import UnitEnd
from protocol.pad.messages import (
    BUSY,
    DAMAGED,
    FIRMWARE_ERROR,
    GOING_ON,
    IDLE,
    NO_ROOM,
    NOT_OFFERED,
    PLEASE_RATE,
    POWER_ON,
    TAKEN,
    Edge,
    Hello,
    Message,
    Offer,
    Piece,
    Progress,
    Status,
)
from sim.flash import BLOCK_LEN, Cut, Erase, Flash, LittleFiles, Operation, cuts
from sim.pads import install

Promise = Callable[..., None]
Tree = dict[str, bytes]
ROOT = Path(__file__).resolve().parents[1]
KEY = SigningKey.from_seed(b"maker of the pad's own firmware.")
SEED = 1
PROMISED = ("A1", "firmware update: flash states after a power cut")

TURN_MS = 2
BYTES_PER_MS = 11.52  # 115200 baud, ten bits to a byte
READ_LEN_MAX = 64  # of device/board.py
WATCHDOG_MS = 4000  # of device/board.py
# W25Q16JV, AC characteristics: typical and longest time of an erase and of a page.
ERASE_MS, ERASE_MS_MAX, PROG_MS, PROG_MS_MAX = 45, 400, 0.4, 3
# A firmware of which one file says so ends in an error with its first turn.
BROKEN = b"# broken\n"


def text(name: str, length: int) -> bytes:
    """Something that nothing else looks like."""
    block = b"".join(hashlib.sha256(f"{name} {n}".encode()).digest() for n in range(length // 32))
    return block.ljust(length, b"#")


def made_up(name: str) -> Tree:
    """A firmware of six files: within a page, over some, over a block; each name has its own."""
    return {
        "device/__init__.py": b'"""The same in each."""\n',
        "device/loop.py": text(f"{name} loop", 700),
        "device/pad.py": text(f"{name} pad", 4500 + 100 * len(name)),
        f"device/{name}.py": text(name, 130),
        "protocol/__init__.py": f'"""{name}"""\n'.encode(),
        "protocol/pad/messages.py": text(f"{name} messages", 1500),
    }


def bundle_of(files: Tree) -> Bundle:
    return read(build(files, firmware.RELEASE, 1, VERSION, KEY), KEY.public)


OLDEST, OLDER, OLD, NEW = (made_up(name) for name in ("oldest", "older", "old", "new"))


def tree(files: LittleFiles, folder: str) -> Tree:
    """Everything below `folder`, by its path from there."""
    found: Tree = {}
    for name in files.listdir(folder):
        try:
            inside = tree(files, f"{folder}/{name}")
            found |= {f"{name}/{path}": data for path, data in inside.items()}
        except NotADirectoryError:
            with files.open(f"{folder}/{name}", "rb") as file:
                found[name] = file.read()
    return found


def digest_of(running: Tree) -> bytes:
    """As a Hello says it, of files that need not be those of this tree."""
    sha = hashlib.sha256()
    for path in sorted(running):
        sha.update(path.encode() + b"\x00" + running[path])
    return sha.digest()[:DIGEST_LEN]


def put(files: LittleFiles, path: str, data: bytes) -> None:
    with files.open(path, "wb") as file:
        file.write(data)


def chip_with(factory: Tree) -> Flash:
    """A chip as it is after the cable."""
    flash = Flash()
    files = LittleFiles(flash, fresh=True)
    for path, data in factory.items():
        folder = "/lib"
        for name in ["", *path.split("/")[:-1]]:
            folder = f"{folder}/{name}".rstrip("/")
            if folder.rpartition("/")[2] not in files.listdir(folder.rpartition("/")[0] or "/"):
                files.mkdir(folder)
        put(files, f"/lib/{path}", data)
    return flash.copy()


class Noting(LittleFiles):
    """Notes which operations of the chip the decisive calls took."""

    def __init__(self, flash: Flash, notes: list[tuple[str, int, int]]) -> None:
        super().__init__(flash)
        self._flash, self._notes = flash, notes

    def rename(self, old: str, new: str) -> None:
        first = len(self._flash.operations)
        super().rename(old, new)
        self._notes.append((new, first, len(self._flash.operations)))

    def remove(self, path: str) -> None:
        first = len(self._flash.operations)
        super().remove(path)
        if path == "/trial":
            self._notes.append(("trial begins", first, len(self._flash.operations)))


class Line:
    """One direction at its real speed."""

    def __init__(self) -> None:
        self._bytes: deque[tuple[float, int]] = deque()
        self._free_ms = 0.0

    def send(self, now_ms: float, data: bytes) -> None:
        self._free_ms = max(now_ms, self._free_ms)
        for byte in data:
            self._free_ms += 1 / BYTES_PER_MS
            self._bytes.append((self._free_ms, byte))

    def receive(self, now_ms: float, count_max: int) -> bytes:
        data = bytearray()
        while self._bytes and self._bytes[0][0] <= now_ms and len(data) < count_max:
            data.append(self._bytes.popleft()[1])
        return bytes(data)


class Restarting(Exception):
    """The firmware asked for a restart, with the cause it gave."""


class Broken(Exception):
    """The firmware is one that ends in an error."""


class Bench:
    """The real loop on a chip, the unit's two parts that update it, and a line between them."""

    uid = b"uid-of-8"
    problems: tuple[str, ...] = ()

    def __init__(self, flash: Flash, bundle: Bundle) -> None:
        self.flash = flash
        self.notes: list[tuple[str, int, int]] = []
        self.now_ms = 0
        self.ready_ms = 0.0
        self.held = self.resets = self.boot_id = self.bad_row = 0
        self.plugged = True
        self.knows_of_prompts = True
        self.is_asking = False
        self.edges: list[Edge] = []
        self.states: list[int] = []  # of every Progress
        self.slowest_ms = 0.0
        self.end = UnitEnd(0, 0)
        self.start(POWER_ON)
        self.restart_unit(bundle)

    def start(self, cause: int) -> None:
        """As device/main.py does it; the firmware is known by its bytes, and not imported."""
        self.reset_cause = cause
        self.files = Noting(self.flash, self.notes)
        self.root, self.on_trial = choose(self.files, self.bad_row)
        self.running = tree(self.files, self.root)
        self.boot_id += 1
        self.loop = Loop(self, self.boot_id, digest_of(self.running), self.root, self.on_trial)
        self.to_pad = Line()
        if cause == POWER_ON:
            self.to_unit = Line()  # in all other cases what was said is still sent

    def restart_unit(self, bundle: Bundle) -> None:
        self.firmware = Firmware(bundle)
        self.end.greet()

    # What the loop needs of a board

    def ticks_ms(self) -> int:
        return self.now_ms & TICKS_MAX

    def levels(self) -> int:
        return self.held

    def read(self) -> bytes:
        return self.to_pad.receive(self.now_ms, READ_LEN_MAX)

    def write(self, data: bytes) -> None:
        if self.plugged:
            self.to_unit.send(self.now_ms, data)

    def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
        """Nobody looks."""

    def feed(self) -> None:
        """No watchdog."""

    def proven(self) -> None:
        self.bad_row = 0

    def restart(self, cause: int) -> None:
        raise Restarting(cause)

    # What a test does

    def run(self, for_ms: int) -> None:
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            self.step()

    def run_until(self, condition: Callable[[], bool], within_ms: int = 60_000) -> None:
        until_ms = self.now_ms + within_ms
        while not condition():
            assert self.now_ms < until_ms, (self.firmware.state, self.firmware.trouble)
            self.step()

    def run_until_state(self, state: str, within_ms: int = 60_000) -> None:
        self.run_until(lambda: self.firmware.state == state, within_ms)

    def update(self) -> None:
        """Until the new firmware has proven itself."""
        self.run_until_state(CURRENT)
        self.run(HEARTBEATS_GOOD * 1000 + 500)

    def open(self, prompt_id: int) -> None:
        self.end.open(self.now_ms, prompt_id, 30_000)
        self.is_asking = True

    def close(self, prompt_id: int) -> None:
        self.end.close(self.now_ms, prompt_id, IDLE)
        self.is_asking = False

    def step(self) -> None:
        self.now_ms += 1
        for message in self.end.received(self.now_ms, self.to_unit.receive(self.now_ms, 4096)):
            self.hear(message)
        piece = self.firmware.poll(self.now_ms, not (self.is_asking and self.knows_of_prompts))
        if piece is not None:
            self.end.send(piece)
        said = self.end.poll(self.now_ms)
        if self.plugged:
            self.to_pad.send(self.now_ms, said)
        if self.now_ms >= self.ready_ms:
            self.turn()

    def hear(self, message: Message) -> None:
        if isinstance(message, Hello):
            self.firmware.hello(self.now_ms, message)
        elif isinstance(message, Progress):
            self.states.append(message.state)
            self.firmware.progress(self.now_ms, message)
        elif isinstance(message, Edge):
            self.edges.append(message)
            self.end.committed(message.boot_id, message.seq)
        else:
            assert isinstance(message, Status)

    def turn(self) -> None:
        count = len(self.flash.operations)
        try:
            if BROKEN in self.running.values():
                raise Broken
            self.loop.turn()
        except Restarting as restarting:
            self.start(*restarting.args)
        except (Broken, TrialFailed):
            self.bad_row += 1
            self.start(FIRMWARE_ERROR)
        done = self.flash.operations[count:]
        self.ready_ms = self.now_ms + max(TURN_MS, took_ms(done, ERASE_MS, PROG_MS))
        self.slowest_ms = max(self.slowest_ms, took_ms(done, ERASE_MS_MAX, PROG_MS_MAX))


def took_ms(operations: list[Operation], erase_ms: float, prog_ms: float) -> float:
    return sum(erase_ms if isinstance(one, Erase) else prog_ms for one in operations)


def send(update: Update, bundle: Bundle) -> None:
    """Offer it and send it, all in order."""
    offer(update, bundle)
    while update.state == GOING_ON:
        update.heard(Piece(1, 0, update.offset, bundle.piece(update.offset)), False)


def offer(update: Update, bundle: Bundle) -> None:
    update.heard(Offer(1, 0, bundle.digest, bundle.manifest_len, len(bundle.stream)), False)


def other_slot(root: str) -> str:
    """As device/loop.py says it."""
    return "/b" if root == "/a" else "/a"


# -- how it goes


def test_this_firmware_over_the_line_then_runs_within_half_a_minute() -> None:
    flash = Flash()
    install(LittleFiles(flash, fresh=True))
    files = {path: (ROOT / path).read_bytes() + b"#" for path in firmware.FILES}
    bundle = bundle_of(files)
    bench = Bench(flash, bundle)
    bench.run_until_state(CURRENT, within_ms=30_000)
    assert (bench.root, bench.on_trial, bench.running) == ("/a", True, files)
    assert firmware.digest(bench.files, "/a") == bundle.firmware
    # No turn may starve the watchdog, were every erase as slow as one can be.
    assert bench.slowest_ms < WATCHDOG_MS
    bench.run(HEARTBEATS_GOOD * 1000 + 500)
    bench.start(POWER_ON)
    assert (bench.root, bench.on_trial, bench.running) == ("/a", False, files)


def test_updates_one_after_the_other_then_take_the_slots_in_turn() -> None:
    bench = Bench(chip_with(OLDEST), bundle_of(OLDER))
    assert (bench.root, bench.running) == ("/lib", OLDEST)
    for root, wanted in (("/a", OLDER), ("/b", OLD), ("/a", NEW)):
        bench.start(POWER_ON)
        bench.restart_unit(bundle_of(wanted))
        bench.update()
        assert (bench.root, bench.on_trial, bench.running) == (root, True, wanted)
        bench.start(POWER_ON)
        assert (bench.root, bench.on_trial, bench.running) == (root, False, wanted)
    assert tree(bench.files, "/lib") == OLDEST
    assert tree(bench.files, "/b") == OLD


def test_pad_that_runs_it_already_then_nothing_is_written() -> None:
    bench = Bench(chip_with(NEW), bundle_of(NEW))
    bench.run(10_000)
    assert (bench.firmware.state, bench.states, bench.flash.operations) == (CURRENT, [], [])


# -- every power cut


class Recorded:
    """One whole update over the line: what was done to the chip, and where what was decided."""

    def __init__(self, before: Flash, bundle: Bundle) -> None:
        self.before, self.bundle = before, bundle
        flash = before.copy()
        bench = Bench(flash, bundle)
        self.old, self.old_root = bench.running, bench.root
        bench.update()
        self.new, self.new_root = bench.running, bench.root
        self.after, self.operations = flash, flash.operations
        assert [name for name, *_ in bench.notes] == ["/trial", "trial begins", "/slot"]
        self.notes = bench.notes

    def allowed(self, cut: Cut) -> set[tuple[str, bool]]:
        """Which root may start after the cut, and whether on trial."""
        before, on_trial, after = (
            (self.old_root, False), (self.new_root, True), (self.new_root, False),
        )  # fmt: skip
        states = [before]
        for state, (_, first, last) in zip((on_trial, before, after), self.notes, strict=True):
            if cut.point >= last:
                states = [state]
            elif cut.point >= first:
                states.append(state)
        return set(states)

    def cuts(self, seed: int) -> Iterator[Cut]:
        return cuts(self.before, self.operations, seed)

    def wrong(self, cut: Cut) -> str | None:
        """What is wrong with what starts after the cut, and with the way on from there."""
        flash = cut.flash()
        try:
            files = LittleFiles(flash)
            root, on_trial = choose(files, 0)
            if (root, on_trial) not in self.allowed(cut):
                return f"{cut}: {root} starts, on trial: {on_trial}"
            if tree(files, root) != (self.new if root == self.new_root else self.old):
                return f"{cut}: {root} is neither the old nor the new firmware"
            if on_trial:
                return self.wrong_after_trial(cut, flash)
            if root == self.old_root:
                again(files, root, self.bundle)
            files = LittleFiles(flash)
            if choose(files, 0) != (self.new_root, False) or tree(files, self.new_root) != self.new:
                return f"{cut}: updated again, and the new firmware does not start"
        except OSError as error:
            return f"{cut}: {error}"
        return None

    def wrong_after_trial(self, cut: Cut, flash: Flash) -> str | None:
        """A trial that is cut is followed by the old firmware, one that is not by the new."""
        proven = flash.copy()
        files = LittleFiles(flash)
        if choose(files, 0) != (self.old_root, False) or tree(files, self.old_root) != self.old:
            return f"{cut}: the trial was cut, and the old firmware does not start"
        confirm(LittleFiles(proven), self.new_root)
        if choose(LittleFiles(proven), 0) != (self.new_root, False):
            return f"{cut}: the trial went well, and the new firmware does not start"
        return None


def again(files: LittleFiles, root: str, bundle: Bundle) -> None:
    """The whole update once more, from the firmware in `root`."""
    update = Update(files, other_slot(root), NOT_OFFERED)
    send(update, bundle)
    if update.state == TAKEN:
        chosen, _ = choose(files, 0)
        confirm(files, chosen)


def chips(count: int) -> Iterator[tuple[Flash, Bundle]]:
    """A chip and what it is updated to: first from the cable, then each over what that left."""
    flash = chip_with(OLDEST)
    for number in range(count):
        bundle = bundle_of((OLDER, OLD, NEW)[number % 3])
        yield flash.copy(), bundle
        files = LittleFiles(flash)
        again(files, choose(files, 0)[0], bundle)


@pytest.mark.promise
def test_every_power_cut_of_an_update_leaves_the_old_or_the_new_firmware_and_a_way_on(
    scale: int, promise: Promise
) -> None:
    tried, bad = 0, list[str]()
    # From the cable, and over what two updates left in its slot.
    for before, bundle in islice(chips(1 + 2 * scale), 0, None, 2):
        recorded = Recorded(before, bundle)
        for cut in recorded.cuts(SEED):
            tried += 1
            wrong = recorded.wrong(cut)
            bad += [] if wrong is None else [wrong]
    assert not bad, bad[:5]
    assert tried >= 900
    promise(*PROMISED, tried)


@pytest.mark.promise
def test_second_power_cut_while_it_is_updated_again_leaves_the_same_choice(
    scale: int, promise: Promise
) -> None:
    before, bundle = list(chips(3))[2]
    recorded = Recorded(before, bundle)
    tried = 0
    for first in islice(recorded.cuts(SEED), 3, None, max(1, 29 // (1 + scale // 4))):
        flash = first.flash()
        files = LittleFiles(flash)
        root, _ = choose(files, 0)
        if root == recorded.new_root:
            continue
        cut_once, begun = flash.copy(), len(flash.operations)
        again(files, root, bundle)
        for second in islice(
            cuts(cut_once, flash.operations[begun:], SEED), 2, None, max(1, 11 // (1 + scale // 4))
        ):
            chosen, _ = choose(LittleFiles(second.flash()), 0)
            left = tree(LittleFiles(second.flash()), chosen)
            assert left == (recorded.old if chosen == root else recorded.new), (first, second)
            tried += 1
    assert tried >= 300
    promise(*PROMISED, tried)


@pytest.mark.promise
def test_every_power_cut_of_an_update_to_this_firmware_leaves_the_old_or_the_new(
    scale: int, promise: Promise
) -> None:
    flash = Flash()
    install(LittleFiles(flash, fresh=True))
    bundle = bundle_of({path: (ROOT / path).read_bytes() + b"#" for path in firmware.FILES})
    recorded = Recorded(flash.copy(), bundle)
    known = {firmware.digest(LittleFiles(flash), "/lib"), bundle.firmware}
    assert len(known) == 2
    tried, bad = 0, list[str]()
    for cut in islice(recorded.cuts(SEED), 0, None, max(1, 3 // scale)):
        files = LittleFiles(cut.flash())
        chosen = choose(files, 0)
        if chosen not in recorded.allowed(cut) or firmware.digest(files, chosen[0]) not in known:
            bad.append(f"{cut}: {chosen} starts")
        tried += 1
    assert not bad, bad[:5]
    promise(*PROMISED, tried)


# -- the trial


def test_trial_that_the_unit_does_not_hear_then_the_old_firmware_and_after_two_no_more() -> None:
    bench = Bench(chip_with(OLD), bundle_of(NEW))
    for _ in range(2):
        bench.run_until(lambda: bench.on_trial)
        bench.plugged = False
        bench.run_until(lambda: not bench.on_trial, TRIAL_S * 1000 + 3000)
        assert (bench.root, bench.running, bench.reset_cause) == ("/lib", OLD, FIRMWARE_ERROR)
        bench.plugged = True
    bench.run_until_state(FAILED)
    assert bench.firmware.trouble is not None
    written = len(bench.flash.operations)
    bench.run(30_000)
    assert (len(bench.flash.operations), bench.running) == (written, OLD)


def test_firmware_that_ends_with_its_first_turn_then_the_old_one_and_after_two_no_more() -> None:
    bench = Bench(chip_with(OLD), bundle_of(NEW | {"device/new.py": BROKEN}))
    bench.run_until_state(FAILED)
    assert (bench.root, bench.running, bench.bad_row) == ("/lib", OLD, 1)
    assert bench.states.count(TAKEN) == 2
    bench.restart_unit(bundle_of(NEW))
    bench.update()
    assert bench.running == NEW


def test_trial_cut_before_its_fifth_heartbeat_then_the_old_firmware_and_it_is_tried_again() -> None:
    bench = Bench(chip_with(OLD), bundle_of(NEW))
    bench.run_until(lambda: bench.on_trial)
    bench.run((HEARTBEATS_GOOD - 2) * 1000)
    bench.start(POWER_ON)
    assert (bench.root, bench.running) == ("/lib", OLD)
    bench.run_until_state(OFFERING)
    bench.update()
    bench.start(POWER_ON)
    assert (bench.root, bench.running) == ("/a", NEW)


def test_offer_while_on_trial_then_the_proven_slot_is_left_alone_until_the_trial_is_over() -> None:
    bench = Bench(chip_with(OLDEST), bundle_of(OLD))
    bench.update()
    bench.restart_unit(bundle_of(NEW))
    bench.run_until(lambda: bench.root == "/b")
    bench.restart_unit(bundle_of(OLDER))
    bench.run((HEARTBEATS_GOOD - 2) * 1000)
    assert (bench.firmware.state, bench.states[-1]) == (OFFERING, BUSY)
    assert tree(bench.files, "/a") == OLD
    bench.update()
    assert (bench.root, bench.running, tree(bench.files, "/b")) == ("/a", OLDER, NEW)


def test_proven_firmware_that_ends_badly_three_times_then_the_cables_while_it_is_replaced() -> None:
    bench = Bench(chip_with(OLDEST), bundle_of(OLD))
    bench.update()
    bench.bad_row = BAD_ROW_MAX
    bench.start(FIRMWARE_ERROR)
    assert (bench.root, bench.running) == ("/lib", OLDEST)
    bench.restart_unit(bundle_of(NEW))
    bench.run_until(lambda: bench.firmware.percent >= 50)
    bench.bad_row = 0
    bench.start(POWER_ON)
    assert (bench.root, bench.running) == ("/lib", OLDEST)
    bench.update()
    assert (bench.root, bench.running) == ("/a", NEW)


# -- a citizen at the pad


def test_press_during_an_update_then_reported_and_the_update_goes_on() -> None:
    bench = Bench(chip_with(OLD), bundle_of(NEW))
    bench.run_until_state(SENDING)
    pressed = 0
    while bench.firmware.state == SENDING:
        bench.held = 1 << pressed % 5
        bench.run(120)
        bench.held = 0
        bench.run(120)
        pressed += 1
    assert pressed > 4
    bench.run(200)
    keys = [edge.key for edge in bench.edges if edge.down]
    assert keys[:-1] == [1 + number % 5 for number in range(pressed)][: len(keys) - 1]
    assert len(keys) >= pressed - 1
    bench.update()
    assert bench.running == NEW


@pytest.mark.parametrize("knows_of_prompts", [True, False])
def test_prompt_during_an_update_then_nothing_is_written_until_it_is_closed(
    knows_of_prompts: bool,
) -> None:
    bench = Bench(chip_with(OLD), bundle_of(NEW))
    bench.knows_of_prompts = knows_of_prompts
    bench.run_until(lambda: bench.firmware.percent >= 40)
    bench.open(7)
    bench.run_until(lambda: bench.loop.pad.face == PLEASE_RATE)
    written, has = len(bench.flash.operations), bench.firmware.percent
    bench.run(3000)
    bench.held = 0b10
    bench.run(100)
    bench.held = 0
    bench.run(3000)
    assert [(edge.prompt_id, edge.key) for edge in bench.edges] == [(7, 2), (7, 2)]
    assert len(bench.flash.operations) == written
    assert (BUSY in bench.states) is not knows_of_prompts
    bench.close(7)
    bench.run_until(lambda: bench.firmware.percent > has, within_ms=1500)
    bench.update()
    assert bench.running == NEW
    assert bench.states.count(TAKEN) == 1


# -- what the pad makes of offers and pieces

SMALL = {"device/pad.py": b"pad = 1\n" * 9, "protocol/__init__.py": b'"""The contract."""\n'}
BUNDLE, OTHER_BUNDLE = bundle_of(SMALL), bundle_of(NEW)
OFFER, NEXT = "offer", "next"
NAME = st.text("abz_", min_size=1, max_size=9)
PATH = st.builds(
    lambda top, names: "/".join([top, *names]) + ".py",
    st.sampled_from(["device", "protocol"]),
    st.lists(NAME, min_size=1, max_size=3),
)


def fresh(block_count: int = 32) -> tuple[Flash, LittleFiles, Update]:
    """A pad with nothing on its chip."""
    flash = Flash(block_count)
    files = LittleFiles(flash, fresh=True)
    return flash, files, Update(files, "/a", NOT_OFFERED)


def give(update: Update, bundle: Bundle, offset: int, data: bytes | None = None) -> int:
    piece = bundle.piece(offset) if data is None else data.ljust(PIECE_LEN, b"\x00")
    return update.heard(Piece(1, 0, offset, piece), False)


@given(files=st.dictionaries(PATH, st.binary(min_size=1, max_size=300), min_size=1, max_size=6))
def test_any_bundle_that_can_be_built_then_taken(files: Tree) -> None:
    _, chip, update = fresh()
    send(update, bundle_of(files))
    assert update.state == TAKEN
    assert (tree(chip, "/a"), choose(chip, 0)) == (files, ("/a", True))


@given(
    st.lists(
        st.sampled_from([OFFER, NEXT, NEXT, NEXT, NEXT])
        | st.integers(0, len(BUNDLE.stream) // PIECE_LEN + 2)
    )
)
def test_pieces_lost_doubled_and_out_of_order_then_it_is_whole_all_the_same(
    steps: list[str | int],
) -> None:
    _, files, update = fresh()
    offer(update, BUNDLE)
    for step in steps:
        at = update.offset
        if step == OFFER:
            offer(update, BUNDLE)
            assert update.offset == at
        elif step == NEXT:
            give(update, BUNDLE, at)
        else:
            assert isinstance(step, int)
            give(update, BUNDLE, step * PIECE_LEN)
            assert update.offset == at or at == step * PIECE_LEN
    send(update, BUNDLE)
    assert (update.state, tree(files, "/a")) == (TAKEN, SMALL)


def test_piece_before_any_offer_then_changes_nothing() -> None:
    flash, files, update = fresh()
    written = len(flash.operations)
    assert give(update, BUNDLE, 0) == NOT_OFFERED
    assert (len(flash.operations), files.listdir("/")) == (written, [])


def test_offer_of_another_then_begins_anew_and_leaves_nothing_of_the_first() -> None:
    _, files, update = fresh()
    offer(update, OTHER_BUNDLE)
    while len(update.digest) and update.offset < len(OTHER_BUNDLE.stream) - PIECE_LEN:
        give(update, OTHER_BUNDLE, update.offset)
    offer(update, BUNDLE)
    assert (update.digest, update.offset, files.listdir("/a")) == (BUNDLE.digest, 0, [])
    send(update, BUNDLE)
    assert (update.state, tree(files, "/a")) == (TAKEN, SMALL)


@pytest.mark.parametrize("late", [BUNDLE, OTHER_BUNDLE])
def test_offer_behind_the_last_piece_then_leaves_what_goes_on_trial_alone(late: Bundle) -> None:
    flash, files, update = fresh()
    send(update, BUNDLE)
    written = len(flash.operations)
    offer(update, late)
    assert (update.state, len(flash.operations)) == (TAKEN, written)
    assert (choose(files, 0), tree(files, "/a")) == (("/a", True), SMALL)


def test_piece_with_a_bit_changed_then_damaged_and_only_a_new_offer_helps() -> None:
    for at in range(0, len(BUNDLE.stream), PIECE_LEN):
        _, files, update = fresh()
        offer(update, BUNDLE)
        while update.state == GOING_ON:
            piece = BUNDLE.piece(update.offset)
            if update.offset == at:
                piece = bytes([piece[0] ^ 1]) + piece[1:]
            give(update, BUNDLE, update.offset, piece)
        assert update.state == DAMAGED
        assert give(update, BUNDLE, update.offset) == DAMAGED
        assert choose(files, 0) == ("/lib", False)
        send(update, BUNDLE)
        assert (update.state, tree(files, "/a")) == (TAKEN, SMALL)


def test_chip_full_at_any_moment_then_said_so_and_taken_at_the_next_start_with_room() -> None:
    states = []
    for full_len in range(0, 20 * BLOCK_LEN, BLOCK_LEN // 2):
        flash, files, update = fresh(24)
        put(files, "/full", bytes(full_len))
        send(update, OTHER_BUNDLE)
        states.append(update.state)
        if update.state == TAKEN:
            assert tree(files, "/a") == NEW
            continue
        written = len(flash.operations)
        offer(update, OTHER_BUNDLE)
        assert (update.state, len(flash.operations)) == (NO_ROOM, written)
        files = LittleFiles(flash)
        assert choose(files, 0) == ("/lib", False)
        files.remove("/full")
        update = Update(files, "/a", NOT_OFFERED)
        send(update, OTHER_BUNDLE)
        assert (update.state, tree(files, "/a")) == (TAKEN, NEW)
    assert states == sorted(states)
    assert states.count(NO_ROOM) >= 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
LISTED = st.tuples(PATH | JSON, st.integers(-9, 99) | JSON, JSON)
MANIFESTS = st.binary(min_size=1, max_size=90) | st.builds(
    lambda told: json.dumps(told).encode(),
    JSON | st.fixed_dictionaries({"files": JSON | st.lists(LISTED, max_size=3)}),
)


def listing(*files: object) -> bytes:
    return json.dumps({"files": files}).encode()


@given(manifest=MANIFESTS, more=st.integers(-5, 90), rest=st.binary(max_size=99))
@example(manifest=listing([7, 9, "0"]), more=40, rest=b"")
@example(manifest=listing(["device/a.py", -9, "0"]), more=40, rest=b"")
@example(manifest=listing(["device/a.py", 0, "0"]), more=40, rest=b"")
@example(manifest=listing(["../../lib/device/a.py", 9, "0"]), more=9, rest=b"")
@example(manifest=listing(["", 9, "0"]), more=9, rest=b"")
@example(manifest=listing(["/" * 99, 9, "0"]), more=9, rest=b"")
@example(manifest=listing(["x" * 300, 9, "0"]), more=9, rest=b"")
def test_garbage_for_a_manifest_then_refused_and_nothing_goes_on_trial(
    manifest: bytes, more: int, rest: bytes
) -> None:
    _, files, update = fresh(16)
    digest, length = hashlib.sha256(manifest).digest()[:DIGEST_LEN], max(0, len(manifest) + more)
    update.heard(Offer(1, 0, digest, len(manifest), length), False)
    stream = (manifest + rest).ljust(length, b"x")
    for at in range(0, length, PIECE_LEN):
        update.heard(Piece(1, 0, at, stream[at : at + PIECE_LEN].ljust(PIECE_LEN)), False)
    assert update.state in (DAMAGED, NO_ROOM)
    assert choose(files, 0) == ("/lib", False)


@pytest.mark.parametrize("manifest_len", [0, MANIFEST_LEN_MAX + 1, len(BUNDLE.stream)])
def test_offer_without_a_manifest_or_with_nothing_behind_it_then_refused(manifest_len: int) -> None:
    _, files, update = fresh()
    update.heard(Offer(1, 0, BUNDLE.digest, manifest_len, len(BUNDLE.stream)), False)
    assert update.state == DAMAGED
    assert "a" not in files.listdir("/")


def test_trial_with_a_citizen_asked_all_the_while_then_it_is_proven_when_he_is_gone() -> None:
    bench = Bench(chip_with(OLD), bundle_of(NEW))
    bench.run_until(lambda: bench.on_trial)
    bench.run_until_state(CURRENT)
    for prompt_id in range(1, 5):
        bench.open(prompt_id)
        bench.run(20_000)
    assert bench.running == NEW
    bench.close(4)
    bench.run(2000)
    bench.start(POWER_ON)
    assert (bench.root, bench.running) == ("/a", NEW)
