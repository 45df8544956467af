"""The seconds in which pad and unit only tell each other that they are there, passed over at once.

At rest each second holds one heartbeat: a Status, its Ack. Nothing follows from it but that both
go on believing in each other, so a hall's night would be spent on nothing else. A window that is at
rest dozes: no heartbeat is sent; whoever looks at its pad or its unit finds them as they would be
after all that were due. tests/test_sim_world.py runs halls with and without: the same journals.
"""

from daemon.case.window import Window
from protocol.pad.line import STATUS_MS, TICKS_MAX
from protocol.pad.pad_end import PadEnd

# So far in the future that a window at rest never wakes its unit.
NEVER_MS = 1 << 60


class Doze:
    """One window at rest, from a heartbeat that was answered until somebody stirs."""

    def __init__(
        self, end: PadEnd, window: Window, *, heard_ms: int, answered_ms: int, boottime_ms: int
    ) -> None:
        """When the last heartbeat came to the unit, also by its boottime, and its answer back."""
        self._end, self._window = end, window
        self._heard_ms, self._answered_ms, self._boottime_ms = heard_ms, answered_ms, boottime_ms
        self._unit_good = window.pad._end.decoder.good_count
        self._hide()

    def present(self, now_ms: int) -> None:
        """Let the unit be looked at: it has heard the pad each second."""
        passed = max(0, (now_ms - self._heard_ms) // STATUS_MS)
        self._seen(passed)

    def absent(self) -> None:
        """The unit was looked at, and rests again."""
        self._hide()

    def end(self, now_ms: int) -> None:
        """Both are as though each heartbeat had been sent."""
        self.present(now_ms)
        passed = max(0, (now_ms - self._answered_ms) // STATUS_MS)
        end, passed_ms = self._end, passed * STATUS_MS
        end._status_ticks = (end._status_ticks + passed_ms) & TICKS_MAX
        end._heard_ticks = (end._heard_ticks + passed_ms) & TICKS_MAX
        end._aged_ticks = end._status_ticks
        end.heartbeat_count += passed
        end.decoder.good_count += passed
        end.status.uptime_s += passed

    def _seen(self, passed: int) -> None:
        link = self._window.pad
        heard_ms = self._boottime_ms + passed * STATUS_MS
        link._heard_ms = link._end._heard_at_ms = heard_ms
        link._end.decoder.good_count = self._unit_good + passed
        self._window.cases._pad_heard_ms = heard_ms

    def _hide(self) -> None:
        link = self._window.pad
        link._heard_ms = link._end._heard_at_ms = NEVER_MS
