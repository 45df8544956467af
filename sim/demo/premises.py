"""What a technician leaves at a window and at the centre: keys, registry, configuration."""

import json
from dataclasses import dataclass
from pathlib import Path

from protocol.central.entry import Source
from protocol.central.signing import SigningKey, VerifyKey

SOURCE = Source("330102", "h01", "w03")
WINDOW = "3"
LEVELS = (5, 4, 3, 2, 1)  # of the keys, from the left to the right
HOST = "127.0.0.1"

UNIT_TOML = """\
[unit]
area = "{source.area}"
hall = "{source.hall}"
unit = "{source.unit}"
signing_key = "signing.pem"
[[window]]
number = "{window}"
pad = "{directory}/pad"
signal = "{directory}/signal"
[store]
database = "{database}"
[pad]
keys = {levels}
key_table = "k5-1"
[signal]
dialect = "native"
[case]
prompt_s = {rules.prompt_s:.1f}
correction_s = {rules.correction_s:.1f}
not_public_hold_s = {rules.not_public_hold_s:.1f}
[uplink]
broker = "{host}"
port = {ports.unit_to_broker}
protocol = {protocol}
redial_s = 4.0
platform_key = "platform.pub.pem"
[clock]
trust = "host"
[page]
port = {ports.page}
"""

CENTRE_TOML = """\
registry = "registry.json"
[broker]
host = "{host}"
port = {ports.broker}
protocol = {protocol}
[store]
database = "central.db"
[platform]
key = "platform.pem"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How long a citizen may take; the defaults are those of a real window."""

    prompt_s: float = 30.0
    correction_s: float = 3.0
    not_public_hold_s: float = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Loopback ports: the broker's own, the one the unit dials, the unit's page."""

    broker: int
    unit_to_broker: int
    page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The files of one window and its centre in a private directory."""

    directory: Path
    unit_config: Path
    centre_config: Path


def prepare(
    directory: Path, rules: Rules, ports: Ports, protocol: int, database: str = "journal.db"
) -> Site:
    """Make keys and write every file; the directory is for its owner's eyes only.

    database: the journal, from the directory.
    """
    directory.chmod(0o700)
    unit_key, platform_key = SigningKey.generate(), SigningKey.generate()
    unit_key.save(directory / "signing.pem")
    platform_key.save(directory / "platform.pem")
    platform_key.public.save(directory / "platform.pub.pem")
    registry = {"units": [{"source": str(SOURCE), "keys": [_registered(unit_key.public)]}]}
    (directory / "registry.json").write_text(json.dumps(registry, indent=1))
    site = Site(
        directory=directory,
        unit_config=directory / "unit.toml",
        centre_config=directory / "centre.toml",
    )
    for path, text in ((site.unit_config, UNIT_TOML), (site.centre_config, CENTRE_TOML)):
        path.write_text(
            text.format(
                source=SOURCE,
                window=WINDOW,
                directory=directory,
                database=database,
                levels=list(LEVELS),
                rules=rules,
                ports=ports,
                protocol=protocol,
                host=HOST,
            )
        )
    return site


def _registered(key: VerifyKey) -> dict[str, str]:
    return {"kid": key.kid, "public": key.to_text()}
