"""The pad as the core sees it (pure): edges with their boottime, what it shows, whether it lives.

The reliable pair itself is protocol/pad/link; here its messages become facts about one pad. What
the pad should show is a level, not an event: `show` may be called after every step, and a command
goes out only when something differs.
"""

from dataclasses import dataclass
from typing import Any

from daemon.facts import Fact
from daemon.snapshot import PadView
from protocol.pad import VERSION
from protocol.pad.link import LINK_LOST_MS, UnitEnd
from protocol.pad.messages import Edge, Hello, Message, Status

WAITING, UP, LOST, FOREIGN = "waiting", "up", "lost", "foreign"


@dataclass(frozen=True, slots=True)
class Position:
    """The last edge of a pad boot that is on disk."""

    boot_id: int
    seq: int


@dataclass(frozen=True, slots=True)
class KeyEdge:
    """A key edge at boottime `at_ms`, and the position that is durable with it."""

    prompt: int
    key: int
    down: bool
    at_ms: int
    position: Position


@dataclass(frozen=True, slots=True)
class Face:
    """What the pad shows: a prompt open until a boottime, or a face without one."""

    face: int
    prompt: int = 0
    until_ms: int | None = None


class PadLink:
    def __init__(self, now_ms: int, position: Position) -> None:
        self._end = UnitEnd(position.boot_id, position.seq)
        self._shown: Face | None = None
        self._shown_boot_id = position.boot_id
        self._stuck = 0
        self._heard_ms: int | None = None
        self._lost_ms: int | None = None
        self._started_ms = now_ms
        self._port_reason: str | None = None
        self._hello: Hello | None = None
        self._status: Status | None = None
        self._trouble: str | None = None
        self.state = WAITING

    @property
    def up(self) -> bool:
        return self.state == UP

    def received(self, now_ms: int, data: bytes) -> tuple[list[KeyEdge], list[Fact]]:
        """New edges in order, and what became known of the pad."""
        edges: list[KeyEdge] = []
        facts: list[Fact] = []
        for message in self._end.received(now_ms, data):
            self._heard_ms = now_ms
            facts += self._alive(message)
            if isinstance(message, Edge):
                at_ms = max(0, now_ms - message.age_ms)
                position = Position(message.boot_id, message.seq)
                edges.append(
                    KeyEdge(message.prompt_id, message.key, bool(message.down), at_ms, position)
                )
        if self._end.boot_id != self._shown_boot_id:
            # A pad that restarted shows nothing of what it was told before.
            self._shown, self._shown_boot_id = None, self._end.boot_id
        return edges, facts

    def port(self, now_ms: int, reason: str | None) -> list[Fact]:
        """The serial port opened (None) or went away (why)."""
        self._port_reason = reason
        return [] if reason is None else self._lose(now_ms, reason)

    def wake(self, now_ms: int) -> list[Fact]:
        silent_ms = now_ms - (self._started_ms if self._heard_ms is None else self._heard_ms)
        if self.state in (UP, WAITING) and silent_ms >= LINK_LOST_MS:
            return self._lose(now_ms, self._port_reason or f"nothing heard for {silent_ms} ms")
        return []

    def show(self, now_ms: int, face: Face) -> None:
        """Make the pad show `face`; nothing is sent when it was told so already."""
        if face == self._shown:
            return
        if face.until_ms is not None:
            self._end.open(now_ms, face.prompt, max(0, face.until_ms - now_ms))
        else:
            closed = 0 if self._shown is None else self._shown.prompt
            self._end.close(now_ms, closed, face.face)
        self._shown = face

    def safe(self, position: Position) -> None:
        """Everything up to this edge is on disk: the pad may forget it."""
        self._end.committed(position.boot_id, position.seq)

    def poll(self, now_ms: int) -> bytes:
        return self._end.poll(now_ms)

    def wake_at_ms(self) -> int | None:
        heard_ms = self._started_ms if self._heard_ms is None else self._heard_ms
        silence_ms = heard_ms + LINK_LOST_MS if self.state in (UP, WAITING) else None
        times = [at for at in (self._end.wake_at_ms(), silence_ms) if at is not None]
        return min(times, default=None)

    def view(self) -> PadView:
        hello, status = self._hello, self._status
        return PadView(
            state=self.state,
            trouble=self._trouble,
            uid=None if hello is None else hello.uid.hex(),
            firmware=None if hello is None else hello.firmware.hex(),
            queued=0 if status is None else status.queued,
            counters=self.counters(),
        )

    def counters(self) -> dict[str, int]:
        """What the line went through, by name."""
        frames = self._end.decoder
        counts = {
            "good": frames.good_count,
            "damaged": frames.bad_count,
            "repeated": self._end.repeated_count,
            "gaps": self._end.gap_count,
            "foreign": self._end.foreign_count,
        }
        if self._status is not None:
            counts["dropped"] = self._status.dropped
            counts["chords"] = self._status.chords
            counts["damaged_at_pad"] = self._status.bad_frames
        return counts

    def _alive(self, message: Message) -> list[Fact]:
        facts: list[Fact] = []
        if isinstance(message, Hello):
            self._hello = message
            if message.version != VERSION:
                return self._fault(
                    FOREIGN,
                    f"the pad speaks version {message.version} of its line, this unit {VERSION}: "
                    "install the firmware that came with this daemon",
                )
        if isinstance(message, Status):
            self._status = message
            facts += self._stuck_keys(message.stuck)
        if self.state in (LOST, WAITING) and isinstance(message, Status):
            if self.state == LOST:
                facts += self._say("back", "heard again", self._lost_ms)
            self.state = UP
        return facts

    def _say(self, state: str, reason: str, since_ms: int | None = None) -> list[Fact]:
        self._trouble = None if state == "back" else reason
        return [Fact(state, reason, since_ms)]

    def _stuck_keys(self, stuck: int) -> list[Fact]:
        new = stuck & ~self._stuck
        self._stuck = stuck
        keys = [str(key) for key in range(1, 6) if new >> (key - 1) & 1]
        if not keys:
            return []
        return self._say("faulty", f"key {' and '.join(keys)} is held down: free it")

    def _fault(self, state: str, reason: str) -> list[Fact]:
        if self.state == state:
            return []
        self.state = state
        return self._say("faulty", reason)

    def _lose(self, now_ms: int, reason: str) -> list[Fact]:
        if self.state == LOST:
            return []
        self.state = LOST
        self._lost_ms = now_ms if self._heard_ms is None else self._heard_ms
        return self._say("lost", reason, self._lost_ms)


def position_json(position: Position) -> dict[str, Any]:
    """The state row that makes the position survive."""
    return {"boot_id": position.boot_id, "seq": position.seq}
