"""The clock anchors near an entry, of the boot in which something happened.

A journal's entries follow each other boot by boot, so the anchors of a boot lie around any of its
entries, up to the next `clock` entry of another boot. The nearest say most: a count drifts from its
anchor. Between two `clock` entries they are the same ones, and no others are kept in memory.
"""

from collections.abc import Sequence
from itertools import dropwhile, takewhile
from typing import Any

from central.archive import Archive, Row
from protocol.central.canonical import INT_MAX
from protocol.central.entry import Entry, Source, read
from protocol.central.schema import data_problems
from protocol.central.truetime import Anchor, interval

ANCHOR_COUNT_MAX = 8  # to each side; fewer than all only widen the interval


class Boots:
    """One unit's boots, asked for in the order of its journal."""

    def __init__(self, archive: Archive, source: Source, epochs: Sequence[str]) -> None:
        """epochs: the unit's, in their order."""
        self._archive, self._source, self._epochs = archive, source, list(epochs)
        self._epoch, self._until = "", 0  # up to which number of which epoch the sides are right
        self._before: list[Anchor] = []  # the nearest first
        self._after: list[Anchor] = []

    def when(self, entry: Entry, moment: Any) -> tuple[int, int] | None:
        """The interval of UTC in ms in which a moment named by an entry truly was."""
        match moment:
            case {"bootId": str(boot), "boottimeMs": int(boottime_ms)}:
                return interval(boot, boottime_ms, self._anchors(entry, boot))
        return None

    def _anchors(self, entry: Entry, boot: str) -> list[Anchor]:
        if entry.epoch != self._epoch or entry.seq >= self._until:
            self._look_around(entry)
        own = entry.stamp.boot_id
        # A press may be of the boot before: what an entry names is never of a later one.
        before = dropwhile(lambda anchor: anchor.boot_id == own != boot, self._before)
        after = self._after if boot == own else []
        return [
            anchor
            for side in (before, after)
            for anchor in takewhile(lambda anchor: anchor.boot_id == boot, side)
        ]

    def _look_around(self, entry: Entry) -> None:
        at, find = self._epochs.index(entry.epoch), self._archive.clocks
        place, count = (self._source, entry.seq), ANCHOR_COUNT_MAX
        before = find(*place, self._epochs[at::-1], count, back=True)
        after = find(*place, self._epochs[at:], count, back=False)
        is_near = bool(after) and after[0].epoch == entry.epoch
        self._epoch, self._until = entry.epoch, after[0].seq if is_near else INT_MAX
        self._before, self._after = _anchors(before), _anchors(after)


def _anchors(clocks: list[Row]) -> list[Anchor]:
    entries = [read(row.text) for row in clocks]
    return [Anchor.of(each) for each in entries if not data_problems(each.kind, each.data)]
