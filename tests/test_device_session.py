"""Whole sessions: the firmware in a real MicroPython against the daemon's own pad link.

Time is a number on both sides. The session is also played with the same firmware on this
interpreter; not a byte and not a lamp may differ.
"""

import random
from collections.abc import Callable, Iterator
from itertools import count, groupby
from typing import Any, Protocol

import pytest

from daemon import facts
from daemon.facts import Fact
from daemon.front.night import Look
from daemon.wire.edges import KeyEdge, Position
from daemon.wire.firmware import Firmware
from daemon.wire.pad_link import UP, Face, PadLink
from device import firmware
from device.loop import Loop
from protocol.bundle import Bundle, build, read
from protocol.central.signing import SigningKey
from protocol.pad import VERSION, framing
from protocol.pad.line import QUEUE_LEN_MAX, RETRY_MS, TICKS_MAX
from protocol.pad.messages import (
    ASKING,
    IDLE,
    NEW_FIRMWARE,
    PAUSED,
    PLEASE_RATE,
    POWER_ON,
    THANKS,
    Hello,
    Message,
    Status,
    decode,
)
from sim.micropython import RECEIVED_LEN_MAX, ROOT, TURN_MS, MicroPythonPad, Turns, Vm

pytestmark = pytest.mark.needs("node")

BAUD, FRAME_BITS = 115200, 10  # 8N1
KEY_PINS, LAMP_PINS, BUZZER_PIN = range(2, 7), range(7, 12), 15
START_TICKS = TICKS_MAX - 20_000  # so that the counter wraps in the session
HEAP_LEN = 64 * 1024  # promise F2
READ_LEN_MAX = 64


class Pad(Protocol):
    duties: dict[int, int]
    hz: dict[int, int]

    def power(self) -> None: ...
    def boot(self) -> Turns: ...
    def turns(self, count: int, received: bytes = b"", held: int = 0) -> Turns: ...


