"""Both ends on a bad line, in virtual time: promises B2 (each edge once) and B5 (restarts)."""

import heapq
import random

import pytest

from protocol.pad import VERSION, framing
from protocol.pad.line import QUEUE_LEN_MAX
from protocol.pad.link import PadEnd, UnitEnd
from protocol.pad.messages import HEARD, THANKS, Ack, Close, Edge, Hello, Message, decode

STEP_MS = 5
TRANSIT_MS_MAX = 30
COPY_MS_MAX = 50
PRESSES, PRESSES_MAX = 2500, 100_000


class BadLine:
    """One direction: frames are lost, doubled, damaged or cut, each at its rate.

    Frames keep their order, as on a cable; only a second copy may come between later ones.
    """

    def __init__(self, rng: random.Random, loss: float, doubling: float, damage: float) -> None:
        self.rng, self.loss, self.doubling, self.damage = rng, loss, doubling, damage
        self.under_way: list[tuple[int, int, bytes]] = []
        self.count = 0
        self.last_ms = 0

    def send(self, now_ms: int, data: bytes) -> None:
        for part in data.split(b"\x00"):
            if part and self.rng.random() >= self.loss:
                self.last_ms = max(self.last_ms, now_ms + self.rng.randrange(TRANSIT_MS_MAX))
                for copy in range(1 + (self.rng.random() < self.doubling)):
                    frame = bytearray(b"\x00" + part + b"\x00")
                    if self.rng.random() < self.damage:
                        self.hurt(frame)
                    self.put(self.last_ms + copy * self.rng.randrange(COPY_MS_MAX), bytes(frame))

    def hurt(self, frame: bytearray) -> None:
        # A frame without its last byte only waits for the next; then its age is short by the wait.
        at = self.rng.randrange(len(frame) - 1)
        if self.rng.random() < 0.5:
            frame[at] ^= 1 << self.rng.randrange(8)
        else:
            del frame[at:]

    def put(self, at_ms: int, data: bytes) -> None:
        self.count += 1
        heapq.heappush(self.under_way, (at_ms, self.count, data))

    def receive(self, now_ms: int) -> bytes:
        data = b""
        while self.under_way and self.under_way[0][0] <= now_ms:
            data += heapq.heappop(self.under_way)[2]
        return data


