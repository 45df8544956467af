"""The three papers between office and unit: refused in words, or sealed by who knows the token."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from protocol.central.canonical import BadJson, canonical, parse
from provisioning.papers import grant, paper, request
from provisioning.papers.grant import Grant
from provisioning.papers.invitation import Invitation
from provisioning.papers.paper import BadPaper
from provisioning.papers.request import Request
from sim.examples import SOURCE, UNIT
from sim.fuzz.target import Target

TOKEN = "0123456789abcdef"
TIME = datetime(2026, 11, 22, 8, tzinfo=UTC)
AS_IT_IS, SEALED = 0, 1


def seeds() -> Iterator[bytes]:
    for how in (AS_IT_IS, SEALED):
        for raw in _papers():
            yield bytes((how,)) + raw
    yield bytes((SEALED,)) + _papers()[2].replace(b'"3"', b"[1e3, -7, 1e99, null, true]")


@cache
def _papers() -> tuple[bytes, bytes, bytes]:
    """One of each kind, that belong together."""
    asked = Request(
        invitation="i1", source=SOURCE, certificate_request="-----BEGIN", made=TIME,
        signing_key=UNIT.public, serial="1000", host="w03", release="0.1.0", is_synced=True,
    )  # fmt: skip
    granted = Grant(
        invitation="i1", source=SOURCE, certificate="-----BEGIN", broker_authority="-----BEGIN",
        platform_key="-----BEGIN", settings={"unit": {"unit": "3"}},
    )  # fmt: skip
    return _invitation().write(), asked.write(UNIT, TOKEN), granted.write(TOKEN)


def _invitation() -> Invitation:
    return Invitation(id="i1", source=SOURCE, token=TOKEN, until=TIME)


def check(data: bytes) -> None:
    raw = data[1:]
    if data[:1] == bytes((SEALED,)):
        raw = _sealed(raw)
    try:
        invitation = Invitation.read(raw)
        assert Invitation.read(invitation.write()) == invitation
    except BadPaper as error:
        _told(error)
    try:
        asked, members = Request.read(raw)
        request.check(asked, members, _invitation())
        assert data[:1] == bytes((SEALED,)) or raw.strip() == _papers()[1].strip(), (
            "a request that nobody sealed"
        )
    except BadPaper as error:
        _told(error)
    try:
        granted = Grant.read(raw, TOKEN)
        assert Grant.read(granted.write(TOKEN), TOKEN) == granted
    except BadPaper as error:
        _told(error)


def _told(error: BadPaper) -> None:
    if "\n" in str(error):
        raise AssertionError("more than a sentence") from error


def _sealed(raw: bytes) -> bytes:
    """The paper as who knows the token would have written it."""
    try:
        value: Any = parse(raw)
        if isinstance(value, dict):
            for shape in (request.SHAPE, grant.SHAPE):
                if shape.keys() <= value.keys():
                    value["seal"] = paper.seal(TOKEN, {name: value[name] for name in shape})
            return canonical(value)
    except BadJson:
        pass
    return raw


TARGET = Target(promise="H4", what="papers between office and unit", seeds=seeds, check=check)
