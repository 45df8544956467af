"""Whose pad a board is to be: the one place where pads meet the inventory of the hall."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.central.entry import BadEntry, Source
from provisioning.errors import ProvisioningError
from provisioning.office.sites import Site
from provisioning.pad.errors import BoardTaken

# What udev calls an RP2040 on its own USB (daemon/systemd/61-haochaping.rules).
USB_NAME = "/dev/haochaping/pad"


@dataclass(frozen=True, slots=True)
class Window:
    """A window that is to have a pad; without a site nothing is known of others."""

    source: str
    number: str
    unit: str = ""
    site: Site | None = None
    # Whether the unit looks for it on its own USB; None where nobody knows.
    is_usb: bool | None = None

    @property
    def enrolled(self) -> Mapping[str, str]:
        """What the board shall say of itself."""
        return {"source": self.source, "window": self.number}

    @property
    def pad(self) -> str | None:
        """The uid of the pad it has."""
        pads = self.site.inventory.pads(self.unit) if self.site else []
        return next((row["uid"] for row in pads if row["window"] == self.number), None)

    def check(self, uid: str, *, replaces: bool, force_move: bool) -> None:
        """Raise BoardTaken when this board must not become the window's pad."""
        if self.site is None:
            return
        had, owner = self.pad, self.site.inventory.pad_of(uid)
        if replaces and had == uid:
            raise BoardTaken(
                f"this is the very pad that window {self.number} of {self.unit} has",
                "plug the new one in; to put its firmware on anew: provision pad flash",
            )
        if not replaces and had is not None and had != uid:
            raise BoardTaken(
                f"window {self.number} of {self.unit} has the pad {had}, and this is {uid}",
                f"to exchange it: provision pad replace {self.unit} --window {self.number}",
            )
        if owner is not None and owner != (self.unit, self.number) and not force_move:
            raise BoardTaken(
                f"this is the pad of window {owner[1]} of {owner[0]}, {uid}",
                "take another board; or, if it has moved to this window, give --take-over",
            )

    def note(self, uid: str, facts: Mapping[str, Any]) -> None:
        """Keep that the board is the window's pad from now on; the one it had no longer is."""
        if self.site is not None:
            now = self.site.now()
            self.site.inventory.enrol_pad(uid, self.unit, self.number, facts, now)


def window(folder: Path, unit: str | None, source: str | None, number: str | None) -> Window | None:
    """The window that is meant, by its unit in the site's inventory, or by its source.

    None when neither is given. Raises ProvisioningError.
    """
    if source is not None:
        if unit is not None or number is None:
            raise ProvisioningError(
                "a source stands for a unit, and says no window",
                "give --source /AREA/HALL/UNIT and --window N, or a UNIT of this site",
            )
        try:
            return Window(str(Source.parse(source)), number)
        except BadEntry as error:
            raise ProvisioningError(str(error), "as in --source /330102/h01/w03") from error
    if unit is None:
        return None
    site = Site.open(folder)
    (found,) = site.units(unit)
    number = found.window(number)
    port = next(each.settings["pad"] for each in found.windows if each.number == number)
    return Window(found.source, number, unit, site, is_usb=port.startswith(USB_NAME))
