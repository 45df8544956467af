"""Whoever stands at the window: sees the lamp, and presses as people do."""

import random

from protocol.pad.messages import HEARD, KEY_COUNT, PLEASE_RATE, THANKS
from sim.world.agenda import Script
from sim.world.pad import WindowPad
from sim.world.plan import Plan

LOOK_MS = 200
PATIENCE_MS = 12_000  # for a lamp that does not come on
TAP_MS = (60, 400)
HOLD_MS = (1_300, 2_500)
THINK_MS = (300, 7_000)


class Citizen:
    """One person, from the end of their case until they leave."""

    def __init__(self, drawn: random.Random, plan: Plan, pad: WindowPad) -> None:
        self._random, self._plan, self._pad = drawn, plan, pad
        names, weights = list(plan.citizens), list(plan.citizens.values())
        (self._habit,) = drawn.choices(names, weights)

    def rate(self) -> Script:
        """The script of one rating."""
        if self._habit == "plays_before":
            yield from self._mash(3)
        waited_ms = 0
        while self._pad.face != PLEASE_RATE:
            if waited_ms > PATIENCE_MS:
                return
            waited_ms += LOOK_MS
            yield LOOK_MS
        habit = getattr(self, f"_{self._habit}", self._presses)
        yield from habit()

    # -- habits: each a key of plan.CITIZENS

    def _presses(self) -> Script:
        yield self._between(THINK_MS)
        yield from self._tap()
        if self._plan.rules.reasons is not None and self._random.random() < 0.5:
            yield self._plan.rules.correction_ms + self._random.randint(500, 6_000)
            yield from self._tap()

    def _corrects(self) -> Script:
        yield self._between(THINK_MS)
        yield from self._tap()
        yield self._random.randint(100, 3_200)
        yield from self._tap()

    def _holds(self) -> Script:
        yield self._between(THINK_MS)
        yield from self._tap(HOLD_MS)

    def _two_keys(self) -> Script:
        yield self._between(THINK_MS)
        first, second = self._random.sample(range(1, KEY_COUNT + 1), 2)
        self._pad.touch(first)
        yield self._random.randint(0, 60)
        self._pad.touch(second)
        yield self._between(TAP_MS)
        self._pad.lift(first)
        yield self._random.randint(0, 60)
        self._pad.lift(second)

    def _mashes(self) -> Script:
        yield self._random.randint(0, 1_000)
        yield from self._mash(self._random.randint(4, 12))

    def _is_late(self) -> Script:
        yield self._plan.rules.prompt_ms + self._random.randint(-600, 2_000)
        yield from self._tap()

    def _walks_away(self) -> Script:
        yield 0

    def _presses_again(self) -> Script:
        yield from self._presses()
        while self._pad.face == HEARD:
            yield LOOK_MS
        yield self._random.randint(100, 1_500)
        if self._pad.face == THANKS:
            yield from self._tap()

    # -- fingers

    def _mash(self, count: int) -> Script:
        for _ in range(count):
            yield from self._tap((40, 150))
            yield self._random.randint(30, 200)

    def _tap(self, for_ms: tuple[int, int] = TAP_MS) -> Script:
        key = self._random.randint(1, KEY_COUNT)
        self._pad.touch(key)
        yield self._between(for_ms)
        self._pad.lift(key)

    def _between(self, least_and_most: tuple[int, int]) -> int:
        return self._random.randint(*least_and_most)
