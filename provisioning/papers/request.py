"""The request: the public halves of the keys that a unit made, each proven (pure).

The certificate request carries its own signature, by the TLS key; the whole is signed with the
signing key, and sealed with the invitation's token.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from protocol.central.canonical import ContractError, canonical
from protocol.central.entry import Source
from protocol.central.signing import SigningKey, VerifyKey, from_base64url, to_base64url
from provisioning.papers import paper
from provisioning.papers.invitation import Invitation, source_of
from provisioning.papers.paper import BadPaper

KIND = "request"
SHAPE = {
    "invitation": str, "source": str, "certificateRequest": str, "signingKey": str,
    "serial": str, "host": str, "release": str, "made": str, "isSynced": bool, "signature": str,
    "seal": str,
}  # fmt: skip
# Signed but for itself and for what is added after it.
UNSIGNED = ("signature", "seal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the office learns of a unit.

    certificate_request: PEM; serial: of the machine, empty where there is none; is_synced: whether
    the unit's clock, which says `made`, follows a time server.
    """

    invitation: str
    source: Source
    certificate_request: str
    signing_key: VerifyKey
    serial: str
    host: str
    release: str
    made: datetime
    is_synced: bool

    def write(self, key: SigningKey, token: str) -> bytes:
        """The paper, signed and sealed."""
        assert key.kid == self.signing_key.kid
        members: dict[str, Any] = {
            "invitation": self.invitation,
            "source": str(self.source),
            "certificateRequest": self.certificate_request,
            "signingKey": self.signing_key.to_text(),
            "serial": self.serial,
            "host": self.host,
            "release": self.release,
            "made": paper.time_text(self.made),
            "isSynced": self.is_synced,
        }
        members["signature"] = to_base64url(key.sign(canonical(members)))
        members["seal"] = paper.seal(token, members)
        return paper.write(KIND, members)

    @classmethod
    def read(cls, raw: bytes) -> tuple[Self, dict[str, Any]]:
        """The request, and its members for `check`. Raises BadPaper."""
        value = paper.read(KIND, raw, SHAPE)
        try:
            key = VerifyKey.from_text(value["signingKey"])
        except ContractError as error:
            raise BadPaper(f"the request's signing key is none: {error}") from error
        request = cls(
            invitation=value["invitation"],
            source=source_of(value["source"]),
            certificate_request=value["certificateRequest"],
            signing_key=key,
            serial=value["serial"][:64],
            host=value["host"][:64],
            release=value["release"][:32],
            made=paper.time_of(value["made"]),
            is_synced=value["isSynced"],
        )
        return request, value


def check(request: Request, members: dict[str, Any], invitation: Invitation) -> None:
    """Raise BadPaper unless the request answers this invitation and proves its signing key."""
    sealed = {name: members[name] for name in SHAPE if name != "seal"}
    if request.source != invitation.source:
        raise BadPaper(
            f"the request is of {request.source}, the invitation was for {invitation.source}",
            "take the request of the right unit",
        )
    if not paper.is_sealed(invitation.token, {**sealed, "seal": members["seal"]}):
        raise BadPaper(
            f"the request of {request.source} was not made with this invitation's token",
            "make a new invitation and let the unit answer it",
        )
    signed = {name: sealed[name] for name in SHAPE if name not in UNSIGNED}
    signature = from_base64url(members["signature"])
    if signature is None or not request.signing_key.verify(canonical(signed), signature):
        raise BadPaper(f"the request of {request.source} does not prove its signing key")
