"""A morning at the window, by script: every outcome, every switch, then the count.

What each case must end as follows from what the script did with finger, terminal and switches;
the unit is asked only whether it is ready for the next thing, never how a case ended.
"""

from collections.abc import Callable
from functools import partial

from protocol.pad.messages import ASKING
from sim.clerk import Service
from sim.demo import premises
from sim.demo.hall import Hall
from sim.demo.judging import Answer, Expectation
from sim.pads import Press

# Nothing to wait out: what is measured is the machine, not the manners of a window.
RULES = premises.Rules(prompt_s=1.5, correction_s=0.0, not_public_hold_s=0.0)
STEP_S = 12.0  # the longest back-off of the unit within this morning, and its restart, fit in
DELIVERY_S = 25.0
CALM_ROUNDS = 4
KEYS = (1, 2, 3, 4, 5)


class TooLate(Exception):
    """Something that must happen did not happen in time; the text says what."""


class Morning:
    """Plays the script on a running hall and remembers what it did."""

    def __init__(self, hall: Hall) -> None:
        self._hall, self._clerk, self._pad = hall, hall.clerk, hall.pad
        self.expected: list[Expectation] = []
        # Presses made while every switch stood as it should: their latency is the machine's.
        self.calm: list[tuple[Service, Press]] = []
        self._prompt_id = 0

    def play(self) -> None:
        """The whole script; the platform may still be behind when it ends."""
        self._clerk.login()
        for _ in range(CALM_ROUNDS):
            self.each_level_once(calm=True)
        self._nobody_presses()
        self._broker_goes_and_comes()
        self._network_is_cut()
        self._pad_is_unplugged()
        self._queue_line_is_noisy()
        self._power_fails()
        self.each_level_once(calm=True)

    def deliver(self) -> None:
        """Wait until every entry has its receipt."""
        hall = self._hall

        def is_delivered() -> bool:
            status = hall.status()
            return (
                status is not None
                and status["uplink"]["backlog"] == 0
                and not status["journal"]["writing"]
                and len(hall.arrivals.all("rating")) >= len(self.expected)
            )

        self._until(is_delivered, "every entry has its receipt", DELIVERY_S)

    # -- the script

    def each_level_once(self, *, calm: bool = False) -> None:
        """Five tickets, one key each, from the left to the right."""
        for key in KEYS:
            self._clerk.call()
            service = self._complete()
            press = self._press(service, key)
            if calm:
                self.calm.append((service, press))

    def _nobody_presses(self) -> None:
        for _ in range(2):
            self._clerk.call()
            service = self._complete()
            self._expect(service, Answer("timeout"))
            self._until(partial(self._arrived, service), "a timeout is recorded")
        # One ticket with three cases, the last with two services; then the next ticket.
        self._clerk.call()
        self._expect(self._complete(), Answer("superseded"))
        self._press(self._complete(), 2)
        self._press(self._complete(same_case=True), 4)
        self._expect(self._complete(), Answer("superseded"))
        for _ in range(2):
            self._clerk.call()
            self._expect(self._complete(), Answer("cancelled"))
            self._clerk.skip()
        self._clerk.call()
        service = self._complete()
        self._clerk.ask()
        self._clerk.recall()
        self._press(service, 3)

    def _broker_goes_and_comes(self) -> None:
        self._hall.switch("broker", False)
        self.each_level_once()
        self._hall.switch("broker", True)

    def _network_is_cut(self) -> None:
        self._until(lambda: self._is_connected(), "the unit is connected again")
        self._hall.switch("network", False)
        self._clerk.call()
        self._press(self._complete(), 1)
        self._press(self._complete(), 5)
        self._hall.switch("network", True)

    def _pad_is_unplugged(self) -> None:
        # Pressed while the plug is out: the pad keeps the press and brings it afterwards.
        self._clerk.call()
        service = self._complete()
        self._hall.switch("pad", False)
        self._until(lambda: not self._has_pad(), "the unit misses its pad")
        press = self._press(service, 4, acked=False)
        self._hall.switch("pad", True)
        self._until(lambda: press.acked_s is not None, "the kept press is acknowledged")
        self._until(lambda: self._has_pad(), "the unit has its pad again")
        # Nobody could have pressed: the lamp never came on.
        self._clerk.call()
        self._hall.switch("pad", False)
        self._until(lambda: not self._has_pad(), "the unit misses its pad")
        for _ in range(2):
            self._expect(self._clerk.complete(), Answer("pad_lost"))
            self._clerk.call()
        self._hall.switch("pad", True)
        self._until(lambda: self._has_pad(), "the unit has its pad again")

    def _queue_line_is_noisy(self) -> None:
        self._hall.switch("queue", False)
        self.each_level_once()
        self._clerk.call()
        self._expect(self._complete(), Answer("superseded"))
        self._press(self._complete(), 1)
        self._hall.switch("queue", True)

    def _power_fails(self) -> None:
        # Right after the acknowledgement: what was acknowledged is on disk.
        self._clerk.call()
        self._press(self._complete(), 2)
        self._hall.switch("power", False)
        self._power_returns()
        # While the citizen is asked, who presses while the unit is dead.
        self._clerk.call()
        service = self._complete()
        self._hall.switch("power", False)
        press = self._press(service, 5, acked=False)
        self._power_returns()
        self._until(lambda: press.acked_s is not None, "the kept press is acknowledged")
        # While the citizen is asked, who gives up before the unit is back.
        self._clerk.call()
        self._expect(self._complete(), Answer("interrupted"))
        self._hall.switch("power", False)
        self._until(lambda: self._pad.face not in ASKING, "the pad gives up by its own clock")
        self._power_returns()

    def _power_returns(self) -> None:
        self._hall.switch("power", True)
        self._until(self._hall.is_serving, "the unit serves again")

    # -- its verbs

    def _complete(self, *, same_case: bool = False) -> Service:
        """Complete a case and wait for the lamp."""
        service = self._clerk.complete(same_case=same_case)
        self._until(lambda: self._pad.prompt_id > self._prompt_id, "the pad asks for a rating")
        self._prompt_id = self._pad.prompt_id
        return service

    def _press(self, service: Service, key: int, *, acked: bool = True) -> Press:
        """Press a key in the open prompt and wait until the pad has its acknowledgement."""
        prompt_id = self._prompt_id
        self._expect(service, Answer("rated", key, premises.LEVELS[key - 1]))
        self._until(lambda: self._pad.untouched, "the last finger is lifted")
        # Held until it is accepted: a busy machine may not notice a tap of 40 ms.
        self._pad.down(key)

        def pressed() -> Press | None:
            presses = [press for press in self._pad.presses if press.prompt_id == prompt_id]
            return presses[0] if presses else None

        self._until(lambda: pressed() is not None, "the pad accepts a press")
        self._pad.up(key)
        press = pressed()
        assert press is not None
        if acked:
            self._until(lambda: press.acked_s is not None, "a press is acknowledged")
        return press

    def _expect(self, service: Service, *allowed: Answer) -> None:
        case = (service.project_no, service.service_number)
        self.expected.append(Expectation(case, frozenset(allowed)))

    def _arrived(self, service: Service) -> bool:
        found = self._hall.arrivals.rating_of(service.project_no, service.service_number)
        return found is not None

    def _is_connected(self) -> bool:
        status = self._hall.status()
        return status is not None and status["uplink"]["state"] == "up"

    def _has_pad(self) -> bool:
        status = self._hall.status()
        return status is not None and status["windows"][0]["pad"]["state"] == "up"

    def _until(self, is_true: Callable[[], bool], what: str, timeout_s: float = STEP_S) -> None:
        if not self._hall.wait(is_true, timeout_s):
            raise TooLate(f"waited {timeout_s:.0f} s in vain until {what}")
