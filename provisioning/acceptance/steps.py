"""The acceptance of one window, step by step (pure): what is tried, asked, and how it is judged.

Nobody can say yes without looking: what the window shows are numbers drawn for this run, and the
technician types what he sees. What the unit knows by itself is not asked. What a window does not
have is absent, not bad; what could not be tried is skipped, and the window then is not accepted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioning.acceptance.report import (
    ABSENT,
    BAD,
    GOOD,
    SKIPPED,
    TITLES,
    Report,
    Step,
    ended_as,
    mark,
)
from provisioning.acceptance.talk import (
    Begin,
    Failed,
    Finish,
    Look,
    Pause,
    Talk,
    Told,
    Try,
    again,
    ask,
    ask_number,
    ask_whether,
    attempt,
    ended,
    look,
    say,
)
from provisioning.doctor import check as doctor
from provisioning.doctor import checks, counter
from provisioning.doctor.facts import Facts
from provisioning.reach.status import STEPS, Heard, Status

# The daemon's own limits (daemon/trial), and the time that SSH may take.
SLACK_S = 30.0
PAD_S, SIGNS_S, RECEIPT_S = 75.0 + SLACK_S, 20.0 + SLACK_S, 60.0 + SLACK_S
# A clerk who is asked presses a key within a minute.
QUEUE_LOOKS_MAX = 60
TRIES_MAX = 2
# Four digits cannot be guessed; more than six blinks are miscounted.
NUMBER_LEAST, NUMBER_MAX = 1000, 9999
COUNT_LEAST, COUNT_MAX = 2, 6
LABELS = {
    5: "非常满意 very satisfied",
    4: "满意 satisfied",
    3: "基本满意 fairly satisfied",
    2: "不满意 dissatisfied",
    1: "非常不满意 very dissatisfied",
}
KEYS = (5, 4, 3, 2, 1)
SIGNS = ("display", "lamp", "buzzer")
QUESTIONS = {
    "display": "Which number stands on the window's display?",
    "lamp": "How often does the window's lamp blink before it pauses?",
    "buzzer": "How often does the window's buzzer beep before it pauses?",
}
LEFT_OUT = "the technician left it out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is known before: the window, its unit's configuration, the time, and who draws lots.

    draw: a whole number from the least to the most, both included.
    """

    window: str
    facts: Facts
    draw: Callable[[int, int], int]

    @property
    def keys(self) -> tuple[int, ...]:
        """The level of each key, from the left."""
        pad = (self.facts.configured or {}).get("pad", {})
        found = pad.get("keys", KEYS) if isinstance(pad, dict) else KEYS
        is_whole = isinstance(found, list | tuple) and sorted(found) == sorted(KEYS)
        return tuple(found) if is_whole else KEYS

    @property
    def now(self) -> datetime:
        return self.facts.now


def acceptance(plan: Plan) -> Talk[Report]:
    """Go through all steps; their report."""
    found: list[Step] = []
    for part in (unit(plan), pad(plan), signs(plan), queue(plan), delivery(plan)):
        for step in (yield from part):
            assert step.step in TITLES
            yield from say(f"  {mark(step)} {TITLES[step.step][1]}: {step.detail}")
            found.append(step)
    return Report(window=plan.window, steps=tuple(found))


# -- what the unit knows by itself


def unit(plan: Plan) -> Talk[list[Step]]:
    """Versions, clock, disk, broker and certificate: nobody is asked."""
    names = ("versions", "clock", "disk", "broker", "certificate")
    status = yield from look()
    if isinstance(status, Failed):
        return [ended_as(name, SKIPPED, status.sentence) for name in names]
    facts = Facts(
        unit=plan.facts.unit, now=plan.now, status=status, configured=plan.facts.configured
    )
    found = {check.name: check for check in checks.checks(facts, plan.window)}
    way = [found[name] for name in STEPS[:-1] if name in found]
    broken = next((check for check in way if check.outcome == doctor.BAD), None)
    connected = ended_as("broker", GOOD, "connected, and it takes what the unit says")
    return [
        _versions(status, plan.window),
        _judged(found["clock"]),
        _judged(found["disk"]),
        connected if broken is None else ended_as("broker", BAD, broken.finding),
        _judged(found["certificate"]),
    ]


