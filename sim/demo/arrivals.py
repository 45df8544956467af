"""What the centre printed: each entry as it was stored, with the moment it was seen here."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry stored by the centre; `arrived_s` is this machine's monotonic clock."""

    epoch: str
    seq: int
    kind: str
    id: str
    problems: tuple[str, ...]
    entry: dict[str, Any]
    arrived_s: float

    @property
    def data(self) -> dict[str, Any]:
        """What the entry says."""
        data: dict[str, Any] = self.entry["data"]
        return data


class Arrivals:
    """Takes the centre's lines in one thread; any other thread reads or waits."""

    def __init__(self, stored: Callable[[Arrival], None] | None = None) -> None:
        self._stored = stored
        self._changed = threading.Condition()
        self._all: list[Arrival] = []
        self._ready = False
        self._problem_count = 0

    @property
    def ready(self) -> bool:
        """True once the centre listens."""
        return self._ready

    @property
    def problem_count(self) -> int:
        """Entries and chains the centre complained about."""
        return self._problem_count

    def all(self, kind: str | None = None) -> list[Arrival]:
        """What has arrived, in order; of one kind if named."""
        with self._changed:
            return [each for each in self._all if kind in (None, each.kind)]

    def heard(self, line: str) -> None:
        """Take one line of the centre's stdout."""
        arrived_s = time.monotonic()
        try:
            happening = json.loads(line)
        except ValueError:
            return  # not one of its lines: its own log shows it
        stored = happening.get("stored")
        arrival = None if stored is None else _arrival(stored, arrived_s)
        with self._changed:
            if arrival is not None:
                self._all.append(arrival)
            self._ready = self._ready or "ready" in happening
            self._problem_count += "problem" in happening
            self._changed.notify_all()
        if arrival is not None and self._stored is not None:
            self._stored(arrival)

    def wait(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `is_true`, looked at whenever the centre prints; whether it became true."""
        with self._changed:
            return self._changed.wait_for(is_true, timeout_s)

    def rating_of(self, project_no: str | None, service_number: int | None) -> Arrival | None:
        """The first rating record of a case's service."""
        for each in self.all("rating"):
            if (each.data["projectNo"], each.data["serviceNumber"]) == (project_no, service_number):
                return each
        return None


def _arrival(stored: dict[str, Any], arrived_s: float) -> Arrival:
    problems = (each if isinstance(each, str) else each["name"] for each in stored["problems"])
    return Arrival(
        stored["epoch"], stored["seq"], stored["kind"], stored["id"],
        tuple(problems), stored["entry"], arrived_s,
    )  # fmt: skip
