"""What the three papers have in common: canonical JSON, a kind, the token's seal (pure)."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from protocol.central.canonical import BadJson, ContractError, canonical, parse
from provisioning.errors import ProvisioningError

VERSION = 1
# A configuration and two certificates are 8 KiB.
PAPER_LEN_MAX = 64 * 1024
SHOWN_LEN_MAX = 50
TIME = "%Y-%m-%dT%H:%M:%SZ"


class BadPaper(ProvisioningError):
    """A paper is not what it should be, or not from where it should be."""


def write(kind: str, members: Mapping[str, Any]) -> bytes:
    """The paper as text, one line."""
    return canonical({"paper": kind, "version": VERSION, **members}) + b"\n"


def read(kind: str, raw: bytes, members: Mapping[str, type]) -> dict[str, Any]:
    """The members of a paper of this kind. Raises BadPaper."""
    again = f"copy the {kind} again"
    if len(raw) > PAPER_LEN_MAX:
        raise BadPaper(f"this is no {kind}: it is longer than {PAPER_LEN_MAX} bytes", again)
    try:
        value = parse(raw)
    except ContractError as error:
        raise BadPaper(f"this is no {kind}, or it is damaged: {error}", again) from error
    if not isinstance(value, dict) or value.get("paper") != kind:
        found = value.get("paper") if isinstance(value, dict) else None
        what = f"it is a {_shown(found)}" if isinstance(found, str) else "something else"
        raise BadPaper(f"this is no {kind}, but {what}", again)
    if value.get("version") != VERSION:
        raise BadPaper(
            f"the {kind} is of version {_shown(value.get('version'))}, "
            f"this program knows {VERSION}",
            "bring both sides to the same release",
        )
    for name, shape in members.items():
        if type(value.get(name)) is not shape:
            raise BadPaper(
                f"the {kind} is damaged: {name} is missing or not as it should be", again
            )
    return value


def _shown(found: object) -> str:
    """What a stranger wrote, as it may stand in a sentence on a terminal."""
    text = found if isinstance(found, str) else repr(found)
    return "".join(char if char.isprintable() else "?" for char in text[:SHOWN_LEN_MAX])


def seal(token: str, members: Mapping[str, Any]) -> str:
    """What proves that who wrote the paper knows the token."""
    unsealed = {name: value for name, value in members.items() if name != "seal"}
    return hmac.new(token.encode(), canonical(unsealed), hashlib.sha256).hexdigest()


def is_sealed(token: str, members: Mapping[str, Any]) -> bool:
    """Whether `seal` in the members is that of this token."""
    try:
        own = seal(token, members)
    except BadJson:
        # What cannot be written was sealed by nobody.
        return False
    return hmac.compare_digest(str(members.get("seal")).encode(), own.encode())


def time_text(time: datetime) -> str:
    """The time as papers write it, in UTC."""
    return time.astimezone(UTC).strftime(TIME)


def time_of(text: str) -> datetime:
    """The time a paper says. Raises BadPaper."""
    try:
        return datetime.strptime(text, TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise BadPaper(f"{text[:40]!r} is no time in UTC", "copy the paper again") from error