def _versions(status: Status, number: str) -> Step:
    window = status.window(number)
    if window is None or window.pad.firmware is None:
        trouble = "" if window is None else window.pad.trouble or "nothing is heard of it"
        return ended_as("versions", BAD, f"the pad's firmware is not known: {trouble}")
    of_pad = f"release {window.pad.release}, {window.pad.firmware[: counter.DIGEST_LEN]}"
    return ended_as("versions", GOOD, f"unit {status.version or 'unknown'}; pad {of_pad}")


def _judged(check: doctor.Check) -> Step:
    """A step that is no more than a check of the doctor's."""
    outcomes = {doctor.GOOD: GOOD, doctor.ABSENT: ABSENT}
    return ended_as(check.name, outcomes.get(check.outcome, BAD), check.finding)


# -- the pad


def pad(plan: Plan) -> Talk[list[Step]]:
    """Each key against its label, the pad's lamps and its sound."""
    names = ("keys", "labels", "lamps", "sound")
    labels = [f"{place}. {LABELS[level]}" for place, level in enumerate(plan.keys, 1)]
    yield from say(
        "The pad now tries itself. All its lamps light and it sounds; then one lamp after the "
        "other asks for its key, from the left: press the key whose lamp is lit. Its label should "
        "say:"
    )
    for label in labels:
        yield from say(f"    {label}")
    if not (yield from _ready("when you stand at the pad")):
        return [ended_as(name, SKIPPED, LEFT_OUT) for name in names]
    while True:
        told = yield from attempt(Try("pad", PAD_S))
        if isinstance(told, Failed):
            return [ended_as(name, SKIPPED, told.sentence) for name in names]
        if told.result.get("ok") or not (yield from _once_more(told.detail)):
            break
    keys = ended_as("keys", GOOD if told.result.get("ok") else BAD, told.detail)
    if "keys" not in told.result:
        return [
            keys,
            *(ended_as(name, SKIPPED, "the pad did not try itself") for name in names[1:]),
        ]
    right = yield from ask_whether("Did each key that was lit have its label of the list above?")
    lamps = yield from ask_whether("Did all five lamps light, one like the other?")
    sound = yield from ask_whether("Did the pad sound?")
    return [
        keys,
        _seen("labels", right, ", ".join(f"{label}" for label in labels)),
        _seen("lamps", lamps, "all five lit"),
        _seen("sound", sound, "heard"),
    ]


def _seen(name: str, answer: bool | None, finding: str) -> Step:
    if answer is None:
        return ended_as(name, SKIPPED, "no answer")
    return ended_as(name, GOOD, finding) if answer else ended_as(name, BAD, "not so at the counter")


def _ready(when: str) -> Talk[bool]:
    answer = yield from ask(f"Press Enter {when}; s leaves this step out")
    return answer.lower() != "s"


def _once_more(why: str) -> Talk[bool]:
    yield from say(why)
    return bool((yield from ask_whether("Once more?")))


# -- display, lamp and buzzer of the window


def signs(plan: Plan) -> Talk[list[Step]]:
    """What the window shows and lets hear, typed back."""
    has = {name: counter.has_part(plan.facts, plan.window, name) for name in SIGNS}
    done = {
        name: ended_as(name, ABSENT, "none is configured")
        for name, there in has.items()
        if not there
    }
    for attempts in range(1, TRIES_MAX + 1):
        open_names = [name for name in SIGNS if name not in done]
        if not open_names:
            break
        wanted = _drawn(plan)
        answers, told = yield from _shown(wanted, open_names)
        if isinstance(told, Failed):
            yield from say(told.sentence)
            done |= {name: ended_as(name, SKIPPED, told.sentence) for name in open_names}
            break
        for name in open_names:
            step = _compared(name, wanted[name], answers[name], told)
            if step.outcome == GOOD or attempts == TRIES_MAX:
                done[name] = step
            else:
                yield from say(f"{TITLES[name][1]}: that is not what was sent. Once more, anew.")
    return [done[name] for name in SIGNS]


def _drawn(plan: Plan) -> dict[str, int]:
    return {
        "display": plan.draw(NUMBER_LEAST, NUMBER_MAX),
        "lamp": plan.draw(COUNT_LEAST, COUNT_MAX),
        "buzzer": plan.draw(COUNT_LEAST, COUNT_MAX),
    }


