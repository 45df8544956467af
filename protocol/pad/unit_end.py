"""The unit's end of the line (pure; both interpreters, but only tests run it on a board).

Theory in link.py.
"""

from protocol.pad import VERSION, messages
from protocol.pad.framing import encode as frame
from protocol.pad.line import LINK_LOST_MS, RETRY_MS, End

BOOTS_MAX = 4  # pad boots whose position is kept in memory
COMMAND_JUMP = 256  # more commands than a dead unit process can have left on the line


class _Position:
    """How far the edges of one pad boot have come, and the last command number used on it."""

    def __init__(self, boot_id: int, seq: int) -> None:
        self.boot_id = boot_id
        self.delivered_seq = seq
        self.committed_seq = seq
        self.command: int | None = None  # not known before the first Status


class UnitEnd(End):
    """Hands out each edge once; built anew from its last committed edge (0, 0 = none)."""

    def __init__(self, boot_id: int, seq: int) -> None:
        super().__init__(0)
        self.repeated_count = 0  # edges delivered before
        self.gap_count = 0  # edges beyond the next one, or skipped because another unit has them
        self.foreign_count = 0  # edges of a boot whose position is not known
        self.version = VERSION  # the pad's
        self.brightness = self.volume = messages.FULL  # of what is wanted from now on
        self._at = _Position(boot_id, seq)
        self._positions = [self._at]
        self._greeted_boot_id = 0
        self._hello_due = True
        self._ack_due = False
        self._wanted: messages.Open | messages.Close | messages.SelfTest | None = None
        self._wanted_until_ms = 0
        self._firmware: messages.Offer | messages.Piece | None = None
        self._send_at_ms = 0
        self._heard_at_ms: int | None = None
        self._lost = False

    @property
    def boot_id(self) -> int:
        """The pad boot the line is at; 0 = none known."""
        return self._at.boot_id

    @property
    def delivered_seq(self) -> int:
        """The last edge handed to the caller."""
        return self._at.delivered_seq

    @property
    def committed_seq(self) -> int:
        """The last edge the caller said is durable."""
        return self._at.committed_seq

    def received(self, now_ms: int, data: bytes) -> list[messages.Message]:
        """What the pad said in `data`: every Hello and Status, and each edge once, in order."""
        heard: list[messages.Message] = []
        for message in self._messages(data):
            self._heard_at_ms = now_ms
            self._lost = False
            if isinstance(message, messages.Hello):
                self._greeted_boot_id = message.boot_id
                self.version = message.version
            elif message.boot_id != self._greeted_boot_id:
                self._hello_due = True
            if isinstance(message, messages.Edge):
                if not self._is_next(message):
                    continue
            elif self.version == VERSION:
                self._adopt(message)
            heard.append(message)
        return heard

    def committed(self, boot_id: int, seq: int) -> None:
        """All edges of that boot up to `seq` are durable: the pad may forget them."""
        for position in self._positions:
            if position.boot_id == boot_id:
                position.committed_seq = max(position.committed_seq, seq)
                position.delivered_seq = max(position.delivered_seq, seq)
                self._ack_due = True

    def open(self, now_ms: int, prompt_id: int, timeout_ms: int) -> None:
        """Want a rating asked for, for `timeout_ms` from now."""
        self._want(now_ms, messages.Open(0, 0, prompt_id, timeout_ms, self.brightness, self.volume))
        self._wanted_until_ms = now_ms + timeout_ms

    def close(self, now_ms: int, prompt_id: int, face: int) -> None:
        """Want no rating asked for, and `face` shown."""
        self._want(now_ms, messages.Close(0, 0, prompt_id, face, self.brightness, self.volume))

    def self_test(self, now_ms: int) -> None:
        """Want every lamp, sound and key tried."""
        self._want(now_ms, messages.SelfTest(0, 0))

    def greet(self) -> None:
        """Ask with the next poll who is there."""
        self._hello_due = True

    def send(self, message: messages.Offer | messages.Piece) -> None:
        """Send this with the next poll, once; its answer is a Progress."""
        message.boot_id = self.boot_id
        self._firmware = message

    def poll(self, now_ms: int) -> bytes:
        """The bytes to send now."""
        self._lost = self.lost(now_ms)
        if self._heard_at_ms is None:
            self._heard_at_ms = now_ms  # silence counts from the first look
        out = b""
        if self._hello_due:
            self._hello_due = False
            out = frame(messages.encode(messages.UnitHello(self.boot_id, 0, VERSION)))
        if self._ack_due:
            self._ack_due = False
            out += frame(messages.encode(messages.Ack(self.boot_id, self.committed_seq)))
        if self._can_command() and now_ms >= self._send_at_ms:
            out += self._command(now_ms)
        if self._firmware is not None:
            out += frame(messages.encode(self._firmware))
            self._firmware = None
        return out

    def wake_at_ms(self) -> int | None:
        """When `poll` has something to do without further input; the past means now."""
        if self._heard_at_ms is None or self._hello_due or self._ack_due or self._firmware:
            return 0
        if self._lost:
            return None
        lost_at_ms = self._heard_at_ms + LINK_LOST_MS
        return min(lost_at_ms, self._send_at_ms) if self._can_command() else lost_at_ms

    def lost(self, now_ms: int) -> bool:
        """Whether the pad has not been heard for LINK_LOST_MS."""
        return self._heard_at_ms is not None and now_ms - self._heard_at_ms >= LINK_LOST_MS

    def _is_next(self, edge: messages.Edge) -> bool:
        """Whether `edge` is the one to deliver now; it is then counted as delivered."""
        if self.version != VERSION or edge.boot_id != self.boot_id:
            self.foreign_count += 1
            return False
        if edge.seq != self.delivered_seq + 1:
            if edge.seq > self.delivered_seq:
                self.gap_count += 1
            else:
                self.repeated_count += 1
                self._ack_due = self._ack_due or edge.seq <= self.committed_seq
            return False
        self._at.delivered_seq = edge.seq
        return True

    def _adopt(self, message: messages.Message) -> None:
        """Go to the boot of a Hello or Status, learn from its base, and answer the heartbeat."""
        known = [at for at in self._positions if at.boot_id == message.boot_id]
        if known:
            self._at = known[0]
        else:
            self._at = _Position(message.boot_id, message.seq - 1)
            self._positions = self._positions[1 - BOOTS_MAX :] + [self._at]
        skipped_count = message.seq - 1 - self.delivered_seq
        if skipped_count > 0:  # acked by another unit, or by this one before its card was changed
            self.gap_count += skipped_count
            self._at.delivered_seq = self._at.committed_seq = message.seq - 1
        self._ack_due = True
        if isinstance(message, messages.Status):
            self._echoed(message.command)

    def _echoed(self, command: int) -> None:
        """The pad says which command it applied last."""
        if self._at.command is None or command > self._at.command:
            self._at.command = command + COMMAND_JUMP
            if self._wanted is not None:
                self._wanted.seq = 0
        elif self._wanted is not None and self._is_numbered() and command == self._wanted.seq:
            self._wanted = None

    def _want(
        self, now_ms: int, wanted: messages.Open | messages.Close | messages.SelfTest
    ) -> None:
        self._wanted = wanted
        self._send_at_ms = now_ms

    def _is_numbered(self) -> bool:
        """Whether the wanted command has its number on the present boot."""
        wanted = self._wanted
        return wanted is not None and wanted.seq > 0 and wanted.boot_id == self.boot_id

    def _can_command(self) -> bool:
        ready = self._at.command is not None and self.version == VERSION
        return ready and self._wanted is not None and not self._lost

    def _command(self, now_ms: int) -> bytes:
        """The frame of the wanted command, with the time that is left; empty if none is left."""
        wanted = self._wanted
        assert wanted is not None
        assert self._at.command is not None
        if isinstance(wanted, messages.Open):
            wanted.timeout_ms = self._wanted_until_ms - now_ms
            if wanted.timeout_ms <= 0:
                self._wanted = None
                return b""
        if not self._is_numbered():
            self._at.command += 1
            wanted.seq, wanted.boot_id = self._at.command, self.boot_id
        self._send_at_ms = now_ms + RETRY_MS
        return frame(messages.encode(wanted))
