"""The code tables of the scheme, as packaged data: levels, reasons, profiles (pure)."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class Level(NamedTuple):
    """One of the five levels of satisfaction."""

    satisfaction: int
    label: str
    negative: bool


class Norm(NamedTuple):
    """One reason of the national list; its code's first digit is the level it belongs to."""

    code: str
    name: str
    satisfaction: int
    basic: bool


@cache
def levels() -> tuple[Level, ...]:
    """The levels, best first."""
    return tuple(Level(**level) for level in _table("norm_list")["levels"])


@cache
def norms(satisfaction: int) -> tuple[Norm, ...]:
    """The reasons in use for one level, in the order of the list."""
    return tuple(
        Norm(row["normCode"], row["normName"], row["satisfaction"], row["basic"])
        for row in _table("norm_list")["reasons"]
        if row["active"] and row["satisfaction"] == satisfaction
    )


@cache
def norm(code: str) -> Norm | None:
    """One reason of the list, in use or not; None for a code it does not hold."""
    for row in _table("norm_list")["reasons"]:
        if row["normCode"] == code:
            return Norm(code, row["normName"], row["satisfaction"], row["basic"])
    return None


@cache
def retired_norm_codes() -> frozenset[str]:
    """Codes of earlier lists: still readable, never offered."""
    return frozenset(_table("norm_list")["retiredCodes"])


def profile_names() -> tuple[str, ...]:
    """The platforms whose codes are known."""
    return tuple(_table("code_tables")["profiles"])


def profile(name: str) -> dict[str, Any]:
    """One platform's codes; KeyError for an unknown name."""
    return dict(_table("code_tables")["profiles"][name])


def fields(profile: str, message: str) -> dict[str, str | None]:
    """What a platform demands in its `service` or `rating` message, in the order of the tables.

    None: the counter knows it. A sentence: it does not, and where it comes from.
    """
    tables = _table("code_tables")
    groups = tables["profiles"][profile].get("messages", tables["messages"])[message]
    return {name: tables["toJoin"].get(group) for group, names in groups.items() for name in names}


def setting(name: str) -> Any:
    """What all platforms share: taskCodeLength, taskHandleItemLength, evalDetailSeparator …"""
    return _table("code_tables")[name]


def code(table: str, name: str) -> str:
    """One code of the tables all platforms share: proStatus, userProp, taskType, publicity."""
    return str(_table("code_tables")[table][name])


@cache
def _table(name: str) -> dict[str, Any]:
    text = files("protocol.central").joinpath(f"data/{name}.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
