"""One journal entry: a signed CloudEvents 1.0 event whose exact text is the record (pure).

    Draft (what the unit decided) -- seal --> text -- read --> Entry

The text is the RFC 8785 form of the whole event. The signature is over the same form without the
member `signature`; the next entry's `prevhash` is the SHA-256 of the whole text.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Self

from protocol.central.canonical import (
    INT_MAX,
    BadJson,
    ContractError,
    NotCanonical,
    canonical,
    parse_canonical,
)
from protocol.central.signing import (
    ALG,
    KID_LEN,
    SIGNATURE_LEN,
    SigningKey,
    VerifyKey,
    from_base64url,
    to_base64url,
)

KINDS = (
    "service",
    "rating",
    "binding",
    "boot",
    "stopped",
    "pad",
    "signal",
    "clock",
    "correction",
    "daily",
    "test",
)
GENESIS = "0" * 64  # the prevhash of an epoch's first entry
TEXT_LEN_MAX = 64 * 1024  # a rating with 256 key edges is 13 KiB
SUBJECT_LEN_MAX = 128

_EPOCH = re.compile(r"[0-9a-f]{16}")
_KID = re.compile(rf"[0-9a-f]{{{KID_LEN}}}")
_HASH = re.compile(r"[0-9a-f]{64}")
_SEQUENCE = re.compile(r"[0-9]{20}")
_TYPE = re.compile(r"hcp\.([a-z]+)\.v1")
# MQTT topic levels are made of them, so no "/", "+", "#" or space.
_SOURCE = re.compile(
    r"/([0-9A-Za-z][\w.-]{0,31})/([0-9A-Za-z][\w.-]{0,31})/([0-9A-Za-z][\w.-]{0,31})", re.A
)
_FIRST_DAY = date(1970, 1, 1)
_FIXED = {"specversion": "1.0", "datacontenttype": "application/json", "alg": ALG}
_CLOUD = {"specversion", "id", "source", "type", "subject", "datacontenttype", "dataschema"}
_OURS = {"sequence", "epoch", "prevhash", "kid", "alg", "signature", "data"}
_MEMBERS = _CLOUD | _OURS
_STAMP_MEMBERS = {"bootId", "boottimeMs", "utcMs", "synced", "errorMs"}


class BadEntry(ContractError):
    """The text is no entry. `name` is the problem's name: bad_entry or not_canonical."""

    def __init__(self, reason: str, name: str = "bad_entry") -> None:
        super().__init__(reason)
        self.name = name


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where an entry comes from; `str()` gives "/area/hall/unit"."""

    area: str
    hall: str
    unit: str

    def __str__(self) -> str:
        return f"/{self.area}/{self.hall}/{self.unit}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "/area/hall/unit"; each part is 1-32 ASCII letters, digits, "_", "." or "-"."""
        found = _SOURCE.fullmatch(text)
        if not found:
            raise BadEntry(f"source {text[:100]!r} is not /area/hall/unit")
        return cls(*found.groups())