def _shown(
    wanted: Mapping[str, int], names: Sequence[str]
) -> Talk[tuple[dict[str, int | None], Told | Failed]]:
    """Show all of it, ask for some of it; the answers, and what the daemon told."""
    sent = ("--number", wanted["display"], "--lamp", wanted["lamp"], "--buzzer", wanted["buzzer"])
    while True:
        yield from say("For twenty seconds the window shows something: look, count, and type it.")
        if not (yield from _ready("when you see the window")):
            return {}, Failed(LEFT_OUT)
        yield Begin("signs", SIGNS_S, tuple(map(str, sent)))
        answers = {}
        for name in names:
            answers[name] = yield from ask_number(QUESTIONS[name])
        told = ended((yield Finish()))
        if isinstance(told, Told) or not (yield from again(told)):
            return answers, told


def _compared(name: str, wanted: int, answer: int | None, told: Told) -> Step:
    if name == "display" and not told.result.get("display"):
        return ended_as(name, BAD, "configured, and it took no picture: look at its wires")
    if answer == wanted:
        return ended_as(name, GOOD, f"{wanted} was sent and read")
    read = "nothing" if answer is None else str(answer)
    return ended_as(name, BAD, f"{wanted} was sent, {read} was read")


# -- the queue line


def queue(plan: Plan) -> Talk[list[Step]]:
    """Wait until something new is understood on the window's queue line."""
    before = yield from look()
    if isinstance(before, Failed):
        return [ended_as("queue", SKIPPED, before.sentence)]
    known = _heard(before, plan.window)
    while True:
        yield from say(
            f"Ask the clerk of window {plan.window} to call the next number. "
            f"The unit listens for {QUEUE_LOOKS_MAX} s."
        )
        if not (yield from _ready("when the clerk is asked")):
            return [ended_as("queue", SKIPPED, LEFT_OUT)]
        heard = yield from _listened(plan.window, known)
        if heard is not None:
            return [ended_as("queue", GOOD, f"understood: {_in_words(heard)}")]
        yield from say("nothing was understood")
        if not (yield from ask_whether("Wait again?")):
            return [ended_as("queue", BAD, "nothing was understood when the clerk called")]


def _listened(number: str, known: Heard | None) -> Talk[Heard | None]:
    """What is new on the line; None when nothing came in time."""
    for _ in range(QUEUE_LOOKS_MAX):
        status = yield Look()
        heard = _heard(status, number) if isinstance(status, Status) else None
        # A repetition of the same thing is newer, too.
        if heard is not None and (known is None or _is_newer(heard, known)):
            return heard
        yield Pause("something on the queue line")
    return None


def _is_newer(heard: Heard, known: Heard) -> bool:
    said = (heard.say, heard.ticket)
    return said != (known.say, known.ticket) or heard.age_ms < known.age_ms


def _heard(status: Status, number: str) -> Heard | None:
    line = status.queue_of(number)
    heard = None if line is None else line.heard
    return heard if heard is not None and heard.window in (None, number) else None


def _in_words(heard: Heard) -> str:
    said = {
        "called": "a number was called",
        "recalled": "a number was called again",
        "skipped": "a number was passed over",
        "completed": "a case was completed",
        "prompt": "a rating was asked for",
        "staff": "a clerk came or left",
    }.get(heard.say, heard.say)
    return f"{said} ({heard.ticket})" if heard.ticket else said


# -- the platform


def delivery(_plan: Plan) -> Talk[list[Step]]:
    """One entry that says it is a test goes to the platform, and its receipt comes back."""
    yield from say("A test entry goes to the platform; its receipt is waited for.")
    while True:
        told = yield from attempt(Try("delivery", RECEIPT_S))
        if isinstance(told, Failed):
            return [ended_as("delivery", SKIPPED, told.sentence)]
        if told.result.get("ok"):
            entry = next((line["id"] for line in told.lines if "id" in line), "")
            after = told.result.get("after_ms", 0)
            return [ended_as("delivery", GOOD, f"entry {entry}, receipt after {after} ms")]
        if not (yield from _once_more(told.detail or "no receipt came")):
            return [ended_as("delivery", BAD, told.detail or "no receipt came")]
