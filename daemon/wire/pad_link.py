"""The pad as the core sees it (pure): edges with their boottime, what it shows, whether it lives.

The reliable pair itself is protocol/pad/link; here its messages become facts about one pad. What
the pad should show is a level, not an event: `show` may be called after every step, and a command
goes out only when something differs.

The pad is in one of four states: waiting (not heard since the start), up, lost, foreign (heard, and
of another version). While it is not up, everything that can say why is asked: the port, the bytes
that come and are no frames, and what is plugged in at USB.
"""

from dataclasses import dataclass, replace

from daemon.facts import Fact, Tested
from daemon.front.night import FULL, Look
from daemon.snapshot import PadView
from daemon.wire.edges import KeyEdge, Position
from daemon.wire.firmware import Firmware
from daemon.wire.strangers import PROBE, Stranger
from protocol.pad import VERSION
from protocol.pad.line import LINK_LOST_MS
from protocol.pad.link import UnitEnd
from protocol.pad.messages import (
    FIRMWARE_ERROR,
    KEY_COUNT,
    SELF_TEST,
    WATCHDOG,
    Edge,
    Hello,
    Progress,
    Status,
)

WAITING, UP, LOST, FOREIGN = "waiting", "up", "lost", "foreign"

# A pad says something each second; what is silent for longer is asked in a prompt's own way.
PROBE_MS = 1500
# A boot loader shows itself at USB within a second; 0.5 ms of work each time.
SEEK_MS = 2000
HELD_DOWN = "a key is held down: free it"
RESTARTS = {FIRMWARE_ERROR: "an error in its firmware", WATCHDOG: "its firmware hung"}


@dataclass(frozen=True, slots=True)
class Face:
    """What the pad shows: a prompt open until a boottime, or a face without one."""

    face: int
    prompt: int = 0
    until_ms: int | None = None
    look: Look = FULL


