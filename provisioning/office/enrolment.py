"""The office's part of an enrolment: invite, issue, and over a place all of it. Real I/O.

Whatever is handed out is in the inventory before: the same request gets the same certificate again,
so each step may be cut off and repeated.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from protocol.central.entry import Source
from provisioning.errors import ProvisioningError
from provisioning.office.inventory import Conflict
from provisioning.office.records import ENROLLED, IN_USE, Certificate, Key, Unit
from provisioning.office.sites import Site
from provisioning.papers import request as requests
from provisioning.papers.grant import Grant
from provisioning.papers.invitation import BEGIN, ENROL, Invitation
from provisioning.papers.paper import BadPaper, time_text
from provisioning.papers.request import Request
from provisioning.reach.place import Done, Place

TOKEN_LEN = 32
ID_LEN = 8
# The clocks of office and unit may differ by this without anybody being asked.
CLOCKS_APART_MAX = timedelta(minutes=5)
AT_ONCE = 16
# A Pi Zero makes its two keys and starts its daemon within this.
STEP_S = 300.0
# sh(1): no such command.
NOT_FOUND = 127


class Expired(ProvisioningError):
    """The invitation is over."""


class Answered(Conflict):
    """Another machine, or another card, answered the invitation before."""


class ClockWrong(ProvisioningError):
    """This computer's clock is not that of the unit, which follows a time server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """How the enrolment of one unit went; trouble: None when it is enrolled.

    is_answered: another one answered the invitation before.
    """

    unit: str
    trouble: str | None = None
    hint: str = ""
    kid: str | None = None
    until: str | None = None
    is_answered: bool = False
    warnings: tuple[str, ...] = ()


def invite(site: Site, unit: Unit, way: str = ENROL) -> bytes:
    """An invitation for the unit: the one that is open, or a new one. Raises ProvisioningError.

    way: as of an invitation; who has no key that counts, but had one, begins anew.
    """
    if unit.state not in IN_USE:
        raise Conflict(
            f"{unit.name} was {unit.state}", f"bring it back: `provision unit restore {unit.name}`"
        )
    ended = tuple(key.kid for key in site.inventory.keys(unit.name) if key.revoked)
    if ended and unit.kid is None:
        way = BEGIN
    now = site.now()
    life = timedelta(hours=site.settings.token_hours)
    held = site.inventory.open_invitation(unit.name, now)
    if held is not None:
        open_one = Invitation.read(held.encode())
        # One made when this computer's clock was ahead is answered before it was made.
        is_of_later = open_one.until - life > now + CLOCKS_APART_MAX
        if way in (ENROL, open_one.way) and not is_of_later:
            return held.encode()
    until = now + life
    invitation = Invitation(
        id=secrets.token_hex(ID_LEN),
        source=Source.parse(unit.source),
        token=secrets.token_urlsafe(TOKEN_LEN),
        until=until,
        way=way,
        ended=ended,
    )
    paper = invitation.write()
    site.inventory.invited(invitation.id, unit.name, paper, until, now)
    return paper


def issue(site: Site, raw: bytes) -> tuple[Unit, bytes, list[str]]:
    """The grant for a request, and whose it is; with what should be looked at.

    Raises ProvisioningError. The same request gets the same grant, also after the token's end.
    """
    request, members = Request.read(raw)
    known = site.inventory.invitation(request.invitation)
    if known is None:
        raise BadPaper(
            f"the request of {request.source} answers an invitation this site never made",
            f"invite the unit from here: `provision unit invite {request.source.unit}`",
        )
    name, paper, is_over = known
    invitation = Invitation.read(paper.encode())
    requests.check(request, members, invitation)
    unit = site.units(name)[0]
    digest = hashlib.sha256(raw.strip()).hexdigest()
    certificate = site.inventory.certificate_for(digest)
    warnings: list[str] = []
    if certificate is None:
        if is_over:
            raise Conflict(
                f"the invitation that this request of {name} answers is over",
                f"`provision unit invite {name}` makes a new one; the unit answers it again",
            )
        _check(site, unit, request, invitation)
        invited = invitation.until - timedelta(hours=site.settings.token_hours)
        warnings = _check_clock(request, invited, site.now())
        certificate = _issue(site, unit, request, digest, ends=invitation.way == BEGIN)
    elif certificate.revoked is not None:
        raise Conflict(
            f"the certificate for this request of {name} was taken back",
            f"`provision unit enrol {name}` makes a new one",
        )
    grant = Grant(
        invitation=invitation.id,
        source=request.source,
        certificate=certificate.pem,
        broker_authority=site.broker_authority(),
        platform_key=site.platform_key(),
        settings=settings_of(site, unit),
    )
    return unit, grant.write(invitation.token), warnings


def settings_of(site: Site, unit: Unit) -> dict[str, Any]:
    """The tables of the daemon's configuration that the office decides."""
    settings = site.settings
    return {
        **unit.settings,
        "unit": {"area": settings.area, "hall": settings.hall, "unit": unit.name},
        "window": [{"number": window.number, **window.settings} for window in unit.windows],
        "uplink": {
            "broker": settings.broker_host,
            "port": settings.broker_port,
            "protocol": settings.protocol,
        },
    }


