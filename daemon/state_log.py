"""What the log says of the unit: one line for each change of state, and noise once a minute.

No key and no level stands in any line, and no line comes earlier or later for one.
"""

import logging
from collections.abc import Iterator, Mapping

from daemon.snapshot import LineView, Snapshot, UplinkView

log = logging.getLogger(__name__)

# Noise is counted where it happens and said this seldom: a bad cable makes it all day.
NOISE_MS = 60_000
# Counters that rise on a line in good health.
HEALTHY = ("good", "repeated", "other_window")
SET_CLOCK = "let the unit reach its time server"


class StateLog:
    """Give it each new snapshot."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None
        self._noise: dict[str, Mapping[str, int]] = {}
        self._noise_at_ms: int | None = None

    def show(self, now_ms: int, shown: Snapshot) -> None:
        before, self._before = self._before, shown
        self._links(before, shown)
        self._journal(before, shown)
        self._clock(before, shown)
        if before is not None and shown.closed_count > before.closed_count:
            log.info("case closed today=%d", shown.closed_count)
        if self._noise_at_ms is None or now_ms >= self._noise_at_ms:
            self._noise_at_ms = now_ms + NOISE_MS
            self._count_noise(shown)

    def _links(self, before: Snapshot | None, shown: Snapshot) -> None:
        old = {} if before is None else dict(links(before))
        for name, view in links(shown):
            last = old.get(name)
            if last is None or (view.state, view.trouble) != (last.state, last.trouble):
                _say(name, view.state, view.trouble)
        for index, window in enumerate(shown.windows):
            update = window.pad.update
            if update is not None and (
                before is None or update != before.windows[index].pad.update
            ):
                log.info("pad window=%s update=%r", window.number, update)

    def _journal(self, before: Snapshot | None, shown: Snapshot) -> None:
        trouble = shown.journal.trouble
        if before is None or trouble != before.journal.trouble:
            _say("journal", "failing" if trouble else "sound", trouble)

    def _clock(self, before: Snapshot | None, shown: Snapshot) -> None:
        if before is None or shown.clock.synced != before.clock.synced:
            if shown.clock.synced:
                _say("clock", "set", None)
            elif before is not None:
                # At the start nobody knows yet; the first reading follows at once.
                _say("clock", "unset", SET_CLOCK)

    def _count_noise(self, shown: Snapshot) -> None:
        for name, view in links(shown):
            if isinstance(view, UplinkView):
                continue
            before, self._noise[name] = self._noise.get(name), dict(view.counters)
            moved = {} if before is None else {
                counter: count - before.get(counter, 0)
                for counter, count in view.counters.items()
                if counter not in HEALTHY and count > before.get(counter, 0)
            }  # fmt: skip
            if moved:
                text = " ".join(f"{counter}={count}" for counter, count in moved.items())
                log.info("%s noise %s", name, text)


def links(shown: Snapshot) -> Iterator[tuple[str, LineView | UplinkView]]:
    """Every link by the name under which the log speaks of it."""
    for window in shown.windows:
        yield f"pad window={window.number}", window.pad
    for line in shown.signals:
        yield f"signal port={line.port}", line
    yield "uplink", shown.uplink


def _say(name: str, state: str, trouble: str | None) -> None:
    because = "" if trouble is None else f" trouble={trouble!r}"
    log.log(logging.WARNING if trouble else logging.INFO, "%s state=%s%s", name, state, because)
