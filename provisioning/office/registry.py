"""The centre's registry file of one hall: its units, their windows, every key there ever was."""

import json

from provisioning.office.inventory import Inventory


def dump(inventory: Inventory) -> str:
    """The text that the centre reads (central/registry.py). Windows of units that ended are kept
    out: what they signed is judged by their keys alone."""
    rows = []
    for unit in inventory.units(every=True):
        keys = [
            {"kid": key.kid, "public": key.public}
            | ({"revoked": key.revoked} if key.revoked is not None else {})
            for key in inventory.keys(unit.name)
        ]
        if keys:
            numbers = [*unit.numbers, *inventory.left(unit.name)]
            windows = {"windows": list(dict.fromkeys(numbers))} if unit.windows else {}
            rows.append({"source": unit.source, **windows, "keys": keys})
    return json.dumps({"units": rows}, indent=1) + "\n"