def enrol(
    site: Site,
    units: Sequence[Unit],
    advance: Callable[[float], None],
    way: str = ENROL,
) -> list[Enrolled]:
    """Enrol the units over their places, many at once; how it went with each.

    way: as of an invitation.
    advance: called with a step of one for each unit that asked, and for each that is enrolled.
    Raises ProvisioningError for what concerns all of them.
    """
    papers = {unit.name: invite(site, unit, way) for unit in units}
    # Whatever would stop the last one is found before the first.
    site.broker_authority()
    site.platform_key()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = pool.map(lambda unit: _ask(site.place(unit), papers[unit.name]), units)
        grants: dict[str, bytes] = {}
        done: dict[str, Enrolled] = {}
        for unit, answer in zip(units, asked, strict=True):
            try:
                if isinstance(answer, ProvisioningError):
                    raise answer
                _, grants[unit.name], warnings = issue(site, answer)
                done[unit.name] = Enrolled(unit=unit.name, warnings=tuple(warnings))
            except ProvisioningError as error:
                done[unit.name] = Enrolled(
                    unit=unit.name,
                    trouble=str(error),
                    hint=error.hint,
                    is_answered=isinstance(error, Answered),
                )
                advance(1)
            advance(1)
        granted = [unit for unit in units if unit.name in grants]
        _publish(site, granted, way)
        installed = pool.map(lambda unit: _hand(site.place(unit), grants[unit.name]), granted)
        for unit, said in zip(granted, installed, strict=True):
            done[unit.name] = _installed(site, unit, said, done[unit.name])
            advance(1)
    return [done[unit.name] for unit in units]


def _publish(site: Site, granted: Sequence[Unit], way: str) -> None:
    """Have the platform know a key before the first entry that is signed with it."""
    if not granted:
        return
    site.publish_registry()
    # Of one that serves already, nothing has ended.
    ended = [unit for unit in granted if way == BEGIN and site.inventory.is_awaited(unit.name)]
    if ended:
        site.publish_list(*ended)


def _installed(
    site: Site, unit: Unit, said: Mapping[str, Any] | ProvisioningError, before: Enrolled
) -> Enrolled:
    if isinstance(said, ProvisioningError):
        return Enrolled(unit=unit.name, trouble=str(said), hint=said.hint)
    site.inventory.installed(unit.name, site.now())
    after = site.units(unit.name)[0]
    return Enrolled(
        unit=unit.name,
        kid=after.kid,
        until=after.certificate_until,
        warnings=before.warnings,
    )


def _ask(place: Place, invitation: bytes) -> bytes | ProvisioningError:
    """The request of the unit there; trouble is returned, since it is that of one among many."""
    try:
        return good(place, place.run(REQUEST, given=invitation, timeout_s=STEP_S)).out
    except ProvisioningError as error:
        return error


def _hand(place: Place, grant: bytes) -> Mapping[str, Any] | ProvisioningError:
    """What the unit there says when it has installed its grant."""
    try:
        said = good(place, place.run(INSTALL, given=grant, timeout_s=STEP_S)).out
        value = json.loads(said)
        return value if isinstance(value, dict) else {}
    except ProvisioningError as error:
        return error
    except ValueError:
        return ProvisioningError(f"{place.name}: what it answered is not understood")


