"""A card made for a unit: everything that is needed looked for first, then written (real I/O)."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from provisioning.errors import ProvisioningError
from provisioning.image.boot_partition import BootPartition
from provisioning.image.card import HOST, LOG, Card, Network, files, paper
from provisioning.office.records import Unit
from provisioning.office.settings import Settings

SCRIPTS = ("first-boot.sh", "firstrun.sh", "haochaping-first-boot.service")
WHEEL = "haochaping-*.whl"
CARRIED = (".whl", ".deb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A card that was made; with `is_planned` nothing was done yet. `until`: the token's end."""

    unit: str
    boot: str
    way: str
    host: str
    until: datetime
    written: tuple[str, ...]
    is_planned: bool

    def __str__(self) -> str:
        names = "".join(f"\n  {name}" for name in self.written) or "\n  nothing, all is there"
        if self.is_planned:
            return f"{self.boot}, read by {self.way}, would get for {self.unit}:{names}"
        return (
            f"{self.boot} is the card of {self.unit}, which will be {self.host} in the network. "
            "No secret is on it but the one-time token of its invitation, which holds until "
            f"{self.until:%Y-%m-%d %H:%M} UTC."
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "boot": self.boot,
            "way": self.way,
            "host": self.host,
            "until": self.until.isoformat(),
            "written": list(self.written),
            "planned": self.is_planned,
        }


def wanted(
    settings: Settings,
    unit: Unit,
    *,
    keys: tuple[str, ...],
    login: str,
    invitation: bytes,
    wheel: str,
) -> Card:
    """What the unit's card is to become, by the site's settings. Raises ProvisioningError."""
    return Card(
        unit=unit.name,
        host=_own_name(unit.host) or f"{settings.hall}-{unit.name}",
        login=login,
        keys=keys,
        timezone=settings.timezone,
        time_servers=settings.time_servers,
        invitation=invitation,
        wheel=wheel,
        network=network(unit.ip, settings.gateway, settings.name_servers),
    )


def _own_name(host: str) -> str | None:
    """What a machine that is reached as `host` calls itself; None for an address in numbers."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        first = host.lower().split(".")[0]
        return first if HOST.fullmatch(first) else None
    return None


def packages(wheel: Path | None, wheels: Path | None) -> tuple[str, list[Path]]:
    """Name of our wheel, and every file to carry. Raises ProvisioningError."""
    carried = []
    if wheels is not None:
        if not wheels.is_dir():
            raise ProvisioningError(f"{wheels}: no such folder")
        carried = sorted(file for file in wheels.iterdir() if file.suffix in CARRIED)
    if wheel is not None:
        if not (wheel.is_file() and wheel.match(WHEEL)):
            raise ProvisioningError(
                f"{wheel}: no wheel of ours", "`pip wheel --no-deps .` in the source makes one"
            )
        carried = [file for file in carried if not file.match(WHEEL)] + [wheel]
    ours = [file.name for file in carried if file.match(WHEEL)]
    if len(ours) != 1:
        raise ProvisioningError(
            f"{len(ours)} wheels of haochaping are given, a card needs one",
            "name it with --wheel; `pip wheel --no-deps .` in the source makes one",
        )
    return ours[0], carried


def network(address: str, gateway: str, name_servers: Sequence[str]) -> Network | None:
    """The fixed address, None for DHCP. Raises ProvisioningError."""
    if not address:
        return None
    try:
        own = ipaddress.ip_interface(address)
        others = [ipaddress.ip_address(each) for each in (gateway, *name_servers) if each]
    except ValueError as error:
        raise ProvisioningError(f"{error}") from error
    if gateway and others[0] not in own.network:
        raise ProvisioningError(
            f"the gateway {gateway} is not in {own.network}, the network of {address}"
        )
    return Network(address=str(own), gateway=gateway, name_servers=tuple(name_servers))


def make(
    card: Card,
    partition: BootPartition,
    carried: Sequence[Path],
    until: datetime,
    *,
    advance: Callable[[float], None] = lambda _step: None,
    is_dry: bool = False,
) -> Made:
    """Write the card; what is there already stays. Raises ProvisioningError."""
    here = resources.files("provisioning.image")
    scripts = {name: here.joinpath(name).read_bytes() for name in SCRIPTS}
    made = files(card, partition.way, partition.found(), scripts)
    written = tuple(partition.differing(made, carried))
    if not is_dry:
        # An answer to another invitation would only be in the way; one to this still counts.
        unit = partition.unit or card.unit
        earlier = [paper(unit, kind) for kind in ("invitation", "request", "grant")]
        left_over = [] if partition.card == card.id else [*earlier, LOG]
        partition.write(made, carried, left_over, advance)
    return Made(
        unit=card.unit,
        boot=str(partition.folder),
        way=partition.way,
        host=card.host,
        until=until,
        written=written,
        is_planned=is_dry,
    )
