"""New firmware, the unit's side: against the pad's own Update over a bad line, in virtual time."""

import heapq
import random
from collections.abc import Callable

import pytest

from daemon.wire.firmware import (
    ANSWER_MS,
    BUSY_MS,
    CURRENT,
    DAMAGES_MAX,
    FAILED,
    NONE,
    OFFERING,
    PAUSE_MS,
    PAUSE_MS_MAX,
    QUIET_MS,
    RESTART_MS,
    RESTARTING,
    SENDING,
    Firmware,
)
from device.main import choose
from device.update import Update, confirm
from protocol.bundle import PIECE_LEN, Bundle, build, read
from protocol.central.signing import SigningKey
from protocol.pad import VERSION
from protocol.pad.messages import (
    BUSY,
    DAMAGED,
    FIRMWARE_ERROR,
    GOING_ON,
    NEW_FIRMWARE,
    NO_ROOM,
    NOT_OFFERED,
    POWER_ON,
    TAKEN,
    Hello,
    Message,
    Offer,
    Piece,
    Progress,
)
from sim.flash import BLOCK_LEN, Flash, LittleFiles

KEY = SigningKey.from_seed(b"maker of the pad's own firmware.")
FILES = {
    "device/__init__.py": b'"""New."""\n',
    "device/loop.py": b"loop = 2\n" * 60,
    "protocol/__init__.py": b'"""New."""\n',
}
RELEASE = 5
HELLO_MS = 1000  # the unit asks until it knows who is there
OLD = b"old one."
HOURS_MS = 6 * 3_600_000


def bundle_of(files: dict[str, bytes], release: int = RELEASE, release_min: int = 2) -> Bundle:
    return read(build(files, release, release_min, VERSION, KEY), KEY.public)


