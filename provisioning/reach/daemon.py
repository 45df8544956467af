"""A unit's daemon, asked over a place: `haochaping status` and `haochaping test` (real I/O)."""

import json
from collections.abc import Sequence
from typing import Any

from provisioning.errors import ProvisioningError
from provisioning.reach.place import ANSWER_S, Place

COMMAND = "haochaping"


class NotAnswering(ProvisioningError):
    """The unit was reached, and its daemon said nothing that can be read."""


class Refused(ProvisioningError):
    """The daemon would not do it now; the sentence is its own."""


def status(place: Place, timeout_s: float = ANSWER_S) -> dict[str, Any]:
    """What the daemon shows. Raises Unreachable and NotAnswering."""
    done = place.run([COMMAND, "status"], timeout_s=timeout_s)
    if done.code:
        raise NotAnswering(
            f"{place.name}: the daemon does not answer: {done.sentence}",
            "look why: sudo provision doctor --here, on the unit",
        )
    try:
        told = json.loads(done.out)
    except ValueError as error:
        raise NotAnswering(f"{place.name}: the daemon answered no status") from error
    if not isinstance(told, dict):
        raise NotAnswering(f"{place.name}: the daemon answered no status")
    return told


def trial(
    place: Place,
    what: str,
    options: Sequence[str] = (),
    *,
    given: bytes = b"",
    timeout_s: float = ANSWER_S,
) -> list[dict[str, Any]]:
    """What a test of the daemon said, its result last. Raises Unreachable and Refused."""
    done = place.run([COMMAND, "test", what, *options], given=given, timeout_s=timeout_s)
    lines = _lines(done.out)
    if done.code not in (0, 1) or not lines:
        raise Refused(done.sentence)
    return lines


def _lines(out: bytes) -> list[dict[str, Any]]:
    found = []
    for line in out.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
