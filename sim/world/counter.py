"""One counter of the hall: the clerk with the terminal, one ticket after the other."""

import random
from collections.abc import Callable
from datetime import date

from protocol.pad.messages import IDLE, PAUSED, PLEASE_RATE
from sim.clerk import Clerk
from sim.world.agenda import Agenda, Script
from sim.world.citizen import Citizen
from sim.world.pad import WindowPad
from sim.world.plan import MINUTE_MS, SECOND_MS, Plan

DAY = date(2026, 11, 18)
SERVICE_MS = (20 * SECOND_MS, 12 * MINUTE_MS)
LOOK_MS = 1_000
LAMP_MS = 4_000  # after this a clerk says again what seems not to have been heard
TICKETS_PER_WINDOW = 1_000


class Counter:
    """`write` is the terminal's end of the queue line."""

    def __init__(
        self,
        agenda: Agenda,
        drawn: random.Random,
        plan: Plan,
        window: str,
        pad: WindowPad,
        write: Callable[[bytes], None],
    ) -> None:
        self._agenda, self._random, self._plan, self._pad = agenda, drawn, plan, pad
        self.window = window
        self.terminal = Clerk(
            write,
            window=window,
            day=DAY,
            copies=plan.copies,
            first=int(window) * TICKETS_PER_WINDOW,
        )
        self.said: list[tuple[str, int]] = []  # cases completed, as the terminal said them
        self.is_closed = False
        self._standing = 0  # people before the pad; the last one may still be there

    def work(self, until_ms: int) -> Script:
        """The script of a day that ends then."""
        names, weights = list(self._plan.clerks), list(self._plan.clerks.values())
        self.terminal.login()
        while self._agenda.now_ms < until_ms:
            yield int(self._random.expovariate(1 / self._plan.between_tickets_ms))
            (habit,) = self._random.choices(names, weights)
            yield from getattr(self, f"_{habit}")()
        while self._standing:
            yield LOOK_MS
        self.is_closed = True

    def last_case(self) -> Script:
        """One more case, as calm as can be: the house is in order when it is rated."""
        self.is_closed = False
        self.terminal.resume()
        self.terminal.call()
        yield 5 * SECOND_MS
        self._complete()
        yield 3 * SECOND_MS
        if self._pad.face == PLEASE_RATE:
            self._pad.touch(2)
            yield 150
            self._pad.lift(2)
        yield self._plan.rules.prompt_ms + 20 * SECOND_MS
        self.is_closed = True

    # -- habits: each a key of plan.CLERKS

    def _serves(self) -> Script:
        self.terminal.call()
        yield self._random.randint(*SERVICE_MS)
        self._complete()
        yield from self._rating()

    def _recalls(self) -> Script:
        self.terminal.call()
        for _ in range(self._random.randint(1, 3)):
            yield self._random.randint(SECOND_MS, 20 * SECOND_MS)
            self.terminal.recall()
        yield self._random.randint(*SERVICE_MS)
        self._complete()
        yield from self._rating()

    def _skips(self) -> Script:
        self.terminal.call()
        yield self._random.randint(SECOND_MS, MINUTE_MS)
        if self._random.random() < 0.3:
            # With the question open.
            self._complete()
            yield self._random.randint(100, 5_000)
        self.terminal.skip()

    def _transfers(self) -> Script:
        self.terminal.call()
        yield self._random.randint(*SERVICE_MS)
        self.terminal.transfer()

    def _asks_twice(self) -> Script:
        self.terminal.call()
        yield self._random.randint(*SERVICE_MS)
        self._complete()
        self._agenda.follow(self._citizen())
        yield self._random.randint(500, self._plan.rules.prompt_ms)
        self.terminal.ask()
        yield from self._end_of_rating()

    def _saves_late(self) -> Script:
        """The citizen is asked before the case has a number."""
        self.terminal.call()
        yield self._random.randint(*SERVICE_MS)
        self.terminal.ask()
        self._agenda.follow(self._citizen())
        yield self._random.randint(2_000, MINUTE_MS)
        self.terminal.bind()
        yield from self._end_of_rating()

    def _asks_without_case(self) -> Script:
        self.terminal.call()
        yield self._random.randint(*SERVICE_MS)
        self.terminal.ask()
        yield from self._rating()

    def _has_several(self) -> Script:
        self.terminal.call()
        for index in range(self._random.randint(2, 4)):
            yield self._random.randint(*SERVICE_MS)
            self._complete(same_case=bool(index) and self._random.random() < 0.5)
            yield from self._rating()

    def _hurries(self) -> Script:
        """The next one is called while the last one is still being asked."""
        self.terminal.call()
        yield self._random.randint(*SERVICE_MS)
        self._complete()
        self._agenda.follow(self._citizen())
        yield self._random.randint(0, self._plan.rules.prompt_ms)
        yield from self._serves()

    def _pauses(self) -> Script:
        self.terminal.suspend()
        yield self._random.randint(MINUTE_MS, 10 * MINUTE_MS)
        self.terminal.resume()

    def _has_lunch(self) -> Script:
        self.terminal.suspend()
        self.terminal.logout()
        yield self._random.randint(20 * MINUTE_MS, 60 * MINUTE_MS)
        self.terminal.login()
        self.terminal.resume()

    # -- a rating

    def _citizen(self) -> Script:
        self._standing += 1
        yield from Citizen(self._random, self._plan, self._pad).rate()
        self._standing -= 1

    def _complete(self, *, same_case: bool = False) -> None:
        service = self.terminal.complete(same_case=same_case)
        assert service.project_no is not None
        assert service.service_number is not None
        self.said.append((service.project_no, service.service_number))

    def _rating(self) -> Script:
        self._agenda.follow(self._citizen())
        yield from self._end_of_rating()

    def _end_of_rating(self) -> Script:
        """Wait for the lamp to go off again."""
        yield LAMP_MS
        waited_ms = LAMP_MS
        while self._pad.face not in (IDLE, PAUSED) and waited_ms < self._plan.rules.prompt_ms:
            waited_ms += LOOK_MS
            yield LOOK_MS
