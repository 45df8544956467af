"""How bright and how loud the pad is, by day and by night (pure)."""

from dataclasses import dataclass

from daemon.case.tally import local_minute

NIGHT_BRIGHTNESS = 10  # per cent: seen by the cleaner, and by nobody outside


@dataclass(frozen=True, slots=True)
class Look:
    """Brightness and volume in per cent."""

    brightness: int = 100
    volume: int = 100


FULL = Look()


@dataclass(frozen=True, slots=True)
class Looks:
    """The look by day, and from which minute of the day to which it is night."""

    day: Look = FULL
    night: tuple[int, int] | None = None

    def at(self, utc_ms: int | None) -> Look:
        """The look at that time; who does not know the time has day."""
        if self.is_night(utc_ms):
            return Look(min(NIGHT_BRIGHTNESS, self.day.brightness), 0)
        return self.day

    def is_night(self, utc_ms: int | None) -> bool:
        """Whether it is night at that time; for who does not know the time it never is."""
        if self.night is None or utc_ms is None:
            return False
        start, end = self.night
        minute = local_minute(utc_ms)
        return start <= minute < end if start < end else not end <= minute < start


FULL_DAY = Looks()
