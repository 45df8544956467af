"""Whoever stands before a pad that tests itself: watches its lamps, presses the lit key."""

import threading
from collections.abc import Collection

from protocol.pad.messages import KEY_COUNT, SELF_TEST
from sim.pads import VirtualPad

LOOK_S = 0.02
ALL = (1 << KEY_COUNT) - 1


class Finger:
    """`dead`: keys, 1 to 5 from the left, that a finger cannot get through to.

    Runs by itself between `start` and `stop`; tests call `look` instead.
    """

    def __init__(self, pad: VirtualPad, dead: Collection[int] = ()) -> None:
        self._pad, self.dead = pad, dead
        self._has_begun = False
        self._answered = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> int | None:
        """Look at the pad once; the key that is pressed now, if one is."""
        if self._pad.face != SELF_TEST:
            self._has_begun = False
            return None
        lit = self._pad.lamps
        if not self._has_begun:
            # It shows every lamp by itself first, and all of them at the end of that.
            self._has_begun, self._answered = lit == ALL, ALL
            return None
        if lit in (0, self._answered) or not self._pad.untouched:
            # A lamp that is dark in between asks anew when it is lit again.
            self._answered = lit and self._answered
            return None
        self._answered, key = lit, lit.bit_length()
        if lit.bit_count() != 1 or key in self.dead:
            return None
        self._pad.press(key)
        return key

    def start(self) -> None:
        """Stand there and wait for it."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="finger", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go away."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self.look()
