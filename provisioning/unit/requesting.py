"""A unit answers an invitation: it makes its keys and asks (real I/O).

The new keys lie aside, below `enrolment/`, until the grant for them is installed: whatever a unit
has and does goes on until then. The same invitation gets the same request again.
"""

import os
import shutil
from importlib.metadata import version
from pathlib import Path

from provisioning.errors import ProvisioningError
from provisioning.papers.invitation import BEGIN, ENROL, Invitation
from provisioning.papers.paper import time_text
from provisioning.papers.request import Request
from provisioning.unit import enrolled, keys
from provisioning.unit.machine import PENDING, SIGNING_KEY, STATE, Machine

INVITATION, REQUEST = f"{PENDING}/invitation.json", f"{PENDING}/request.json"
NEW_SIGNING_KEY, NEW_TLS_KEY = f"{PENDING}/signing.pem", f"{PENDING}/tls.key"


def answer(machine: Machine, raw: bytes) -> bytes:
    """The request that answers the invitation. Raises ProvisioningError."""
    invitation = Invitation.read(raw)
    _check_place(machine, invitation)
    with machine.alone():
        # Installed meanwhile, and the office did not hear of it: it goes on from the same request.
        # And who still counts under this name is not to be exchanged.
        held = enrolled.read(machine)
        if held is not None and (
            held.invitation == invitation.id
            or (invitation.way == BEGIN and held.kid not in invitation.ended)
        ):
            return held.request.encode()
        return _answer(machine, invitation)


def _answer(machine: Machine, invitation: Invitation) -> bytes:
    held, made = machine.read(INVITATION), machine.read(REQUEST)
    if held is not None and Invitation.read(held).id != invitation.id:
        clear(machine)
    elif made is not None:
        return made
    _check_time(machine, invitation)
    folder = machine.at(PENDING)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    machine.put(INVITATION, invitation.write(), 0o600)
    signing = _signing_key(machine, invitation)
    key = keys.make_signing_key(signing)
    tls_key = machine.at(NEW_TLS_KEY)
    keys.make_tls_key(machine, tls_key)
    request = Request(
        invitation=invitation.id,
        source=invitation.source,
        certificate_request=keys.certificate_request(machine, tls_key, invitation.source),
        signing_key=key.public,
        serial=machine.serial(),
        host=os.uname().nodename,
        release=version("haochaping"),
        made=machine.now(),
        is_synced=machine.is_synced(),
    )
    # A key must survive the power cut that its request survives.
    os.sync()
    paper = request.write(key, invitation.token)
    machine.put(REQUEST, paper, 0o600)
    return paper


def clear(machine: Machine) -> None:
    """Nothing is under way any more; cut off, either all of it is there or none."""
    pending = machine.at(PENDING)
    aside = pending.with_name(f"{pending.name}.over")
    shutil.rmtree(aside, ignore_errors=True)
    if pending.exists():
        pending.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _signing_key(machine: Machine, invitation: Invitation) -> Path:
    """Where the key is that signs: the one there is, unless a new one is wanted."""
    held = machine.at(SIGNING_KEY)
    return held if held.exists() and invitation.way == ENROL else machine.at(NEW_SIGNING_KEY)


def _check_place(machine: Machine, invitation: Invitation) -> None:
    if not machine.at(STATE).is_dir():
        raise ProvisioningError(
            f"{machine.at(STATE)}: not there: this machine is no unit yet",
            "install haochaping on it first: docs/service.md",
        )
    if not os.access(machine.at(STATE), os.W_OK):
        raise ProvisioningError(
            f"{machine.at(STATE)}: may not be written", "put sudo before the command"
        )
    holds = enrolled.read(machine)
    if holds is not None and holds.source != str(invitation.source):
        raise ProvisioningError(
            f"this machine is enrolled as {holds.source}, the invitation is for "
            f"{invitation.source}",
            f"is it the right one? If so, first: sudo provision unit leave {holds.source}",
        )


def _check_time(machine: Machine, invitation: Invitation) -> None:
    if machine.is_synced() and machine.now() > invitation.until:
        raise ProvisioningError(
            f"the invitation ended at {time_text(invitation.until)}",
            "have the office make a new one: provision unit invite",
        )
