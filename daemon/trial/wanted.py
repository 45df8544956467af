"""What a technician may have tested (pure): a request is read whole, or refused with a sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAD, SIGNS, DELIVERY, ACCEPTANCE, END = "pad", "signs", "delivery", "acceptance", "end"
# What each needs beside its window.
NEEDS: Mapping[str, tuple[str, ...]] = {
    PAD: (),
    SIGNS: ("number", "lamp", "buzzer"),
    DELIVERY: (),
    ACCEPTANCE: ("by", "steps"),
    END: (),
}
# Four large digits fit the smallest glass, and nobody counts more blinks than nine.
NUMBER_MAX, COUNT_MAX = 9999, 9
STEPS_MAX, STEP_LEN_MAX, DETAIL_LEN_MAX, STAFF_LEN_MAX = 20, 32, 200, 32
GOOD, BAD, ABSENT, SKIPPED = "good", "bad", "absent", "skipped"
OUTCOMES = (GOOD, BAD, ABSENT, SKIPPED)
_WORD = re.compile(r"[a-z0-9_]+", re.ASCII)


class NotTestable(Exception):
    """The request cannot be served; str() says why, and what to ask instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an acceptance, as the technician at the counter saw it end."""

    step: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One test of one window; `number` and the counts are shown by signs, the rest is accepted."""

    what: str
    window: str
    number: int = 0
    lamp: int = 0
    buzzer: int = 0
    by: str | None = None
    steps: tuple[Step, ...] = ()


def wanted(request: Mapping[str, Any]) -> Trial:
    """The test a request asks for. Raises NotTestable."""
    what: Any = request.get("what")
    window: Any = request.get("window")
    if not isinstance(what, str) or what not in NEEDS:
        raise NotTestable(f"test one of {', '.join(NEEDS)}")
    if not isinstance(window, str) or not 1 <= len(window) <= 16:
        raise NotTestable("window: name the window's number, as in the configuration")
    known = {"ask", "what", "window", *NEEDS[what]}
    strange = sorted(str(name)[:40] for name in request if name not in known)
    if strange:
        raise NotTestable(f"{strange[0]}: unknown to test {what}: leave it out")
    if what == SIGNS:
        return Trial(
            what=what,
            window=window,
            number=_whole(request, "number", NUMBER_MAX),
            lamp=_whole(request, "lamp", COUNT_MAX),
            buzzer=_whole(request, "buzzer", COUNT_MAX),
        )
    if what == ACCEPTANCE:
        by = _text(request.get("by"), "by", 1, STAFF_LEN_MAX)
        return Trial(what=what, window=window, by=by, steps=_steps(request.get("steps")))
    return Trial(what=what, window=window)


def _whole(request: Mapping[str, Any], name: str, most: int) -> int:
    value = request.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise NotTestable(f"{name}: a whole number from 0 to {most}")
    return value


def _text(value: Any, name: str, least: int, most: int) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
        raise NotTestable(f"{name}: {least} to {most} printable letters on one line")
    return value


def _steps(value: Any) -> tuple[Step, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= STEPS_MAX:
        raise NotTestable(f"steps: a list of 1 to {STEPS_MAX} steps")
    steps = tuple(_step(index, one) for index, one in enumerate(value, 1))
    names = [step.step for step in steps]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise NotTestable(f"steps: {twice[0]} is there twice: say how each step ended once")
    return steps


def _step(index: int, value: Any) -> Step:
    place = f"steps, the {index}."
    if not isinstance(value, dict) or value.keys() != {"step", "outcome", "detail"}:
        raise NotTestable(f"{place}: it has exactly step, outcome and detail")
    name = value["step"]
    if not isinstance(name, str) or len(name) > STEP_LEN_MAX or not _WORD.fullmatch(name):
        raise NotTestable(f"{place}: step is a word of at most {STEP_LEN_MAX} of a-z, 0-9 and _")
    if value["outcome"] not in OUTCOMES:
        raise NotTestable(f"{place}: outcome is one of {', '.join(OUTCOMES)}")
    return Step(
        name, value["outcome"], _text(value["detail"], f"{place} detail", 0, DETAIL_LEN_MAX)
    )
