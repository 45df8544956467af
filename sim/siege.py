"""A hall under siege: cases go on while its parts are killed and TCP is torn. Real I/O.

One thread is the clerk and the citizen, another one the saboteur (sim/saboteur.py). What each case
must end as follows from what was pressed; nobody looks into the unit but to see whether it serves
again.
"""

import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from central.archive import Archive
from central.config import load
from central.tables import open_database
from daemon.snapshot import CALLED, IDLE
from protocol.central.entry import read
from sim.clerk import Clerk, Service
from sim.demo import premises
from sim.demo.judging import Answer, Expectation, Verdict, judge
from sim.pads import Press, VirtualPad
from sim.wire import Wire

# The prompt outlasts every blow: who is asked will press.
RULES = premises.Rules(prompt_s=60.0, correction_s=0.0, not_public_hold_s=0.0)
LAMP_S = 1.5  # after this a terminal says again what seems not to have been heard
PATIENCE_S = 60.0
DELIVERY_S = 120.0


class Besieged(Protocol):
    """A window that is rated at: what stands at it, and what its unit and its centre say."""

    @property
    def clerk(self) -> Clerk: ...
    @property
    def pad(self) -> VirtualPad: ...
    @property
    def queue_wire(self) -> Wire: ...
    @property
    def centre_config(self) -> Path: ...

    def status(self) -> dict[str, Any] | None: ...
    def is_serving(self) -> bool: ...
    def wait(self, is_true: Callable[[], bool], timeout_s: float) -> bool: ...


class Stuck(Exception):
    """Something that must happen did not happen in time; the text says what."""


class Siege:
    """Case after case at the window of a running hall."""

    def __init__(self, hall: Besieged, seed: int) -> None:
        self._hall, self._random = hall, random.Random(seed)
        self._prompt_id = 0
        self.expected: list[Expectation] = []
        hall.clerk.login()

    def serve(self) -> None:
        """One ticket, one case, one press."""
        self.press(self.ask())

    def ask(self) -> Service:
        """One ticket and its case, until the lamp is on."""
        clerk = self._hall.clerk
        clerk.call()
        called = clerk.last_frame
        service = clerk.complete()
        self._await_lamp(called, clerk.last_frame)
        return service

    def deliver(self) -> Verdict:
        """What the platform keeps, once every entry has its receipt and every case its record.

        Not what the centre printed: a centre that is killed may have stored more than it said. And
        not once what the unit shows: it acknowledges a press before it draws.
        """
        self._until(self._is_delivered, "every entry has its receipt", DELIVERY_S)
        self._hall.wait(lambda: self._judged().good and self._is_delivered(), DELIVERY_S)
        return self._judged()

    def _judged(self) -> Verdict:
        config = load(self._hall.centre_config)
        with closing(open_database(config.store, read_only=True)) as database:
            entries = (read(row.text) for row in Archive(database).rows())
            return judge(self.expected, [each.data for each in entries if each.kind == "rating"])

    def _await_lamp(self, called: bytes, completed: bytes) -> None:
        """Say again what was not heard, as a clerk does who sees the screen and no lamp."""
        hall, until_s = self._hall, time.monotonic() + PATIENCE_S
        while not hall.wait(self._is_asked, LAMP_S):
            self._until(hall.is_serving, "the unit serves again")
            status = hall.status()
            if status is None or self._is_asked():
                continue
            screen = status["windows"][0]["screen"]
            if screen["name"] in (IDLE, CALLED):
                if screen["ticket"] != hall.clerk.ticket:
                    hall.queue_wire.write(called)
                hall.queue_wire.write(completed)
            if time.monotonic() > until_s:
                raise Stuck(f"no lamp for {hall.clerk.service}; the screen says {screen}")
        self._prompt_id = hall.pad.prompt_id

    def _is_asked(self) -> bool:
        return self._hall.pad.prompt_id > self._prompt_id

    def press(self, service: Service) -> None:
        """One key, until the press is acknowledged."""
        key = self._random.randint(1, 5)
        answer = Answer("rated", key, premises.LEVELS[key - 1])
        case = (service.project_no, service.service_number)
        self.expected.append(Expectation(case, frozenset({answer})))
        pad, prompt_id = self._hall.pad, self._prompt_id

        def own() -> Press | None:
            return next((press for press in pad.presses if press.prompt_id == prompt_id), None)

        # Held until it is accepted: this machine may be too busy to notice a tap of 40 ms.
        self._until(lambda: pad.untouched, "the last finger is lifted")
        pad.down(key)
        self._until(lambda: own() is not None, f"the press for {case} is accepted")
        pad.up(key)
        self._until(
            lambda: (press := own()) is not None and press.acked_s is not None,
            f"the press for {case} is acknowledged",
        )

    def _is_delivered(self) -> bool:
        status = self._hall.status()
        return (
            status is not None
            and status["uplink"]["backlog"] == 0
            and not status["journal"]["writing"]
        )

    def _until(self, is_true: Callable[[], bool], what: str, most_s: float = PATIENCE_S) -> None:
        if not self._hall.wait(is_true, most_s):
            raise Stuck(f"waited {most_s:.0f} s in vain until {what}")
