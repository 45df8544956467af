"""The day's counts (pure): what the daily entry says and the page shows, never per level aloud."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from daemon.snapshot import DayView

# One time zone from Kashgar to Harbin; provincial interfaces are local time without a zone.
LOCAL = timedelta(hours=8)
OUTCOMES_UNRATED = ("timeout", "superseded", "cancelled", "pad_lost", "interrupted")


def local_date(utc_ms: int) -> str:
    """The hall's calendar day, yyyy-MM-dd."""
    return _local(utc_ms).strftime("%Y-%m-%d")


def local_minute(utc_ms: int) -> int:
    """The hall's minute of the day, 0 to 1439."""
    return _local(utc_ms).hour * 60 + _local(utc_ms).minute


def local_time(utc_ms: int) -> str:
    """The hall's time, yyyy-MM-dd HH:mm:ss."""
    return _local(utc_ms).strftime("%Y-%m-%d %H:%M:%S")


def _local(utc_ms: int) -> datetime:
    return datetime.fromtimestamp(utc_ms / 1000, UTC) + LOCAL


@dataclass(slots=True)
class Tally:
    """Counts since the last daily entry; `date` is unknown until the clock is."""

    date: str | None = None
    called: int = 0
    completed: int = 0
    prompted: int = 0
    rated: dict[str, int] = field(default_factory=lambda: dict.fromkeys("12345", 0))
    not_rated: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES_UNRATED, 0))
    unbound: int = 0
    fault_ms: int = 0
    strays: int = 0
    late: int = 0
    repeated: int = 0
    refused: int = 0

    @classmethod
    def restore(cls, value: dict[str, Any]) -> Self:
        return cls(**value)

    def as_json(self) -> dict[str, Any]:
        """As it stands; what is in it is shared, not copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    def view(self) -> DayView:
        return DayView(
            called=self.called,
            completed=self.completed,
            prompted=self.prompted,
            rated=sum(self.rated.values()),
            not_rated=sum(self.not_rated.values()),
            unbound=self.unbound,
            strays=self.strays,
            late=self.late,
            repeated=self.repeated,
            refused=self.refused,
        )

    def closed(self, outcome: str, satisfaction: int | None) -> None:
        if satisfaction is None:
            self.not_rated[outcome] += 1
        else:
            self.rated[str(satisfaction)] += 1

    def turn(self, utc_ms: int | None) -> dict[str, Any] | None:
        """The data of the daily entry when the day is over; counting starts anew with it."""
        if utc_ms is None:
            return None
        today = local_date(utc_ms)
        if self.date in (None, today):
            self.date = today
            return None
        daily = {
            "date": self.date,
            "called": self.called,
            "completed": self.completed,
            "prompted": self.prompted,
            "rated": self.rated,
            "notRated": self.not_rated,
            "unbound": self.unbound,
            "faultMinutes": self.fault_ms // 60_000,
            "strays": self.strays + self.late,
        }
        fresh = Tally(date=today)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
        return daily
