"""The invitation: who a unit is to be, with a token that holds for some hours, once (pure)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from protocol.central.canonical import ContractError
from protocol.central.entry import Source
from provisioning.papers import paper
from provisioning.papers.paper import BadPaper

KIND = "invitation"
SHAPE = {"id": str, "source": str, "token": str, "until": str, "way": str, "ended": list}
# What the unit does about the key that signs its journal.
ENROL = "enrol"  # takes the one it has, or makes one
RENEW = "renew"  # makes another, and goes on with the same journal
BEGIN = "begin"  # makes another, and begins a journal; one whose key still counts stays as it is
WAYS = (ENROL, RENEW, BEGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """`way`: one of WAYS; `ended`: the kids of signing keys that count no more."""

    id: str
    source: Source
    token: str
    until: datetime
    way: str = ENROL
    ended: tuple[str, ...] = ()

    def write(self) -> bytes:
        return paper.write(
            KIND,
            {
                "id": self.id,
                "source": str(self.source),
                "token": self.token,
                "until": paper.time_text(self.until),
                "way": self.way,
                "ended": list(self.ended),
            },
        )

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises BadPaper."""
        value: dict[str, Any] = paper.read(KIND, raw, SHAPE)
        if value["way"] not in WAYS or not all(isinstance(kid, str) for kid in value["ended"]):
            raise BadPaper("the invitation is damaged: way or ended", "copy the invitation again")
        return cls(
            id=value["id"],
            source=source_of(value["source"]),
            token=value["token"],
            until=paper.time_of(value["until"]),
            way=value["way"],
            ended=tuple(value["ended"]),
        )


def source_of(text: str) -> Source:
    """The unit a paper names. Raises BadPaper."""
    try:
        return Source.parse(text)
    except ContractError as error:
        raise BadPaper(str(error), "copy the paper again") from error
