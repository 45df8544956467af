"""The board under a pad that runs in the demo's page: MicroPython's WebAssembly build on it.

It stands where device/board.py, the watchdog and the chip's reset stand on the RP2040; all else are
the firmware's own files. What is a pin there is a call here, from chip.mjs and to it.
"""

import gc
import json
import os
import sys

from device.main import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from device.loop import Loop

TURN_MS = 2  # the firmware's sampling interval
LATE_MS_MAX = 200  # later turns are not made up for: on a board, too, one that hangs is one turn
READ_LEN_MAX = 64  # as the RP2040 reads
TICKS_MASK = (1 << 30) - 1
# As in protocol/pad/messages.py, which may not be imported here: it belongs to what is replaced.
POWER_ON, FIRMWARE_ERROR, NEW_FIRMWARE = 1, 2, 4


class _Files:
    open = staticmethod(open)
    remove = staticmethod(os.remove)
    rename = staticmethod(os.rename)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    listdir = staticmethod(os.listdir)


class _Restarting(Exception):
    """The firmware asked for a restart, with the cause it gave."""


class PageBoard:
    """One pad; `show` is called with lamps, buzzer, brightness, volume and face when one changes.

    `draw` gives a new boot id at each start.
    """

    uid = b"browser1"
    files = _Files()

    def __init__(self, show: "Callable[..., None]", draw: "Callable[[], int]") -> None:
        self.problems: list[str] = []
        self.reset_cause, self.resets = POWER_ON, 0
        self._show, self._draw = show, draw
        self._now_ms = self._levels = self._bad_row = 0
        self._heard = self._said = b""
        self._lamps = self._buzzer_hz = self._brightness = self._volume = self._face = -1
        self._is_new = True
        self._root = ""
        self._loop = self._start()

    # -- for the page

    def run(self, now_ms: int, levels: int, heard: str) -> str:
        """Take the turns due until now, one at least when something was heard; what they sent.

        Both in hexadecimal, as all bytes between here and the page.
        """
        self._levels = levels
        self._heard += bytes.fromhex(heard)
        self._now_ms = max(self._now_ms, now_ms - LATE_MS_MAX)
        while self._now_ms + TURN_MS <= now_ms:
            self._now_ms += TURN_MS
            self._turn()
        if self._heard:
            self._turn()
        said, self._said = self._said, b""
        return said.hex() if said else ""  # of nothing, MicroPython gives bytes

    def about(self) -> str:
        """Which firmware runs on what, in JSON."""
        from device.firmware import RELEASE

        version = ".".join([str(part) for part in sys.implementation.version[:3]])
        return json.dumps({
            "interpreter": "MicroPython " + version,
            "release": RELEASE,
            "digest": self._digest.hex(),
            "root": self._root,
        })  # fmt: skip

    def collect(self) -> None:
        """Collect the garbage; this build does so when the call from the page has ended."""
        gc.collect()

    def heap_len(self) -> int:
        """Bytes in use."""
        return int(gc.mem_alloc())  # type: ignore[attr-defined]

    # -- for the firmware

    def ticks_ms(self) -> int:
        return self._now_ms & TICKS_MASK

    def levels(self) -> int:
        return self._levels

    def read(self) -> bytes:
        data, self._heard = self._heard[:READ_LEN_MAX], self._heard[READ_LEN_MAX:]
        return data

    def write(self, data: bytes) -> None:
        self._said += data

    def show(self, lamps: int, buzzer_hz: int, brightness: int, volume: int) -> None:
        if lamps != self._lamps or buzzer_hz != self._buzzer_hz:
            self._lamps, self._buzzer_hz, self._is_new = lamps, buzzer_hz, True
        if brightness != self._brightness or volume != self._volume:
            self._brightness, self._volume, self._is_new = brightness, volume, True

    def feed(self) -> None:
        """No watchdog: a page that hangs is not missed by its pad, but by the unit."""

    def proven(self) -> None:
        self._bad_row = 0

    def restart(self, cause: int) -> None:
        raise _Restarting(cause)

    # -- inside

    def _turn(self) -> None:
        try:
            self._loop.turn()
            self._tell()
        except _Restarting as restarting:
            self._restart(restarting.args[0])
        except Exception:
            # A trial that fails is what the loader is for; anything else is for the page to see.
            if not self._on_trial:
                raise
            self._restart(FIRMWARE_ERROR)

    def _tell(self) -> None:
        face = self._loop.pad.face
        if self._is_new or self._face != face:
            self._is_new, self._face = False, face
            self._show(self._lamps, self._buzzer_hz, self._brightness, self._volume, face)

    def _restart(self, cause: int) -> None:
        self.reset_cause = cause
        if cause != NEW_FIRMWARE:
            self.resets, self._bad_row = self.resets + 1, self._bad_row + 1
        try:
            self._loop = self._start()
        except Exception:
            if not self._on_trial:
                raise
            self._restart(FIRMWARE_ERROR)

    def _start(self) -> "Loop":
        """As device/main.py does it: nothing of the firmware before is left in memory."""
        for name in list(sys.modules):
            if name.split(".")[0] in ("device", "protocol"):
                del sys.modules[name]
        if self._root:
            sys.path.remove(self._root)
        self._root, self._on_trial = choose(self.files, self._bad_row)
        sys.path.insert(0, self._root)
        from device.firmware import digest
        from device.loop import Loop

        self._digest = digest(self.files, self._root)
        return Loop(self, self._draw(), self._digest, self._root, self._on_trial)