BUNDLE = bundle_of(FILES)
PIECE_COUNT = -(-len(BUNDLE.stream) // PIECE_LEN)


class World:
    """A pad, a unit's Firmware, and a line that loses and doubles what goes over it."""

    def __init__(self, seed: object = 1, loss: float = 0.0, doubling: float = 0.0) -> None:
        self.chance = random.Random(f"firmware {seed}")
        self.loss, self.doubling = loss, doubling
        self.now_ms = 0
        self.may = True
        self.under_way: list[tuple[int, int, Message]] = []
        self.count = 0
        self.sent: list[Offer | Piece] = []
        self.answers: list[Progress] = []
        self.flash = Flash(24)
        LittleFiles(self.flash, fresh=True)
        self.uid, self.release = b"uid-of-8", 2
        self.boot_id = 0
        self.trials_fail = self.hurts = self.is_silent = False
        self.slow = 0.0  # how often an answer takes longer than the unit waits
        self.at_piece: dict[int, Callable[[], None]] = {}
        self.hello_at_ms = 0
        self.power_on()
        self.restart_unit(BUNDLE)

    def restart_unit(self, bundle: Bundle) -> None:
        self.unit = Firmware(bundle)
        self.hello_at_ms = self.now_ms

    def power_on(self) -> None:
        """What was under way to and from the pad is gone with its power."""
        self.under_way = []
        self.start(POWER_ON)

    def start(self, cause: int) -> None:
        files = LittleFiles(self.flash)
        self.root, self.on_trial = choose(files, 0)
        self.cause = cause
        self.boot_id += 1
        if self.on_trial and not self.trials_fail:
            confirm(files, self.root)
        self.update = Update(files, "/b" if self.root == "/a" else "/a", NOT_OFFERED)
        self.hello_at_ms = self.now_ms + 500

    def hello(self) -> Hello:
        firmware = BUNDLE.firmware if self.root == "/a" else OLD
        who = (self.boot_id, 1, VERSION, self.uid, firmware, self.release)
        return Hello(*who, self.cause, 0)

    def send(self, message: Message, after_ms: int = 0) -> None:
        for copy in range(1 + (self.chance.random() < self.doubling)):
            if self.chance.random() >= self.loss:
                self.count += 1
                at_ms = self.now_ms + after_ms + self.chance.randrange(3, 12) + copy * 3
                heapq.heappush(self.under_way, (at_ms, self.count, message))

    def step(self) -> None:
        """To the next moment at which anything happens."""
        line_ms = self.under_way[0][0] if self.under_way else self.now_ms + HELLO_MS
        wake_ms = self.unit.wake_at_ms()
        times = [line_ms, self.hello_at_ms] + ([] if wake_ms is None else [wake_ms])
        self.now_ms = max(self.now_ms, min(times))
        if self.now_ms >= self.hello_at_ms:
            self.hello_at_ms = self.now_ms + HELLO_MS
            if not self.is_silent:
                self.send(self.hello())
        while self.under_way and self.under_way[0][0] <= self.now_ms:
            self.arrive(heapq.heappop(self.under_way)[2])
        said = self.unit.poll(self.now_ms, self.may)
        if said is not None:
            assert self.may
            self.sent.append(said)
            self.send(said)
        wake_ms = self.unit.wake_at_ms()
        assert wake_ms is None or wake_ms > self.now_ms, "it would not sleep"

    def arrive(self, message: Message) -> None:
        if isinstance(message, Hello):
            self.unit.hello(self.now_ms, message)
        elif isinstance(message, Progress):
            self.answers.append(message)
            self.unit.progress(self.now_ms, message)
        elif message.boot_id == self.boot_id and not self.is_silent:
            self.at_pad(message)

    def at_pad(self, message: Message) -> None:
        if isinstance(message, Piece):
            happens = self.at_piece.pop(message.offset // PIECE_LEN, None)
            if happens is not None:
                happens()
                return
            if self.hurts and message.offset + PIECE_LEN >= len(BUNDLE.stream):
                message = Piece(message.boot_id, 0, message.offset, bytes(PIECE_LEN))
        state = self.update.heard(message, False)
        slow_ms = ANSWER_MS + 50 if self.chance.random() < self.slow else 0
        self.send(Progress(self.boot_id, 1, self.update.digest, self.update.offset, state), slow_ms)
        if state == TAKEN:
            self.start(NEW_FIRMWARE)
            if self.on_trial and self.trials_fail:
                self.start(FIRMWARE_ERROR)

    def run_until(self, *states: str, within_ms: int = 3_600_000) -> None:
        until_ms = self.now_ms + within_ms
        while self.unit.state not in states:
            assert self.now_ms < until_ms, (self.unit.state, self.unit.trouble)
            self.step()

    def run(self, for_ms: int) -> None:
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            self.step()

    def runs_new(self) -> bool:
        files = LittleFiles(self.flash)
        return choose(files, 0) == ("/a", False) and all(
            open_and_read(files, f"/a/{path}") == data for path, data in FILES.items()
        )


def open_and_read(files: LittleFiles, path: str) -> bytes:
    with files.open(path, "rb") as file:
        return file.read()


# -- the way it goes


def test_pad_with_another_firmware_then_offered_sent_restarted_and_current() -> None:
    world, seen, percents = World(), [NONE], [0]
    while world.unit.state != CURRENT:
        world.step()
        seen += [world.unit.state] if world.unit.state != seen[-1] else []
        percents.append(world.unit.percent)
    assert seen == [NONE, OFFERING, SENDING, RESTARTING, CURRENT]
    assert (percents, percents[-1]) == (sorted(percents), 100)
    assert len(world.sent) == 1 + PIECE_COUNT
    assert world.runs_new()
    world.run(60_000)
    assert (world.unit.state, len(world.sent)) == (CURRENT, 1 + PIECE_COUNT)


def test_words_then_say_how_it_stands() -> None:
    world, words, percents = World(), list[str | None](), list[int]()
    while world.unit.state != CURRENT:
        world.step()
        words += [world.unit.words] if world.unit.words not in words else []
        percents.append(world.unit.percent)
    assert words == [
        None,
        "release 5 is offered to the pad",
        "release 5 is sent to the pad",
        "the pad restarts with release 5",
        "the pad has release 5",
    ]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 100)
    assert world.unit.trouble is None


def test_unit_without_a_bundle_then_does_nothing() -> None:
    unit = Firmware(None)
    unit.hello(0, World().hello())
    unit.progress(1, Progress(1, 1, BUNDLE.digest, 0, GOING_ON))
    assert (unit.poll(2, True), unit.wake_at_ms(), unit.state) == (None, None, NONE)
    assert (unit.words, unit.trouble, unit.percent) == (None, None, 0)


def test_bundle_without_a_pad_then_nothing_is_sent() -> None:
    unit = Firmware(BUNDLE)
    assert (unit.poll(0, True), unit.wake_at_ms(), unit.words) == (None, None, None)


@pytest.mark.parametrize(
    ("release", "sentence"),
    [
        (
            RELEASE + 1,
            "the pad has release 6, this unit the older 5: give the unit the bundle of 6; "
            "to go back the pad needs a cable",
        ),
        (1, "the pad has release 1, and 5 can follow on 2 at least: the pad needs a cable"),
    ],
)
def test_pad_with_a_newer_or_too_old_release_then_never_offered_and_said_so(
    release: int, sentence: str
) -> None:
    world = World()
    world.release = release
    world.run(600_000)
    assert (world.sent, world.unit.state, world.unit.trouble) == ([], FAILED, sentence)
    assert world.unit.words == "release 5 cannot be put on the pad"


# -- a bad line


@pytest.mark.parametrize("seed", range(8))
def test_line_that_loses_and_doubles_then_whole_with_few_repeats(seed: int, scale: int) -> None:
    for number in range(scale):
        world = World((seed, number), loss=0.1, doubling=0.1)
        world.slow = 0.02
        world.run_until(CURRENT)
        assert world.runs_new()
        # Both ways there, or once more: 1 / 0.9² of each, and half again for bad luck.
        assert len(world.sent) < 2 * PIECE_COUNT
    assert world.now_ms < 60_000


def test_line_that_doubles_everything_then_nothing_is_sent_twice() -> None:
    world = World(doubling=1.0)
    world.run_until(CURRENT)
    assert len(world.sent) == 1 + PIECE_COUNT


def test_answer_that_is_slow_then_the_piece_goes_twice_and_only_that_one() -> None:
    world = World()
    world.run_until(SENDING)
    world.slow = 1.0
    for _ in range(40):
        world.step()
    world.slow = 0.0
    world.run_until(CURRENT)
    offsets = [message.offset for message in world.sent if isinstance(message, Piece)]
    repeated = len(offsets) - len(set(offsets))
    assert 1 < repeated < 40
    assert sorted(set(offsets)) == list(range(0, len(BUNDLE.stream), PIECE_LEN))


def test_pad_that_says_nothing_then_ever_longer_pauses_and_a_sentence() -> None:
    world = World()
    world.run_until(SENDING)
    world.is_silent = True
    world.run(QUIET_MS + ANSWER_MS)
    assert (world.unit.state, world.unit.trouble) == (
        OFFERING,
        "the pad has said nothing about release 5 for 10 s: it is offered again; "
        "if that goes on, look at the cable",
    )
    before = len(world.sent)
    world.run(HOURS_MS)
    rounds = HOURS_MS // (PAUSE_MS_MAX + QUIET_MS) + 10
    assert len(world.sent) - before <= rounds * (QUIET_MS // ANSWER_MS)
    world.is_silent = False
    world.run_until(CURRENT)
    assert world.runs_new()


# -- restarts


def test_pad_that_restarts_at_any_piece_then_begins_anew_after_a_pause() -> None:
    for piece in range(PIECE_COUNT):
        world = World(piece, loss=0.05)
        world.at_piece[piece] = world.power_on
        world.run_until(SENDING)
        world.run_until(CURRENT)
        assert world.runs_new()
        assert world.now_ms < PAUSE_MS + 60_000


def test_daemon_that_restarts_at_any_piece_then_goes_on_where_the_pad_stands() -> None:
    for piece in range(PIECE_COUNT):
        world = World(piece)
        world.at_piece[piece] = lambda world=world: world.restart_unit(BUNDLE)
        world.run_until(SENDING)
        world.run_until(CURRENT)
        assert world.runs_new()
        offsets = [message.offset for message in world.sent if isinstance(message, Piece)]
        assert offsets == sorted(offsets)
        assert len(offsets) <= PIECE_COUNT + 1


def test_pad_that_restarts_again_and_again_then_its_flash_is_spared() -> None:
    world = World()

    def restart() -> None:
        world.at_piece[3] = restart
        world.power_on()

    world.at_piece[3] = restart
    world.run(HOURS_MS)
    offers = sum(isinstance(message, Offer) for message in world.sent)
    assert 10 < offers < HOURS_MS // PAUSE_MS_MAX + 10
    world.at_piece.clear()
    world.run_until(CURRENT)
    assert world.runs_new()


def test_hello_heard_again_then_changes_nothing() -> None:
    world = World()
    world.run_until(SENDING)
    before = (world.unit.state, world.unit.percent, world.unit.wake_at_ms())
    world.unit.hello(world.now_ms, world.hello())
    assert (world.unit.state, world.unit.percent, world.unit.wake_at_ms()) == before


# -- a citizen at the pad


def test_prompt_at_any_piece_then_nothing_goes_out_and_it_resumes_there() -> None:
    for piece in range(PIECE_COUNT - 1):
        world = World(piece)
        world.run_until(SENDING)
        while world.unit.percent < 100 * piece // PIECE_COUNT:
            world.step()
        world.may = False
        world.run(200)  # what was under way arrives
        sent, offset = len(world.sent), world.update.offset
        world.run(2 * QUIET_MS)
        assert (len(world.sent), world.unit.wake_at_ms()) == (sent, None)
        world.may = True
        world.step()
        resumed = world.sent[sent]
        assert isinstance(resumed, Piece)
        assert resumed.offset == offset
        world.run_until(CURRENT)
        assert world.runs_new()


def test_pad_that_is_busy_then_asked_again_each_second_without_end() -> None:
    world = World()
    world.run_until(SENDING)
    world.update.state = BUSY
    sent = len(world.sent)
    world.run(60 * BUSY_MS)
    assert 50 < len(world.sent) - sent <= 61
    assert (world.unit.state, world.unit.trouble) == (SENDING, None)
    world.update.state = GOING_ON
    world.run_until(CURRENT)
    assert world.runs_new()


# -- what the pad refuses


def test_chip_without_room_then_said_so_once_and_tried_at_the_pads_next_start() -> None:
    world = World()
    with LittleFiles(world.flash).open("/full", "wb") as file:
        file.write(bytes(18 * BLOCK_LEN))
    world.start(POWER_ON)
    world.run_until(FAILED)
    assert [answer.state for answer in world.answers].count(NO_ROOM) == 1
    assert world.unit.trouble == (
        "the pad has no room for release 5: unplug it and plug it in again; "
        "if that does not help, remove from its flash with a cable what is not its own"
    )
    sent = len(world.sent)
    world.run(600_000)
    assert (world.unit.state, len(world.sent)) == (FAILED, sent)
    LittleFiles(world.flash).remove("/full")
    world.power_on()
    world.run_until(CURRENT)
    assert world.runs_new()


def test_flash_that_damages_it_then_three_attempts_and_a_sentence() -> None:
    world = World()
    world.hurts = True
    world.run_until(FAILED)
    assert [answer.state for answer in world.answers].count(DAMAGED) == DAMAGES_MAX
    assert world.unit.trouble == (
        "the pad read back release 5 damaged, 3 times: exchange the pad, its flash is worn out"
    )
    world.run(600_000)
    assert [answer.state for answer in world.answers].count(DAMAGED) == DAMAGES_MAX
    world.hurts = False
    world.power_on()
    world.run_until(CURRENT)
    assert world.runs_new()


def test_damage_that_happens_twice_then_the_third_attempt_is_whole() -> None:
    world = World(doubling=1.0)
    world.hurts = True
    while sum(answer.state == DAMAGED for answer in world.answers) < 2 * 2:
        world.step()
    world.hurts = False
    world.run_until(CURRENT)
    assert world.runs_new()


def test_answer_of_another_bundle_then_offered_again() -> None:
    world = World()
    world.run_until(SENDING)
    for _ in range(9):
        world.step()
    other = bundle_of({"device/pad.py": b"another = 1\n"})
    world.update.heard(
        Offer(world.boot_id, 0, other.digest, other.manifest_len, len(other.stream)), False
    )
    world.run_until(OFFERING, within_ms=2 * ANSWER_MS)
    world.run_until(CURRENT)
    assert world.runs_new()


def test_answers_nobody_asked_for_then_change_nothing() -> None:
    world = World()
    world.run_until(OFFERING)
    for state in (NOT_OFFERED, GOING_ON, TAKEN, BUSY, DAMAGED, NO_ROOM):
        for boot_id in (world.boot_id, world.boot_id + 7):
            unit = Firmware(BUNDLE)
            unit.hello(0, world.hello())
            unit.progress(0, Progress(boot_id, 1, BUNDLE.digest, 32, state))
            assert (unit.state, unit.trouble, unit.wake_at_ms()) == (OFFERING, None, None)
            assert isinstance(unit.poll(0, True), Offer)
            unit.progress(1, Progress(boot_id + 1, 1, BUNDLE.digest, 32, state))
            unit.progress(1, Progress(world.boot_id, 1, BUNDLE.digest, 1 << 30, GOING_ON))
            assert (unit.state, unit.wake_at_ms()) == (OFFERING, ANSWER_MS)


# -- the trial


def test_trial_that_fails_twice_then_no_more_until_the_daemon_or_the_pad_is_another() -> None:
    world = World(loss=0.05)
    world.trials_fail = True
    world.run_until(FAILED)
    sent = len(world.sent)
    assert world.unit.trouble == (
        "the pad tried release 5 2 times and went back to 2: "
        "tell its maker, and take `firmware` out of [pad]"
    )
    for _ in range(3):
        world.power_on()
        world.run(600_000)
    assert (world.unit.state, len(world.sent)) == (FAILED, sent)
    world.uid = b"another1"
    world.trials_fail = False
    world.power_on()
    world.run_until(CURRENT)
    assert world.runs_new()


def test_trial_that_fails_once_then_tried_again_and_a_new_daemon_counts_anew() -> None:
    world = World()
    world.trials_fail = True
    while sum(answer.state == TAKEN for answer in world.answers) < 2:
        world.step()
    world.restart_unit(BUNDLE)
    world.trials_fail = False
    world.run_until(CURRENT)
    assert world.runs_new()


def test_pad_that_falls_back_after_it_was_current_then_its_trial_has_failed() -> None:
    world = World()
    for _ in range(2):
        world.run_until(CURRENT)
        LittleFiles(world.flash).remove("/slot")
        world.start(FIRMWARE_ERROR)
        world.run_until(OFFERING, FAILED)
    assert world.unit.state == FAILED
    assert "tried release 5 2 times" in (world.unit.trouble or "")


def is_last(message: Offer | Piece) -> bool:
    return isinstance(message, Piece) and message.offset + PIECE_LEN >= len(BUNDLE.stream)


@pytest.mark.parametrize("fails", [False, True])
def test_taken_that_is_lost_then_known_by_the_next_hello(fails: bool) -> None:
    world = World()
    world.trials_fail = fails
    world.run_until(SENDING)
    while not is_last(world.sent[-1]):
        world.step()
    world.loss, world.under_way, boot_id = 1.0, [], world.boot_id
    world.at_pad(world.sent[-1])
    assert world.boot_id > boot_id
    world.loss = 0.0
    if not fails:
        world.run_until(CURRENT)
        assert world.runs_new()
        return
    world.run_until(FAILED)
    assert sum(answer.state == TAKEN for answer in world.answers) == 1


def test_pad_that_does_not_come_back_then_said_so_until_it_does() -> None:
    world = World()
    world.run_until(RESTARTING)
    world.is_silent, world.may = True, False
    world.under_way = []
    world.run(RESTART_MS + HELLO_MS)
    assert (world.unit.state, world.unit.trouble, world.unit.wake_at_ms()) == (
        FAILED,
        "the pad took release 5 and has not come back for 15 s: unplug it and plug it in again",
        None,
    )
    world.is_silent, world.may = False, True
    world.run_until(CURRENT)
    assert world.unit.trouble is None
