"""MQTT topics: hcp/v1/<area>/<hall>/<unit>/<up|down|alarm>/<name> (pure)."""

from typing import Literal

from protocol.central.canonical import ContractError
from protocol.central.entry import KINDS, BadEntry, Source

ROOT = "hcp/v1"
STATE = "state"  # up, retained, last will: the unit is there or not
HEALTH = "health"  # up: counters and head of the chain, each minute
RECEIPT = "receipt"  # down, retained
CONFIG = "config"  # down
ASK = "ask"  # down: send again from a sequence number, self-test
UP_NAMES = (*KINDS, STATE, HEALTH)
DOWN_NAMES = (RECEIPT, CONFIG, ASK)
# What the platform calls out about a unit, or about what all units need; no unit hears it.
ALARMS = (
    "fork",
    "rollback",
    "gap",
    "bad_signature",
    "unknown_unit",
    "wrong_place",
    "silent_unit",
    "withheld",
    "clock",
    "schema",
    "stale_list",
)
NOWHERE = "/-/-/-"  # when it is about no unit that can be named; no source begins with "-"
EVERY_AREA = "+"

Direction = Literal["up", "down"]


class BadTopic(ContractError):
    """The text is not one of the contract's topics."""


def up(source: Source, kind: str) -> str:
    """Return the topic on which a unit sends entries of a kind, its state or its health."""
    assert kind in UP_NAMES, kind
    return f"{ROOT}{source}/up/{kind}"


def down(source: Source, what: str) -> str:
    """Return the topic on which the centre tells a unit something."""
    assert what in DOWN_NAMES, what
    return f"{ROOT}{source}/down/{what}"


def alarm(source: Source | None, name: str) -> str:
    """Return the topic on which the platform opens and closes a unit's alarm."""
    assert name in ALARMS, name
    return f"{ROOT}{source or NOWHERE}/alarm/{name}"


def every_up(area: str) -> str:
    """Return the filter the centre subscribes to, for one area or for EVERY_AREA."""
    return f"{ROOT}/{area}/+/+/up/+"


def every_down(source: Source) -> str:
    """Return the filter a unit subscribes to."""
    return f"{ROOT}{source}/down/+"


def parse(topic: str) -> tuple[Source, Direction, str]:
    """Take a topic apart: whose, which direction, and the kind or what."""
    parts = topic.split("/")
    if len(parts) != 7 or "/".join(parts[:2]) != ROOT:
        raise BadTopic(f"topic {topic[:100]!r} is not {ROOT}/<area>/<hall>/<unit>/<up|down>/<name>")
    try:
        source = Source.parse("/" + "/".join(parts[2:5]))
    except BadEntry as error:
        raise BadTopic(str(error)) from error
    if parts[5] == "up" and parts[6] in UP_NAMES:
        return source, "up", parts[6]
    if parts[5] == "down" and parts[6] in DOWN_NAMES:
        return source, "down", parts[6]
    raise BadTopic(f"{parts[5][:20]}/{parts[6][:20]} is not in the contract")
