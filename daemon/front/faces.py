"""What a window's lamp and buzzer do at each screen (pure): the pad's own table, on one lamp.

The lamp does what the middle one of the pad's five does. So it is dark at a closed window, and
each other face keeps a rhythm of its own. No screen knows a level, so no light or sound can.
"""

from typing import NamedTuple

from daemon import snapshot as view
from daemon.snapshot import Screen
from protocol.pad import messages
from protocol.pad.faces import MIDDLE, PATTERNS

# What has no face here is dark: of a unit that is starting nobody knows yet how it stands.
FACES = {
    view.IDLE: messages.IDLE,
    view.CALLED: messages.IDLE,
    view.PLEASE_RATE: messages.PLEASE_RATE,
    view.HEARD: messages.HEARD,
    view.REASONS: messages.PLEASE_RATE,
    view.THANKS: messages.THANKS,
    view.PAUSED: messages.PAUSED,
    view.OUT_OF_SERVICE: messages.FAULT,
    view.SELF_TEST: messages.SELF_TEST,
    view.COMMISSIONING: messages.IDLE,
}
Steps = tuple[tuple[int, int], ...]
# A technician counts: half a second each, and a pause in which nobody goes on counting.
COUNTED_ON_MS, COUNTED_OFF_MS, COUNTED_PAUSE_MS = 300, 500, 2000
COUNTED_HZ = 2093


class Moment(NamedTuple):
    """Light and pitch (0 = silent), and after how long one of them changes (None = never)."""

    lit: bool
    hz: int
    wait_ms: int | None


DARK = Moment(False, 0, None)


def face(screen: Screen | None) -> int | None:
    """The face of a screen; None is dark and silent."""
    return None if screen is None else FACES.get(screen.name)


def is_spoken(screen: Screen | None) -> bool:
    """Whether a voice may say this face: a hall's question why is read, not heard again."""
    return screen is not None and screen.name != view.REASONS


def begins(before: Screen | None, now: Screen) -> bool:
    """Whether `now` is played from the beginning: another face, or another prompt."""
    if before is None or face(before) != face(now) or _counts(before) != _counts(now):
        return True
    is_asking = face(now) == messages.PLEASE_RATE
    return is_asking and (now.remaining_s or 0) > (before.remaining_s or 0)


def moment(shown: int | None, elapsed_ms: int) -> Moment:
    """What a face does `elapsed_ms` after it began."""
    if shown is None:
        return DARK
    steps, notes = PATTERNS[shown]
    lights = tuple((mask & MIDDLE, ms) for mask, ms in steps)
    lit, lit_ms = _step(lights, elapsed_ms % sum(ms for _, ms in lights))
    hz, note_ms = _step(notes, elapsed_ms)
    waits = [note_ms] if note_ms else []
    if any(bool(one) != bool(lit) for one, _ in lights):
        waits.append(lit_ms)
    return Moment(bool(lit), hz, min(waits, default=None))


def _counts(screen: Screen) -> tuple[str | None, int, int]:
    return screen.number, screen.blinks, screen.beeps


def counted(blinks: int, beeps: int, elapsed_ms: int) -> Moment:
    """What lamp and buzzer do when a technician counts them: so often, a pause, and again."""
    lit, lit_ms = _of_counted(blinks, elapsed_ms)
    sounds, sound_ms = _of_counted(beeps, elapsed_ms)
    waits = [ms for ms in (lit_ms, sound_ms) if ms is not None]
    return Moment(lit, COUNTED_HZ if sounds else 0, min(waits, default=None))


def _of_counted(count: int, elapsed_ms: int) -> tuple[bool, int | None]:
    """Whether it is on, and for how long it stays as it is; None: for good."""
    if not count:
        return False, None
    pulse_ms = COUNTED_ON_MS + COUNTED_OFF_MS
    at_ms = elapsed_ms % (count * pulse_ms + COUNTED_PAUSE_MS)
    if at_ms >= count * pulse_ms:
        return False, count * pulse_ms + COUNTED_PAUSE_MS - at_ms
    is_on = at_ms % pulse_ms < COUNTED_ON_MS
    return is_on, (COUNTED_ON_MS if is_on else pulse_ms) - at_ms % pulse_ms


def _step(steps: Steps, elapsed_ms: int) -> tuple[int, int]:
    """The step that lasts at `elapsed_ms`, and for how long yet; zeros after the last."""
    for value, step_ms in steps:
        elapsed_ms -= step_ms
        if elapsed_ms < 0:
            return value, -elapsed_ms
    return 0, 0
