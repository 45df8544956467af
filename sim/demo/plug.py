"""Which pad is at the wire: the server's own, or one that runs in a page.

A page has the wire while it follows what the unit says and goes on speaking itself. When it falls
silent or is closed, a pad of the server takes its place, so that the demo goes on.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from protocol.pad import framing
from protocol.pad.errors import ProtocolError
from protocol.pad.messages import decode
from sim.pads import PRESSES_KEPT_MAX, Press, Tap, VirtualPad
from sim.wire import Wire

SERVER, PAGE = "server", "page"
SILENCE_S_MAX = 4.0  # a pad says something each second
LISTEN_S = 0.02
TAKEN, KEEPING, OVER = "taken", "keeping", "over"


class Refused(Exception):
    """Not now: another page has the wire, the pad keeps presses, or the page's time is over."""


class PagePad:
    """A pad that runs in a page, by the bytes at its plug alone."""

    lamps = buzzer_hz = 0  # the page draws them itself

    def __init__(self, wire: Wire, clock: Callable[[], float]) -> None:
        self.key = secrets.token_hex(8)
        self._wire, self._clock = wire, clock
        self._lock = threading.Lock()
        self._tap, self._boot_id = Tap(), 0
        self._kept: list[Press] = []
        self._frames = framing.Decoder()
        self._number = 0
        self._said_s = clock()

    @property
    def silent(self) -> bool:
        """True once it has not spoken for longer than a pad can."""
        return self._clock() - self._said_s > SILENCE_S_MAX

    @property
    def face(self) -> int:
        """What it said last that it shows."""
        return self._tap.told_face

    @property
    def presses(self) -> list[Press]:
        """Accepted presses, oldest first; an age counts from when the bytes came here."""
        with self._lock:
            return self._kept + list(self._tap.presses)

    @property
    def queued(self) -> int:
        """Edges the pad keeps because they are not acked."""
        return self._tap.sent_seq - self._tap.acked_seq

    def say(self, number: int, data: bytes) -> None:
        """Put the page's bytes on the wire, `number` counting from 1; a repeat is not said twice.

        Raises Refused when some are missing.
        """
        with self._lock:
            if number == self._number:
                return
            if number != self._number + 1:
                raise Refused(OVER)
            self._number, self._said_s = number, self._clock()
            self._follow_boots(data)
            self._tap.sent(self._said_s, data)
            self._wire.write(data)

    def hear(self) -> bytes:
        """What the unit said; waits for it a moment."""
        self._wire.wait(LISTEN_S)
        data = self._wire.read()
        if data:
            with self._lock:
                self._tap.received(self._clock(), data, self._boot_id)
        return data

    def _follow_boots(self, data: bytes) -> None:
        """A pad that started anew counts anew, and what was not acked is gone."""
        for byte in data:
            body = self._frames.push(byte)
            try:
                boot_id = self._boot_id if body is None else decode(body).boot_id
            except ProtocolError:
                continue
            if boot_id != self._boot_id:
                self._kept += _acked(self._tap.presses)
                self._tap, self._boot_id = Tap(), boot_id


class Plug:
    """The pad at `wire`, whoever runs it."""

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire, self._clock = wire, clock
        self._lock = threading.Lock()
        self._stopped = True
        self._earlier: deque[Press] = deque(maxlen=PRESSES_KEPT_MAX)
        self.own = VirtualPad(wire, clock)
        self._pad: VirtualPad | PagePad = self.own

    @property
    def runs_in(self) -> str:
        """SERVER or PAGE."""
        return PAGE if isinstance(self._pad, PagePad) else SERVER

    @property
    def pad(self) -> VirtualPad | PagePad:
        """The one that has the wire."""
        return self._pad

    @property
    def presses(self) -> list[Press]:
        """Of every pad there was, oldest first."""
        with self._lock:
            return list(self._earlier) + self._pad.presses

    def start(self) -> None:
        """Run the server's pad."""
        self.own.start()
        self._stopped = False

    def stop(self) -> None:
        """Nobody has the wire any more."""
        with self._lock:
            self._stopped = True
            self.own.stop()
            self._pad = self.own

    def take(self) -> PagePad:
        """Give the wire to a page; raises Refused when it cannot have it now."""
        with self._lock:
            if self._stopped or isinstance(self._pad, PagePad):
                raise Refused(TAKEN)
            if self._pad.queued:
                # They would be lost with the pad that keeps them.
                raise Refused(KEEPING)
            self.own.stop()
            self._exchange(PagePad(self._wire, self._clock))
            assert isinstance(self._pad, PagePad)
            return self._pad

    def follow(self, pad: PagePad) -> Iterator[bytes]:
        """What the unit says to `pad`, for as long as it has the wire; often nothing."""
        while self._pad is pad and not pad.silent:
            yield pad.hear()

    def say(self, key: str, number: int, data: bytes) -> None:
        """What the page's pad says; raises Refused when the page does not have the wire."""
        pad = self._pad
        if not isinstance(pad, PagePad) or pad.key != key:
            raise Refused(OVER)
        pad.say(number, data)

    def give_back(self, pad: PagePad) -> None:
        """The page is gone: a new pad of the server goes on; nothing happens the second time."""
        with self._lock:
            if self._pad is pad:
                self.own = VirtualPad(self._wire, self._clock)
                self._exchange(self.own)
                self.own.start()

    def _exchange(self, pad: VirtualPad | PagePad) -> None:
        self._earlier.extend(_acked(self._pad.presses))
        self._pad = pad


def _acked(presses: "deque[Press] | list[Press]") -> list[Press]:
    """Those that outlive their pad."""
    return [press for press in presses if press.acked_s is not None]