REQUEST = ("provision", "unit", "request", "-")
INSTALL = ("provision", "unit", "install", "-", "--json")


def good(place: Place, done: Done) -> Done:
    """What a command left that went well; ProvisioningError in its own words when it did not."""
    if done.code == NOT_FOUND:
        raise ProvisioningError(
            f"{place.name}: haochaping is not installed there",
            "make its card with `provision image`, or install it: docs/service.md",
        )
    if done.code:
        words = done.err.decode("utf-8", "replace").strip().splitlines()
        errors = [line for line in words if line.startswith("error: ")]
        hints = [line.removeprefix("next: ") for line in words if line.startswith("next: ")]
        sentence = errors[-1].removeprefix("error: ") if errors else done.sentence
        raise ProvisioningError(f"{place.name}: {sentence}", hints[-1] if hints else "")
    return done


def _check(site: Site, unit: Unit, request: Request, invitation: Invitation) -> None:
    now = site.now()
    answered = site.inventory.is_answered(invitation.id)
    if answered is not None:
        raise Answered(
            f"the invitation of {unit.name} was answered by another request already",
            f"was its card exchanged? `provision unit restore {unit.name}`",
        )
    if now > invitation.until:
        raise Expired(
            f"the invitation of {unit.name} ended at {time_text(invitation.until)}",
            f"`provision unit invite {unit.name}` makes a new one; the unit answers it again",
        )
    for other in site.inventory.units():
        if request.serial and other.serial == request.serial and other.name != unit.name:
            raise Conflict(
                f"the machine {request.serial} is enrolled as {other.name} already",
                f"is this the right unit? Else `provision unit retire {other.name}` first",
            )
    is_another = unit.serial and request.serial != unit.serial
    if unit.state == ENROLLED and is_another and invitation.way != BEGIN:
        raise Conflict(
            f"{unit.name} is enrolled on the machine {unit.serial}, and this one is "
            f"{request.serial or 'one without a serial number'}",
            f"was it exchanged? `provision unit replace {unit.name}`",
        )
    keys = {key.kid: key for key in site.inventory.keys(unit.name)}
    held = keys.get(request.signing_key.kid)
    if held is not None and held.revoked is not None:
        raise Conflict(
            f"the signing key {held.kid} of {unit.name} was revoked {held.revoked}",
            f"`provision unit restore {unit.name}` has it make a new one",
        )


def _issue(site: Site, unit: Unit, request: Request, digest: str, *, ends: bool) -> Certificate:
    name = unit.source.removeprefix("/")
    issued = site.sign(request.certificate_request, name)
    certificate = Certificate(
        number=issued.number,
        unit=unit.name,
        pem=issued.pem,
        until=time_text(issued.until),
        revoked=None,
    )
    key = request.signing_key
    site.inventory.issued(
        unit.name,
        invitation=request.invitation,
        request=digest,
        certificate=certificate,
        key=Key(kid=key.kid, public=key.to_text(), revoked=None),
        serial=request.serial,
        ends=ends,
        at=site.now(),
    )
    return certificate


def _check_clock(request: Request, invited: datetime, now: datetime) -> list[str]:
    """A request is made after its invitation and before it is read, however it is carried."""
    if request.made > now + CLOCKS_APART_MAX:
        apart, office, unit = request.made - now, "behind", "ahead"
    elif request.made < invited - CLOCKS_APART_MAX:
        apart, office, unit = invited - request.made, "ahead of", "behind"
    else:
        return []
    minutes = int(apart.total_seconds() // 60)
    if request.is_synced:
        raise ClockWrong(
            f"this computer's clock is {minutes} min {office} that of {request.source.unit}, which "
            "follows a time server: certificates made now would begin and end at a wrong time",
            "set this computer's clock right (timedatectl set-ntp true)",
        )
    return [
        f"the clock of {request.source.unit} is {minutes} min {unit} and follows no time server: "
        "it rates and records, and connects as soon as it knows the time"
    ]
