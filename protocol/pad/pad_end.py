"""The pad's end of the line (pure; CPython and MicroPython). Theory in link.py."""

from protocol.pad import VERSION
from protocol.pad.framing import encode as frame
from protocol.pad.line import LINK_LOST_MS, QUEUE_LEN_MAX, RETRY_MS, STATUS_MS, End, ticks_diff
from protocol.pad.messages import (
    FROM_UNIT,
    U16_MAX,
    U32_MAX,
    Ack,
    Edge,
    Hello,
    Message,
    Status,
    UnitHello,
    encode,
)


class PadEnd(End):
    """Keeps each edge until the unit has committed it."""

    def __init__(self, boot_id: int, uid: bytes, firmware: bytes, reset_cause: int) -> None:
        super().__init__(FROM_UNIT)
        self.boot_id = boot_id
        self.dropped_count = 0
        self.uptime_s = 0
        self._uptime_ms = 0  # into the present second: a sum in ms would outgrow small integers
        self._hello = Hello(boot_id, 1, VERSION, uid, firmware, reset_cause)
        self._queue: list[Edge] = []
        self._sent_count = 0  # of the queue, those sent since the last retry
        self._next_seq = 1
        self._command = 0
        self._hello_due = True
        self._status_due = True
        self._lost = True
        self._aged_ticks: int | None = None
        self._retry_ticks = 0
        self._status_ticks = 0
        self._heard_ticks = 0

    def edge(self, now_ticks: int, prompt_id: int, key: int, down: int) -> bool:
        """Keep one edge until its ack; False if there was no room and it is only counted."""
        if len(self._queue) >= QUEUE_LEN_MAX:
            self.dropped_count += 1
            return False
        self._age(now_ticks)
        self._queue.append(Edge(self.boot_id, self._next_seq, prompt_id, key, down, 0))
        self._next_seq += 1
        return True

    def received(self, now_ticks: int, data: bytes) -> list[Message]:
        """The commands in `data` that are new: Open, Close, SelfTest."""
        commands = []
        for message in self._messages(data):
            if isinstance(message, UnitHello) and message.version != VERSION:
                self._hello_due = True  # it shall know why this pad stays out of service
                continue
            if isinstance(message, UnitHello) or message.boot_id != self.boot_id:
                self._hello_due = self._status_due = True
            elif isinstance(message, Ack):
                self._acked(now_ticks, message.seq)
            else:
                self._status_due = True
                if message.seq > self._command:
                    self._command = message.seq
                    commands.append(message)
            self._heard_ticks = now_ticks
            self._lost = False
        return commands

    def poll(self, now_ticks: int, prompt_id: int, face: int, stuck: int, chords: int) -> bytes:
        """The bytes to send now; the arguments are what the next Status shall say."""
        out = b""
        if self._hello_due:
            self._hello_due = False
            self._hello.seq = self._base()
            out = frame(encode(self._hello))
        if self._queue:
            out += self._edges(now_ticks)
        if self._status_due or ticks_diff(now_ticks, self._status_ticks) >= STATUS_MS:
            self._status_due = False
            self._status_ticks = now_ticks
            self._age(now_ticks)
            out += frame(encode(self._status(prompt_id, face, stuck, chords)))
        return out

    def link_lost(self, now_ticks: int) -> bool:
        """Whether the unit has not been heard for LINK_LOST_MS, or never."""
        if ticks_diff(now_ticks, self._heard_ticks) >= LINK_LOST_MS:
            self._lost = True
        return self._lost

    def _base(self) -> int:
        return self._next_seq - len(self._queue)

    def _acked(self, now_ticks: int, seq: int) -> None:
        if seq >= self._next_seq:
            return
        while self._queue and self._queue[0].seq <= seq:
            self._queue.pop(0)
            self._sent_count = max(0, self._sent_count - 1)
            self._retry_ticks = now_ticks

    def _edges(self, now_ticks: int) -> bytes:
        """Frames of the edges due: the new ones at once, all of them every RETRY_MS."""
        if self._sent_count == 0 or ticks_diff(now_ticks, self._retry_ticks) >= RETRY_MS:
            self._retry_ticks = now_ticks
            self._sent_count = 0
        elif self._sent_count == len(self._queue):
            return b""
        self._age(now_ticks)
        out = b""
        for edge in self._queue[self._sent_count :]:
            out += frame(encode(edge))
        self._sent_count = len(self._queue)
        return out

    def _age(self, now_ticks: int) -> None:
        """Let uptime and waiting edges grow to now; each Status does, so no wrap is missed."""
        if self._aged_ticks is None:
            self._aged_ticks = now_ticks
        elapsed_ms = ticks_diff(now_ticks, self._aged_ticks)
        self._aged_ticks = now_ticks
        for edge in self._queue:
            edge.age_ms = min(edge.age_ms + elapsed_ms, U32_MAX)
        self._uptime_ms += elapsed_ms
        self.uptime_s += self._uptime_ms // 1000
        self._uptime_ms %= 1000

    def _status(self, prompt_id: int, face: int, stuck: int, chords: int) -> Status:
        return Status(
            boot_id=self.boot_id,
            seq=self._base(),
            command=self._command,
            prompt_id=prompt_id,
            face=face,
            queued=len(self._queue),
            stuck=stuck,
            uptime_s=self.uptime_s,
            dropped=min(self.dropped_count, U16_MAX),
            chords=min(chords, U16_MAX),
            bad_frames=min(self.decoder.bad_count + self.bad_message_count, U16_MAX),
        )
