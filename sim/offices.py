"""A site folder for tests and demos, whose clock is a number and whose units are folders here.

office = Office(folder)
unit = office.machine("w03")
office.enrol("w03")  # invite, request, issue, install, in this process
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from protocol.central.signing import SigningKey
from provisioning.errors import ProvisioningError
from provisioning.office import enrolment, founding
from provisioning.office.founding import Given
from provisioning.office.records import Unit
from provisioning.office.sites import Site
from provisioning.reach.place import ANSWER_S, Done, Unreachable
from provisioning.unit import enrolled, installing, requesting
from provisioning.unit.enrolled import Enrolled
from sim.authority import Authority
from sim.machines import CutMachine, PowerCut, make
from sim.played import whole

WINDOWS = "unit,window,host\nw03,3,w03\nw04,4,w04\nw05,5,w05\n"
# Where a hall starts in these tests; an authority made now begins an hour before.
START = datetime(2026, 11, 29, 8, tzinfo=UTC)


class Desk:
    """A place whose commands are called in this process; `backlog`: what its daemon shows.

    calls: what was run there; `cut_at`: in which of them, before it is done, the laptop is closed.
    """

    def __init__(self, machine: CutMachine) -> None:
        self.name, self.machine = machine.root.name, machine
        self.backlog, self.is_off = 0, False
        self.calls: list[tuple[str, ...]] = []
        self.cut_at = 0

    def run(
        self,
        command: Sequence[str],
        *,
        given: bytes = b"",
        timeout_s: float = ANSWER_S,  # noqa: ARG002
    ) -> Done:
        if self.is_off:
            raise Unreachable(f"{self.name}: No route to host")
        self.calls.append(tuple(command))
        if len(self.calls) == self.cut_at:
            raise PowerCut
        try:
            return Done(0, self._run(tuple(command), given), b"")
        except ProvisioningError as error:
            return Done(2, b"", f"error: {error}\nnext: {error.hint}\n".encode())

    def _run(self, command: tuple[str, ...], given: bytes) -> bytes:
        if command == enrolment.REQUEST:
            return requesting.answer(self.machine, given)
        if command == enrolment.INSTALL:
            return json.dumps(installing.install(self.machine, given).told()).encode()
        if command == ("provision", "unit", "configure", "-"):
            installing.configure(self.machine, json.loads(given))
        elif command[:3] == ("provision", "unit", "leave"):
            installing.leave(self.machine, command[3])
        elif command == ("haochaping", "status"):
            held = enrolled.read(self.machine)
            told = whole()
            told["uplink"]["backlog"] = self.backlog
            told["journal"]["signer"] = None if held is None else {"kid": held.kid}
            return json.dumps(told).encode()
        return b""


class DeskSite(Site):
    """A site whose units are reached at their desks."""

    desks: dict[str, Desk]

    def place(self, unit: Unit) -> Desk:
        return self.desks[unit.host]


class Office:
    """`time` is what its computer believes; `pass_by` lets it go on."""

    def __init__(self, folder: Path, windows: str = WINDOWS, **values: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.time, self._folder = START, folder
        self.platform_key = SigningKey.generate()
        self.platform_key.public.save(folder / "platform.pem")
        self.broker = Authority(folder, "broker")
        (folder / "windows.csv").write_text(windows, "utf-8")
        given = {"area": "330102", "hall": "h01", "title": "h01", "host": "127.0.0.1"}
        self.done = founding.found(
            folder / "site",
            {**given, "port": "8883", **values},
            {"broker-ca.pem": self.broker.certificate, "platform.pub.pem": folder / "platform.pem"},
            folder / "windows.csv",
            Given(None, None, None),
            self.now,
        )
        self.site = DeskSite.open(folder / "site", self.now)
        self.site.desks = {name: Desk(self.machine(name)) for name in ("w03", "w04", "w05")}

    def now(self) -> datetime:
        return self.time

    def pass_by(self, time: timedelta) -> None:
        self.time += time

    def unit(self, name: str) -> Unit:
        """As the inventory has it."""
        return self.site.units(name)[0]

    def machine(self, name: str, serial: str | None = None) -> CutMachine:
        """A unit's machine, made when it is first asked for; the same folder from then on."""
        root = self._folder / "machines" / name
        if not root.exists():
            text = resources.files("daemon").joinpath("config.example.toml").read_text("utf-8")
            make(root, text, serial or f"1000{name}")
        return CutMachine(root, now=self.now)

    def request(self, name: str, machine: CutMachine | None = None) -> bytes:
        """What the unit answers to its invitation."""
        invitation = enrolment.invite(self.site, self.unit(name))
        return requesting.answer(machine or self.machine(name), invitation)

    def enrol(self, name: str, machine: CutMachine | None = None) -> Enrolled:
        """All of it."""
        on = machine or self.machine(name)
        _, grant, _ = enrolment.issue(self.site, self.request(name, on))
        done = installing.install(on, grant)
        self.site.inventory.installed(name, self.now())
        return done
