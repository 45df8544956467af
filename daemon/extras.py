"""The parts that only some units have; each is loaded where the configuration names it.

A unit without lamp, voice and trace does without a megabyte of their code.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from daemon.config import Config
from daemon.core import Core
from daemon.wallclock import WallClock

if TYPE_CHECKING:
    from daemon.front.lamp import Lamp
    from daemon.front.voice import Voice
    from daemon.traces.tracing import Tracing

Died = Callable[[str], None]


def check(settings: Config) -> None:
    """Raise DaemonError for what one of them needs and does not find."""
    if settings.voice.is_wanted:
        from daemon.front import voice

        voice.check(settings.voice)
    if settings.trace.key is not None:
        from daemon.traces.tracing import addressee

        addressee(settings.trace.key)


def speaker(settings: Config, died: Died) -> "Voice | None":
    """The worker that plays the files of [voice]; None without any."""
    if not settings.voice.is_wanted:
        return None
    from daemon.front.voice import Voice

    return Voice(settings.voice, died)


def lamps(
    settings: Config, wall_clock: WallClock, voice: "Voice | None", died: Died
) -> dict[str, "Lamp"]:
    """The lamp of each window by its number; without pins it only leads the voice."""
    has_pins = settings.lamp.kind == "gpio"
    if not has_pins and voice is None:
        return {}
    from daemon.front.gpio import Gpio
    from daemon.front.lamp import Lamp

    return {
        window.number: Lamp(
            window.number,
            Gpio(settings.lamp, window) if has_pins else None,
            settings.pad.looks,
            wall_clock.utc_ms,
            died,
            speak=None if voice is None else voice.say,
        )
        for window in settings.windows
    }


def tracing(settings: Config, died: Died) -> "Tracing | None":
    """What records every step for support; None when nothing is to be. Raises DaemonError."""
    if settings.trace.file is None:
        return None
    from daemon.traces.tracing import Tracing

    return Tracing.of(settings.trace, died)


def maker(tracing: "Tracing | None") -> Callable[..., Core]:
    """What makes the core: the plain one, or the one whose steps are recorded."""
    if tracing is None:
        return Core
    from daemon.traces.traced_core import TracedCore

    return partial(TracedCore, tracing.record)
