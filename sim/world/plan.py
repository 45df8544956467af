"""The plan of a hall (pure): all that is drawn from a seed, before anything happens.

Swarm testing (Groce et al., ISSTA 2012): each seed switches whole kinds of trouble and of habits
off, so that the rest of them meet more often than they would if everything always happened.
"""

import random
from dataclasses import dataclass
from typing import NamedTuple

from daemon.case.reasons import Reason, Reasons
from daemon.case.rules import Rules

SECOND_MS, MINUTE_MS, HOUR_MS = 1000, 60_000, 3_600_000
BEGUN_UTC_MS = 1_795_000_000_000  # when every hall begins: 2026-11-18T10:26:40Z


class Kind(NamedTuple):
    """A kind of trouble: how often it comes to a hall that has it, and how long it stays."""

    every_ms: int
    least_ms: int
    most_ms: int


# What may befall a hall. The names are those of the methods in faults.py.
TROUBLES: dict[str, Kind] = {
    # lines
    "pad_line_loses": Kind(10 * MINUTE_MS, 5 * SECOND_MS, MINUTE_MS),
    "pad_line_flips": Kind(10 * MINUTE_MS, 5 * SECOND_MS, MINUTE_MS),
    "pad_line_repeats": Kind(10 * MINUTE_MS, 5 * SECOND_MS, MINUTE_MS),
    "pad_line_splits": Kind(10 * MINUTE_MS, 5 * SECOND_MS, MINUTE_MS),
    "queue_line_noisy": Kind(15 * MINUTE_MS, 5 * SECOND_MS, 5 * MINUTE_MS),
    "pad_unplugged": Kind(12 * MINUTE_MS, 100, 90 * SECOND_MS),
    "queue_unplugged": Kind(20 * MINUTE_MS, 100, 90 * SECOND_MS),
    "pad_restarted": Kind(12 * MINUTE_MS, 0, 0),
    # the machine
    "daemon_killed": Kind(10 * MINUTE_MS, 100, 20 * SECOND_MS),
    "killed_between_effects": Kind(10 * MINUTE_MS, 100, 10 * SECOND_MS),
    "daemon_stopped": Kind(20 * MINUTE_MS, 100, 5 * SECOND_MS),
    "power_cut": Kind(20 * MINUTE_MS, 500, 3 * MINUTE_MS),
    "disk_stalls": Kind(10 * MINUTE_MS, 500, 20 * SECOND_MS),
    "disk_full": Kind(20 * MINUTE_MS, 2 * SECOND_MS, 2 * MINUTE_MS),
    # the clock
    "clock_stepped": Kind(30 * MINUTE_MS, 0, 0),
    "time_server_away": Kind(30 * MINUTE_MS, MINUTE_MS, 30 * MINUTE_MS),
    # the way to the platform
    "connection_torn": Kind(8 * MINUTE_MS, 0, 0),
    "network_away": Kind(20 * MINUTE_MS, SECOND_MS, 10 * MINUTE_MS),
    "broker_slow": Kind(15 * MINUTE_MS, 10 * SECOND_MS, 5 * MINUTE_MS),
    "broker_drops": Kind(20 * MINUTE_MS, 5 * SECOND_MS, 3 * MINUTE_MS),
    "broker_refuses": Kind(20 * MINUTE_MS, 5 * SECOND_MS, 3 * MINUTE_MS),
    "broker_mute": Kind(20 * MINUTE_MS, 5 * SECOND_MS, 3 * MINUTE_MS),
    "broker_forgets": Kind(20 * MINUTE_MS, 100, 30 * SECOND_MS),
    "broker_repeats": Kind(15 * MINUTE_MS, 10 * SECOND_MS, 3 * MINUTE_MS),
    "receipts_replayed": Kind(15 * MINUTE_MS, 5 * SECOND_MS, 5 * MINUTE_MS),
    "receipts_forged": Kind(15 * MINUTE_MS, 5 * SECOND_MS, 5 * MINUTE_MS),
    "centre_killed": Kind(10 * MINUTE_MS, 100, 30 * SECOND_MS),
    "centre_away": Kind(40 * MINUTE_MS, 5 * MINUTE_MS, 40 * MINUTE_MS),
    "certificate_expired": Kind(40 * MINUTE_MS, MINUTE_MS, 20 * MINUTE_MS),
}
# Weights of what a citizen does once asked; walking away included.
CITIZENS: dict[str, int] = {
    "presses": 60, "corrects": 6, "holds": 4, "two_keys": 4, "mashes": 4, "plays_before": 4,
    "is_late": 5, "walks_away": 10, "presses_again": 3,
}  # fmt: skip
# Weights of what a clerk does with a ticket.
CLERKS: dict[str, int] = {
    "serves": 60, "recalls": 8, "skips": 6, "transfers": 4, "asks_twice": 6, "saves_late": 6,
    "has_several": 8, "hurries": 6, "pauses": 3, "has_lunch": 1, "asks_without_case": 3,
}  # fmt: skip
# A seed in so many has no trouble at all: there the record must equal the model.
CALM_SEEDS = 8
REASONS = Reasons(
    table="r5-1",
    ask_ms=8_000,
    keys=tuple(
        Reason(label=f"reason {key}", codes={level: f"{level}0{key}" for level in range(1, 6)})
        for key in range(1, 6)
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One hall. `units`: the windows of each machine. `troubles`: those this seed has."""

    seed: int
    units: tuple[tuple[str, ...], ...]
    rules: Rules
    copies: int  # how often a terminal says each thing
    citizens: dict[str, int]
    clerks: dict[str, int]
    troubles: tuple[str, ...]
    drift_ppm: tuple[int, ...]
    starts_in_1970: bool
    between_tickets_ms: int

    @property
    def windows(self) -> tuple[str, ...]:
        """Of all machines."""
        return tuple(window for windows in self.units for window in windows)

    @property
    def is_calm(self) -> bool:
        """Whether nothing at all goes wrong."""
        return not self.troubles


def draw(seed: int) -> Plan:
    """What this seed has in store."""
    drawn = random.Random(f"plan {seed}")
    window_count = drawn.randint(1, 4)
    numbers = tuple(str(number) for number in range(1, window_count + 1))
    split = drawn.randint(1, window_count) if drawn.random() < 0.5 else window_count
    units = tuple(part for part in (numbers[:split], numbers[split:]) if part)
    is_calm = drawn.random() < 1 / CALM_SEEDS
    return Plan(
        seed=seed,
        units=units,
        rules=_rules(drawn),
        copies=drawn.choice((1, 2, 3)),
        citizens=_some(drawn, CITIZENS, "presses"),
        clerks=_some(drawn, CLERKS, "serves"),
        troubles=() if is_calm else tuple(_some(drawn, dict.fromkeys(TROUBLES, 1), None)),
        drift_ppm=tuple(0 if is_calm else drawn.randint(-100, 100) for _ in units),
        starts_in_1970=not is_calm and drawn.random() < 0.5,
        between_tickets_ms=drawn.choice((20, 60, 300, 1200)) * SECOND_MS,
    )


def _rules(drawn: random.Random) -> Rules:
    correction_ms = drawn.choice((0, 3_000, 3_000))
    return Rules(
        keys=(5, 4, 3, 2, 1),
        key_table="k5-1",
        prompt_ms=drawn.choice((10_000, 30_000)),
        correction_ms=correction_ms,
        not_public_hold_ms=1_200 if correction_ms else 0,
        reasons=REASONS if drawn.random() < 0.3 else None,
    )


def _some(drawn: random.Random, all_of: dict[str, int], always: str | None) -> dict[str, int]:
    """Each kept or left out by the toss of a coin whose weight is drawn, too."""
    share = drawn.choice((0.15, 0.5, 0.85))
    return {
        name: weight for name, weight in all_of.items() if name == always or drawn.random() < share
    }
