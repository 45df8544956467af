"""The inventory: units, windows, pads, keys and certificates of a hall, and what happened to each.

SQLite through sqlite-utils, of which this is the only user here. Each method is one transaction: a
command that is cut off leaves a state that the same command goes on from. Real I/O.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from provisioning.errors import ProvisioningError
from provisioning.office.records import (
    ENROLLED,
    IN_USE,
    INVITED,
    PLANNED,
    RETIRED,
    REVOKED,
    SCHEMA,
    Certificate,
    Key,
    Unit,
)
from provisioning.office.windows import WantedUnit, Window
from provisioning.papers.paper import time_text


class Conflict(ProvisioningError):
    """What is asked for contradicts what is there."""


class Inventory:
    """`source`: area and hall as "/330102/h01", which the names of its units complete."""

    def __init__(self, path: Path, source: str) -> None:
        self._db, self._source = Database(path), source
        # A second command waits for the first one's step, and a step is milliseconds.
        self._db.execute("PRAGMA busy_timeout = 10000")
        self._db.executescript(SCHEMA)
        path.chmod(0o600)

    def close(self) -> None:
        self._db.close()

    # -- units and windows

    def units(self, *, every: bool = False) -> list[Unit]:
        """Those in use, by name; with `every` also the revoked and the retired."""
        rows = self._rows("SELECT * FROM units ORDER BY name")
        return [self._unit(row) for row in rows if every or row["state"] in IN_USE]

    def unit(self, name: str) -> Unit | None:
        rows = self._rows("SELECT * FROM units WHERE name = ?", name)
        return self._unit(rows[0]) if rows else None

    def changes(self, wanted: Iterable[WantedUnit]) -> list[str]:
        """What `plan` would change, a sentence each. Raises Conflict."""
        changes = []
        for one in wanted:
            found = self.unit(one.name)
            self._check(one, found)
            if found is None:
                numbers = ", ".join(window.number for window in one.windows)
                changes.append(f"{one.name}: new, for window {numbers}")
            elif _as_wanted(found) != one:
                changes.append(f"{one.name}: changed")
        return changes

    def plan(self, wanted: Sequence[WantedUnit], at: datetime) -> list[str]:
        """Take the units over, all of them or none; what changed. Raises Conflict."""
        with self._db.atomic():
            changes = self.changes(wanted)
            for one in wanted:
                found = self.unit(one.name)
                if found is None:
                    self._add(one)
                    self._note(one.name, "planned", {}, at)
                elif _as_wanted(found) != one:
                    self._change(one)
                    self._note(one.name, "changed", {}, at)
        return changes

    def _check(self, wanted: WantedUnit, found: Unit | None) -> None:
        if found is not None and found.state in (REVOKED, RETIRED):
            raise Conflict(
                f"{wanted.name}: this unit was {found.state}; its name is in the evidence",
                f"bring it back with `provision unit restore {wanted.name}`, or take a new name",
            )
        for window in wanted.windows:
            rows = self._rows("SELECT unit FROM windows WHERE number = ?", window.number)
            if rows and rows[0]["unit"] != wanted.name:
                raise Conflict(
                    f"window {window.number} is that of {rows[0]['unit']}, "
                    f"so it cannot be that of {wanted.name}",
                    f"`provision unit move {rows[0]['unit']}` or `retire` it first",
                )

    def _add(self, wanted: WantedUnit) -> None:
        self._db.table("units").insert(
            {
                "name": wanted.name,
                "state": PLANNED,
                "host": wanted.host,
                "ip": wanted.ip,
                "settings": _text(wanted.settings),
            }
        )
        self._put_windows(wanted)

    def _change(self, wanted: WantedUnit) -> None:
        values = {"host": wanted.host, "ip": wanted.ip, "settings": _text(wanted.settings)}
        self._db.table("units").update(wanted.name, values)
        self._db.execute("DELETE FROM windows WHERE unit = ?", [wanted.name])
        self._put_windows(wanted)

    def _put_windows(self, wanted: WantedUnit) -> None:
        for place, window in enumerate(wanted.windows):
            self._db.table("windows").insert(
                {
                    "number": window.number,
                    "unit": wanted.name,
                    "settings": _text(window.settings),
                    "place": place,
                }
            )

    def reach(self, name: str, host: str, at: datetime) -> None:
        """Note another host name of a unit."""
        with self._db.atomic():
            self._db.table("units").update(name, {"host": host})
            self._note(name, "host", {"host": host}, at)

    # -- enrolment

    def invitation(self, number: str) -> tuple[str, str, bool] | None:
        """The unit an invitation was for, its paper, and whether it is over."""
        rows = self._rows("SELECT unit, paper, is_over FROM invitations WHERE id = ?", number)
        return (rows[0]["unit"], rows[0]["paper"], bool(rows[0]["is_over"])) if rows else None

    def open_invitation(self, name: str, at: datetime) -> str | None:
        """The paper of an invitation that still holds, or was answered and not yet installed."""
        rows = self._rows(
            "SELECT paper FROM invitations WHERE unit = ? AND is_over = 0 "
            "AND (answered IS NOT NULL OR until > ?) ORDER BY rowid DESC LIMIT 1",
            name,
            time_text(at),
        )
        return str(rows[0]["paper"]) if rows else None

    def invited(self, number: str, name: str, paper: bytes, until: datetime, at: datetime) -> None:
        """Note an invitation before it is handed out."""
        with self._db.atomic():
            self._db.table("invitations").insert(
                {"id": number, "unit": name, "paper": paper.decode(), "until": time_text(until)}
            )
            self._db.execute(
                "UPDATE units SET state = ? WHERE name = ? AND state = ?", [INVITED, name, PLANNED]
            )
            self._note(name, "invited", {"until": time_text(until)}, at)

    def certificate_for(self, request: str) -> Certificate | None:
        """What was issued for a request, by its digest."""
        rows = self._rows("SELECT * FROM certificates WHERE request = ?", request)
        return _certificate(rows[0]) if rows else None

    def is_answered(self, invitation: str) -> str | None:
        """The digest of the request that answered an invitation."""
        rows = self._rows("SELECT answered FROM invitations WHERE id = ?", invitation)
        return str(rows[0]["answered"]) if rows and rows[0]["answered"] else None

    def is_awaited(self, name: str) -> bool:
        """Whether something was issued to a unit that it has not said to be installed."""
        rows = self._rows(
            "SELECT 1 FROM invitations WHERE unit = ? AND is_over = 0 AND answered IS NOT NULL",
            name,
        )
        return bool(rows)

    def issued(
        self,
        name: str,
        *,
        invitation: str,
        request: str,
        certificate: Certificate,
        key: Key,
        serial: str,
        ends: bool,
        at: datetime,
    ) -> None:
        """Note a certificate and a signing key before they are handed out.

        ends: those the unit had before are over with that.
        """
        with self._db.atomic():
            if ends:
                self._end_keys(name, at)
            self._db.table("certificates").insert(
                {
                    "number": certificate.number,
                    "unit": name,
                    "pem": certificate.pem,
                    "until": certificate.until,
                    "request": request,
                    "since": time_text(at),
                }
            )
            self._db.table("keys").insert(
                {"kid": key.kid, "unit": name, "public": key.public, "since": time_text(at)},
                ignore=True,
            )
            self._db.table("invitations").update(invitation, {"answered": request})
            self._db.table("units").update(name, {"serial": serial or None})
            self._note(
                name,
                "issued",
                {"certificate": certificate.number, "kid": key.kid, "serial": serial},
                at,
            )

    def installed(self, name: str, at: datetime, *, ends_older: bool = True) -> None:
        """Note that a unit has its certificate, and, unless told otherwise, no older one."""
        with self._db.atomic():
            self._db.table("units").update(name, {"state": ENROLLED})
            if ends_older:
                self._db.execute(
                    "UPDATE certificates SET revoked = ? WHERE unit = ? AND revoked IS NULL "
                    "AND rowid < (SELECT max(rowid) FROM certificates WHERE unit = ?)",
                    [time_text(at), name, name],
                )
            self.end_invitations(name)
            self._note(name, "enrolled", {}, at)

    # -- the end of keys

    def end(self, name: str, state: str, why: str, at: datetime) -> None:
        """Take a unit's keys and certificates back; `state`: what it is from now on."""
        with self._db.atomic():
            self._end_keys(name, at)
            self.end_invitations(name)
            self._db.table("units").update(
                name, {"state": state, "serial": None, "old_keys": 0, "leaving": "[]"}
            )
            if state not in IN_USE:
                self._db.execute("DELETE FROM windows WHERE unit = ?", [name])
            self._note(name, state, {"why": why}, at)

    def end_invitations(self, name: str) -> None:
        """Whoever has an invitation of this unit comes too late."""
        self._db.execute("UPDATE invitations SET is_over = 1 WHERE unit = ?", [name])

    def _end_keys(self, name: str, at: datetime) -> None:
        # The time is written in whole seconds, and what came within this one came before.
        at += timedelta(seconds=1)
        for table in ("keys", "certificates"):
            self._db.execute(
                f"UPDATE {table} SET revoked = ? WHERE unit = ? AND revoked IS NULL",
                [time_text(at), name],
            )

    def old_keys_until(self, name: str) -> None:
        """Note that a unit's older keys are to end as soon as the platform has what they signed."""
        self._db.table("units").update(name, {"old_keys": 1})

    def has_old_keys(self, name: str) -> bool:
        """Whether older keys of a unit are still to end."""
        return bool(self._rows("SELECT old_keys FROM units WHERE name = ?", name)[0]["old_keys"])

    def end_old_keys(self, name: str, at: datetime) -> None:
        """Take all but a unit's newest signing key back."""
        with self._db.atomic():
            self._db.execute(
                "UPDATE keys SET revoked = ? WHERE unit = ? AND revoked IS NULL AND rowid < "
                "(SELECT max(rowid) FROM keys WHERE unit = ?)",
                [time_text(at), name, name],
            )
            self._db.table("units").update(name, {"old_keys": 0})
            self._note(name, "old keys ended", {}, at)

    def keys(self, name: str) -> list[Key]:
        """Every signing key a unit ever had, the oldest first."""
        rows = self._rows("SELECT * FROM keys WHERE unit = ? ORDER BY rowid", name)
        return [Key(kid=row["kid"], public=row["public"], revoked=row["revoked"]) for row in rows]

    def taken_back(self) -> list[Certificate]:
        """Every certificate that no longer counts, and has not ended by itself."""
        rows = self._rows("SELECT * FROM certificates WHERE revoked IS NOT NULL ORDER BY rowid")
        return [_certificate(row) for row in rows]

    # -- windows that a unit leaves

    def move(self, name: str, windows: Sequence[Window], at: datetime) -> None:
        """Give a unit other windows. Raises Conflict."""
        found = self.unit(name)
        assert found is not None
        wanted = WantedUnit(
            name=name, windows=tuple(windows), host=found.host, ip=found.ip, settings=found.settings
        )
        with self._db.atomic():
            self._check(wanted, found)
            self._change(wanted)
            numbers = [window.number for window in windows]
            self._note(name, "moved", {"from": list(found.numbers), "to": numbers}, at)

    def leaving(self, name: str, numbers: Sequence[str]) -> None:
        """Note the windows of which the platform does not have all yet, though a unit left them."""
        self._db.table("units").update(name, {"leaving": json.dumps(numbers)})

    def left(self, name: str) -> tuple[str, ...]:
        """As `leaving` noted them."""
        rows = self._rows("SELECT leaving FROM units WHERE name = ?", name)
        return tuple(json.loads(rows[0]["leaving"]))

    def return_to_plan(self, name: str, windows: Sequence[Window], at: datetime) -> None:
        """Have a unit that was revoked or retired again, with these windows. Raises Conflict."""
        found = self.unit(name)
        assert found is not None
        with self._db.atomic():
            self._db.table("units").update(name, {"state": PLANNED})
            wanted = replace(_as_wanted(found), windows=tuple(windows))
            self._check(wanted, None)
            self._change(wanted)
            self._note(name, "planned", {"again": True}, at)

    # -- pads

    def pad_of(self, uid: str) -> tuple[str, str] | None:
        """Unit and window of a pad in use."""
        rows = self._rows("SELECT unit, window FROM pads WHERE uid = ? AND retired IS NULL", uid)
        return (rows[0]["unit"], rows[0]["window"]) if rows else None

    def pads(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The pads of a unit in use: uid, window, since."""
        return self._rows(
            "SELECT uid, window, since FROM pads WHERE unit = ? AND retired IS NULL "
            "ORDER BY window",
            name,
        )

    def enrol_pad(
        self, uid: str, name: str, window: str, facts: Mapping[str, Any], at: datetime
    ) -> None:
        """Note that a pad is that of a window; the one it had is no longer."""
        with self._db.atomic():
            self._db.execute(
                "UPDATE pads SET retired = ? WHERE unit = ? AND window = ? AND uid <> ? "
                "AND retired IS NULL",
                [time_text(at), name, window, uid],
            )
            self._db.table("pads").upsert(
                {
                    "uid": uid,
                    "unit": name,
                    "window": window,
                    "since": time_text(at),
                    "retired": None,
                    "facts": _text(facts),
                },
                pk="uid",
            )
            self._note(name, "pad", {"uid": uid, "window": window}, at)

    # -- what was seen

    def saw(self, name: str, status: Mapping[str, Any], at: datetime) -> None:
        """Keep what a unit said of itself, the latest."""
        row = {"unit": name, "at": time_text(at), "status": _text(status)}
        self._db.table("seen").upsert(row, pk="unit")

    def seen(self, name: str) -> tuple[Mapping[str, Any], str] | None:
        """What a unit said of itself, and when."""
        rows = self._rows("SELECT status, at FROM seen WHERE unit = ?", name)
        return (json.loads(rows[0]["status"]), rows[0]["at"]) if rows else None

    def accept(self, name: str, window: str, report: Mapping[str, Any], at: datetime) -> None:
        """Keep the report of an acceptance."""
        with self._db.atomic():
            self._db.table("acceptances").insert(
                {"unit": name, "window": window, "at": time_text(at), "report": _text(report)}
            )
            self._note(name, "tested", {"window": window, "ok": report.get("ok")}, at)

    def acceptances(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Every acceptance of a unit: window, at, report; the oldest first."""
        rows = self._rows("SELECT * FROM acceptances WHERE unit = ? ORDER BY id", name)
        return [{**row, "report": json.loads(row["report"])} for row in rows]

    def note(self, name: str, what: str, facts: Mapping[str, Any], at: datetime) -> None:
        """Add to a unit's history."""
        self._note(name, what, facts, at)

    def history(self, name: str) -> Sequence[Mapping[str, Any]]:
        """What happened to a unit: at, what, facts; the oldest first."""
        rows = self._rows("SELECT at, what, facts FROM history WHERE unit = ? ORDER BY id", name)
        return [{**row, "facts": json.loads(row["facts"])} for row in rows]

    def latest(self) -> str | None:
        """The time of the latest thing that happened, as this computer's clock said it then."""
        at = self._rows("SELECT max(at) AS at FROM history")[0]["at"]
        return None if at is None else str(at)

    def _note(self, name: str, what: str, facts: Mapping[str, Any], at: datetime) -> None:
        row = {"unit": name, "at": time_text(at), "what": what, "facts": _text(facts)}
        self._db.table("history").insert(row)

    def _rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return list(self._db.query(sql, list(values)))

    def _unit(self, row: Mapping[str, Any]) -> Unit:
        name = row["name"]
        keys = [key for key in self.keys(name) if key.revoked is None]
        held = self._rows(
            "SELECT until FROM certificates WHERE unit = ? AND revoked IS NULL "
            "ORDER BY rowid DESC LIMIT 1",
            name,
        )
        windows = self._rows("SELECT * FROM windows WHERE unit = ? ORDER BY place", name)
        return Unit(
            name=name,
            source=f"{self._source}/{name}",
            windows=tuple(Window(one["number"], json.loads(one["settings"])) for one in windows),
            host=row["host"],
            ip=row["ip"],
            state=row["state"],
            settings=json.loads(row["settings"]),
            serial=row["serial"],
            kid=keys[-1].kid if keys else None,
            certificate_until=held[0]["until"] if held else None,
        )


def _as_wanted(unit: Unit) -> WantedUnit:
    return WantedUnit(
        name=unit.name, windows=unit.windows, host=unit.host, ip=unit.ip, settings=unit.settings
    )


def _certificate(row: Mapping[str, Any]) -> Certificate:
    return Certificate(
        number=row["number"],
        unit=row["unit"],
        pem=row["pem"],
        until=row["until"],
        revoked=row["revoked"],
    )


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
