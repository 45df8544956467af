"""What is wrong with a window, from the pad upward (pure): facts → checks, in the order of a press.

A press goes from the pad over its line to the unit, from there to the platform. Whatever is broken
first on that way is what to mend first: what comes after it may be its mere consequence, and is
then not judged.
"""

from collections.abc import Iterable

from provisioning.doctor import counter, unit, way
from provisioning.doctor.check import BAD, WARNING, Check
from provisioning.doctor.facts import Facts

# After what stands at the counter.
_UPWARD = (
    unit.disk, unit.clock, unit.configuration, unit.service, way.uplink, way.registered,
)  # fmt: skip


def checks(facts: Facts, window: str | None = None) -> tuple[Check, ...]:
    """Everything that can be said, from the pad upward; `window`: of that one alone."""
    if facts.unreachable is not None:
        return (_reach(facts, facts.unreachable),)
    windows = facts.windows if window is None else (window,)
    found: list[Check] = []
    for number in windows:
        found += counter.pad(facts, number)
    found += counter.queues(facts, windows)
    for number in windows:
        found += counter.parts(facts, number)
    for check in _UPWARD:
        found += check(facts)
    return tuple(found)


def first_broken(found: Iterable[Check]) -> Check | None:
    """What to mend first; what only needs somebody soon comes after all that is broken."""
    every = list(found)
    for outcome in (BAD, WARNING):
        for check in every:
            if check.outcome == outcome:
                return check
    return None


def _reach(facts: Facts, why: str) -> Check:
    return Check(
        name="reach",
        outcome=BAD,
        finding=why,
        advice=(
            "is its power on (the Pi's red lamp), is its network cable in (two lamps at the "
            f"socket)? Does {facts.host or 'its address'} belong to it? Then go there: "
            "sudo provision doctor --here"
        ),
    )
