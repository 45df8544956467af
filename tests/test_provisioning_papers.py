"""The three papers: whatever is changed, exchanged or damaged on their way is noticed."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.central.canonical import canonical, parse
from protocol.central.entry import Source
from protocol.central.signing import SigningKey
from provisioning.papers import request as requests
from provisioning.papers.grant import Grant
from provisioning.papers.invitation import Invitation
from provisioning.papers.paper import PAPER_LEN_MAX, BadPaper
from provisioning.papers.request import Request

SOURCE = Source("330102", "h01", "w03")
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
INVITATION = Invitation(id="a1", source=SOURCE, token="t0ken", until=NOON)
KEY = SigningKey.from_seed(bytes(32))
REQUEST = Request(
    invitation="a1",
    source=SOURCE,
    certificate_request="-----BEGIN CERTIFICATE REQUEST-----",
    signing_key=KEY.public,
    serial="10000000abcdef01",
    host="h01-w03",
    release="0.1.0",
    made=NOON,
    is_synced=True,
)
GRANT = Grant(
    invitation="a1",
    source=SOURCE,
    certificate="-----BEGIN CERTIFICATE-----",
    broker_authority="-----BEGIN CERTIFICATE-----",
    platform_key="-----BEGIN PUBLIC KEY-----",
    settings={"uplink": {"broker": "broker.example", "port": 8883}},
)


def changed(raw: bytes, **members: Any) -> bytes:
    return canonical({**parse(raw), **members})


def accept(raw: bytes, invitation: Invitation = INVITATION) -> Request:
    request, members = Request.read(raw)
    requests.check(request, members, invitation)
    return request


def test_papers_then_read_as_they_were_written() -> None:
    assert Invitation.read(INVITATION.write()) == INVITATION
    request = accept(REQUEST.write(KEY, "t0ken"))
    assert replace(request, signing_key=KEY.public) == REQUEST
    assert request.signing_key.kid == KEY.kid
    assert Grant.read(GRANT.write("t0ken"), "t0ken") == GRANT


@pytest.mark.parametrize("name", sorted(requests.SHAPE))
def test_request_with_one_member_changed_then_refused(name: str) -> None:
    raw = REQUEST.write(KEY, "t0ken")
    held = parse(raw)[name]
    other: Any = not held if isinstance(held, bool) else f"{held}x"
    with pytest.raises(BadPaper):
        accept(changed(raw, **{name: other}))


def test_request_of_somebody_who_knows_the_token_and_not_the_key_then_refused() -> None:
    thief = SigningKey.from_seed(bytes(31) + b"\1")
    raw = REQUEST.write(KEY, "t0ken")
    other = replace(REQUEST, signing_key=thief.public).write(thief, "t0ken")
    # The thief's signature under the unit's key, sealed as only a holder of the token can.
    members = {**parse(raw), "signature": parse(other)["signature"]}
    members.pop("seal")
    from provisioning.papers import paper

    sealed = {name: members[name] for name in requests.SHAPE if name != "seal"}
    with pytest.raises(BadPaper, match="does not prove its signing key"):
        accept(canonical({**members, "seal": paper.seal("t0ken", sealed)}))


def test_request_made_with_another_invitations_token_then_refused() -> None:
    with pytest.raises(BadPaper, match="not made with this invitation's token"):
        accept(REQUEST.write(KEY, "another"))


def test_request_of_another_unit_then_both_are_named() -> None:
    other = replace(INVITATION, source=Source("330102", "h01", "w04"))
    with pytest.raises(BadPaper, match=r"of /330102/h01/w03, the invitation was for .*/w04"):
        accept(REQUEST.write(KEY, "t0ken"), other)


def test_grant_for_another_request_then_refused() -> None:
    with pytest.raises(BadPaper, match="does not answer this unit's request"):
        Grant.read(GRANT.write("t0ken"), "another")
    with pytest.raises(BadPaper, match="does not answer this unit's request"):
        Grant.read(changed(GRANT.write("t0ken"), platformKey="another"), "t0ken")


@pytest.mark.parametrize(
    "members",
    [{"seal": "é" * 64}, {"settings": {"case": {"prompt_s": float("inf")}}}],
    ids=["a seal in other letters", "settings that cannot be written"],
)
def test_grant_that_nobody_can_have_sealed_then_refused(members: dict[str, Any]) -> None:
    value = {**parse(GRANT.write("t0ken")), **members}
    with pytest.raises(BadPaper, match="does not answer"):
        Grant.read(json.dumps(value).replace("Infinity", "1e999").encode(), "t0ken")


@pytest.mark.parametrize("name", ["paper", "version"])
def test_paper_of_a_strangers_kind_then_no_more_than_a_line_of_it_is_shown(name: str) -> None:
    raw = changed(INVITATION.write(), **{name: "\x1b[2J\n" + "x" * 500})
    with pytest.raises(BadPaper) as refused:
        Invitation.read(raw)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "no invitation, or it is damaged"),
        (b"[1]", "no invitation, but something else"),
        (GRANT.write("t0ken"), "no invitation, but it is a grant"),
        (changed(INVITATION.write(), version=2), "of version 2, this program knows 1"),
        (changed(INVITATION.write(), until="tomorrow"), "'tomorrow' is no time in UTC"),
        (changed(INVITATION.write(), source="w03"), "not /area/hall/unit"),
        (changed(INVITATION.write(), token=5), "token is missing or not as it should be"),
        (b" " * (PAPER_LEN_MAX + 1), "longer than 65536 bytes"),
    ],
)
def test_something_else_than_an_invitation_then_a_sentence(raw: bytes, sentence: str) -> None:
    with pytest.raises(BadPaper, match=sentence):
        Invitation.read(raw)


@settings(max_examples=200)
@given(data=st.data())
def test_any_damage_then_refused_or_the_same_paper(data: st.DataObject) -> None:
    raw = bytearray(REQUEST.write(KEY, "t0ken"))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    try:
        request = accept(bytes(raw))
    except BadPaper:
        return
    assert replace(request, signing_key=KEY.public) == REQUEST
