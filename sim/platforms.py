"""The central side of a virtual hall: the broker as it is shipped, a centre behind it. Real I/O.

    with Platform(folder) as platform:
        platform.trust(site / "authority/ca.pem", site / "publish/unit.crl")

What a site needs of it is `authority`, `key`, `port` and the two commands that take to it what the
site publishes.
"""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from protocol.central.signing import SigningKey
from sim.authority import Authority
from sim.brokers import HOST, ShippedMosquitto
from sim.centres import Centre

TAKE = 'cat >"$1.new" && mv "$1.new" "$1"'
TAKE_LIST = 'list=$1 revoke=$2; shift 2; cat >"$list" && exec sh "$revoke" "$list" "$@"'
ROLE = "central"


class Platform:
    """Both run between start and stop. At first nobody is trusted who signs for units."""

    def __init__(self, folder: Path) -> None:
        """folder: is made."""
        folder.mkdir(parents=True)
        signs = Authority(folder, "platform")
        self.broker = ShippedMosquitto(folder / "broker", Authority(folder, "nobody"), signs)
        self.authority = signs.certificate
        key = SigningKey.generate()
        self.key = folder / "platform.pub.pem"
        key.public.save(self.key)
        role = signs.issue(ROLE)
        self.centre = Centre(
            folder, self.broker.platform_port, units={}, platform=key, prints=False, host=HOST,
            tls_ca=str(self.authority), tls_certificate=str(role.certificate),
            tls_key=str(role.key),
        )  # fmt: skip
        self.runs = False

    @property
    def port(self) -> int:
        """The units'."""
        return self.broker.port

    @property
    def takes_registry(self) -> list[str]:
        """The command that takes the units' keys to the centre; they are its input."""
        return ["sh", "-c", TAKE, "sh", str(self.centre.registry)]

    @property
    def takes_list(self) -> list[str]:
        """The command that takes a new revocation list to the broker; it is its input."""
        folder = self.broker.folder
        new, revoke = str(folder / "new.crl"), str(folder / "revoke")
        return ["sh", "-c", TAKE_LIST, "sh", new, revoke, "{units}"]

    def trust(self, authority: Path, revoked: Path) -> None:
        """Let in whose certificates this authority signed, but for those on its list."""
        for source, name in ((authority, "unit-ca.pem"), (revoked, "unit.crl")):
            shutil.copy(source, self.broker.folder / name)
        if self.runs:
            # The authorities are read at the start, and never again.
            self.broker.stop()
            self.broker.start()

    def start(self) -> None:
        """Run broker and centre."""
        self.broker.start()
        self.runs = True
        self.centre.start()

    def stop(self) -> None:
        """End both."""
        self.runs = False
        self.centre.stop()
        self.broker.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
