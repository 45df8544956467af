"""New programs for a hall, staged (pure): in what order, and when a unit is worse than before.

One unit first, then a tenth of the hall, then all: what is wrong with a release shows at one
window, what is wrong with it on some machines at a few.
"""

from collections.abc import Callable, Sequence

from provisioning.doctor.check import BAD, Check
from provisioning.doctor.checks import checks
from provisioning.doctor.facts import Facts
from provisioning.reach.status import Status

TENTH = 10


def stages(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The units of each stage, all of them once: one, a tenth of them, the others."""
    tenth = 1 + -(-len(names) // TENTH)
    cut = (names[:1], names[1:tenth], names[tenth:])
    return tuple(tuple(part) for part in cut if part)


def is_good(before: Status, after: Facts, has_it: Callable[[Status], bool]) -> bool:
    """Whether a unit has what it was given, and is as well as before.

    has_it: whether the status is that of a unit with it.
    """
    return after.status is not None and has_it(after.status) and not worse(before, after)


def worse(before: Status, after: Facts) -> tuple[Check, ...]:
    """What is broken now and was not before."""
    was = {
        (check.name, check.window)
        for check in checks(Facts(unit=after.unit, now=after.now, status=before))
        if check.outcome == BAD
    }
    return tuple(
        check
        for check in checks(after)
        if check.outcome == BAD and (check.name, check.window) not in was
    )


def lack(before: Status, after: Facts, wanted: str) -> str:
    """What a unit lacks whose time is over, in a sentence; `wanted` names what it was given."""
    if after.unreachable is not None:
        return f"it is not reached any more: {after.unreachable}"
    if after.status is None:
        return f"its daemon does not answer any more: {after.silence}"
    new = worse(before, after)
    return f"{new[0].title}: {new[0].finding}" if new else f"it does not run {wanted}"
