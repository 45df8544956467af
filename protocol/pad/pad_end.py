"""The pad's end of the line (pure; CPython and MicroPython). Theory in link.py."""

from protocol.pad import VERSION, messages
from protocol.pad.framing import encode as frame
from protocol.pad.line import LINK_LOST_MS, QUEUE_LEN_MAX, RETRY_MS, STATUS_MS, End, ticks_diff


class PadEnd(End):
    """Keeps each edge until the unit has committed it."""

    def __init__(self, hello: messages.Hello) -> None:
        super().__init__(messages.FROM_UNIT)
        self.boot_id = hello.boot_id
        self.heartbeat_count = 0  # statuses that the unit answered
        # What the next Status shall say; face, prompt, keys and tests are for the pad to set.
        self.status = messages.Status(hello.boot_id, 1)
        self._uptime_ms = 0  # into the present second: a sum in ms would outgrow small integers
        self._dropped_count = 0
        self._hello = hello
        self._progress: messages.Progress | None = None
        self._queue: list[messages.Edge] = []
        self._sent_count = 0  # of the queue, those sent since the last retry
        self._next_seq = 1
        self._hello_due = True
        self.status_due = True  # with the next poll
        self._answer_due = False
        self._lost = True
        self._aged_ticks: int | None = None
        self._retry_ticks = 0
        self._status_ticks = 0
        self._heard_ticks = 0

    def edge(self, now_ticks: int, prompt_id: int, key: int, down: int, held_ms: int) -> bool:
        """Keep one edge until its ack; False if there was no room and it is only counted."""
        if len(self._queue) >= QUEUE_LEN_MAX:
            self._dropped_count += 1
            return False
        self._age(now_ticks)
        self._queue.append(
            messages.Edge(self.boot_id, self._next_seq, prompt_id, key, down, 0, held_ms)
        )
        self._next_seq += 1
        return True

    def received(self, now_ticks: int, data: bytes) -> list[messages.Message]:
        """What `data` asks for: each new Open, Close and SelfTest, every Offer and Piece."""
        commands: list[messages.Message] = []
        for message in self._messages(data):
            if isinstance(message, messages.UnitHello) and message.version != VERSION:
                self._hello_due = True  # it shall know why this pad stays out of service
                continue
            if isinstance(message, messages.UnitHello) or message.boot_id != self.boot_id:
                self._hello_due = self.status_due = True
                self._sent_count = 0
            elif isinstance(message, messages.Ack):
                self._acked(now_ticks, message.seq)
            elif isinstance(message, (messages.Offer, messages.Piece)):
                commands.append(message)
            else:
                self.status_due = True
                if self.status.command < message.seq <= messages.COMMAND_MAX:
                    self.status.command = message.seq
                    commands.append(message)
            self._heard_ticks = now_ticks
            self._lost = False
        return commands

    def answer(self, digest: bytes, offset: int, state: int) -> None:
        """Say with the next poll how far the new firmware has come."""
        self._progress = messages.Progress(self.boot_id, 1, digest, offset, state)

    def poll(self, now_ticks: int) -> bytes:
        """The bytes to send now."""
        out = b""
        if self._hello_due:
            self._hello_due = False
            self._hello.seq = self._base()
            out = frame(messages.encode(self._hello))
        if self._queue:
            out += self._edges(now_ticks)
        if self.status_due or ticks_diff(now_ticks, self._status_ticks) >= STATUS_MS:
            self.status_due = False
            self._answer_due = True
            self._status_ticks = now_ticks
            self._age(now_ticks)
            status = self.status
            status.seq, status.queued = self._base(), len(self._queue)
            status.dropped = min(self._dropped_count, messages.U16_MAX)
            status.bad_frames = self.decoder.bad_count + self.bad_message_count
            status.bad_frames = min(status.bad_frames, messages.U16_MAX)
            out += frame(messages.encode(status))
        if self._progress is not None:
            self._progress.seq = self._base()
            out += frame(messages.encode(self._progress))
            self._progress = None
        return out

    def link_lost(self, now_ticks: int) -> bool:
        """Whether the unit has not been heard for LINK_LOST_MS, or never."""
        if ticks_diff(now_ticks, self._heard_ticks) >= LINK_LOST_MS:
            self._lost = True
        return self._lost

    def _base(self) -> int:
        return self._next_seq - len(self._queue)

    def _acked(self, now_ticks: int, seq: int) -> None:
        self.heartbeat_count += self._answer_due
        self._answer_due = False
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
            out += frame(messages.encode(edge))
        self._sent_count = len(self._queue)
        return out

    def _age(self, now_ticks: int) -> None:
        """Let uptime and waiting edges grow to now; each Status does, so no wrap is missed."""
        if self._aged_ticks is None:
            self._aged_ticks = now_ticks
        elapsed_ms = ticks_diff(now_ticks, self._aged_ticks)
        self._aged_ticks = now_ticks
        for edge in self._queue:
            edge.age_ms = min(edge.age_ms + elapsed_ms, messages.U32_MAX)
        self._uptime_ms += elapsed_ms
        self.status.uptime_s += self._uptime_ms // 1000
        self._uptime_ms %= 1000
