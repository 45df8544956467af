"""A hall gets new programs, stage by stage, and stops by itself at the first trouble (real I/O).

A unit is looked at before and after: it is done when it runs what it was given and nothing is
broken that was whole. A citizen who is asked comes first: the unit waits its turn. What is done is
told as it is done, so that whoever was interrupted goes on with the rest.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime

from provisioning.doctor.look import glance
from provisioning.errors import ProvisioningError
from provisioning.hall.change import Change
from provisioning.hall.stages import is_good, lack, stages
from provisioning.reach.place import Place
from provisioning.reach.status import Status

# Of one stage: an index of Python packages and a hall's uplink carry that many at a time.
AT_ONCE = 8
LOOK_S = 2.0
# In a row: a daemon that dies and a pad whose trial fails do so within six seconds.
GOOD_LOOKS = 4
# Longer than the longest prompt with reasons and thanks, several times over.
TURN_S = 600.0
# In a unit's history.
UPDATED = "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went with one unit; `is_done` is True when it runs what it was given, as well as ever.

    is_touched: it was given something, whatever came of it.
    """

    unit: str
    is_done: bool
    is_touched: bool
    sentence: str


class Update:
    """One change for many units; `back`: what a unit gets again that does not take the change."""

    def __init__(
        self,
        change: Change,
        back: Change | None,
        now: Callable[[], datetime],
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """pause: lets so many seconds pass between two looks at a unit."""
        self._change, self._back, self._now = change, back, now
        # No further unit is begun; nobody listens any more.
        self._stopped, self._left = threading.Event(), threading.Event()
        self._pause = pause or self._left.wait

    def run(self, places: Mapping[str, Place]) -> Iterator[Outcome]:
        """Each unit's outcome as it comes; no further unit is begun after the first trouble."""
        for names in stages(list(places)):
            yield from self._stage(names, places)
            if self._stopped.is_set():
                return

    def _stage(self, names: Sequence[str], places: Mapping[str, Place]) -> Iterator[Outcome]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            begun: list[Future[Outcome | None]] = [
                pool.submit(self._one, name, places[name]) for name in names
            ]
            try:
                for future in as_completed(begun):
                    outcome = future.result()
                    if outcome is None:
                        continue
                    if not outcome.is_done:
                        self._stopped.set()
                    yield outcome
            except BaseException:
                self._stopped.set()
                self._left.set()
                raise

    def _one(self, name: str, place: Place) -> Outcome | None:
        """Change one unit; None when another's trouble came first."""
        if self._stopped.is_set():
            return None
        before = self._turn(name, place)
        if isinstance(before, str):
            return Outcome(unit=name, is_done=False, is_touched=False, sentence=before)
        trouble = self._given(name, place, self._change, before)
        if trouble is None:
            title = self._change.title
            return Outcome(unit=name, is_done=True, is_touched=True, sentence=f"runs {title}")
        return Outcome(
            unit=name,
            is_done=False,
            is_touched=True,
            sentence=f"{trouble}{self._put_back(name, place, before)}",
        )

    def _turn(self, name: str, place: Place) -> Status | str:
        """How the unit is while nobody is asked there; else why that was not to be seen."""
        for _ in range(int(TURN_S / LOOK_S)):
            facts = glance(place, name, self._now())
            if facts.status is None:
                return facts.unreachable or facts.silence or "it does not say how it is"
            if not facts.status.asking:
                return facts.status
            if self._left.is_set():
                return "it was not its turn yet"
            self._pause(LOOK_S)
        return f"a rating was asked for at each look within {TURN_S / 60:.0f} minutes"

    def _given(self, name: str, place: Place, change: Change, before: Status) -> str | None:
        """Give it and wait until the unit is well; what it lacks when that does not come."""
        try:
            change.give(place)
        except ProvisioningError as error:
            return str(error)
        facts, good_count = glance(place, name, self._now()), 0
        for _ in range(int(change.longest_s / LOOK_S)):
            good_count = good_count + 1 if is_good(before, facts, change.is_had) else 0
            if good_count == GOOD_LOOKS:
                return None
            if self._left.is_set():
                return "it was not looked at to the end"
            self._pause(LOOK_S)
            facts = glance(place, name, self._now())
        return lack(before, facts, change.title)

    def _put_back(self, name: str, place: Place, before: Status) -> str:
        if self._back is None:
            return ""
        trouble = self._given(name, place, self._back, before)
        title = self._back.title
        if trouble is None:
            return f"; it was put back, and runs {title} as before"
        return f"; it was put back to {title}, and is not well: {trouble}"


def facts_of(change: Change) -> dict[str, str]:
    """What a unit's history says of a change that it has."""
    return {"what": change.what, "title": change.title, "digest": change.digest}


def has(history: Sequence[Mapping[str, object]], change: Change) -> bool:
    """Whether the last change of that kind in a unit's history is this one."""
    notes = [
        note["facts"] for note in history
        if note["what"] == UPDATED and _of(note["facts"], "what") == change.what
    ]  # fmt: skip
    return bool(notes) and _of(notes[-1], "digest") == change.digest


def _of(facts: object, key: str) -> object:
    return facts.get(key) if isinstance(facts, Mapping) else None
