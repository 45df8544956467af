"""What an acceptance wants next (pure): to say, to ask, to look, to try; and what it got.

A step is a generator. It yields one of the requests below and is sent what came of it; between two
of them it does nothing but decide, so that the same steps run against a unit, a script or a test.

    Say, Pause        None
    Ask               the answer, a line of text
    Look              Status, or Failed
    Try, Finish       what the daemon's test told last, or Failed
    Begin             None: signs are shown while the technician is asked; Finish ends them

Failed is a sentence: the unit was not reached, or the daemon would not do it now.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from provisioning.reach.status import Status

YES = frozenset(("y", "yes", "j", "ja", "shi", "是", "对", "有"))
NO = frozenset(("n", "no", "nein", "fou", "否", "不", "没有"))
# Whoever answers something else so often is not answering this question.
ASKED_MAX = 3


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the technician something."""

    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the technician for a line."""

    question: str


@dataclass(frozen=True, slots=True)
class Look:
    """Have the unit say how it is."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let a second pass; the technician is told what is waited for."""

    waits_for: str


@dataclass(frozen=True, slots=True)
class Try:
    """Have the daemon test something, to its end; `longest_s` from the daemon's own limits."""

    what: str
    longest_s: float
    options: tuple[str, ...] = ()
    given: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Have the daemon show something for as long as it is asked about."""

    what: str
    longest_s: float
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """End what was begun, and hear what came of it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be done now: the sentence says why."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a test of the daemon told: every line, and the last one, which is its result."""

    lines: tuple[Mapping[str, Any], ...]

    @property
    def result(self) -> Mapping[str, Any]:
        return self.lines[-1]

    @property
    def detail(self) -> str:
        """The daemon's own sentence."""
        return str(self.result.get("detail", ""))


Request = Say | Ask | Look | Pause | Try | Begin | Finish
Got = Status | Told | Failed | str | None
_Result = TypeVar("_Result")
Talk = Generator[Request, Got, _Result]


def through(talk: Talk[_Result], do: Callable[[Request], Got]) -> _Result:
    """Go through the talk to its result; `do` does what it wants."""
    got: Got = None
    while True:
        try:
            request = talk.send(got)
        except StopIteration as end:
            result: _Result = end.value
            return result
        got = do(request)


def say(text: str) -> Talk[None]:
    """Tell the technician."""
    yield Say(text)


def ask(question: str) -> Talk[str]:
    """The technician's line."""
    answer = yield Ask(question)
    assert isinstance(answer, str)
    return answer.strip()


def ask_whether(question: str) -> Talk[bool | None]:
    """Yes or no; None from whoever says neither, however often he is asked."""
    for _ in range(ASKED_MAX):
        answer = yield from ask(f"{question} [y/n]")
        if answer.lower() in YES:
            return True
        if answer.lower() in NO:
            return False
        yield from say("please answer y for yes or n for no")
    return None


def ask_number(question: str) -> Talk[int | None]:
    """A whole number; None when that is not what came."""
    answer = yield from ask(question)
    return int(answer) if answer.isascii() and answer.isdecimal() else None


def look() -> Talk[Status | Failed]:
    """How the unit is, asked again for as long as the technician wants to."""
    while True:
        got = yield Look()
        assert isinstance(got, Status | Failed)
        if isinstance(got, Status) or not (yield from again(got)):
            return got


def attempt(request: Try) -> Talk[Told | Failed]:
    """What a test told, tried again for as long as it could not be done and somebody wants it."""
    while True:
        got = ended((yield request))
        if isinstance(got, Told) or not (yield from again(got)):
            return got


def ended(got: Got) -> Told | Failed:
    """How a test ended; one that made way for a citizen says nothing of what it tested."""
    assert isinstance(got, Told | Failed)
    if isinstance(got, Told) and got.result.get("interrupted"):
        return Failed(got.detail)
    return got


def again(failed: Failed) -> Talk[bool]:
    """Whether the technician wants it tried once more."""
    yield from say(failed.sentence)
    return bool((yield from ask_whether("Try again? n leaves this step out.")))
