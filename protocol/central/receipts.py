"""The platform's signed word that a unit's entries up to one are safely stored (pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from protocol.central.canonical import INT_MAX, BadJson, ContractError, canonical, parse
from protocol.central.entry import BadEntry, Source
from protocol.central.signing import SigningKey, VerifyKey, from_base64url, to_base64url

TEXT_LEN_MAX = 1024
_MEMBERS = frozenset(("source", "epoch", "upto", "hash", "time", "kid", "sig"))
_FORMS = {
    "epoch": re.compile(r"[0-9a-f]{16}"),
    "hash": re.compile(r"[0-9a-f]{64}"),
    "kid": re.compile(r"[0-9a-f]{16}"),
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII),
}


class BadReceipt(ContractError):
    """The text is no receipt of this platform for this unit; says why."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything of `epoch` up to and with `upto`, whose hash is `hash`, is stored."""

    source: Source
    epoch: str
    upto: int
    hash: str
    time: str
    kid: str

    def confirms(self, epoch: str, own_hash: str | None) -> bool:
        """Whether it speaks of this journal; own_hash is the journal's own hash at `upto`.

        A replayed receipt of another card, or of a journal restored since, does not fit.
        """
        return self.epoch == epoch and self.hash == own_hash


def make(key: SigningKey, source: Source, epoch: str, upto: int, hash: str, time: str) -> str:  # noqa: A002
    """Sign a receipt; time is RFC 3339 UTC with milliseconds."""
    value = {
        "source": str(source),
        "epoch": epoch,
        "upto": upto,
        "hash": hash,
        "time": time,
        "kid": key.kid,
    }
    value["sig"] = to_base64url(key.sign(canonical(value)))
    return canonical(value).decode()


def read(text: str | bytes, keys: Mapping[str, VerifyKey], source: Source | None = None) -> Receipt:
    """Read a receipt signed by one of the platform's keys, for `source` when one is given.

    Raises BadReceipt, nothing else.
    """
    if len(text) > TEXT_LEN_MAX:
        raise BadReceipt(f"longer than {TEXT_LEN_MAX}")
    try:
        value = parse(text)
    except BadJson as error:
        raise BadReceipt(str(error)) from error
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        raise BadReceipt("not an object with the members of a receipt")
    upto = value["upto"]
    if type(upto) is not int or not 1 <= upto <= INT_MAX:
        raise BadReceipt("upto is not a sequence number")
    if any(type(item) is not str for name, item in value.items() if name != "upto"):
        raise BadReceipt("a member has the wrong type")
    for name, form in _FORMS.items():
        if not form.fullmatch(value[name]):
            raise BadReceipt(f"{name} does not have its form")
    key = keys.get(value["kid"])
    signature = from_base64url(value.pop("sig"))
    if key is None:
        raise BadReceipt(f"key {value['kid']} is not the platform's")
    if signature is None or not key.verify(canonical(value), signature):
        raise BadReceipt("the signature is not the platform's")
    try:
        meant = Source.parse(value["source"])
    except BadEntry as error:
        raise BadReceipt(str(error)) from error
    if source not in (None, meant):
        raise BadReceipt(f"meant for {meant}")
    return Receipt(meant, value["epoch"], upto, value["hash"], value["time"], value["kid"])