class Pair:
    """A pad, a unit with a store that needs its time, and two bad lines between them."""

    def __init__(self, seed: str, loss: float, doubling: float, damage: float) -> None:
        rngs = [random.Random(f"{seed} {name}") for name in ("up", "down", "pair")]
        self.up, self.down = (BadLine(rng, loss, doubling, damage) for rng in rngs[:2])
        self.rng = rngs[2]
        self.now_ms = 0
        self.made: dict[tuple[int, int], tuple[int, int]] = {}  # (boot, seq): key, pressed at
        self.log: list[Edge] = []  # what is on disk
        self.latency_ms: list[int] = []
        self.committing: list[tuple[int, Edge]] = []
        self.applied: list[Message] = []
        self.unit = UnitEnd(0, 0)
        self.restart_pad()

    def restart_pad(self) -> None:
        """Power off and on; nothing of the old boot is under way any more when it is back."""
        self.up.under_way.clear()
        self.boot_id = self.rng.randrange(1, 1 << 32)
        self.pad = PadEnd(Hello(self.boot_id, 1, VERSION, b"uid-of-8", b"firmware"))
        self.seq = self.acked_seq = 0

    def restart_unit(self) -> None:
        """kill -9: a commit under way may or may not have happened; only the log is left."""
        done_count = self.rng.randint(0, len(self.committing))
        for _, edge in self.committing[:done_count]:
            self.store(edge)
        self.committing = []
        last = self.log[-1] if self.log else None
        self.unit = UnitEnd(last.boot_id, last.seq) if last else UnitEnd(0, 0)

    def store(self, edge: Edge) -> None:
        self.log.append(edge)
        pressed_ms = self.made[edge.boot_id, edge.seq][1]
        self.latency_ms.append(self.now_ms - pressed_ms)

    def press(self) -> None:
        key, down = self.rng.randint(1, 5), self.rng.randint(0, 1)
        if self.pad.edge(self.now_ms, 1, key, down, 0):
            self.seq += 1
            self.made[self.boot_id, self.seq] = (key, self.now_ms)

    def step(self) -> None:
        self.now_ms += STEP_MS
        self.applied += self.pad.received(
            self.now_ms, self.see_acks(self.down.receive(self.now_ms))
        )
        self.up.send(self.now_ms, self.pad.poll(self.now_ms))
        for message in self.unit.received(self.now_ms, self.up.receive(self.now_ms)):
            if isinstance(message, Edge):
                pressed_ms = self.made[message.boot_id, message.seq][1]
                late_ms = self.now_ms - message.age_ms - pressed_ms
                assert 0 <= late_ms <= TRANSIT_MS_MAX + COPY_MS_MAX + STEP_MS
                ready_ms = self.now_ms + self.rng.choice((1, 2, 5, 50))
                self.committing.append((ready_ms, message))
        while self.committing and self.committing[0][0] <= self.now_ms:
            edge = self.committing.pop(0)[1]
            self.store(edge)
            self.unit.committed(edge.boot_id, edge.seq)
        self.down.send(self.now_ms, self.unit.poll(self.now_ms))

    def see_acks(self, data: bytes) -> bytes:
        """Every ack that could be believed is for something on disk."""
        decoder = framing.Decoder()
        stored = {(edge.boot_id, edge.seq) for edge in self.log[-2 * QUEUE_LEN_MAX :]}
        for body in map(decoder.push, data):
            message = decode(body) if body else None
            if isinstance(message, Ack) and message.boot_id == self.boot_id:
                if message.seq > self.acked_seq:
                    assert (message.boot_id, message.seq) in stored
                self.acked_seq = max(self.acked_seq, message.seq)
        return data

    def heal(self, wait_ms: int) -> None:
        for line in (self.up, self.down):
            line.loss = line.doubling = line.damage = 0.0
        for _ in range(wait_ms // STEP_MS):
            self.step()


def check_log(pair: Pair) -> None:
    """Each edge on disk is one that was made, there once, and in its boot's order without gap."""
    last: dict[int, int] = {}
    for edge in pair.log:
        assert edge.key == pair.made[edge.boot_id, edge.seq][0]
        assert edge.seq == last.get(edge.boot_id, 0) + 1
        last[edge.boot_id] = edge.seq


@pytest.mark.promise
def test_pair_at_ten_percent_loss_and_doubling_and_five_of_damage_then_each_press_once(
    promise, scale
):
    pair = Pair("B2", loss=0.10, doubling=0.10, damage=0.05)
    count = min(PRESSES_MAX, PRESSES * scale)
    while len(pair.made) < count:
        if pair.rng.random() < 0.02:
            pair.press()
        pair.step()
    pair.heal(1000)
    check_log(pair)
    assert pair.pad.status.dropped == 0
    promise(
        "B2", "edges over a bad line, both ways", len(pair.made), len(pair.made) - len(pair.log)
    )
    assert sorted(pair.latency_ms)[len(pair.log) * 99 // 100] < 1000
    assert pair.unit.decoder.bad_count > 100
    assert pair.unit.repeated_count > 100
    assert pair.unit.gap_count > 100


@pytest.mark.promise
def test_pair_when_either_side_restarts_at_any_moment_then_nothing_acked_is_lost_or_doubled(
    promise, scale
):
    pair = Pair("B5", loss=0.10, doubling=0.10, damage=0.10)
    restarts = min(10_000, 1000 * scale)
    for _ in range(restarts):
        for _ in range(pair.rng.randrange(80)):
            if pair.rng.random() < 0.05:
                pair.press()
            pair.step()
        if pair.rng.random() < 0.5:
            pair.restart_pad()
        else:
            pair.restart_unit()
    pair.press()
    pair.heal(2000)
    check_log(pair)
    assert pair.log[-1].boot_id == pair.boot_id
    assert pair.log[-1].seq == pair.seq
    assert len(pair.log) > 1000
    promise("B5", "restarts of either end at any moment", restarts)


def test_pair_when_commands_cross_bad_lines_and_restarts_then_the_last_one_wanted_is_applied():
    for seed in range(60):
        pair = Pair(f"commands {seed}", loss=0.3, doubling=0.3, damage=0.1)
        for prompt_id in range(1, 20):
            pair.unit.open(pair.now_ms, prompt_id, 30_000)
            for _ in range(pair.rng.randrange(60)):
                pair.step()
            if pair.rng.random() < 0.2:
                pair.restart_unit()
            if pair.rng.random() < 0.2:
                pair.restart_pad()
                pair.applied = []
            pair.unit.close(pair.now_ms, prompt_id, pair.rng.choice((HEARD, THANKS)))
            for _ in range(pair.rng.randrange(30)):
                pair.step()
        wanted = Close(0, 0, 20, THANKS)
        pair.unit.close(pair.now_ms, wanted.prompt_id, wanted.face)
        pair.heal(2000)
        numbers = [message.seq for message in pair.applied]
        assert numbers == sorted(set(numbers))
        last = pair.applied[-1]
        assert isinstance(last, Close)
        assert (last.prompt_id, last.face) == (wanted.prompt_id, wanted.face)
        assert pair.unit.wake_at_ms() is not None