@dataclass(frozen=True, slots=True)
class Stamp:
    """When an entry was made, by the unit's own clocks; a wall clock only when it is synced."""

    boot_id: str
    boottime_ms: int
    utc_ms: int | None
    synced: bool
    error_ms: int | None

    @property
    def time(self) -> str | None:
        """The event's `time`: known only while the wall clock is synced."""
        return utc_text(self.utc_ms) if self.synced and self.utc_ms is not None else None

    def to_json(self) -> dict[str, Any]:
        """Return the member `stamp` of an entry's data."""
        return {
            "bootId": self.boot_id,
            "boottimeMs": self.boottime_ms,
            "utcMs": self.utc_ms,
            "synced": self.synced,
            "errorMs": self.error_ms,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """What the unit decided to record, before it is chained and signed."""

    seq: int
    kind: str
    subject: str
    data: dict[str, Any]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as read; `text` is the record, the rest are views of it."""

    text: str
    hash: str
    signed: bytes
    id: str
    epoch: str
    seq: int
    kind: str
    source: Source
    subject: str
    prevhash: str
    kid: str
    alg: str
    signature: bytes
    stamp: Stamp
    data: dict[str, Any]
    value: dict[str, Any]

    def is_signed_by(self, key: VerifyKey) -> bool:
        """Whether key's owner signed this entry."""
        return key.verify(self.signed, self.signature)


def digest(text: str) -> str:
    """Return the hash by which the next entry and the receipt name this one."""
    return hashlib.sha256(text.encode()).hexdigest()


def utc_text(utc_ms: int) -> str:
    """Return RFC 3339 UTC with milliseconds."""
    day, ms = divmod(utc_ms, 86_400_000)
    seconds, ms = divmod(ms, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"


def seal(draft: Draft, *, epoch: str, source: Source, prevhash: str, key: SigningKey) -> str:
    """Chain and sign a draft; the result is what is stored and sent, never written again."""
    assert draft.kind in KINDS, draft.kind
    assert 1 <= draft.seq <= INT_MAX, draft.seq
    assert _EPOCH.fullmatch(epoch), epoch
    assert _HASH.fullmatch(prevhash), prevhash
    assert "stamp" not in draft.data
    value: dict[str, Any] = {
        **_FIXED,
        "id": f"{epoch}-{draft.seq}",
        "source": str(source),
        "type": f"hcp.{draft.kind}.v1",
        "subject": draft.subject,
        "dataschema": f"urn:hcp:schema:{draft.kind}:v1",
        "sequence": f"{draft.seq:020d}",
        "epoch": epoch,
        "prevhash": prevhash,
        "kid": key.kid,
        "data": {**draft.data, "stamp": draft.stamp.to_json()},
    }
    if draft.stamp.time is not None:
        value["time"] = draft.stamp.time
    value["signature"] = to_base64url(key.sign(canonical(value)))
    return canonical(value).decode()


def read(text: str | bytes) -> Entry:
    """Read an entry's text; says nothing yet about signature, chain and schema.

    Raises BadEntry, nothing else: name `not_canonical` when only the writing is at fault.
    """
    if len(text) > TEXT_LEN_MAX:
        raise BadEntry(f"longer than {TEXT_LEN_MAX}")
    try:
        value = parse_canonical(text)
    except NotCanonical as error:
        raise BadEntry(str(error), "not_canonical") from error
    except BadJson as error:
        raise BadEntry(str(error)) from error
    if not isinstance(value, dict):
        raise BadEntry("not a JSON object")
    return _view(text if isinstance(text, str) else text.decode(), value)


def _view(text: str, value: dict[str, Any]) -> Entry:
    _check_members(value)
    kind = _TYPE.fullmatch(value["type"])
    if not kind or kind[1] not in KINDS:
        raise BadEntry(f"type {value['type'][:100]!r} is not known")
    if value["dataschema"] != f"urn:hcp:schema:{kind[1]}:v1":
        raise BadEntry("dataschema does not go with type")
    seq = int(value["sequence"])
    if not 1 <= seq <= INT_MAX or value["id"] != f"{value['epoch']}-{seq}":
        raise BadEntry("id does not go with epoch and sequence")
    signature = from_base64url(value["signature"])
    if signature is None or len(signature) != SIGNATURE_LEN:
        raise BadEntry(f"signature is not {SIGNATURE_LEN} bytes in base64url")
    stamp = _read_stamp(value["data"].get("stamp"))
    if value.get("time") != stamp.time:
        raise BadEntry("time does not go with stamp")
    return Entry(
        text=text,
        hash=digest(text),
        signed=_without_signature(text, value["signature"]),
        id=value["id"],
        epoch=value["epoch"],
        seq=seq,
        kind=kind[1],
        source=Source.parse(value["source"]),
        subject=value["subject"],
        prevhash=value["prevhash"],
        kid=value["kid"],
        alg=value["alg"],
        signature=signature,
        stamp=stamp,
        data=value["data"],
        value=value,
    )


def _check_members(value: dict[str, Any]) -> None:
    names = value.keys() - {"time"}
    if names != _MEMBERS:
        wrong = ", ".join(sorted(ascii(name[:40]) for name in names ^ _MEMBERS)[:5])
        raise BadEntry(f"missing or unknown members: {wrong}")
    if not isinstance(value["data"], dict):
        raise BadEntry("data is not an object")
    if {type(item) for name, item in value.items() if name != "data"} != {str}:
        raise BadEntry("a member beside data is not a text")
    for name, fixed in _FIXED.items():
        if value[name] != fixed:
            raise BadEntry(f"{name} is not {fixed!r}")
    for name, form in (
        ("epoch", _EPOCH),
        ("prevhash", _HASH),
        ("kid", _KID),
        ("sequence", _SEQUENCE),
    ):
        if not form.fullmatch(value[name]):
            raise BadEntry(f"{name} does not have its form")
    if not 1 <= len(value["subject"]) <= SUBJECT_LEN_MAX:
        raise BadEntry(f"subject is not 1 to {SUBJECT_LEN_MAX} characters")


def _read_stamp(value: Any) -> Stamp:
    if not isinstance(value, dict) or value.keys() != _STAMP_MEMBERS:
        raise BadEntry("data.stamp does not have its members")
    stamp = Stamp(
        value["bootId"], value["boottimeMs"], value["utcMs"], value["synced"], value["errorMs"]
    )
    good = (
        type(stamp.boot_id) is str
        and 1 <= len(stamp.boot_id) <= 64
        and _is_count(stamp.boottime_ms)
        and (stamp.utc_ms is None or _is_count(stamp.utc_ms))
        and (stamp.error_ms is None or _is_count(stamp.error_ms))
        and type(stamp.synced) is bool
        and not (stamp.synced and (stamp.utc_ms is None or stamp.error_ms is None))
    )
    if not good:
        raise BadEntry("data.stamp has a value out of range")
    return stamp


@lru_cache(maxsize=64)  # what arrives now is of a few days, and datetime takes 15 µs
def _date(day: int) -> str:
    return (_FIRST_DAY + timedelta(days=day)).isoformat()


def _is_count(value: Any) -> bool:
    # 2**47 ms is the year 6429, well inside what datetime can write.
    return type(value) is int and 0 <= value < 2**47


def _without_signature(text: str, signature: str) -> bytes:
    # Members are sorted: only short texts follow the signature, and inside a text a quote is
    # escaped, so the last place that reads like this is the member itself.
    before, member, after = text.rpartition(f',"signature":"{signature}"')
    assert member
    return (before + after).encode()
