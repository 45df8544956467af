"""The grant: what makes the unit that asked one the platform trusts (pure).

`settings` are tables of the daemon's configuration by their names, as far as the office knows them;
everything else in the unit's file stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from protocol.central.entry import Source
from provisioning.papers import paper
from provisioning.papers.invitation import source_of
from provisioning.papers.paper import BadPaper

KIND = "grant"
SHAPE = {
    "invitation": str, "source": str, "certificate": str, "brokerAuthority": str,
    "platformKey": str, "settings": dict, "seal": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """certificate, broker_authority, platform_key: PEM."""

    invitation: str
    source: Source
    certificate: str
    broker_authority: str
    platform_key: str
    settings: Mapping[str, Any]

    def write(self, token: str) -> bytes:
        """The paper, sealed."""
        members: dict[str, Any] = {
            "invitation": self.invitation,
            "source": str(self.source),
            "certificate": self.certificate,
            "brokerAuthority": self.broker_authority,
            "platformKey": self.platform_key,
            "settings": dict(self.settings),
        }
        members["seal"] = paper.seal(token, members)
        return paper.write(KIND, members)

    @classmethod
    def read(cls, raw: bytes, token: str) -> Self:
        """Raises BadPaper, also for one that answers another invitation."""
        value = paper.read(KIND, raw, SHAPE)
        if not paper.is_sealed(token, {name: value[name] for name in SHAPE}):
            raise BadPaper(
                "the grant does not answer this unit's request",
                "issue it again for the request that is here",
            )
        return cls(
            invitation=value["invitation"],
            source=source_of(value["source"]),
            certificate=value["certificate"],
            broker_authority=value["brokerAuthority"],
            platform_key=value["platformKey"],
            settings=value["settings"],
        )
