"""One day of a hall: people come, troubles strike and are healed, and all comes to rest."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sim.world.broken import Broken
from sim.world.faults import Faults
from sim.world.hall import Hall
from sim.world.plan import HOUR_MS, MINUTE_MS, SECOND_MS

# Trouble until here; then all is healed.
TROUBLE_SHARE = 0.8
REST_MS = 15 * MINUTE_MS
TICKETS_MS = 3 * HOUR_MS  # the last one may bring four cases, or be followed by a lunch
LOOK_MS = 5 * SECOND_MS


@dataclass(frozen=True, slots=True)
class Account:
    """What happened on a day on which every promise was kept."""

    window_ms: int
    entries: int
    ratings: dict[str, int]
    presses: int
    steps: int
    troubles: dict[str, int]


class Day:
    """`live` it once."""

    def __init__(self, hall: Hall) -> None:
        self._hall, self._agenda = hall, hall.agenda
        self._faults = Faults(hall, hall.drawn("faults"))

    def live(self, hours: float) -> Account:
        """So many hours, with all that the plan has in store; raises Broken."""
        hall, day_ms = self._hall, int(hours * HOUR_MS)
        for machine in hall.machines:
            machine.boot()
        for counter in hall.counters:
            self._agenda.follow(counter.work(day_ms))
        for name in hall.plan.troubles:
            self._agenda.follow(self._faults.script(name, int(day_ms * TROUBLE_SHARE)))
        self._agenda.run(day_ms)
        self._rest(lambda: hall.is_empty, "the tickets end", TICKETS_MS)
        self._rest(lambda: hall.is_delivered, "every entry is delivered")
        for counter in hall.counters:
            self._agenda.follow(counter.last_case())
        self._rest(lambda: hall.is_empty, "the last cases end")
        self._rest(lambda: hall.is_delivered, "every entry is delivered")
        self._judge()
        return self._account()

    def _rest(self, is_true: Callable[[], bool], what: str, most_ms: int = REST_MS) -> None:
        """Liveness: healed, a hall comes to rest by itself."""
        until_ms = self._agenda.now_ms + most_ms
        while not is_true():
            if self._agenda.now_ms >= until_ms:
                raise Broken(f"healed for {most_ms // MINUTE_MS} minutes, and in vain until {what}")
            self._agenda.run(self._agenda.now_ms + LOOK_MS)

    def _judge(self) -> None:
        checks = self._hall.checks
        for machine in self._hall.machines:
            checks.finish(machine.source, machine.clocks)
        for counter in self._hall.counters:
            source = self._hall.source(counter.window)
            checks.last_case(source, counter.window, counter.said[-1])
            if self._hall.plan.is_calm:
                checks.calm(counter.window, source, counter.said)

    def _account(self) -> Account:
        checks, outcomes = self._hall.checks, Counter[str]()
        for journal in checks.journals.values():
            for counted in journal.windows.values():
                outcomes.update(data["outcome"] for data in counted.ratings.values())
        return Account(
            window_ms=self._agenda.now_ms * len(self._hall.plan.windows),
            entries=sum(journal.seq for journal in checks.journals.values()),
            ratings=dict(sorted(outcomes.items())),
            presses=checks.press_count,
            steps=checks.step_count,
            troubles=dict(sorted(self._faults.struck.items())),
        )