class PadHere:
    """The same firmware on this interpreter, with a board of its own."""

    uid = MicroPythonPad.uid
    reset_cause, resets = POWER_ON, 0
    open = staticmethod(open)

    def __init__(self, boot_ids: Iterator[int]) -> None:
        self.boot_ids = boot_ids
        self.problems: list[str] = []
        self.files = self
        self.duties: dict[int, int] = {}
        self.hz: dict[int, int] = {}

    def power(self) -> None:
        self.duties = dict.fromkeys((*LAMP_PINS, BUZZER_PIN), 0)
        self.hz = dict.fromkeys((*LAMP_PINS, BUZZER_PIN), 1000)
        self.now_ms = self.held = self.buzzer_hz = 0
        self.received = self.sent = b""
        self.has_said = False
        digest = firmware.digest(self, str(ROOT))
        self.loop = Loop(self, next(self.boot_ids), digest, "/lib", False)

    def boot(self) -> Turns:
        return self.turns(1)

    def turns(self, count: int, received: bytes = b"", held: int = 0) -> Turns:
        turns = Turns()
        self.received += received
        self.held = held
        while turns.count < count:
            self.loop.turn()
            turns.count += 1
            self.now_ms += TURN_MS
            if self.has_said:
                break
        turns.sent, self.sent, self.has_said = self.sent, b"", False
        return turns

    def ticks_ms(self) -> int:
        return START_TICKS + self.now_ms & TICKS_MAX

    def levels(self) -> int:
        return self.held

    def read(self) -> bytes:
        data, self.received = self.received[:READ_LEN_MAX], self.received[READ_LEN_MAX:]
        return data

    def write(self, data: bytes) -> None:
        self.sent += data
        self.has_said = True

    def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
        duties = {
            pin: (lamps >> index & 1) * (65535 * brightness * brightness // 10_000)
            for index, pin in enumerate(LAMP_PINS)
        }
        duties[BUZZER_PIN] = self.duties[BUZZER_PIN]
        if buzzer_hz != self.buzzer_hz:
            self.buzzer_hz = buzzer_hz
            self.hz[BUZZER_PIN] = buzzer_hz or self.hz[BUZZER_PIN]
            duties[BUZZER_PIN] = 32768 * volume * volume // 10_000 if buzzer_hz else 0
        self.has_said |= duties != self.duties
        self.duties = duties

    def feed(self) -> None:
        """Time goes on in `turns`."""

    def proven(self) -> None:
        self.has_said = True

    def restart(self, cause: int) -> None:
        raise AssertionError(f"restart for {cause}")


class Cable:
    """One direction of a line that loses, doubles and damages frames, each at its rate."""

    def __init__(self, seed: str, loss: float, doubling: float, damage: float) -> None:
        self.rng = random.Random(seed)
        self.loss, self.doubling, self.damage = loss, doubling, damage

    def carry(self, data: bytes) -> bytes:
        arrives = b""
        for part in data.split(b"\x00"):
            if part and self.rng.random() >= self.loss:
                frame = b"\x00" + part + b"\x00"
                arrives += self.hurt(frame) if self.rng.random() < self.damage else frame
                arrives += frame if self.rng.random() < self.doubling else b""
        return arrives

    def hurt(self, frame: bytes) -> bytes:
        hurt = bytearray(frame)
        hurt[self.rng.randrange(len(hurt) - 1)] ^= 1 << self.rng.randrange(8)
        return bytes(hurt)


class Window:
    """A pad, the daemon's link to it, and a disk that takes its time; `trace` has all of it."""

    def __init__(
        self, pad: Pad, *, bundle: Bundle | None = None, bad_line: str | None = None
    ) -> None:
        self.pad = pad
        self.plugged = True
        self.now_ms = 1000
        self.held = 0
        self.face = Face(IDLE)
        self.trace: list[tuple[int, str, Any]] = []
        self.edges: list[KeyEdge] = []  # on disk
        self.facts: list[Fact | facts.Tested] = []
        self.messages: list[Message] = []  # what the pad said, as it came
        self.moved_len = self.turn_count = 0  # bytes over the line, both ways
        self.noise = b""  # what comes to the pad and is not from the unit
        self.may_end = False
        self.ends: list[str] = []
        self.events: list[str] = []
        self.commit_ms: Callable[[], int] = lambda: 4
        self._bundle = bundle
        rates = (0.1, 0.1, 0.05) if bad_line else (0.0, 0.0, 0.0)
        self._up, self._down = (Cable(f"{bad_line} {way}", *rates) for way in ("up", "down"))
        self._clean = bad_line is None
        self._decoder = framing.Decoder()
        self._committing: list[tuple[int, KeyEdge]] = []
        self._to_pad = b""
        self._duties: dict[int, int] = {}
        self.restart_unit()
        self.restart_pad()

    def restart_unit(self) -> None:
        """kill -9: what is not on disk is gone."""
        self._committing = []
        last = self.edges[-1].position if self.edges else Position(0, 0)
        self.link = PadLink(self.now_ms, last, Firmware(self._bundle))
        self.link.port(self.now_ms, None)
        self.link.show(self.now_ms, self.face)

    def restart_pad(self) -> None:
        """Power off and on; the time until its first turn does not count."""
        self._to_pad = b""
        self.pad.power()
        self._did(self.pad.boot())

    def show(self, face: int, prompt: int = 0, for_ms: int | None = None, **look: int) -> None:
        until_ms = None if for_ms is None else self.now_ms + for_ms
        self.face = Face(face, prompt, until_ms, Look(**look))
        self.link.show(self.now_ms, self.face)

    def press(self, key: int, hold_ms: int = 60) -> None:
        self.hold(1 << (key - 1), hold_ms)
        self.run(60)

    def hold(self, keys: int, for_ms: int) -> None:
        self.held = keys
        self.run(for_ms)
        self.held = 0

    def run(self, for_ms: int) -> None:
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            self._say()
            wakes_ms = [until_ms, *(ready_ms for ready_ms, _ in self._committing)]
            wake_at_ms = self.link.wake_at_ms()
            wakes_ms += [] if wake_at_ms is None else [wake_at_ms]
            turn_count = max(1, (min(wakes_ms) - self.now_ms) // TURN_MS)
            to_pad = self.noise + self._to_pad
            given, self.noise, self._to_pad = to_pad[:RECEIVED_LEN_MAX], b"", b""
            assert given == to_pad, "the pad's buffer would overflow"
            turns = self.pad.turns(turn_count, given, self.held)
            self.now_ms += turns.count * TURN_MS
            self._did(turns)

    def _did(self, turns: Turns) -> None:
        self.events += turns.events
        self.turn_count += turns.count
        if turns.ended is not None:
            self.ends.append(turns.ended)
            assert self.may_end, turns
        if self.pad.duties != self._duties:
            self._duties = dict(self.pad.duties)
            self._note("shows", (self._duties, dict(self.pad.hz)))
        self._hear(turns.sent)
        self._commit()

    def until(self, is_so: Callable[[], bool], within_ms: int = 5000) -> None:
        until_ms = self.now_ms + within_ms
        while not is_so():
            assert self.now_ms < until_ms, self.trace[-10:]
            self.run(10 * TURN_MS)

    def _say(self) -> None:
        said = self.link.poll(self.now_ms, is_asking=self.face.face in ASKING)
        if said and self.plugged:
            self._note("unit", said)
            self._to_pad += said if self._clean else self._down.carry(said)

    def _hear(self, sent: bytes) -> None:
        arrived = b""
        if sent:
            self._note("pad", sent)
            if self.plugged:
                arrived = sent if self._clean else self._up.carry(sent)
        for body in map(self._decoder.push, arrived):
            if body:
                self.messages.append(decode(body))
        edges, told = self.link.received(self.now_ms, arrived) if arrived else ([], [])
        self._committing += [(self.now_ms + self.commit_ms(), edge) for edge in edges]
        self.facts += [*told, *self.link.wake(self.now_ms)]
        self.link.show(self.now_ms, self.face)

    def _commit(self) -> None:
        while self._committing and self._committing[0][0] <= self.now_ms:
            edge = self._committing.pop(0)[1]
            self.edges.append(edge)
            self._note("edge", edge)
            self.link.safe(edge.position)

    def _note(self, what: str, it: object) -> None:
        if isinstance(it, bytes):
            self.moved_len += len(it)
        self.trace.append((self.now_ms, what, it))

    def hello_of(self, reset_cause: int) -> Hello | None:
        hellos = [message for message in self.messages if isinstance(message, Hello)]
        return next((hello for hello in hellos if hello.reset_cause == reset_cause), None)

    @property
    def status(self) -> Status:
        return [message for message in self.messages if isinstance(message, Status)][-1]

    @property
    def hello(self) -> Hello:
        return [message for message in self.messages if isinstance(message, Hello)][-1]

    def pressed(self, since: int = 0) -> list[tuple[int, int, int]]:
        return [(edge.prompt, edge.key, edge.down) for edge in self.edges[since:]]


@pytest.fixture(scope="module")
def vm() -> Iterator[Vm]:
    with Vm() as vm:
        yield vm


@pytest.fixture
def pad(vm: Vm) -> MicroPythonPad:
    return MicroPythonPad(vm, count(0xB001), start_ticks=START_TICKS)


# -- a day in a minute


def a_day(window: Window) -> None:
    """Everything that happens to a pad, each checked where it can be seen."""
    window.run(2500)
    assert window.link.state == UP
    serve_one(window)
    serve_in_trouble(window)
    at_night(window)


def serve_one(window: Window) -> None:
    """Prompt, press, correction, hold, chord, thanks."""
    window.show(PLEASE_RATE, 7, 10_000)
    window.run(1000)
    window.press(2)
    window.press(4)
    window.press(5, hold_ms=1300)
    chords = window.status.chords
    window.hold(0b00011, 60)
    window.run(1100)
    assert window.status.chords == chords + 1
    assert window.pressed() == [(7, key, down) for key in (2, 4, 5) for down in (True, False)]
    assert [edge.held_ms for edge in window.edges] == [0, 60, 0, 60, 0, 1300]
    window.show(THANKS)
    window.run(3500)
    assert window.status.face == IDLE


def serve_in_trouble(window: Window) -> None:
    """A stuck key, a late press, a lost line, restarts of either side."""
    since = len(window.edges)
    window.hold(0b00100, 4500)
    window.run(100)
    reasons = [fact.reason for fact in window.facts if isinstance(fact, Fact)]
    assert reasons == ["key 3 is held down: free it", "no key is held down any more"]
    window.show(PLEASE_RATE, 8, 1000)
    window.run(1300)
    window.press(1)
    assert window.pressed(since + 2) == [(8, 1, True), (8, 1, False)]
    window.show(PLEASE_RATE, 9, 30_000)
    window.run(200)
    window.plugged = False
    window.run(3200)
    window.press(3)
    window.plugged = True
    window.run(1500)
    assert window.pressed(since + 4) == [(9, 3, True), (9, 3, False)]
    assert [fact.state for fact in window.facts[2:]] == ["lost", "back"]
    window.restart_unit()
    window.run(1500)
    window.press(4)
    assert window.pressed(since + 6) == [(9, 4, True), (9, 4, False)]
    window.restart_pad()
    window.run(2500)
    window.press(5)
    window.show(PAUSED)
    window.run(300)
    assert window.pressed(since + 8) == [(9, 5, True), (9, 5, False)]
    assert window.status.face == PAUSED


def at_night(window: Window) -> None:
    """Dim and silent, and a self-test with all keys but the third."""
    window.show(IDLE, brightness=10, volume=0)
    window.run(500)
    window.trace.append((window.now_ms, "night", None))
    window.hold(0b10001, 3100)
    window.run(3100)
    for key in (1, 2):
        window.press(key)
    window.run(10_100)
    for key in (4, 5):
        window.press(key)
    window.run(500)
    assert window.facts[-1] == facts.Tested(False, "4 of 5 keys", (True, True, False, True, True))
    assert window.status.tested == 0b11011
    assert window.pressed()[-2:] == [(9, 5, True), (9, 5, False)]
    (dusk,) = (index for index, (_, what, _) in enumerate(window.trace) if what == "night")
    shown = [it[0] for _, what, it in window.trace[dusk:] if what == "shows"]
    assert {duties[pin] for duties in shown for pin in LAMP_PINS} == {0, 655}  # a hundredth
    assert {duties[BUZZER_PIN] for duties in shown} == {0}


def test_day_on_micropython_then_byte_for_byte_that_of_cpython(pad):
    there, here = Window(pad), Window(PadHere(count(0xB001)))
    a_day(here)
    a_day(there)
    for one, other in zip(there.trace, here.trace, strict=True):
        assert one == other
    assert len(there.trace) > 200
    assert {what for _, what, _ in there.trace} == {"unit", "pad", "edge", "shows", "night"}


# -- a bad line, restarts


@pytest.mark.promise
def test_presses_over_a_bad_line_then_each_once(pad, promise, scale):
    window = Window(pad, bad_line="B2")
    rng, made = random.Random("B2 keys"), []
    window.show(PLEASE_RATE, 1, 3_600_000)
    window.run(1000)
    for _ in range(min(6000, 150 * scale)):
        key = rng.randint(1, 5)
        window.press(key, rng.randrange(40, 80))
        window.run(rng.randrange(60, 160))
        made.append(key)
    window.until(lambda: len(window.edges) == 2 * len(made))
    window.run(1000)
    came = [edge.key for edge in window.edges if edge.down]
    assert [edge.key for edge in window.edges[1::2]] == came
    assert window.status.dropped == 0
    counters = window.link.counters()
    assert min(counters[name] for name in ("damaged", "repeated", "gaps", "damaged_at_pad")) > 10
    promise("B2", "presses at the pad under MicroPython", len(made), abs(len(made) - len(came)))
    assert came == made


@pytest.mark.promise
def test_restarts_of_either_side_then_nothing_stored_twice_and_the_line_goes_on(
    pad, promise, scale
):
    window = Window(pad, bad_line="B5")
    rng = random.Random("B5 keys")
    window.commit_ms = lambda: rng.choice((2, 4, 20, 60))
    made: list[list[int]] = [[]]
    restarts = min(1000, 25 * scale)
    for _ in range(restarts):
        for _ in range(rng.randrange(4)):
            made[-1].append(rng.randint(1, 5))
            window.press(made[-1][-1], 40)
        window.run(rng.randrange(0, 160, 2))
        if rng.random() < 0.5:
            window.restart_pad()
            made.append([])
        else:
            window.restart_unit()
    window.run(1500)
    made[-1].append(3)
    window.press(3)
    window.run(1500)
    bad_count = 0
    for boot_id, group in groupby(window.edges, lambda edge: edge.position.boot_id):
        edges, keys = list(group), made[boot_id - 0xB001]
        downs = [edge.key for edge in edges if edge.down]
        seqs = [edge.position.seq for edge in edges]
        bad_count += seqs != list(range(1, len(seqs) + 1)) or downs != keys[: len(downs)]
    assert window.edges[-1].position.boot_id == 0xB001 + len(made) - 1
    assert [edge.key for edge in window.edges[-2:]] == [3, 3]
    assert len(window.edges) > 50
    promise("B5", "restarts of pad or unit, pad under MicroPython", restarts, bad_count)


# -- what no unit says

AT_COMMANDS = b"AT+GCAP\r\nAT\r\x03\x03\x04\r\n"


@pytest.mark.promise
@pytest.mark.parametrize(
    ("name", "byte_count", "piece"),
    [
        ("modem commands and 0x03", 4096, (AT_COMMANDS * 16)[:256]),
        ("garbage", 1 << 16, random.Random("B4").randbytes(256)),
        ("no delimiter", 1 << 17, b"A" * 256),
    ],
)
def test_flood_then_heap_stays_keys_are_sampled_and_the_next_frame_is_believed(
    vm, name, byte_count, piece, promise, scale
):
    byte_count *= min(8, scale)  # in a campaign a megabyte
    pad = MicroPythonPad(vm, [9], heap_len=HEAP_LEN)
    window = Window(pad)
    window.run(1500)
    flood(window, byte_count, piece)
    window.run(1200)
    assert window.link.state == UP
    assert window.status.bad_frames > 0
    assert window.pressed() == [(0, 4, True), (0, 4, False)]
    window.show(PLEASE_RATE, 7, 1000)
    window.run(30)
    assert window.status.face == PLEASE_RATE
    promise("B4", f"bytes to a pad in 64 KiB: {name}", byte_count)


def flood(window: Window, byte_count: int, piece: bytes) -> None:
    """Send so much, as fast as the pad reads; half-way somebody presses key 4."""
    turn_count = len(piece) // READ_LEN_MAX
    for left_len in range(byte_count, 0, -len(piece)):
        is_half_way = 0 <= byte_count // 2 - left_len < 40 // TURN_MS * READ_LEN_MAX
        window.held = 0b01000 if is_half_way else 0
        window.noise += piece
        window.run(turn_count * TURN_MS)


@pytest.mark.promise
def test_unit_that_never_reads_then_no_turn_waits_for_it(pad, promise):
    window = Window(pad)
    window.run(1500)
    window.plugged = False
    for key in (1, 2, 3, 4, 5):
        window.press(key)
        window.run(1500)
    assert [line for line in window.events if "late" in line] == []
    window.plugged = True
    window.run(1500)
    assert len(window.edges) == QUEUE_LEN_MAX
    assert window.status.dropped == 2
    promise("B4", "turns of a pad whose unit does not read", window.turn_count)


def test_line_at_rest_then_takes_less_than_a_twentieth_of_it(pad):
    window = Window(pad)
    window.run(2000)
    before_len, for_ms = window.moved_len, 10_000
    window.run(for_ms)
    share = (window.moved_len - before_len) * FRAME_BITS * 1000 / for_ms / BAUD
    assert 0 < share <= 0.05, f"{share:.2%} of {BAUD} baud, both ways together"


def test_full_queue_then_all_its_edges_fit_between_two_retries(pad):
    window = Window(pad)
    window.run(1500)
    window.plugged = False
    for key in (1, 2, 3, 4):
        window.press(key)
    window.trace.clear()
    window.run(900)
    bursts = [it for _, what, it in window.trace if what == "pad" and it.count(b"\x00\x00") >= 7]
    assert len(bursts) >= 8
    assert max(map(len, bursts)) * FRAME_BITS * 1000 / BAUD < RETRY_MS / 2


# -- new firmware

KEY = SigningKey.from_seed(b"maker of the pad's own firmware.")


def bundle_of(release: int) -> Bundle:
    """The firmware as it is, but for its release."""
    files = {path: (ROOT / path).read_bytes() for path in firmware.FILES}
    before, after = files["device/firmware.py"].split(b"\nRELEASE = %d " % firmware.RELEASE)
    files["device/firmware.py"] = before + b"\nRELEASE = %d " % release + after
    return read(build(files, release, 1, VERSION, KEY), KEY.public)


def test_new_firmware_over_the_line_then_runs_is_tried_and_stays(pad):
    bundle = bundle_of(2)
    window = Window(pad, bundle=bundle)
    window.may_end = True
    window.until(lambda: window.hello_of(NEW_FIRMWARE) is not None, within_ms=60_000)
    hello = window.hello_of(NEW_FIRMWARE)
    assert (hello.release, hello.firmware, hello.resets) == (2, bundle.firmware, 0)
    assert pad.vm.take("/trial") == pad.vm.take("/slot") == b""
    window.run(7000)
    assert pad.vm.take("/slot") == b"a"
    window.restart_pad()
    window.run(1000)
    assert (window.hello.release, window.hello.reset_cause) == (2, POWER_ON)


def test_new_firmware_over_the_line_in_a_bounded_heap_then_is_taken(vm):
    pad = MicroPythonPad(vm, count(9), heap_len=2 * HEAP_LEN)
    window = Window(pad, bundle=bundle_of(2))
    window.may_end = True
    window.until(lambda: "reset" in window.ends, within_ms=60_000)
    assert pad.vm.take("/trial") == b"a"
    assert window.ends == ["reset"]
