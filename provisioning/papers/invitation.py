"""The invitation: who a unit is to be, with a token that holds for some hours, once (pure)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from protocol.central.canonical import ContractError
from protocol.central.entry import Source
from provisioning.papers import paper
from provisioning.papers.paper import BadPaper

KIND = "invitation"
SHAPE = {"id": str, "source": str, "token": str, "until": str, "newSigningKey": bool}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """`new_signing_key`: a unit that has one is to make another, too."""

    id: str
    source: Source
    token: str
    until: datetime
    new_signing_key: bool = False

    def write(self) -> bytes:
        return paper.write(
            KIND,
            {
                "id": self.id,
                "source": str(self.source),
                "token": self.token,
                "until": paper.time_text(self.until),
                "newSigningKey": self.new_signing_key,
            },
        )

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises BadPaper."""
        value: dict[str, Any] = paper.read(KIND, raw, SHAPE)
        return cls(
            id=value["id"],
            source=source_of(value["source"]),
            token=value["token"],
            until=paper.time_of(value["until"]),
            new_signing_key=value["newSigningKey"],
        )


def source_of(text: str) -> Source:
    """The unit a paper names. Raises BadPaper."""
    try:
        return Source.parse(text)
    except ContractError as error:
        raise BadPaper(str(error), "copy the paper again") from error
