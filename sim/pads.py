"""A rating pad without the board: the real firmware on virtual keys, lamps, line and flash."""

import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from device.firmware import FILES, digest
from device.loop import Loop
from device.main import choose
from protocol.pad import framing
from protocol.pad.errors import ProtocolError
from protocol.pad.line import TICKS_MAX
from protocol.pad.messages import (
    IDLE,
    NO_LINK,
    POWER_ON,
    SELF_TEST,
    Ack,
    Edge,
    Message,
    Status,
    decode,
)
from sim.flash import Flash, LittleFiles
from sim.wire import Wire

TURN_S = 0.002  # the firmware's sampling interval
FINGER_MS_MIN = 40  # the quickest tap of a finger; the debounce wants 16
# What a board sees of that tap; a machine that is too busy turns seldom, and no finger vanishes.
FINGER_TURNS_MIN = FINGER_MS_MIN // 2
PRESSES_KEPT_MAX = 4096
ROOT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Press:
    """A press the debounce accepted. Times are monotonic seconds of this machine."""

    seq: int
    prompt_id: int
    key: int
    accepted_s: float
    acked_s: float | None = None

    @property
    def ack_ms(self) -> float | None:
        """Press to disk: from the debounce's acceptance to the unit's ack after its commit."""
        return None if self.acked_s is None else (self.acked_s - self.accepted_s) * 1000


class Tap:
    """Reads along at the pad's plug: what was accepted, acked and shown, by the bytes alone."""

    def __init__(self) -> None:
        self.presses: deque[Press] = deque(maxlen=PRESSES_KEPT_MAX)
        self.sent_seq = 0
        self.acked_seq = 0
        self.told_face = IDLE
        self.held_keys: set[int] = set()
        self._sent, self._received = framing.Decoder(), framing.Decoder()

    def sent(self, at_s: float, data: bytes) -> None:
        """An edge leaves in the very turn in which it is accepted; later copies are resends."""
        for message in _messages(self._sent, data):
            if isinstance(message, Status):
                self.told_face = message.face
            elif isinstance(message, Edge) and message.seq > self.sent_seq:
                self.sent_seq = message.seq
                self.held_keys.discard(message.key)
                if message.down:
                    self.held_keys.add(message.key)
                    accepted_s = at_s - message.age_ms / 1000
                    press = Press(message.seq, message.prompt_id, message.key, accepted_s)
                    self.presses.append(press)

    def received(self, at_s: float, data: bytes, boot_id: int) -> None:
        for message in _messages(self._received, data):
            if isinstance(message, Ack) and message.boot_id == boot_id:
                self.acked_seq = max(self.acked_seq, message.seq)
                for press in reversed(self.presses):
                    if press.acked_s is not None:
                        break
                    if press.seq <= message.seq:
                        press.acked_s = at_s


class _Board:
    """What the firmware's loop needs of its hardware: keys as levels, the line as a wire."""

    uid = b"virtual1"

    def __init__(
        self, wire: Wire, files: LittleFiles, boot_id: int, reset_cause: int, resets: int
    ) -> None:
        self.tap = Tap()
        self.now_s = 0.0
        self.held = 0
        self.lamps = self.buzzer_hz = self.brightness = self.volume = 0
        self.reset_cause, self.resets = reset_cause, resets
        self.problems: list[str] = []
        self.files = files
        self._wire, self._boot_id = wire, boot_id

    def ticks_ms(self) -> int:
        return int(self.now_s * 1000) & TICKS_MAX

    def levels(self) -> int:
        return self.held

    def read(self) -> bytes:
        data = self._wire.read()
        self.tap.received(self.now_s, data, self._boot_id)
        return data

    def write(self, data: bytes) -> None:
        self.tap.sent(self.now_s, data)
        self._wire.write(data)

    def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
        self.lamps, self.buzzer_hz = lamps, buzzer_hz
        self.brightness, self.volume = brightness, volume

    def feed(self) -> None:
        """No watchdog: a turn that raises ends the thread and the test with it."""

    def proven(self) -> None:
        """Nothing here counts bad starts."""

    def restart(self, cause: int) -> None:
        raise _Restarting(cause)


class _Restarting(Exception):
    """The firmware asked for a restart, with the cause it gave."""