class PadLink:
    def __init__(self, now_ms: int, position: Position, firmware: Firmware) -> None:
        self._end = UnitEnd(position.boot_id, position.seq)
        self._firmware = firmware
        self._stranger = Stranger()
        self._shown: Face | None = None
        self._shown_boot_id = position.boot_id
        self._greeted_boot_id = position.boot_id  # the boot whose start was told
        self._heard_ms: int | None = None
        self._lost_ms: int | None = None
        self._started_ms = now_ms
        self._port_reason: str | None = None
        self._probe_at_ms: int | None = None
        self._seek_at_ms: int | None = None
        self._found: str | None = None
        self._hello: Hello | None = None
        self._status: Status | None = None
        self._reason: str | None = None
        self._is_open = False
        # From the order to try itself until the pad is seen to obey it.
        self._is_ordered = False
        self.state = WAITING

    @property
    def up(self) -> bool:
        return self.state == UP

    @property
    def boot_id(self) -> int:
        """The pad's start that was heard last; 0: none."""
        return self._end.boot_id

    @property
    def is_testing(self) -> bool:
        """The pad tries itself at this moment."""
        return self.up and self._status is not None and self._status.face == SELF_TEST

    def received(self, now_ms: int, data: bytes) -> tuple[list[KeyEdge], list[Fact | Tested]]:
        """New edges in order, and what became known of the pad."""
        edges: list[KeyEdge] = []
        facts: list[Fact | Tested] = []
        self._stranger.heard(data)
        self._probe_at_ms = None
        if self.state == FOREIGN:
            self._heard_ms = now_ms  # whatever it says, it is there
        for message in self._end.received(now_ms, data):
            self._heard_ms = now_ms
            if isinstance(message, Hello):
                facts += self._greeted(now_ms, message)
            elif self._end.version != VERSION:
                continue
            elif isinstance(message, Edge):
                edges.append(KeyEdge.of(message, now_ms))
            elif isinstance(message, Progress):
                self._firmware.progress(now_ms, message)
            elif isinstance(message, Status):
                facts += self._told(message)
        if self._end.boot_id != self._shown_boot_id:
            # A pad that restarted shows nothing of what it was told before.
            self._shown, self._shown_boot_id = None, self._end.boot_id
        return edges, facts

    def port(self, now_ms: int, reason: str | None) -> list[Fact]:
        """The serial port opened (None) or went away (why)."""
        self._port_reason, self._is_open = reason, reason is None
        if reason is not None:
            return self._lose(now_ms, reason)
        if self.state == LOST:
            # What was plugged in instead is there no more.
            self._reason, self._found = "the port is open, and nothing was heard yet", None
        self._stranger.believed()
        self._end.greet()
        self._probe_at_ms = now_ms + PROBE_MS
        return []

    def seeks(self, now_ms: int) -> bool:
        """Whether to look now what is plugged in instead of the pad."""
        if self._seek_at_ms is None or now_ms < self._seek_at_ms:
            return False
        self._seek_at_ms = now_ms + SEEK_MS
        return True

    def found(self, words: str | None) -> list[Fact]:
        """What is plugged in, as far as it says why the pad is not heard."""
        self._found = words
        return self._explain()

    def wake(self, now_ms: int) -> list[Fact]:
        silent_ms = now_ms - (self._started_ms if self._heard_ms is None else self._heard_ms)
        if self.state != LOST and silent_ms >= LINK_LOST_MS:
            return self._lose(now_ms, f"nothing heard for {silent_ms} ms")
        return self._explain()

    def show(self, now_ms: int, face: Face) -> None:
        """Make the pad show `face`; nothing is sent when it was told so already."""
        shown = self._shown
        if self._is_ordered and face.until_ms is None:
            return  # the line holds one command, and only a prompt is worth more
        self._is_ordered = False
        if shown is not None and face.prompt and replace(face, look=shown.look) == shown:
            return  # the look of an open prompt stays
        if face == shown:
            return
        self._end.brightness, self._end.volume = face.look.brightness, face.look.volume
        if face.until_ms is not None:
            self._end.open(now_ms, face.prompt, max(0, face.until_ms - now_ms))
        else:
            self._end.close(now_ms, 0 if shown is None else shown.prompt, face.face)
        self._shown = face

    def try_itself(self, now_ms: int) -> None:
        """Order a self-test; it is said until the pad is heard to obey, or a prompt comes."""
        self._is_ordered = True
        self._end.self_test(now_ms)

    def cease(self) -> None:
        """Nobody waits for the self-test any more; the face is told anew."""
        if self._is_ordered:
            self._is_ordered, self._shown = False, None

    def safe(self, position: Position) -> None:
        """Everything up to this edge is on disk: the pad may forget it."""
        self._end.committed(position.boot_id, position.seq)

    def poll(self, now_ms: int, *, is_asking: bool) -> bytes:
        """The bytes to send now; new firmware only while nobody is asked for a rating."""
        out = b""
        if self._probe_at_ms is not None and now_ms >= self._probe_at_ms:
            self._probe_at_ms = None
            out = PROBE
        piece = self._firmware.poll(now_ms, self.up and not is_asking)
        if piece is not None:
            self._end.send(piece)
        return out + self._end.poll(now_ms)

    def wake_at_ms(self) -> int | None:
        heard_ms = self._started_ms if self._heard_ms is None else self._heard_ms
        times = (
            self._end.wake_at_ms(),
            None if self.state == LOST else heard_ms + LINK_LOST_MS,
            self._probe_at_ms,
            self._seek_at_ms,
            self._firmware.wake_at_ms(),
        )
        return min((at for at in times if at is not None), default=None)

    def view(self) -> PadView:
        hello, status = self._hello, self._status
        # Not which one: it may be a citizen who holds it, and this is read at the window.
        stuck = HELD_DOWN if status is not None and self.up and status.stuck else None
        return PadView(
            state=self.state,
            is_open=self._is_open,
            trouble=self._reason or stuck or self._firmware.trouble,
            uid=None if hello is None else hello.uid.hex(),
            firmware=None if hello is None else hello.firmware.hex(),
            release=None if hello is None else hello.release,
            update=self._firmware.words,
            update_percent=None if self._firmware.words is None else self._firmware.percent,
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
        if self._hello is not None:
            counts["resets"] = self._hello.resets
        return counts

    # -- what the pad says

    def _greeted(self, now_ms: int, hello: Hello) -> list[Fact]:
        self._hello = hello
        if hello.version != VERSION:
            return self._become_foreign(hello.version)
        self._firmware.hello(now_ms, hello)
        is_told, self._greeted_boot_id = self._greeted_boot_id == hello.boot_id, hello.boot_id
        cause = RESTARTS.get(hello.reset_cause)
        if cause is None or is_told:
            return []
        return [
            Fact(
                "faulty",
                f"the pad restarted: {cause}, {hello.resets} times since it has power; "
                "if it goes on, unplug it and plug it in again, then exchange it",
            )
        ]

    def _told(self, status: Status) -> list[Fact | Tested]:
        before, self._status = self._status, status
        if status.face == SELF_TEST:
            # The order may have taken the place of a face that the pad has not heard of yet.
            self.cease()
        facts: list[Fact | Tested] = []
        # Not before its presses are here, too: they may be older than a prompt that waits for it.
        is_complete = status.seq + status.queued <= self._end.delivered_seq + 1
        if self.state != UP and is_complete:
            if self.state != WAITING:
                facts.append(Fact("back", "heard again", self._lost_ms))
            self.state, self._reason, self._found = UP, None, None
            self._lost_ms = self._seek_at_ms = None
        is_same = before is not None and before.boot_id == status.boot_id
        stuck = before.stuck if is_same and before is not None else 0
        if status.stuck & ~stuck:
            facts.append(Fact("faulty", _stuck_words(status.stuck & ~stuck) or ""))
        elif stuck and not status.stuck:
            facts.append(Fact("back", "no key is held down any more"))
        if is_same and before is not None and before.tests != status.tests:
            keys = tuple(bool(status.tested >> index & 1) for index in range(KEY_COUNT))
            facts.append(Tested(all(keys), f"{sum(keys)} of {KEY_COUNT} keys", keys))
        return facts

    # -- what keeps it away

    def _become_foreign(self, version: int) -> list[Fact]:
        if self.state == FOREIGN:
            return []
        self.state = FOREIGN
        self._lost_ms = self._heard_ms if self._lost_ms is None else self._lost_ms
        self._reason = (
            f"the pad speaks version {version} of its line, this unit {VERSION}: "
            "install the firmware that came with this daemon"
        )
        return [Fact("faulty", self._reason)]

    def _lose(self, now_ms: int, reason: str) -> list[Fact]:
        if self.state == LOST:
            return []
        self.state = LOST
        self._lost_ms = now_ms if self._heard_ms is None else self._heard_ms
        self._seek_at_ms = now_ms
        if self._port_reason is None and self._stranger.words() is None:
            self._probe_at_ms = now_ms
        self._reason = self._stranger.words() or reason
        return [Fact("lost", self._reason, self._lost_ms)]

    def _explain(self) -> list[Fact]:
        """A better word for a pad that is not heard; each is a fact once."""
        better = self._stranger.words() or self._found
        if self.state != LOST or better is None or better == self._reason:
            return []
        self._reason = better
        return [Fact("faulty", better)]


def _stuck_words(stuck: int) -> str | None:
    keys = [str(key) for key in range(1, KEY_COUNT + 1) if stuck >> (key - 1) & 1]
    return f"key {' and '.join(keys)} is held down: free it" if keys else None
