"""A unit installs its grant, or only new settings, and serves by them (real I/O).

Every step is one rename, or can be done twice; whatever cuts it off, the same command ends it. The
daemon takes what changed by a reload, so an open prompt goes on.
"""

from collections.abc import Mapping
from typing import Any

from provisioning import files
from provisioning.errors import ProvisioningError
from provisioning.papers.grant import Grant
from provisioning.papers.invitation import RENEW, Invitation
from provisioning.papers.paper import BadPaper, read
from provisioning.unit import enrolled, keys
from provisioning.unit.configuration import merged
from provisioning.unit.enrolled import Enrolled
from provisioning.unit.machine import (
    BROKER_AUTHORITY,
    DAEMON_TOML,
    FORMER,
    JOURNAL,
    PLATFORM_KEY,
    SERVICE,
    SIGNING_KEY,
    TLS,
    Machine,
)
from provisioning.unit.requesting import INVITATION, NEW_SIGNING_KEY, NEW_TLS_KEY, REQUEST, clear


def install(machine: Machine, raw: bytes) -> Enrolled:
    """Make this machine the unit of the grant, and start it. Raises ProvisioningError."""
    with machine.alone():
        return _install(machine, raw)


def _install(machine: Machine, raw: bytes) -> Enrolled:
    held = machine.read(INVITATION)
    if held is None:
        return _again(machine, raw)
    invitation = Invitation.read(held)
    grant = Grant.read(raw, invitation.token)
    _take_keys(machine, grant, invitation)
    machine.put(BROKER_AUTHORITY, grant.broker_authority.encode(), 0o644)
    machine.put(PLATFORM_KEY, grant.platform_key.encode(), 0o644)
    kid = keys.load_signing_key(machine.at(SIGNING_KEY)).kid
    _configure(machine, grant.settings)
    request = machine.read(REQUEST)
    assert request is not None
    done = Enrolled(
        source=str(grant.source), invitation=invitation.id, kid=kid, request=request.decode()
    )
    enrolled.write(machine, done)
    clear(machine)
    return done


def configure(machine: Machine, settings: Mapping[str, Any]) -> None:
    """Put the office's settings into the daemon's file, and serve by them.

    Settings that the daemon would refuse change nothing. Raises ProvisioningError.
    """
    with machine.alone():
        _configure(machine, settings)


def _configure(machine: Machine, settings: Mapping[str, Any]) -> None:
    before = machine.read(DAEMON_TOML)
    path = str(machine.at(DAEMON_TOML))
    if before is None:
        raise ProvisioningError(f"{path}: missing", "install haochaping anew: it puts one there")
    tables = {**settings, "uplink": {**settings.get("uplink", {}), **_files(machine)}}
    tables["unit"] = {**tables.get("unit", {}), "signing_key": str(machine.at(SIGNING_KEY))}
    tables["store"] = {**tables.get("store", {}), "database": str(machine.at(JOURNAL))}
    text = merged(
        path, before.decode("utf-8", "replace"), tables, lambda name: str(machine.at(name))
    )
    if text.encode() != before:
        owner = machine.at(DAEMON_TOML).stat()
        machine.put_as(DAEMON_TOML, text.encode(), owner)
    try:
        machine.run("haochaping", "--check")
    except ProvisioningError:
        machine.put_as(DAEMON_TOML, before, machine.at(DAEMON_TOML).stat())
        raise
    _serve(machine)


def _serve(machine: Machine) -> None:
    """Have the daemon run by what is there now."""
    if machine.ask("systemctl", "is-active", "--quiet", SERVICE):
        machine.run("systemctl", "enable", "--now", SERVICE)
    else:
        machine.run("systemctl", "reload", SERVICE)


def _files(machine: Machine) -> dict[str, str]:
    tls = str(machine.at(TLS))
    return {
        "platform_key": str(machine.at(PLATFORM_KEY)),
        "tls_ca": str(machine.at(BROKER_AUTHORITY)),
        "tls_certificate": tls,
        "tls_key": tls,
    }


def _take_keys(machine: Machine, grant: Grant, invitation: Invitation) -> None:
    """Put the keys that the grant is for in their places; they may be there already."""
    new_tls = machine.at(NEW_TLS_KEY)
    if not keys.is_of(machine, grant.certificate, new_tls):
        raise BadPaper(
            "the certificate in the grant is of another key than this unit's",
            "issue it again for the request that is here",
        )
    pair = new_tls.read_bytes() + grant.certificate.encode()
    machine.put(TLS, pair, 0o600, is_daemons=True)
    signing = machine.read(NEW_SIGNING_KEY)
    if signing is not None:
        if invitation.way != RENEW:
            _set_journal_aside(machine, invitation.id)
        machine.put(SIGNING_KEY, signing, 0o600, is_daemons=True)


def _set_journal_aside(machine: Machine, number: str) -> None:
    """What was signed with a key that counts no more is evidence here, and not to be sent."""
    journal = machine.at(JOURNAL)
    aside = machine.at(FORMER) / number
    if not journal.exists() or machine.read(SIGNING_KEY) == machine.read(NEW_SIGNING_KEY):
        return
    machine.run("systemctl", "stop", SERVICE)
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The journal itself last: until it is gone this is done again.
    for suffix in ("-wal", "-shm", ""):
        part = journal.with_name(journal.name + suffix)
        if part.exists():
            part.rename(aside / part.name)
    files.settle(aside)


def _again(machine: Machine, raw: bytes) -> Enrolled:
    """The answer that the office did not hear: the grant is installed already."""
    done = enrolled.read(machine)
    answered = read("grant", raw, {"invitation": str})["invitation"]
    if done is None or done.invitation != answered:
        raise ProvisioningError(
            "this machine has not asked for a grant", "first: provision unit request"
        )
    # It serves by the grant already; a reload would only take it away for a moment.
    machine.run("systemctl", "enable", "--now", SERVICE)
    return done


def leave(machine: Machine, source: str) -> None:
    """End this machine's being a unit: its service and its keys. The journal stays: it is evidence.

    Raises ProvisioningError when it is another unit than the one named.
    """
    held = enrolled.read(machine)
    if held is not None and held.source != source:
        raise ProvisioningError(f"this machine is {held.source}, not {source}")
    with machine.alone():
        _leave(machine)


def _leave(machine: Machine) -> None:
    machine.run("systemctl", "disable", "--now", SERVICE)
    for path in (TLS, SIGNING_KEY):
        machine.at(path).unlink(missing_ok=True)
    clear(machine)
    enrolled.forget(machine)