class VirtualPad:
    """A pad at the end of `wire`; keys are 1 to 5 from the left.

    Runs by itself between `start` and `stop`, a turn each 2 ms and at once when bytes arrive;
    tests call `turn` instead, with a time of their own. The latency of a press counts from the
    moment the debounce accepts the key, so neither the finger nor the 16 ms of samples are in it.
    """

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire, self._clock = wire, clock
        self._lock = threading.Lock()
        self._down_s: dict[int, float] = {}
        self._up_s: dict[int, float] = {}
        self._seen_turns: dict[int, int] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.files = LittleFiles(Flash(), fresh=True)
        install(self.files)
        self.restart()

    def restart(self) -> None:
        """Power off and on: what was not acked is gone, as on the board."""
        with self._lock:
            self._start(POWER_ON)

    def _start(self, cause: int) -> None:
        """As device/main.py does it; what is in a slot is named by its digest, and not run."""
        self.boot_id = secrets.randbelow(2**32 - 1) + 1
        self._board = _Board(self._wire, self.files, self.boot_id, cause, 0)
        root, on_trial = choose(self.files, 0)
        firmware = digest(self.files, root)
        self._loop = Loop(self._board, self.boot_id, firmware, root, on_trial)

    @property
    def lamps(self) -> int:
        """Mask of the lamps on, bit 0 = leftmost."""
        return self._board.lamps

    @property
    def buzzer_hz(self) -> int:
        """Pitch of the buzzer; 0 is silence."""
        return self._board.buzzer_hz

    @property
    def face(self) -> int:
        """What the pad shows, as in the messages of its line."""
        told = self._board.tap.told_face
        return told if told in (NO_LINK, SELF_TEST) else self._loop.pad.face

    @property
    def prompt_id(self) -> int:
        """The prompt that is open at the pad; 0 is none."""
        return self._loop.pad.prompt_id

    @property
    def presses(self) -> list[Press]:
        """Accepted presses since the pad's start, oldest first."""
        with self._lock:
            return list(self._board.tap.presses)

    @property
    def queued(self) -> int:
        """Edges the pad keeps because they are not acked."""
        return self._board.tap.sent_seq - self._board.tap.acked_seq

    @property
    def untouched(self) -> bool:
        """No finger on any key, as the debounce sees it: another key now is no chord."""
        with self._lock:
            return not self._down_s and not self._board.tap.held_keys

    def press(self, key: int, hold_ms: int = FINGER_MS_MIN) -> None:
        """Put a finger on a key for `hold_ms`, from now on."""
        with self._lock:
            now_s = self._clock()
            self._down_s[key], self._seen_turns[key] = now_s, 0
            self._up_s[key] = now_s + max(hold_ms, FINGER_MS_MIN) / 1000

    def down(self, key: int) -> None:
        """Put a finger on a key and leave it there."""
        with self._lock:
            self._down_s[key], self._seen_turns[key] = self._clock(), 0
            self._up_s.pop(key, None)

    def up(self, key: int) -> None:
        """Lift the finger; no finger is quicker than FINGER_MS_MIN."""
        with self._lock:
            if key in self._down_s:
                least_s = self._down_s[key] + FINGER_MS_MIN / 1000
                self._up_s[key] = max(self._clock(), least_s)

    def turn(self, now_s: float) -> None:
        """One turn of the firmware's loop."""
        with self._lock:
            self._board.now_s = now_s
            self._board.held = self._mask(now_s)
            try:
                self._loop.turn()
            except _Restarting as restarting:
                self._start(*restarting.args)

    def start(self) -> None:
        """Run by itself."""
        self._thread = threading.Thread(target=self._run, name="pad", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop running."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Runs by itself inside the block."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.turn(self._clock())
            self._wire.wait(TURN_S)

    def _mask(self, now_s: float) -> int:
        lifted = [key for key, at_s in self._up_s.items() if at_s <= now_s]
        for key in lifted:
            if self._seen_turns[key] >= FINGER_TURNS_MIN:
                del self._up_s[key], self._down_s[key]
        held = [key for key, at_s in self._down_s.items() if at_s <= now_s]
        for key in held:
            self._seen_turns[key] += 1
        return sum(1 << (key - 1) for key in held)


def install(files: LittleFiles) -> None:
    """Put the firmware where a cable puts it."""
    files.mkdir("/lib")
    for path in FILES:
        folder = "/lib"
        for name in path.split("/")[:-1]:
            folder += f"/{name}"
            with contextlib.suppress(FileExistsError):
                files.mkdir(folder)
        with files.open(f"/lib/{path}", "wb") as file:
            file.write((ROOT / path).read_bytes())


def _messages(decoder: framing.Decoder, data: bytes) -> Iterator[Message]:
    for byte in data:
        body = decoder.push(byte)
        if body is not None:
            try:
                yield decode(body)
            except ProtocolError:
                continue
