"""The case at the window (pure): runs the transition table, and writes what comes of it.

The table and its theory are in transitions.py; here are its inputs (`_admit` tells a new service
from a repeat) and its actions.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from daemon.case.milestones import Closed, Heard, Lit
from daemon.case.prompts import Prompt, Service
from daemon.case.reasons import given
from daemon.case.recent import Known, Recent
from daemon.case.rules import Rules
from daemon.case.tally import Tally, local_date
from daemon.case.transitions import (
    CALLED,
    IDLE,
    PRESSABLE,
    PRESSED,
    PROMPTED,
    REASONED,
    TABLE,
    UNPRESSED,
    UNRATED,
)
from daemon.disk.ledger import Ledger
from daemon.timekeeper import Timekeeper
from daemon.wire.edges import KeyEdge
from daemon.wire.signals import Signal

# The pad's own deadline and the line run behind ours: three resends of a lost frame (100 ms each).
LINE_GRACE_MS = 300
# A pad that cannot be heard may hold a press made in time; it gets this long to come back.
PAD_WAIT_MS = 5000


# The state row of the unit's day, which every window counts in.
TALLY = "tally"


def row(window: str, part: str) -> str:
    """The name of the state row that keeps a part of a window."""
    return f"{window}/{part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    name: str | None
    serial: str
    called_boot_id: str
    called_ms: int


class Cases:
    """Writes what it decides into the ledger; `state`, `prompt`, `ticket` are for who shows it."""

    def __init__(
        self, window: str, rules: Rules, ledger: Ledger[Any], timekeeper: Timekeeper, tally: Tally
    ) -> None:
        self._window, self._rules = window, rules
        self._ledger, self._time, self.tally = ledger, timekeeper, tally
        self.state = IDLE
        self.ticket: Ticket | None = None
        self.prompt: Prompt | None = None
        self.staff: str | None = None
        self.suspended = False
        self.pad_up = False
        # A rated prompt whose record is on its way to the disk.
        self.unthanked: int | None = None
        self._pad_heard_ms: int | None = None
        self._prompts = 0
        self._recent = Recent()
        # After a restart past the deadline: until when the pad may bring a press made in time.
        self._overdue_until_ms: int | None = None

    @property
    def asking(self) -> bool:
        """The citizen may press now."""
        return self.state in PRESSABLE and self._overdue_until_ms is None

    # -- the queue line

    def signal(self, now_ms: int, signal: Signal) -> None:
        """Take one thing the terminal said."""
        if signal.say in ("called", "recalled"):
            self._call(now_ms, signal)
        elif signal.say in ("skipped", "transferred"):
            if self._is_here(signal):
                self._run(now_ms, "leave")
        elif signal.say in ("completed", "prompt"):
            self._admit(now_ms, signal)
        elif signal.say == "bound":
            self._bind(now_ms, signal)
        elif signal.say in ("suspended", "resumed"):
            self.suspended = signal.say == "suspended"
        elif signal.say == "staff":
            self.staff = None if signal.state == "logout" else signal.staff
        else:
            return
        self._keep()

    def _call(self, now_ms: int, signal: Signal) -> None:
        """A ticket at the window; the same one again, by whatever word, changes nothing."""
        serial = self._serial(now_ms, signal)
        if serial is None:
            self.tally.refused += 1
        elif not self._is_here(signal):
            self._run(now_ms, "call", Ticket(
                name=signal.ticket, serial=serial,
                called_boot_id=self._time.boot_id, called_ms=now_ms,
            ))  # fmt: skip

    def _is_here(self, signal: Signal) -> bool:
        """Whether the ticket the signal names, if any, is the one at the window."""
        if self.ticket is None:
            return False
        if signal.ticket_serial is not None:
            return signal.ticket_serial == self.ticket.serial
        return signal.ticket in (None, self.ticket.name)

    def _serial(self, now_ms: int, signal: Signal) -> str | None:
        """The ticket's serial; a bare number repeats every day and in every hall."""
        if signal.ticket_serial or not signal.ticket:
            return signal.ticket_serial
        utc_ms = self._time.utc_ms(now_ms)
        day = self._time.boot_id[:8] if utc_ms is None else local_date(utc_ms).replace("-", "")
        return f"{day}-{self._window}-{signal.ticket}"

    def _admit(self, now_ms: int, signal: Signal) -> None:
        """Tell a new service from a repeat and from a question nobody may ask."""
        if self._serial(now_ms, signal) is not None:
            # If its call was lost on the line, the ticket named here is the one at the window.
            self._call(now_ms, signal)
        if self.ticket is None:
            self.tally.refused += 1
            return
        service = Service.of(signal, self.ticket.name, self.ticket.serial, self.staff)
        if self.prompt is not None and self._is_same(signal, service, self.prompt.service):
            self._run(now_ms, "again")
        elif self._recent.has_case(service.case):
            self.tally.repeated += 1
        elif signal.say == "prompt" and service.case is None and self._was_asked():
            # Asked again after the record was made: one service, one rating.
            self.tally.repeated += 1
        elif self._ledger.full:
            self.tally.refused += 1
        else:
            self._run(now_ms, "ask", service)

    def _was_asked(self) -> bool:
        return self.ticket is not None and self._recent.has_ticket(self.ticket.serial)

    def _is_same(self, signal: Signal, service: Service, open_one: Service) -> bool:
        if service.ticket_serial != open_one.ticket_serial:
            return False
        return service.case == open_one.case or (signal.say == "prompt" and service.case is None)

    def _bind(self, now_ms: int, signal: Signal) -> None:
        """A case number that came after the rating was asked for."""
        at_window = None if self.ticket is None else self.ticket.serial
        serial = at_window if self._is_here(signal) else self._serial(now_ms, signal)
        if signal.project_no is None or serial is None:
            self.tally.refused += 1
        elif self._recent.has_case((signal.project_no, signal.service_number)):
            self.tally.repeated += 1
        else:
            known = self._recent.bind(serial, signal.project_no, signal.service_number)
            if known is None:
                self.tally.refused += 1
            else:
                self._write_binding(now_ms, known)

    def _write_binding(self, now_ms: int, known: Known) -> None:
        if self.prompt is not None and self.prompt.service.id == known.id:
            self.prompt.service = replace(
                self.prompt.service,
                project_no=known.project_no,
                service_number=known.service_number,
            )
        self.tally.unbound = max(0, self.tally.unbound - 1)
        data = {
            "service": known.id,
            "ticketSerial": known.ticket_serial,
            "projectNo": known.project_no,
            "serviceNumber": known.service_number,
        }
        self._ledger.write("binding", known.id, data, self._time.stamp(now_ms))

    # -- the pad

    def edge(self, now_ms: int, edge: KeyEdge) -> None:
        """Take a key edge that the pad saw under the prompt it names."""
        current = self.prompt
        if (
            current is not None
            and self.state in PRESSABLE
            and edge.prompt == current.number
            and edge.at_ms <= current.until_ms + LINE_GRACE_MS
        ):
            is_late = current.inquired_ms is not None and edge.at_ms < current.inquired_ms
            press = "correct" if is_late else "press"
            self._run(now_ms, press if edge.down else "release", edge)
        elif edge.down:
            if edge.prompt == 0:
                self.tally.strays += 1
            else:
                self.tally.late += 1
        self._keep()

    def pad_heard(self, now_ms: int, up: bool) -> None:
        """The pad was heard just now, or cannot be heard any more."""
        self.pad_up = up
        if up:
            self._pad_heard_ms = now_ms
        if up and self.prompt is not None and self.state == PROMPTED:
            self.prompt.light(now_ms)

    # -- the disk

    def lit(self, now_ms: int, prompt: int) -> None:
        """The service entry of this prompt is on disk."""
        if self.prompt is not None and self.prompt.number == prompt:
            self._run(now_ms, "lit")
            self._keep(lazily_from_ms=now_ms)

    def thanked(self, prompt: int) -> None:
        """The rating of this prompt is on disk."""
        if self.unthanked == prompt:
            self.unthanked = None

    # -- time

    def wake_at_ms(self) -> int | None:
        if self.prompt is None:
            return None
        if self.state == PRESSED:
            return self.prompt.settles_at_ms(self._rules.not_public_hold_ms)
        if self.state == REASONED:
            return self.prompt.until_ms + (LINE_GRACE_MS if self.pad_up else PAD_WAIT_MS)
        if self.state == PROMPTED:
            if self._overdue_until_ms is not None:
                return self._overdue_until_ms
            return self.prompt.deadline_ms + (LINE_GRACE_MS if self.pad_up else PAD_WAIT_MS)
        return None

    def wake(self, now_ms: int) -> None:
        due_ms = self.wake_at_ms()
        if due_ms is not None and now_ms >= due_ms:
            settle = "settle" if self._rules.reasons is None else "inquire"
            self._run(now_ms, settle if self.state == PRESSED else "expire")
            self._keep()

    # -- restart

    def restore(self, now_ms: int, value: Mapping[str, Any], recent: list[Any]) -> str:
        """Go on from the state rows; what became of an open prompt, in the boot entry's words."""
        self.ticket = None if value["ticket"] is None else Ticket(**value["ticket"])
        self.staff, self.suspended = value["staff"], value["suspended"]
        self._prompts = value["prompts"]
        self._recent.restore(recent)
        self.state = IDLE if self.ticket is None else CALLED
        if value["prompt"] is None:
            return "none"
        self.prompt = Prompt.restore(value["prompt"])
        if self.prompt.key is not None:
            return "rated"
        if self.prompt.boot_id != self._time.boot_id:
            return "interrupted"
        self.state = PROMPTED
        if now_ms >= self.prompt.deadline_ms:
            self._overdue_until_ms = now_ms + PAD_WAIT_MS
        return "resumed"

    def resume(self, now_ms: int) -> None:
        """Close what the restart ended; called once the boot entry is in the ledger."""
        if self.prompt is not None and self.state == CALLED:
            self._close(now_ms, "rated" if self.prompt.key is not None else "interrupted")
            self._keep()

    def retire(self) -> str:
        """This window is no more: an open prompt ends; what became of it."""
        self.ticket = None
        if self.prompt is None:
            self.state = IDLE
            return "none"
        self.state, self._overdue_until_ms = CALLED, None
        return "rated" if self.prompt.key is not None else "interrupted"

    # -- the table

    def _run(self, now_ms: int, said: str, what: Any = None) -> None:
        row = TABLE.get((self.state, said))
        if row is None:
            if said == "ask":
                self.tally.refused += 1
            elif said == "press":
                self.tally.strays += 1
            return
        actions, following = row
        for action in actions:
            if action == "close":
                self._close(now_ms, UNRATED[said] if self.state in UNPRESSED else "rated")
            else:
                getattr(self, f"_do_{action}")(now_ms, what)
        self.state = following

    def _do_take(self, _now_ms: int, ticket: Ticket) -> None:
        self.ticket = ticket
        self.tally.called += 1

    def _do_forget(self, _now_ms: int, _what: None) -> None:
        self.ticket = None

    def _do_ask(self, now_ms: int, service: Service) -> None:
        self._prompts += 1
        assert self.ticket is not None
        data = {
            "window": self._window,
            "ticket": service.ticket,
            "ticketSerial": service.ticket_serial,
            "projectNo": service.project_no,
            "serviceNumber": service.service_number,
            "taskCode": service.task_code,
            "taskName": service.task_name,
            "staff": service.staff,
            "promptId": self._prompts,
            "calledAt": {
                "bootId": self.ticket.called_boot_id, "boottimeMs": self.ticket.called_ms
            },
            "completedAt": {"bootId": self._time.boot_id, "boottimeMs": now_ms},
        }  # fmt: skip
        subject = service.ticket_serial if service.project_no is None else service.project_no
        written = self._ledger.write("service", subject, data, self._time.stamp(now_ms))
        service = replace(service, id=written)
        self._recent.add(
            Known(written, service.ticket_serial, service.project_no, service.service_number)
        )
        self.prompt = Prompt(
            number=self._prompts,
            service=service,
            boot_id=self._time.boot_id,
            asked_ms=now_ms,
            deadline_ms=now_ms + self._rules.prompt_ms,
        )
        self.tally.completed += 1
        self.tally.unbound += service.project_no is None
        self._ledger.then(Lit(self._window, self._prompts))

    def _do_light(self, now_ms: int, _what: None) -> None:
        assert self.prompt is not None
        self.prompt.deadline_ms = now_ms + self._rules.prompt_ms
        if self.pad_up:
            self.prompt.light(now_ms)
        self.tally.prompted += 1

    def _do_extend(self, now_ms: int, _what: None) -> None:
        assert self.prompt is not None
        self.prompt.deadline_ms = now_ms + self._rules.prompt_ms

    def _do_press(self, now_ms: int, edge: KeyEdge) -> None:
        assert self.prompt is not None
        if self.prompt.settle_ms is None:
            self.prompt.settle_ms = now_ms + self._rules.correction_ms
        self.prompt.press(edge.key, edge.at_ms)
        self._ledger.then(Heard(self._window, self.prompt.number))

    def _do_release(self, _now_ms: int, edge: KeyEdge) -> None:
        assert self.prompt is not None
        hold_ms = self._rules.not_public_hold_ms
        self.prompt.release(edge.key, edge.at_ms, 0 < hold_ms <= edge.held_ms)

    def _do_inquire(self, now_ms: int, _what: None) -> None:
        assert self.prompt is not None
        assert self._rules.reasons is not None
        self.prompt.inquire(now_ms, self._rules.reasons.ask_ms)

    def _do_reason(self, _now_ms: int, edge: KeyEdge) -> None:
        assert self.prompt is not None
        self.prompt.reason(edge.key, edge.at_ms)

    def _close(self, now_ms: int, outcome: str) -> None:
        assert self.prompt is not None
        prompt = self.prompt
        if outcome == "rated":
            prompt.settle(self._pad_heard_ms, self._rules.not_public_hold_ms)
        elif self._overdue_until_ms is not None:
            outcome = "interrupted"
        elif not self.pad_up and outcome != "interrupted":
            outcome = "pad_lost"
        data = prompt.record(outcome, self._rules.keys, self._rules.key_table)
        data |= given(self._rules.reasons, data["satisfaction"], prompt.reason_key)
        data["window"] = self._window
        subject = prompt.service.project_no or prompt.service.ticket_serial
        self._ledger.write("rating", subject, data, self._time.stamp(now_ms))
        self.tally.closed(outcome, data["satisfaction"])
        if outcome == "rated":
            self.unthanked = prompt.number
        self._ledger.then(Closed(self._window, prompt.number, outcome == "rated"))
        self.prompt, self._overdue_until_ms = None, None

    def _keep(self, lazily_from_ms: int | None = None) -> None:
        """Make the state survive: with the next commit now, or with whichever comes."""
        rows: dict[str, object] = {
            TALLY: self.tally.as_json(),
            row(self._window, "case"): {
                "ticket": None if self.ticket is None else asdict(self.ticket),
                "prompt": None if self.prompt is None else self.prompt.as_json(),
                "prompts": self._prompts,
                "staff": self.staff,
                "suspended": self.suspended,
            },
            row(self._window, "recent"): self._recent.as_json(),
        }
        for name, value in rows.items():
            if lazily_from_ms is None:
                self._ledger.keep(name, value)
            else:
                self._ledger.keep_lazily(lazily_from_ms, name, value)
