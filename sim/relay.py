"""A piece of network cable between unit and broker that can be cut. Real I/O."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

CHUNK_LEN_MAX = 65536
DIAL_S = 2.0
# Closing with this gives the peer a reset instead of an orderly end.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Relay:
    """Forwards a loopback port to the broker until `cut`.

    `cut` is a pulled cable: nothing is refused and nothing arrives, connections just fall
    silent; `mend` lets them go on where they stood, as TCP does. `reset` is another way a network
    dies: every connection is torn down at once. `swallow` is the worst one, a box on the way that
    takes everything and carries nothing, not even an end: what was said meanwhile is gone for good,
    and after `mend` the same connections go on without it.
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._carries = threading.Event()
        self._carries.set()
        self._stopped = False
        # Who reads along, if anybody: whatever is carried, in pieces, from both sides.
        self.tap: Callable[[bytes], None] = lambda _data: None
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept, name="relay", daemon=True)

    @property
    def is_cut(self) -> bool:
        """True while nothing is forwarded."""
        return not self._whole.is_set()

    @property
    def open_count(self) -> int:
        """Connections now held open through the relay."""
        with self._lock:
            return len(self._ends) // 2

    def start(self) -> None:
        """Forward from now on."""
        self._accepting.start()

    def cut(self) -> None:
        """Pull the cable."""
        self._whole.clear()

    def swallow(self) -> None:
        """Take everything from both sides and carry nothing."""
        self._carries.clear()

    def mend(self) -> None:
        """Put the cable back, and carry again."""
        self._whole.set()
        self._carries.set()

    def reset(self) -> None:
        """Tear every connection down; new ones are taken again."""
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            _tear_down(end)

    def stop(self) -> None:
        """Close everything."""
        with self._lock:
            self._stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()
        self.mend()  # wakes who waits for the cable, to find it gone

    def _accept(self) -> None:
        while not self._stopped:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            # While the cable is out the caller gets a connection on which nothing is ever said.
            self._whole.wait()
            self._join(near)

    def _join(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target, timeout=DIAL_S)
        except OSError:
            _tear_down(near)
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            stopped = self._stopped
            self._ends |= set() if stopped else {near, far}
        if stopped:
            for end in (near, far):
                _tear_down(end)
            return
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_LEN_MAX):
                self._whole.wait()
                if self._carries.is_set():
                    self.tap(data)
                    sink.sendall(data)
        self._whole.wait()
        self._carries.wait()
        with self._lock:
            # Whoever takes the pair out of the set closes it: this pump, the other one or `reset`.
            pair = self._ends & {source, sink}
            self._ends -= pair
        for end in pair:
            # The other pump sits in recv on one of them and wakes up by this.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _tear_down(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RD)
    end.close()
