"""What spares the OLED (pure): its pixels fade with the hours they are lit.

The picture moves by a pixel or two, what stands long is dimmed, and at night a small mark walks.
A citizen's own screens are never touched: bright, and in their place.
"""

from dataclasses import dataclass

from daemon.snapshot import IDLE, OUT_OF_SERVICE, PAUSED, STARTING

# Screens on which nobody waits for anything.
STANDING = (STARTING, IDLE, PAUSED, OUT_OF_SERVICE)
# A pixel's border is burnt in after hundreds of hours: minutes spread it over five places well.
STEP_MS = 4 * 60_000
PLACES = ((0, 0), (1, 0), (2, 1), (1, 2), (0, 1), (-1, 2), (-2, 1), (-1, 0))
DIM_AFTER_MS = 10 * 60_000
# Idle this long at night, and the hall is closed.
REST_AFTER_MS = 15 * 60_000


@dataclass(frozen=True, slots=True)
class Care:
    """How a screen is shown now; `step` is the number of the move, counted since the start."""

    step: int = 0
    dx: int = 0
    dy: int = 0
    is_dim: bool = False
    is_resting: bool = False


FRESH = Care()


def care(name: str, now_ms: int, since_ms: int, is_night: bool) -> Care:
    """What a screen of that name gets at that time when it stands since then."""
    if name not in STANDING:
        return FRESH
    step, stood_ms = now_ms // STEP_MS, now_ms - since_ms
    dx, dy = PLACES[step % len(PLACES)]
    return Care(
        step=step,
        dx=dx,
        dy=dy,
        is_dim=is_night or stood_ms >= DIM_AFTER_MS,
        is_resting=is_night and name in (IDLE, PAUSED) and stood_ms >= REST_AFTER_MS,
    )
