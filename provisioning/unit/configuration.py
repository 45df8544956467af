"""The daemon's configuration with what the office decides put into it; the rest stays as it is."""

from collections.abc import Callable, Mapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from provisioning.errors import ProvisioningError

PATHS = ("pad", "signal")


def merged(name: str, text: str, tables: Mapping[str, Any], at: Callable[[str], str]) -> str:
    """The text with these tables in it, its comments and all other keys kept.

    at: where a device path lies on this machine. Raises ProvisioningError for a text that is no
    configuration.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ProvisioningError(f"{name}: not TOML: {error}", "mend it, or remove it") from error
    for table, members in tables.items():
        if table == "window":
            document["window"] = _windows(document.get("window"), members, at)
            continue
        held = document.setdefault(table, tomlkit.table())
        for key, value in members.items():
            if held.get(key) != value:
                held[key] = value
    return tomlkit.dumps(document)


def _windows(held: Any, wanted: list[Mapping[str, Any]], at: Callable[[str], str]) -> AoT:
    """One table for each wanted window; what somebody added to a window's table stays in it."""
    before = list(held) if isinstance(held, AoT) else []
    by_number = {str(table.get("number")): table for table in before}
    result = tomlkit.aot()
    for index, window in enumerate(wanted):
        place = before[index] if index < len(before) and len(before) == len(wanted) else None
        table = by_number.get(window["number"], place)
        result.append(_window(table if isinstance(table, Table) else tomlkit.table(), window, at))
    return result


def _window(table: Table, window: Mapping[str, Any], at: Callable[[str], str]) -> Table:
    for key, value in window.items():
        said = at(value) if key in PATHS else value
        if table.get(key) != said:
            table[key] = said
    return table
